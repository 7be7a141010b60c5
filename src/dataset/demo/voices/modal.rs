//! Modal synthesis: decaying partials.

use super::{Note, Patch};
use crate::dataset::demo::dsp::{Adsr, Noise, SR, Svf, falloff, hertz};
use crate::rng::Rng;
use std::f32::consts::TAU;

/// Partials that ring: piano, organ, vibraphone.
#[derive(Clone, Copy, Debug)]
pub struct Modal {
    /// (frequency in the fundamental's, level); at most 16 are heard.
    pub partials: &'static [(f32, f32)],
    /// Stretches partial k by √(1 + B·k²), as stiff strings do.
    pub stiffness: f32,
    /// Seconds for the fundamental at middle C to fall by 60 dB; lower notes ring longer. Infinite for an organ.
    pub ring: f32,
    /// How much faster high partials die: a partial's ring time is divided by 1 + this · (k − 1).
    pub damping: f32,
    /// Seconds of attack and release.
    pub attack: f32,
    pub release: f32,
    /// Level of the hammer's or key's click.
    pub click: f32,
}

impl Modal {
    pub fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
        const VOICES: usize = 16;
        // each partial is a resonator: y[n] = 2·r·cos(w)·y[n−1] − r²·y[n−2]
        let (mut a, mut b) = ([0.0f32; VOICES], [0.0f32; VOICES]);
        let (mut y1, mut y2) = ([0.0f32; VOICES], [0.0f32; VOICES]);
        let f = hertz(note.pitch);
        let ring = self.ring * patch.long * (261.6 / f).powf(0.6);
        for (k, &(ratio, level)) in self.partials.iter().take(VOICES).enumerate() {
            let w = TAU * f * ratio * (1.0 + self.stiffness * ratio * ratio).sqrt() / SR;
            if w > 0.8 * std::f32::consts::PI {
                continue;
            }
            let r = if ring.is_finite() {
                falloff(ring / (1.0 + self.damping * (ratio - 1.0).max(0.0)))
            } else {
                1.0
            };
            // soft notes are duller, as felt hammers make them
            let dull = (note.velocity * patch.bright).min(1.5).powf(0.25 * k as f32);
            let phase = TAU * rng.uniform();
            a[k] = 2.0 * r * w.cos();
            b[k] = r * r;
            y1[k] = level * dull * (phase - w).sin();
            y2[k] = level * dull * (phase - 2.0 * w).sin();
        }
        let mut envelope = Adsr::new(self.attack, 1.0, 1.0, self.release).start(note.held);
        let mut noise = Noise::new(rng.next_u64());
        let mut knock = Svf::new(1_800.0 * patch.bright, 0.7);
        let (mut click, click_fall) = (self.click, falloff(0.04));
        for y in out {
            let mut sum = 0.0;
            for k in 0..VOICES {
                let next = a[k] * y1[k] - b[k] * y2[k];
                y2[k] = y1[k];
                y1[k] = next;
                sum += next;
            }
            if click > 1e-3 {
                sum += click * knock.band(noise.next());
                click *= click_fall;
            }
            *y += note.velocity * envelope.next() * sum;
        }
    }
}
