use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate goes over a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Up from 1/25 of the peak for 30 % of the steps, then down to almost nothing, along cosines (Smith 2018).
    #[default]
    OneCycle,
    /// Up to the peak for 5 % of the steps, then down to 0 along a cosine.
    Cosine,
    Constant,
}

/// The learning rate of every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    pub kind: ScheduleKind,
    pub peak: f32,
    pub steps: u64,
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn rate(&self, step: u64) -> f32 {
        let (start, rise, end) = match self.kind {
            ScheduleKind::Constant => return self.peak,
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

    #[test]
    fn rises_to_the_peak_and_falls() {
        for kind in [ScheduleKind::OneCycle, ScheduleKind::Cosine] {
            let schedule = Schedule { kind, peak: 0.1, steps: 1000 };
            let rates: Vec<f32> = (0..1000).map(|step| schedule.rate(step)).collect();
            let top = crate::recognize::argmax(&rates);
            assert!((rates[top] - 0.1).abs() < 1e-4 && rates.iter().all(|&r| r > 0.0 && r <= 0.1));
            assert!(rates[..=top].is_sorted() && rates[top..].iter().rev().is_sorted());
            assert!(rates[999] < 1e-4);
        }
        let constant = Schedule { kind: ScheduleKind::Constant, peak: 0.1, steps: 0 };
        assert_eq!(constant.rate(7), 0.1);
    }
}
