//! From any number of channels to one or two.

use super::error::AudioFault;
use super::limits;
use super::measure::{Measure, Products, measure, products};

/// Samples that are mixed with one decision about mirrored channels.
const RUN: usize = 2048;
/// Seconds after which what was heard before has lost 63 % of its weight in that decision.
const MEMORY: f32 = 0.5;

/// Brings any number of channels to the number wanted, and watches the samples' range.
///
/// Where the number is the same, channels stay as they are, and one becomes several copies. Otherwise the mix is the
/// average of the channels, except that a channel that mirrors the first is turned over before, because what both
/// have in common would cancel, though everybody hears it: recordings with one inverted channel are not rare. With E
/// and F the energies of the two channels and C the sum of their products, over the last half second or so, a channel is
/// turned over from C < −0.3 (E + F) on, until C > 0. Of two channels, that is where their difference is 6 dB louder
/// than their sum, until the sum is louder again.
pub(super) struct Mixer {
    mixed: Vec<Vec<f32>>,
    /// Least and greatest sample of each channel so far.
    range: Vec<(f32, f32)>,
    /// Each channel but the first, beside the first.
    mirrors: Vec<Mirror>,
}

impl Mixer {
    /// A mixer to `channels` channels.
    pub(super) fn new(channels: usize) -> Self {
        Self {
            mixed: vec![Vec::new(); channels],
            range: vec![(f32::INFINITY, f32::NEG_INFINITY); channels],
            mirrors: Vec::new(),
        }
    }

    /// Mixes planar samples at `rate` Hz. The result stays valid until the next call.
    ///
    /// # Errors
    /// [`AudioFault::NonFinite`] and [`AudioFault::OutOfRange`].
    pub(super) fn mix(&mut self, rate: u32, planes: &[Vec<f32>]) -> Result<&[Vec<f32>], AudioFault> {
        let Some((first, rest)) = self.mixed.split_first_mut() else {
            return Ok(&[]);
        };
        first.clear();
        if planes.len() == 1 + rest.len() {
            for (mixed, plane) in std::iter::once(first).chain(rest).zip(planes) {
                mixed.clear();
                mixed.extend_from_slice(plane);
            }
        } else {
            average(first, &mut self.mirrors, rate, planes);
            for mixed in rest {
                mixed.clear();
                mixed.extend_from_slice(first);
            }
        }
        for (mixed, range) in self.mixed.iter().zip(&mut self.range) {
            let Measure { low, high, finite, .. } = measure(mixed);
            if !finite {
                return Err(AudioFault::NonFinite);
            }
            if high.max(-low) > limits::LARGEST {
                return Err(AudioFault::OutOfRange);
            }
            *range = (range.0.min(low), range.1.max(high));
        }
        Ok(&self.mixed)
    }

    /// Whether no channel moves by more than ±[`limits::SILENCE`] about one value.
    pub(super) fn is_silent(&self) -> bool {
        self.range.iter().all(|&(lo, hi)| hi - lo <= 2.0 * limits::SILENCE)
    }
}

/// Appends the average of `planes` to `mixed`, some of them turned over.
fn average(mixed: &mut Vec<f32>, mirrors: &mut Vec<Mirror>, rate: u32, planes: &[Vec<f32>]) {
    let Some((first, rest)) = planes.split_first() else {
        return;
    };
    if mirrors.len() != rest.len() {
        mirrors.clear();
        mirrors.resize(rest.len(), Mirror::default());
    }
    let scale = 1.0 / planes.len() as f32;
    for from in (0..first.len()).step_by(RUN) {
        let run = from..first.len().min(from + RUN);
        let Some(base) = first.get(run.clone()) else { continue };
        for (plane, mirror) in rest.iter().zip(mirrors.iter_mut()) {
            mirror.hear(rate, base, plane.get(run.clone()).unwrap_or_default());
        }
        // The usual case, in one sweep.
        if let ([plane], [Mirror { before, sign: Some(sign), .. }]) = (rest, &mirrors[..])
            && before == sign
            && let Some(plane) = plane.get(run.clone())
        {
            mixed.extend(base.iter().zip(plane).map(|(l, r)| 0.5 * (l + sign * r)));
            continue;
        }
        let start = mixed.len();
        mixed.extend_from_slice(base);
        let sum = &mut mixed[start..];
        for (plane, mirror) in rest.iter().zip(mirrors.iter()) {
            // Channels of one packet are of equal length.
            let Some(plane) = plane.get(run.clone()) else { continue };
            let (before, sign) = (mirror.before, mirror.sign.unwrap_or(1.0));
            if before == sign {
                sum.iter_mut().zip(plane).for_each(|(sum, s)| *sum += sign * s);
            } else {
                // From one to the other within the run, so that nothing clicks.
                let step = (sign - before) / plane.len() as f32;
                sum.iter_mut()
                    .zip(plane)
                    .enumerate()
                    .for_each(|(i, (sum, s))| *sum += (before + step * i as f32) * s);
            }
        }
        sum.iter_mut().for_each(|s| *s *= scale);
    }
}

