//! Augmentation: training frames changed at random, so that a network learns music and not recordings.
//!
//! Everything drawn is a function of the seed and of the frame's position in the training, one stream for each kind of
//! change: switching one off leaves the others as they were, and a resumed training draws what one that was not stopped
//! draws.

mod equaliser;
mod waveform;

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

pub(super) use waveform::apply;

/// What is done to training frames. 0 (or `false`) leaves a change out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// dB; every frame's level is changed by up to this, either way.
    pub gain: f32,
    /// Half of the frames are turned upside down.
    pub polarity: bool,
    /// dB; two peaking filters at random frequencies raise or lower the spectrum by up to this.
    pub equaliser: f32,
    /// Playing speed, and pitch with it, is changed by up to this share, either way.
    pub speed: f32,
    /// White noise is added, from 60 dB below the frame's level up to this many dB above that: 30 for -30 dB at most.
    pub noise: f32,
    /// Frames are mixed in pairs, and their labels alike, with shares from the distribution Beta(α, α) with this α
    /// (Zhang et al. 2018, "mixup: Beyond empirical risk minimization").
    pub mixup: f32,
    /// Stripes of the time-frequency representation that are masked (Park et al. 2019, "SpecAugment"), along the
    /// axis of frequencies.
    pub frequency_masks: u32,
    /// As many along the axis of time.
    pub time_masks: u32,
    /// The widest stripe, as a share of the axis.
    pub mask_width: f32,
}

/// What measured best (docs/recognition.md).
impl Default for Augmentation {
    fn default() -> Self {
        Self {
            gain: 6.0,
            polarity: true,
            equaliser: 10.0,
            speed: 0.1,
            noise: 0.0,
            mixup: 0.3,
            frequency_masks: 3,
            time_masks: 3,
            mask_width: 0.2,
        }
    }
}

impl Augmentation {
    /// Frames as they are.
    pub const NONE: Self = Self {
        gain: 0.0,
        polarity: false,
        equaliser: 0.0,
        speed: 0.0,
        noise: 0.0,
        mixup: 0.0,
        frequency_masks: 0,
        time_masks: 0,
        mask_width: 0.2,
    };

    /// The setting out of range, if any: its name, its value and what is possible.
    pub fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        let within = |value: f32, most: f32| value.is_finite() && (0.0..=most).contains(&value);
        let decibels = "0 to 40 dB is possible";
        let most_masks = "0 to 64 are possible";
        [
            (within(self.gain, 40.0), "gain", self.gain.to_string(), decibels),
            (within(self.equaliser, 40.0), "equaliser", self.equaliser.to_string(), decibels),
            (within(self.speed, 0.5), "speed", self.speed.to_string(), "0 to 0.5 is possible"),
            (within(self.noise, 60.0), "noise", self.noise.to_string(), "0 to 60 dB is possible"),
            (within(self.mixup, 10.0), "mixup", self.mixup.to_string(), "0 to 10 is possible"),
            (self.frequency_masks <= 64, "frequency_masks", self.frequency_masks.to_string(), most_masks),
            (self.time_masks <= 64, "time_masks", self.time_masks.to_string(), most_masks),
            (within(self.mask_width, 1.0), "mask_width", self.mask_width.to_string(), "0 to 1 is possible"),
        ]
        .into_iter()
        .find_map(|(ok, name, value, wanted)| (!ok).then_some((name, value, wanted)))
    }

    /// Whether the time-frequency representation is masked.
    pub fn masks(&self) -> bool {
        self.frequency_masks + self.time_masks > 0 && self.mask_width > 0.0
    }

    /// Draws the share of the first of two mixed frames from Beta(α, α), 1 where nothing is mixed; at least half, as the
    /// two are alike.
    pub fn share(&self, rng: &Rng) -> f32 {
        if self.mixup <= 0.0 {
            return 1.0;
        }
        let share = beta(&mut rng.split(stream::MIXUP), f64::from(self.mixup)) as f32;
        share.max(1.0 - share)
    }

    /// Draws the factors of H rows and W columns, 0 in masked stripes and else 1. Stripes may overlap.
    pub fn draw_masks(&self, rng: &Rng, rows: &mut [f32], columns: &mut [f32]) {
        let mut rng = rng.split(stream::MASKS);
        for (axis, count) in [(rows, self.frequency_masks), (columns, self.time_masks)] {
            axis.fill(1.0);
            let widest = (f64::from(self.mask_width) * axis.len() as f64).round() as usize;
            for _ in 0..count {
                let width = rng.below(widest + 1);
                let first = rng.below(axis.len() - width + 1);
                axis[first..first + width].fill(0.0);
            }
        }
    }
}

