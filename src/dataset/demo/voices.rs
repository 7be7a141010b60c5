//! How instruments sound: subtractive, frequency modulation, modal, plucked string, singing. Their parameters are data
//! (`instruments.rs`); the level of a part is set when it is mixed, so voices need no common loudness.

use super::dice::spread;
use super::dsp::{Adsr, CONTROL, Noise, Phase, SR, Svf, falloff, hertz, samples, sine};
use crate::rng::Rng;
use std::f32::consts::TAU;

/// A note to play.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// Samples from the start of the song.
    pub start: usize,
    /// Samples until it is released.
    pub held: usize,
    /// MIDI pitch.
    pub pitch: f32,
    /// Loudness in (0, 1].
    pub velocity: f32,
    /// The pitch it slides from, in semitones above its own.
    pub bend: f32,
}

/// What varies from song to song in an instrument.
#[derive(Clone, Copy, Debug)]
pub struct Patch {
    /// Factor on filter cutoffs and brightness.
    pub bright: f32,
    /// Factor on decay times.
    pub long: f32,
}

/// One kind of sound and its parameters.
#[derive(Clone, Copy, Debug)]
pub enum Instrument {
    Analog(Analog),
    Fm(Fm),
    Modal(Modal),
    Pluck(Pluck),
    Singer(Singer),
}

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

    fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
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
    fn play(&self, note: &Note, patch: &Patch, out: &mut [f32]) {
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
    fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
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
    fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
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
    fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
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

impl Instrument {
    /// Samples that a note sounds, its release included.
    fn span(&self, held: usize) -> usize {
        match self {
            Self::Analog(voice) => voice.amp.span(held),
            Self::Fm(voice) => voice.amp.span(held),
            Self::Modal(voice) => held + samples(voice.release),
            Self::Pluck(voice) => held + samples(voice.damped),
            Self::Singer(voice) => voice.amp.span(held),
        }
    }

    /// Adds `note` to `out`, a song's samples; what lies beyond its end is cut.
    pub fn play(&self, note: &Note, patch: &Patch, rng: &mut Rng, out: &mut [f32]) {
        let end = note.start.saturating_add(self.span(note.held)).min(out.len());
        let Some(out) = out.get_mut(note.start..end) else {
            return;
        };
        match self {
            Self::Analog(voice) => voice.play(note, patch, rng, out),
            Self::Fm(voice) => voice.play(note, patch, out),
            Self::Modal(voice) => voice.play(note, patch, rng, out),
            Self::Pluck(voice) => voice.play(note, patch, rng, out),
            Self::Singer(voice) => voice.play(note, patch, rng, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::demo::instruments::*;

    /// How strongly the first three harmonics of `hz` sound in `x` (Hann-windowed Fourier integral).
    fn strength(x: &[f32], hz: f32) -> f64 {
        (1..=3)
            .map(|harmonic| {
                let w = f64::from(hz) * f64::from(harmonic) / f64::from(SR);
                let (mut re, mut im) = (0.0, 0.0);
                for (i, &v) in x.iter().enumerate() {
                    let window = 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / x.len() as f64).cos();
                    let (sin, cos) = (std::f64::consts::TAU * (w * i as f64).fract()).sin_cos();
                    re += f64::from(v) * window * cos;
                    im += f64::from(v) * window * sin;
                }
                re.hypot(im)
            })
            .sum()
    }

    #[test]
    fn instruments_are_in_tune() {
        let instruments = [
            ("piano", PIANO),
            ("organ", ORGAN),
            ("electric piano", ELECTRIC_PIANO),
            ("synth bass", SYNTH_BASS),
            ("acid", ACID),
            ("oboe", OBOE),
            ("nylon guitar", NYLON_GUITAR),
            ("skank guitar", SKANK_GUITAR),
            ("rock guitar", ROCK_GUITAR),
            ("upright bass", UPRIGHT_BASS),
            ("dub bass", DUB_BASS),
            ("choir", CHOIR),
        ];
        let patch = Patch { bright: 1.0, long: 1.0 };
        for (name, instrument) in instruments {
            for pitch in [40.0, 63.0] {
                let note = Note { start: 0, held: 40_000, pitch, velocity: 0.8, bend: 0.0 };
                let mut x = vec![0.0; 16_000];
                instrument.play(&note, &patch, &mut Rng::new(3), &mut x);
                let tuned = |cents: i32| strength(&x[2_000..], hertz(pitch + cents as f32 / 100.0));
                let best = (-60..=60).step_by(6).max_by(|&a, &b| tuned(a).total_cmp(&tuned(b))).unwrap();
                assert!(best.abs() <= 12, "{name}, MIDI pitch {pitch}: {best} cents off");
            }
        }
    }

    #[test]
    fn notes_end_and_stay_within_the_song() {
        let patch = Patch { bright: 1.0, long: 1.0 };
        for instrument in [PIANO, PAD, BELL, ROCK_GUITAR, RAPPER, WIND] {
            let note = Note { start: 500, held: 2_000, pitch: 60.0, velocity: 1.0, bend: 2.0 };
            let mut x = vec![0.0; 200_000];
            instrument.play(&note, &patch, &mut Rng::new(1), &mut x);
            assert!(x[..500].iter().all(|&v| v == 0.0));
            assert!(x[500..2_500].iter().any(|&v| v.abs() > 1e-3));
            assert!(x.iter().all(|v| v.is_finite()));
            assert!(x[190_000..].iter().all(|&v| v == 0.0), "{instrument:?} rings on");
            // a note that begins beyond the end, or is cut by it, is no error
            instrument.play(&Note { start: 999_999, ..note }, &patch, &mut Rng::new(1), &mut x);
            instrument.play(&note, &patch, &mut Rng::new(1), &mut x[..700]);
        }
    }
}
