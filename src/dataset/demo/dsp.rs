//! The synthesiser's building blocks: oscillators, filters, envelopes, delays.

use std::f32::consts::PI;

/// Samples a second of everything in the demo set.
pub const RATE: u32 = 44_100;
pub const SR: f32 = RATE as f32;

/// Filters follow their modulation every so many samples.
pub const CONTROL: usize = 32;

/// Seconds as a number of samples.
pub fn samples(seconds: f32) -> usize {
    (seconds * SR).max(0.0) as usize
}

/// Frequency in Hz of a MIDI pitch (69 is A4, 440 Hz).
pub fn hertz(pitch: f32) -> f32 {
    440.0 * ((pitch - 69.0) / 12.0).exp2()
}

pub fn gain(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// The factor by which something that falls by 60 dB in `seconds` falls in one sample.
pub fn falloff(seconds: f32) -> f32 {
    (-6.91 / (seconds.max(1e-4) * SR)).exp()
}

pub fn rms(x: &[f32]) -> f32 {
    (x.iter().map(|v| f64::from(v * v)).sum::<f64>() / x.len().max(1) as f64).sqrt() as f32
}

/// RMS of the tenths of a second that are within 20 dB of the loudest: silence between a part's notes does not
/// count, as in EBU R 128's gated loudness.
pub fn loudness(x: &[f32]) -> f32 {
    let blocks: Vec<f32> = x.chunks(samples(0.1)).map(rms).collect();
    let gate = 0.1 * blocks.iter().fold(0.0f32, |a, &b| a.max(b));
    let (sum, count) = blocks.iter().filter(|&&b| b > gate).fold((0.0, 0), |(s, n), b| (s + b * b, n + 1));
    (sum / count.max(1) as f32).sqrt()
}

/// sin(2π·phase) for phases near [0, 1): a parabola refined once, error below 0.0011.
pub fn sine(phase: f32) -> f32 {
    let p = phase - (phase + 0.5).floor();
    let y = 8.0 * p - 16.0 * p * p.abs();
    0.225 * (y * y.abs() - y) + y
}

/// A phase in [0, 1) that wraps.
#[derive(Clone, Copy, Default)]
pub struct Phase(pub f32);

impl Phase {
    pub fn step(&mut self, increment: f32) -> f32 {
        self.0 += increment;
        self.0 -= self.0.floor();
        self.0
    }

    /// A sawtooth in [-1, 1], its jump smoothed by a two-sample polynomial (PolyBLEP), which keeps aliases low.
    pub fn saw(&mut self, increment: f32) -> f32 {
        let p = self.step(increment);
        let mut y = 2.0 * p - 1.0;
        if p < increment {
            let t = p / increment;
            y -= t + t - t * t - 1.0;
        } else if p > 1.0 - increment {
            let t = (p - 1.0) / increment;
            y -= t * t + t + t + 1.0;
        }
        y
    }
}

/// White noise in [-1, 1] (xorshift): cheap enough for every sample.
#[derive(Clone)]
pub struct Noise(u32);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self((seed >> 32) as u32 | 1)
    }

    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as i32 as f32 * (1.0 / 2_147_483_648.0)
    }
}

/// State variable filter, trapezoidal integration (Simper, "Linear trapezoidal integrated SVF", 2013): stays
/// stable while its cutoff moves.
#[derive(Clone, Copy, Default)]
pub struct Svf {
    a1: f32,
    a2: f32,
    a3: f32,
    k: f32,
    ic1: f32,
    ic2: f32,
}

impl Svf {
    pub fn new(cutoff: f32, q: f32) -> Self {
        let mut filter = Self::default();
        filter.tune(cutoff, q);
        filter
    }

    pub fn tune(&mut self, cutoff: f32, q: f32) {
        let g = (PI * cutoff.clamp(20.0, 0.45 * SR) / SR).tan();
        self.k = 1.0 / q;
        self.a1 = 1.0 / (1.0 + g * (g + self.k));
        self.a2 = g * self.a1;
        self.a3 = g * self.a2;
    }

