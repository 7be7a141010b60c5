//! Frequency modulation.

use super::{Note, Patch};
use crate::dataset::demo::dsp::{Adsr, CONTROL, Phase, SR, falloff, hertz, sine};
use std::f32::consts::TAU;

/// One sine modulates another's phase (Chowning, 1973).
#[derive(Clone, Copy, Debug)]
pub struct Fm {
    /// The modulator's frequency in the carrier's.
    pub ratio: f32,
    /// Modulation index at the start (radians), and the part of it that stays.
    pub index: f32,
    pub rest: f32,
    /// Seconds in which the index falls by 60 dB.
    pub index_decay: f32,
    pub amp: Adsr,
    /// Tremolo: Hz, depth.
    pub tremolo: (f32, f32),
}

impl Fm {
    pub fn play(&self, note: &Note, patch: &Patch, out: &mut [f32]) {
        let amp = Adsr { decay: self.amp.decay * patch.long, ..self.amp };
        let mut envelope = amp.start(note.held);
        let (mut carrier, mut modulator) = (Phase::default(), Phase::default());
        let fall = falloff(self.index_decay * patch.long);
        let loud = self.index * patch.bright * note.velocity / TAU;
        let (mut moving, still) = (loud * (1.0 - self.rest), loud * self.rest);
        let mut step = 0.0;
        let mut tremolo = 1.0;
        for (i, y) in out.iter_mut().enumerate() {
            if i % CONTROL == 0 {
                let t = i as f32 / SR;
                step = hertz(note.pitch + note.bend * (1.0 - 12.0 * t).max(0.0)) / SR;
                tremolo = 1.0 + self.tremolo.1 * sine(self.tremolo.0 * t);
            }
            let bent = (moving + still) * sine(modulator.step(step * self.ratio));
            moving *= fall;
            *y += note.velocity * tremolo * envelope.next() * sine(carrier.step(step) + bent);
        }
    }
}
