//! The scale of the loss in mixed precision (Micikevicius et al. 2018, "Mixed Precision Training").
//!
//! Gradients are often below what f16 can tell from zero (6·10⁻⁸; relative precision is lost below 6·10⁻⁵). So the loss is
//! multiplied by a power of two, and all gradients with it; the optimizer divides by it in f32, exactly. The scale is as
//! large as it may be: it is doubled now and then, and halved when gradients become infinite, whose step is skipped.

use serde::{Deserialize, Serialize};

/// Where a training's loss scale stands; part of its checkpoint.
///
/// Steps begin before the outcome of those before them is known. What is known when depends on time (on when a checkpoint
/// is due), so an outcome counts only for the step for which it is known at the latest: the same in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    /// The scale of the next step, a power of two.
    scale: f32,
    /// Steps since the scale was last changed.
    good: u32,
    /// Steps skipped.
    skipped: u64,
    /// Outcomes that do not count yet, the oldest first: of a skipped step its scale.
    recent: Vec<Option<f32>>,
}

impl LossScale {
    /// The first scale.
    pub const FIRST: f32 = 32_768.0;
    /// Where it no longer grows: squares of gradients are summed in f32 as they are.
    pub const LARGEST: f32 = 16_777_216.0;
    /// Steps without an overflow after which it is doubled.
    pub const INTERVAL: u32 = 2000;

    /// The scale of the next step.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Steps known to be skipped: no updates, as the optimizer counts them.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether gradients that overflowed at a scale may have done so because of it.
    pub fn to_blame(scale: f32) -> bool {
        scale > 1.0
    }

    /// Notes how a step of the given scale ended, those begun earlier having been noted.
    pub(super) fn note(&mut self, scale: f32, overflowed: bool) {
        self.recent.push(overflowed.then_some(scale));
    }

    /// Lets outcomes count, all but the latest `wait`.
    pub(super) fn settle(&mut self, wait: usize) {
        let count = self.recent.len().saturating_sub(wait);
        for overflowed in self.recent.drain(..count) {
            match overflowed {
                // A step that was begun before the scale was halved does not halve it again.
                Some(scale) => {
                    self.scale = self.scale.min(scale / 2.0);
                    self.skipped += 1;
                    self.good = 0;
                }
                None => self.good += 1,
            }
            if self.good == Self::INTERVAL {
                self.scale = (2.0 * self.scale).min(Self::LARGEST);
                self.good = 0;
            }
        }
    }

    /// Whether a training can stand here after `steps` steps, with at most `wait` outcomes that do not count yet.
    pub(super) fn fits(&self, steps: u64, wait: usize) -> bool {
        let power = self.scale.is_normal() && self.scale > 0.0 && self.scale.to_bits().trailing_zeros() >= 23;
        let known = self.skipped.saturating_add(self.recent.len() as u64);
        power
            && self.scale <= Self::LARGEST
            && self.good < Self::INTERVAL
            && self.recent.len() <= wait
            && known <= steps
    }
}

impl Default for LossScale {
    fn default() -> Self {
        Self { scale: Self::FIRST, good: 0, skipped: 0, recent: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_once_for_steps_that_were_under_way() {
        let mut scale = LossScale::default();
        scale.note(32_768.0, true);
        scale.settle(1);
        assert_eq!((scale.scale(), scale.skipped()), (32_768.0, 0));
        scale.note(32_768.0, true);
        scale.settle(1);
        assert_eq!((scale.scale(), scale.skipped()), (16_384.0, 1));
        scale.note(16_384.0, true);
        scale.settle(0);
        assert_eq!((scale.scale(), scale.skipped()), (8192.0, 3));
        assert!(scale.fits(3, 1) && !scale.fits(2, 1));
    }

    #[test]
    fn it_doubles_after_many_good_steps_and_not_without_end() {
        let mut scale = LossScale::default();
        for _ in 1..LossScale::INTERVAL {
            scale.note(32_768.0, false);
        }
        scale.settle(0);
        assert_eq!(scale.scale(), 32_768.0);
        scale.note(32_768.0, false);
        scale.settle(0);
        assert_eq!(scale.scale(), 65_536.0);
        // An overflow in between begins the count anew.
        for step in 0..2 * LossScale::INTERVAL - 1 {
            scale.note(65_536.0, step == LossScale::INTERVAL - 1);
        }
        scale.settle(0);
        assert_eq!(scale.scale(), 32_768.0);
        for _ in 0..20 * LossScale::INTERVAL {
            scale.note(scale.scale(), false);
            scale.settle(0);
        }
        assert_eq!(scale.scale(), LossScale::LARGEST);
    }

    /// The scale of a step depends on outcomes, not on how early they are known.
    #[test]
    fn it_does_not_depend_on_when_outcomes_come() {
        let overflows = [true, true, false, true, false, false, true, false];
        let scales = |early: bool| {
            let mut scale = LossScale::default();
            let mut pending = Vec::new();
            let mut scales = Vec::new();
            for overflowed in overflows {
                scale.settle(1 - pending.len().min(1));
                scales.push(scale.scale());
                pending.push((scale.scale(), overflowed));
                while pending.len() > usize::from(!early) {
                    let (at, overflowed) = pending.remove(0);
                    scale.note(at, overflowed);
                }
            }
            scales
        };
        assert_eq!(scales(true), scales(false));
        assert_eq!(scales(true).last(), Some(&8192.0));
    }

    #[test]
    fn what_no_training_leaves_behind_is_seen() {
        let sound = LossScale { scale: 0.5, good: 3, skipped: 2, recent: vec![None] };
        assert!(sound.fits(6, 1));
        let changed = |change: fn(&mut LossScale)| {
            let mut scale = sound.clone();
            change(&mut scale);
            scale.fits(6, 1)
        };
        assert!(!changed(|s| s.scale = 3.0) && !changed(|s| s.scale = 0.0) && !changed(|s| s.scale = -2.0));
        assert!(!changed(|s| s.scale = f32::INFINITY) && !changed(|s| s.scale = f32::NAN));
        assert!(!changed(|s| s.scale = 2.0 * LossScale::LARGEST) && !changed(|s| s.good = 2000));
        assert!(!changed(|s| s.recent = vec![None, None]) && !changed(|s| s.skipped = u64::MAX));
    }
}