    /// (low-pass, band-pass with unit peak, high-pass) of the next sample.
    pub fn split(&mut self, x: f32) -> (f32, f32, f32) {
        let v3 = x - self.ic2;
        let v1 = self.a1 * self.ic1 + self.a2 * v3;
        let v2 = self.ic2 + self.a2 * self.ic1 + self.a3 * v3;
        self.ic1 = 2.0 * v1 - self.ic1;
        self.ic2 = 2.0 * v2 - self.ic2;
        (v2, self.k * v1, x - self.k * v1 - v2)
    }

    pub fn low(&mut self, x: f32) -> f32 {
        self.split(x).0
    }

    pub fn band(&mut self, x: f32) -> f32 {
        self.split(x).1
    }
}

/// Attack (linear), decay to a sustain level and release (exponential).
#[derive(Clone, Copy, Debug)]
pub struct Adsr {
    /// Seconds.
    pub attack: f32,
    /// Seconds to fall by 60 dB towards `sustain`.
    pub decay: f32,
    /// Level in [0, 1].
    pub sustain: f32,
    /// Seconds to fall by 60 dB.
    pub release: f32,
}

impl Adsr {
    pub const fn new(attack: f32, decay: f32, sustain: f32, release: f32) -> Self {
        Self { attack, decay, sustain, release }
    }

    pub fn start(&self, held: usize) -> Envelope {
        Envelope {
            rise: 1.0 / (self.attack * SR).max(1.0),
            fall: falloff(self.decay),
            sustain: self.sustain,
            release: falloff(self.release),
            level: 0.0,
            rising: true,
            held,
        }
    }

    /// Samples from the start of a note until it is silent.
    pub fn span(&self, held: usize) -> usize {
        held + samples(self.release)
    }
}

pub struct Envelope {
    rise: f32,
    fall: f32,
    sustain: f32,
    release: f32,
    level: f32,
    rising: bool,
    held: usize,
}

impl Envelope {
    pub fn next(&mut self) -> f32 {
        if self.held == 0 {
            self.level *= self.release;
            return self.level;
        }
        self.held -= 1;
        if self.rising {
            self.level += self.rise;
            self.rising = self.level < 1.0;
        } else {
            self.level = self.sustain + (self.level - self.sustain) * self.fall;
        }
        self.level
    }
}

/// Adds echoes of `x` to itself: `seconds` apart, each `feedback` of the one before and duller.
pub fn echo(x: &mut [f32], seconds: f32, feedback: f32) {
    let delay = samples(seconds).max(1);
    let mut line = vec![0.0; delay];
    let mut dull = 0.0;
    for (i, v) in x.iter_mut().enumerate() {
        let slot = &mut line[i % delay];
        let late = *slot;
        dull += 0.4 * (late - dull);
        *slot = (*v + dull) * feedback;
        *v += late;
    }
}

/// Schroeder's reverberator: damped comb filters in parallel, then all-passes; wet signal only.
pub fn reverb(x: &[f32], seconds: f32) -> Vec<f32> {
    const COMBS: [usize; 6] = [1_116, 1_277, 1_422, 1_557, 1_687, 1_811];
    const DIFFUSERS: [usize; 3] = [556, 341, 225];
    let mut wet = vec![0.0; x.len()];
    for delay in COMBS {
        let feedback = falloff(seconds).powi(delay as i32);
        let mut line = vec![0.0f32; delay];
        let (mut at, mut dull) = (0, 0.0);
        for (v, out) in x.iter().zip(&mut wet) {
            let late = line[at];
            dull = 0.7 * late + 0.3 * dull;
            line[at] = v + feedback * dull;
            at = if at + 1 == delay { 0 } else { at + 1 };
            *out += late;
        }
    }
    for delay in DIFFUSERS {
        let mut line = vec![0.0f32; delay];
        let mut at = 0;
        for v in &mut wet {
            let late = line[at];
            line[at] = *v + 0.5 * late;
            *v = late - 0.5 * line[at];
            at = if at + 1 == delay { 0 } else { at + 1 };
        }
    }
    wet
}
