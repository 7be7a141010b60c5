//! Singing and speaking.

use super::{Note, Patch};
use crate::dataset::demo::dsp::{Adsr, CONTROL, Noise, Phase, SR, Svf, falloff, hertz, sine};
use crate::rng::Rng;

/// A voice: a glottal pulse through three formants that glide from vowel to vowel.
#[derive(Clone, Copy, Debug)]
pub struct Singer {
    /// Semitones that a syllable falls (speech), and vibrato in cents.
    pub fall: f32,
    pub vibrato: f32,
    /// Level of the consonant before the vowel.
    pub consonant: f32,
    pub amp: Adsr,
}

/// Formants in Hz of a, e, i, o, u (adult averages after Peterson and Barney, 1952).
const VOWELS: [[f32; 3]; 5] = [
    [730.0, 1_090.0, 2_440.0],
    [530.0, 1_840.0, 2_480.0],
    [270.0, 2_290.0, 3_010.0],
    [570.0, 840.0, 2_410.0],
    [300.0, 870.0, 2_240.0],
];

impl Singer {
    pub fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
        let (from, to) = (VOWELS[rng.below(VOWELS.len())], VOWELS[rng.below(VOWELS.len())]);
        let size = 0.9 + 0.2 * patch.bright;
        let mut noise = Noise::new(rng.next_u64());
        let mut envelope = self.amp.start(note.held);
        let mut formants = [Svf::default(); 3];
        let mut hiss = Svf::new(2_500.0 + 4_000.0 * rng.uniform(), 1.0);
        let (mut hiss_level, hiss_fall) = (self.consonant * rng.uniform(), falloff(0.09));
        let (mut glottis, mut step, mut tilt) = (Phase::default(), 0.0, 0.0);
        for (i, y) in out.iter_mut().enumerate() {
            if i % CONTROL == 0 {
                let t = i as f32 / SR;
                let part = (i as f32 / note.held.max(1) as f32).min(1.0);
                let vibrato = self.vibrato / 100.0 * (3.0 * t).min(1.0) * sine(5.6 * t);
                step = hertz(note.pitch + note.bend * (1.0 - 8.0 * t).max(0.0) - self.fall * part + vibrato)
                    / SR;
                for (k, formant) in formants.iter_mut().enumerate() {
                    formant.tune(size * (from[k] + (to[k] - from[k]) * part), 9.0);
                }
            }
            tilt += 0.35 * (glottis.saw(step) + 0.03 * noise.next() - tilt);
            let [first, second, third] = &mut formants;
            let vowel = first.band(tilt) + 0.6 * second.band(tilt) + 0.35 * third.band(tilt);
            let consonant = hiss_level * hiss.band(noise.next());
            hiss_level *= hiss_fall;
            *y += note.velocity * envelope.next() * (vowel + consonant);
        }
    }
}
