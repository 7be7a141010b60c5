//! How instruments sound: subtractive, frequency modulation, modal, plucked string, singing. Their parameters are data
//! (`instruments.rs`); the level of a part is set when it is mixed, so voices need no common loudness.

mod analog;
mod fm;
mod modal;
mod pluck;
mod singer;

pub use analog::Analog;
pub use fm::Fm;
pub use modal::Modal;
pub use pluck::Pluck;
pub use singer::Singer;

use super::dsp::samples;
use crate::rng::Rng;

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
    use crate::dataset::demo::dsp::{SR, hertz};
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
