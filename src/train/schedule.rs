use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::history::History;

/// How the learning rate goes over a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Up from 1/25 of the peak for 30 % of the steps, then down to almost nothing, along cosines (Smith 2018).
    #[default]
    OneCycle,
    /// Up to the peak for 5 % of the steps, then down to 0 along a cosine.
    Cosine,
    /// Always the peak.
    Constant,
    /// As given until the validation loss no longer falls, then lower and lower: see [`Plateau`].
    Plateau,
}

/// The learning rate is multiplied by `factor` after `patience` epochs in which the validation loss did not come at least
/// `min_delta` below the lowest so far, down to `min_rate` (Keras' `ReduceLROnPlateau`, with its constants as the network's
/// ancestor set them).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plateau {
    /// What the rate is multiplied by.
    pub factor: f32,
    /// Epochs without progress until it is.
    pub patience: usize,
    /// What counts as progress.
    pub min_delta: f64,
    /// Where it ends.
    pub min_rate: f32,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { factor: 0.5, patience: 10, min_delta: 0.01, min_rate: 1e-9 }
    }
}

impl Plateau {
    /// The setting out of range, if any: its name, its value and what is possible.
    pub fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        let within = (0.0..=1.0).contains(&self.factor) && self.patience > 0;
        let finite = self.min_delta.is_finite() && self.min_rate.is_finite() && self.min_rate >= 0.0;
        let value = format!("{self:?}");
        (!within || !finite).then_some((
            "plateau",
            value,
            "factor must lie within 0 and 1, patience be at least 1, min_delta and min_rate be numbers",
        ))
    }

    /// The rate after epochs with these losses.
    fn rate(&self, first: f32, losses: impl Iterator<Item = f64>) -> f32 {
        let (mut rate, mut lowest, mut waited) = (first, f64::INFINITY, 0);
        for loss in losses {
            if loss < lowest - self.min_delta {
                (lowest, waited) = (loss, 0);
                continue;
            }
            waited += 1;
            if waited >= self.patience {
                rate = (rate * self.factor).max(self.min_rate.min(first));
                waited = 0;
            }
        }
        rate
    }
}

/// The learning rate of every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    pub kind: ScheduleKind,
    pub peak: f32,
    pub steps: u64,
    pub plateau: Plateau,
}

impl Schedule {
    /// The learning rate of a step, counted from 0, after the epochs of `history`: those before the step's.
    pub fn rate(&self, step: u64, history: &History) -> f32 {
        let (start, rise, end) = match self.kind {
            ScheduleKind::Constant => return self.peak,
            ScheduleKind::Plateau => return self.plateau.rate(self.peak, history.losses()),
            ScheduleKind::OneCycle => (1.0 / 25.0, 0.3, 1.0 / 250_000.0),
            ScheduleKind::Cosine => (0.0, 0.05, 0.0),
        };
        // The middle of the step, so that no step has a rate of exactly 0.
        let position = (step as f64 + 0.5) / self.steps.max(1) as f64;
        let between = |from: f64, to: f64, part: f64| from + (to - from) * (1.0 - (PI * part).cos()) / 2.0;
        let factor = if position < rise {
            between(start, 1.0, position / rise)
        } else {
            between(1.0, end, ((position - rise) / (1.0 - rise)).min(1.0))
        };
        (f64::from(self.peak) * factor) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind, steps: u64) -> Schedule {
        Schedule { kind, peak: 0.1, steps, plateau: Plateau::default() }
    }

    #[test]
    fn rises_to_the_peak_and_falls() {
        let none = History::default();
        for kind in [ScheduleKind::OneCycle, ScheduleKind::Cosine] {
            let rates: Vec<f32> = (0..1000).map(|step| schedule(kind, 1000).rate(step, &none)).collect();
            let top = crate::recognize::argmax(&rates);
            assert!((rates[top] - 0.1).abs() < 1e-4 && rates.iter().all(|&r| r > 0.0 && r <= 0.1));
            assert!(rates[..=top].is_sorted() && rates[top..].iter().rev().is_sorted());
            assert!(rates[999] < 1e-4);
        }
        assert_eq!(schedule(ScheduleKind::Constant, 0).rate(7, &none), 0.1);
    }

    #[test]
    fn a_plateau_halves_the_rate() {
        let plateau = Plateau { patience: 3, ..Plateau::default() };
        let rate = |losses: &[f64]| plateau.rate(0.1, losses.iter().copied());
        assert_eq!(rate(&[]), 0.1);
        // Falling, if only just enough.
        assert_eq!(rate(&[1.0, 0.98, 0.96, 0.94, 0.92]), 0.1);
        // Three epochs that do not come 0.01 below 1.
        assert_eq!(rate(&[1.0, 0.995, 0.995]), 0.1);
        assert_eq!(rate(&[1.0, 0.995, 0.995, 1.2]), 0.05);
        // And three more; the waiting begins anew.
        assert_eq!(rate(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), 0.05);
        assert_eq!(rate(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), 0.025);
        assert_eq!(rate(&[1.0; 1000]), 1e-9);
    }
}