/// How a channel goes with another.
#[derive(Clone, Copy, Debug, Default)]
struct Mirror {
    /// What the last half second was like.
    past: Products,
    /// 1, or −1 where the channel is turned over; `None` until something is heard.
    sign: Option<f32>,
    /// What that was in the run before.
    before: f32,
}

impl Mirror {
    /// Decides on the sign of `plane` beside `base`; both runs are at `rate` Hz.
    fn hear(&mut self, rate: u32, base: &[f32], plane: &[f32]) {
        let keep = (-(base.len() as f32) / (MEMORY * rate.max(1) as f32)).exp();
        let now = products(base, plane);
        let Products { first, second, both } = &mut self.past;
        *first = *first * keep + now.first;
        *second = *second * keep + now.second;
        *both = *both * keep + now.both;
        let before = self.sign;
        // Noise that nobody hears decides nothing.
        if *first + *second > base.len() as f32 * limits::SILENCE.powi(2) {
            if *both < -0.3 * (*first + *second) {
                self.sign = Some(-1.0);
            } else if *both > 0.0 || before.is_none() {
                self.sign = Some(1.0);
            }
        }
        self.before = before.or(self.sign).unwrap_or(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const RATE: u32 = 8000;

    #[test]
    fn mixes_to_mono_and_stereo() {
        let planes = vec![vec![1.0, 0.5], vec![0.0, -0.5], vec![-0.4, 0.3]];
        let mix =
            |channels: usize, planes: &[Vec<f32>]| Mixer::new(channels).mix(RATE, planes).unwrap().to_vec();
        assert_eq!(mix(1, &planes[..2]), [[0.5, 0.0]]);
        assert_eq!(mix(2, &planes[..2]), &planes[..2]);
        assert_eq!(mix(2, &planes[..1]), [[1.0, 0.5], [1.0, 0.5]]);
        let three = mix(2, &planes);
        assert_eq!(three[0], three[1]);
        assert!((three[0][0] - 0.2).abs() < 1e-7 && (three[0][1] - 0.1).abs() < 1e-7);
        let fails = |planes: &[Vec<f32>]| Mixer::new(1).mix(RATE, planes).map(|_| ()).unwrap_err();
        assert!(matches!(fails(&[vec![0.0, f32::NAN]]), AudioFault::NonFinite));
        assert!(matches!(fails(&[vec![f32::INFINITY], vec![0.0]]), AudioFault::NonFinite));
        // From three channels to two and back, packet by packet.
        let mut mixer = Mixer::new(1);
        for count in [1, 3, 2, 1, 2] {
            assert_eq!(mixer.mix(RATE, &planes[..count]).unwrap()[0].len(), 2);
        }
    }

    /// Noise of `len` samples.
    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| rng.range(-0.5, 0.5)).collect()
    }

    fn scaled(of: &[f32], by: f32) -> Vec<f32> {
        of.iter().map(|s| by * s).collect()
    }

    /// The mix of `planes`, in packets of `packet` samples.
    fn mixed(planes: &[Vec<f32>], packet: usize) -> Vec<f32> {
        let (mut mixer, mut out) = (Mixer::new(1), Vec::new());
        for from in (0..planes[0].len()).step_by(packet) {
            let to = planes[0].len().min(from + packet);
            let part: Vec<Vec<f32>> = planes.iter().map(|p| p[from..to].to_vec()).collect();
            out.extend_from_slice(&mixer.mix(RATE, &part).unwrap()[0]);
        }
        out
    }

    fn near(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    #[test]
    fn mirrored_channels_do_not_cancel() {
        let left = noise(1, 30_000);
        for packet in [100, 1152, 30_000] {
            // Inverted, and inverted and half as loud: their difference.
            for by in [-1.0, -0.5] {
                let mix = mixed(&[left.clone(), scaled(&left, by)], packet);
                assert!(near(&mix, &scaled(&left, 0.5 * (1.0 - by))), "{by} {packet}");
            }
            // Alike, apart, alone, and a faint mirror: the average.
            for right in [left.clone(), noise(2, 30_000), vec![0.0; 30_000], scaled(&left, -0.2)] {
                let average: Vec<f32> = left.iter().zip(&right).map(|(l, r)| 0.5 * (l + r)).collect();
                assert!(near(&mixed(&[left.clone(), right], packet), &average), "{packet}");
            }
        }
        // A third channel does not change it.
        let other = noise(3, 30_000);
        let mix = mixed(&[left.clone(), other.clone(), scaled(&left, -1.0)], 1152);
        let wanted: Vec<f32> = left.iter().zip(&other).map(|(l, o)| (2.0 * l + o) / 3.0).collect();
        assert!(near(&mix, &wanted));
        // Inverted in the middle only: heard all the way, but for a second after each change.
        let third = 40_000;
        let left = noise(4, 3 * third);
        let right: Vec<f32> =
            left.iter().enumerate().map(|(i, s)| if i / third == 1 { -s } else { *s }).collect();
        let mix = mixed(&[left.clone(), right], 1152);
        for from in [0, third + 10_000, 2 * third + 10_000] {
            assert!(near(&mix[from..from + 20_000], &left[from..from + 20_000]), "{from}");
        }
    }
}