/// Labels of the random streams.
mod stream {
    pub const MIXUP: u64 = 1;
    pub const MASKS: u64 = 2;
    pub const SPEED: u64 = 3;
    pub const EQUALISER: u64 = 4;
    pub const NOISE: u64 = 5;
    pub const LEVEL: u64 = 6;
    pub const PARTNER: u64 = 7;
    pub const PLACE: u64 = 8;
}

pub(super) use stream::{PARTNER, PLACE};

/// A number from Beta(α, α), as the ratio of two from Gamma(α).
fn beta(rng: &mut Rng, alpha: f64) -> f64 {
    let (a, b) = (log_gamma_variate(rng, alpha), log_gamma_variate(rng, alpha));
    // a / (a + b), in logarithms because Gamma with a small shape underflows.
    1.0 / (1.0 + (b - a).exp())
}

/// The logarithm of a number from Gamma(shape): Marsaglia and Tsang 2000 ("A simple method for generating gamma
/// variables") for a shape of at least 1; below, one with shape + 1 times U^(1/shape).
fn log_gamma_variate(rng: &mut Rng, shape: f64) -> f64 {
    let uniform = |rng: &mut Rng| 1.0 - rng.uniform_f64();
    let boost = if shape < 1.0 { uniform(rng).ln() / shape } else { 0.0 };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = f64::from(rng.normal());
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && uniform(rng).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln() + boost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_moments_of_beta() {
        for alpha in [0.2, 1.0, 4.0] {
            let mut rng = Rng::new(5);
            let draws: Vec<f64> = (0..40_000).map(|_| beta(&mut rng, alpha)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            assert!((mean - 0.5).abs() < 0.01, "α {alpha}: mean {mean}");
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((variance - expected).abs() < 0.005, "α {alpha}: variance {variance}, not {expected}");
        }
        assert_eq!(Augmentation::NONE.share(&Rng::new(1)), 1.0);
    }

    #[test]
    fn masks_are_stripes_no_wider_than_asked_for() {
        let augmentation =
            Augmentation { frequency_masks: 1, time_masks: 2, mask_width: 0.25, ..Augmentation::NONE };
        let (mut rows, mut columns) = ([9.0; 40], [9.0; 20]);
        let mut widest = 0;
        for seed in 0..200 {
            augmentation.draw_masks(&Rng::new(seed), &mut rows, &mut columns);
            let stripes = |axis: &[f32]| axis.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(rows.iter().chain(&columns).all(|&f| f == 0.0 || f == 1.0));
            assert!(stripes(&rows) <= 2 && stripes(&columns) <= 4);
            let masked = rows.iter().filter(|&&f| f == 0.0).count();
            assert!(masked <= 10, "{masked} rows");
            widest = widest.max(masked);
        }
        assert_eq!(widest, 10);
        Augmentation::NONE.draw_masks(&Rng::new(1), &mut rows, &mut columns);
        assert!(rows.iter().chain(&columns).all(|&f| f == 1.0));
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        assert_eq!(Augmentation::NONE.fault(), None);
        let wrong = Augmentation { speed: f32::NAN, ..Augmentation::NONE };
        assert_eq!(wrong.fault().map(|fault| fault.0), Some("speed"));
    }
}
