//! Subtractive synthesis.

use super::{Note, Patch};
use crate::dataset::demo::dice::spread;
use crate::dataset::demo::dsp::{Adsr, CONTROL, Noise, Phase, SR, Svf, falloff, hertz, sine};
use crate::rng::Rng;

/// Detuned sawtooths (or a square) through a resonant low-pass filter.
#[derive(Clone, Copy, Debug)]
pub struct Analog {
    /// Oscillators' tunings in cents.
    pub detune: &'static [f32],
    /// A square wave instead of a sawtooth.
    pub square: bool,
    /// Level of a sine one octave below.
    pub sub: f32,
    /// Level of breath noise.
    pub breath: f32,
    /// Filter cutoff in harmonics of the note, and the octaves that the filter's envelope adds.
    pub cutoff: f32,
    pub sweep: f32,
    /// Seconds in which that envelope falls by 60 dB.
    pub sweep_decay: f32,
    pub q: f32,
    pub amp: Adsr,
    /// Vibrato: Hz, cents, seconds until it is full.
    pub vibrato: (f32, f32, f32),
    /// Filter modulation: Hz, octaves.
    pub wobble: (f32, f32),
    /// Seconds that a slide into the note takes.
    pub glide: f32,
}

impl Analog {
    pub const BASE: Self = Self {
        detune: &[0.0],
        square: false,
        sub: 0.0,
        breath: 0.0,
        cutoff: 6.0,
        sweep: 0.0,
        sweep_decay: 0.3,
        q: 0.8,
        amp: Adsr::new(0.005, 1.0, 0.7, 0.08),
        vibrato: (5.5, 0.0, 0.3),
        wobble: (1.0, 0.0),
        glide: 0.05,
    };

    pub fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
        let mut envelope = Adsr { decay: self.amp.decay * patch.long, ..self.amp }.start(note.held);
        let mut oscillators: Vec<Phase> = self.detune.iter().map(|_| Phase(rng.uniform())).collect();
        let mut steps = vec![0.0; oscillators.len()];
        let (mut sub, mut sub_step) = (Phase::default(), 0.0);
        let mut noise = Noise::new(rng.next_u64());
        let mut filter = Svf::default();
        let fall = falloff(self.sweep_decay * patch.long);
        let (vibrato_phase, wobble_phase) = (rng.uniform(), rng.uniform());
        let rate = self.vibrato.0 * (1.0 + spread(rng, 0.05));
        let mut sweep = self.sweep * note.velocity;
        for (i, y) in out.iter_mut().enumerate() {
            if i % CONTROL == 0 {
                let t = i as f32 / SR;
                let onset = (t / self.vibrato.2).min(1.0);
                let vibrato = self.vibrato.1 / 100.0 * onset * sine(vibrato_phase + rate * t);
                let bend = note.bend * (1.0 - t / self.glide).max(0.0);
                let f = hertz(note.pitch + bend + vibrato);
                for (step, cents) in steps.iter_mut().zip(self.detune) {
                    *step = f * (cents / 1200.0).exp2() / SR;
                }
                sub_step = 0.5 * f / SR;
                let wobble = self.wobble.1 * sine(wobble_phase + self.wobble.0 * t);
                filter.tune(f * self.cutoff * patch.bright * (sweep + wobble).exp2(), self.q);
                sweep *= fall.powi(CONTROL as i32);
            }
            let mut x = 0.0;
            for (oscillator, &step) in oscillators.iter_mut().zip(&steps) {
                x += oscillator.saw(step);
                if self.square {
                    let half = Phase(oscillator.0 + 0.5 - step).saw(step);
                    x -= half;
                }
            }
            if self.sub > 0.0 {
                x += self.sub * sine(sub.step(sub_step));
            }
            if self.breath > 0.0 {
                x += self.breath * noise.next();
            }
            *y += note.velocity * envelope.next() * filter.low(x);
        }
    }
}
