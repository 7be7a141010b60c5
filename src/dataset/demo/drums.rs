//! Percussion: a falling sine, a burst of filtered noise and clanging squares, mixed. A hit is rendered once a song
//! and then placed, as a drum machine does.

use super::dice::between;
use super::dsp::{CONTROL, Noise, Phase, SR, Svf, falloff, samples, sine};
use crate::rng::Rng;

/// A drum's parameters. Times are seconds to fall by 60 dB.
#[derive(Clone, Copy, Debug)]
pub struct Drum {
    /// The sine: level, Hz at the start and at the end, seconds of the fall from one to the other, decay.
    pub tone: (f32, f32, f32, f32, f32),
    /// The noise: level, centre in Hz at the start and at the end, Q, decay.
    pub noise: (f32, f32, f32, f32, f32),
    /// Inharmonic square waves above this many Hz: level, Hz, decay.
    pub metal: (f32, f32, f32),
    /// Bursts of noise, 11 ms apart (hands do not clap at one time).
    pub bursts: usize,
}

const SILENT: Drum = Drum {
    tone: (0.0, 100.0, 50.0, 0.1, 0.1),
    noise: (0.0, 5e3, 5e3, 1.0, 0.1),
    metal: (0.0, 7e3, 0.1),
    bursts: 1,
};

pub const KICK_909: Drum =
    Drum { tone: (1.0, 240.0, 50.0, 0.16, 0.5), noise: (0.3, 3e3, 3e3, 0.7, 0.02), ..SILENT };
pub const KICK_808: Drum =
    Drum { tone: (1.0, 130.0, 46.0, 0.12, 1.0), noise: (0.1, 2e3, 2e3, 0.7, 0.02), ..SILENT };
pub const KICK_HARD: Drum =
    Drum { tone: (1.3, 420.0, 48.0, 0.2, 0.42), noise: (0.5, 4e3, 2e3, 0.7, 0.05), ..SILENT };
pub const KICK_LIVE: Drum =
    Drum { tone: (1.0, 120.0, 62.0, 0.08, 0.28), noise: (0.6, 2.5e3, 2.5e3, 0.8, 0.04), ..SILENT };
pub const SNARE: Drum =
    Drum { tone: (0.6, 240.0, 180.0, 0.1, 0.2), noise: (1.7, 4.5e3, 3e3, 0.5, 0.3), ..SILENT };
pub const SNARE_BIG: Drum =
    Drum { tone: (0.8, 210.0, 160.0, 0.1, 0.3), noise: (1.9, 3.5e3, 2e3, 0.4, 0.55), ..SILENT };
pub const SNARE_BREAK: Drum =
    Drum { tone: (0.7, 310.0, 230.0, 0.06, 0.14), noise: (1.8, 5.5e3, 4e3, 0.6, 0.2), ..SILENT };
pub const RIM: Drum =
    Drum { tone: (1.0, 1.7e3, 1.6e3, 0.1, 0.05), noise: (1.0, 3.2e3, 3.2e3, 2.0, 0.05), ..SILENT };
pub const CLAP: Drum = Drum { noise: (2.2, 1.5e3, 1.2e3, 1.6, 0.32), bursts: 4, ..SILENT };
pub const HAT: Drum = Drum { noise: (1.3, 9e3, 9e3, 0.8, 0.07), metal: (0.6, 8e3, 0.06), ..SILENT };
pub const OPEN_HAT: Drum = Drum { noise: (1.1, 9e3, 9e3, 0.8, 0.4), metal: (0.7, 8e3, 0.38), ..SILENT };
pub const RIDE: Drum = Drum { noise: (0.5, 8e3, 7e3, 0.9, 0.5), metal: (1.2, 4.5e3, 1.1), ..SILENT };
pub const CRASH: Drum = Drum { noise: (1.4, 6e3, 4.5e3, 0.4, 2.0), metal: (0.5, 4e3, 1.6), ..SILENT };
pub const BRUSH: Drum = Drum { noise: (1.4, 3.5e3, 5e3, 0.6, 0.25), ..SILENT };
pub const SHAKER: Drum = Drum { noise: (1.4, 6.5e3, 7.5e3, 1.8, 0.1), bursts: 2, ..SILENT };
pub const CLANK: Drum = Drum {
    tone: (0.5, 830.0, 800.0, 0.1, 0.16),
    noise: (0.2, 2e3, 2e3, 4.0, 0.1),
    metal: (0.4, 2.6e3, 0.2),
    ..SILENT
};
pub const TOM: Drum =
    Drum { tone: (1.0, 180.0, 110.0, 0.2, 0.4), noise: (0.2, 2e3, 1e3, 0.7, 0.08), ..SILENT };
/// A record pushed forward and pulled back.
pub const SCRATCH: Drum =
    Drum { tone: (0.5, 300.0, 1.4e3, 0.12, 0.5), noise: (2.0, 700.0, 3.8e3, 3.0, 0.6), bursts: 2, ..SILENT };

/// Frequencies of the clanging squares, in the lowest one's (those of the TR-808's cymbals).
const CLANG: [f32; 6] = [1.0, 1.483, 1.801, 2.548, 2.631, 3.898];

impl Drum {
    /// One hit, tuned and shaped a little differently for each song.
    pub fn hit(&self, rng: &mut Rng) -> Vec<f32> {
        let pitch = between(rng, (0.84, 1.2));
        let long = between(rng, (0.7, 1.35));
        let (tone_level, from, to, slide, tone_decay) = self.tone;
        let (noise_level, noise_from, noise_to, q, noise_decay) = self.noise;
        let (metal_level, metal_hz, metal_decay) = self.metal;
        let heard = |level: f32, decay: f32| if level > 0.0 { decay * long } else { 0.0 };
        let seconds = heard(tone_level, tone_decay)
            .max(heard(noise_level, noise_decay))
            .max(heard(metal_level, metal_decay));
        let gap = samples(0.011 * between(rng, (0.8, 1.3)));
        let mut out = vec![0.0; samples(seconds) + gap * self.bursts];

        let (tone_fall, noise_fall, metal_fall) =
            (falloff(tone_decay * long), falloff(noise_decay * long), falloff(metal_decay * long));
        let slide_fall = falloff(slide);
        let mut noise = Noise::new(rng.next_u64());
        let (mut colour, mut above) = (Svf::default(), Svf::new(metal_hz * pitch, 0.8));
        let mut tone = Phase::default();
        let mut squares = CLANG.map(|_| Phase(rng.uniform()));
        let (mut tone_level, mut noise_level, mut metal_level) = (tone_level, noise_level, metal_level);
        let mut sliding = 1.0;
        for (i, y) in out.iter_mut().enumerate() {
            if i % CONTROL == 0 {
                colour.tune(pitch * (noise_to + (noise_from - noise_to) * sliding), q);
            }
            if i > 0 && i % gap.max(1) == 0 && i / gap.max(1) < self.bursts {
                noise_level = self.noise.0;
            }
            sliding *= slide_fall;
            let hz = pitch * (to + (from - to) * sliding);
            let mut x = tone_level * sine(tone.step(hz / SR)) + noise_level * colour.band(noise.next());
            if metal_level > 1e-4 {
                let mut clang = 0.0;
                for (square, ratio) in squares.iter_mut().zip(CLANG) {
                    clang += if square.step(540.0 * pitch * ratio / SR) < 0.5 { 0.3 } else { -0.3 };
                }
                x += metal_level * above.split(clang).2;
            }
            tone_level *= tone_fall;
            noise_level *= noise_fall;
            metal_level *= metal_fall;
            *y = x;
        }
        out
    }
}
