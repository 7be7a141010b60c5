//! Plucked strings.

use super::{Note, Patch};
use crate::dataset::demo::dsp::{Noise, SR, Svf, falloff, hertz};
use crate::rng::Rng;

/// A plucked string (Karplus and Strong, 1983; Jaffe and Smith's tuning and pick position).
#[derive(Clone, Copy, Debug)]
pub struct Pluck {
    /// Brightness of the pluck, and of the string, in (0, 1].
    pub pick: f32,
    pub string: f32,
    /// Seconds to fall by 60 dB at middle C, and after release.
    pub ring: f32,
    pub damped: f32,
    /// Where it is plucked, as a part of its length.
    pub position: f32,
    /// Resonance of the body: Hz and level.
    pub body: (f32, f32),
}

impl Pluck {
    pub fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
        let f = hertz(note.pitch);
        let string = (self.string * patch.bright.sqrt()).min(0.98);
        // the loop's low-pass y += s·(x − y) delays by (1 − s)/s samples at low frequencies
        let period = SR / f - (1.0 - string) / string;
        let whole = (period.floor() as usize).max(2);
        let fraction = (period - whole as f32).clamp(0.0, 1.0);
        let mut noise = Noise::new(rng.next_u64());
        let (mut soft, pick) = (0.0, (self.pick * patch.bright * (0.4 + 0.6 * note.velocity)).min(1.0));
        let mut line: Vec<f32> = (0..whole + 1)
            .map(|_| {
                soft += pick * (noise.next() - soft);
                soft
            })
            .collect();
        // plucking at a point takes away the harmonics that have a node there
        let offset = ((self.position * whole as f32) as usize).max(1);
        let burst = line.clone();
        for (i, v) in line.iter_mut().enumerate() {
            *v -= burst[(i + offset) % burst.len()];
        }
        let ring = self.ring * patch.long * (261.6 / f).powf(0.4);
        let (open, damped) = (falloff(ring).powf(period), falloff(self.damped).powf(period));
        let mut body = Svf::new(self.body.0, 2.0);
        let (mut at, mut dull) = (0, 0.0);
        for (i, y) in out.iter_mut().enumerate() {
            // the line holds `whole + 1` samples: the two oldest around the fractional delay
            let next = if at == whole { 0 } else { at + 1 };
            let late = line[next] * (1.0 - fraction) + line[at] * fraction;
            dull += string * (late - dull);
            line[at] = dull * if i < note.held { open } else { damped };
            at = next;
            *y += note.velocity * (late + self.body.1 * body.band(late));
        }
    }
}
