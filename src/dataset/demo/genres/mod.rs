//! The genres as data: what a band of each plays. Every song draws a tempo, a key, a harmony, one of each part's
//! instruments and patterns, and a mix.

mod bands;
mod machines;
mod quiet;

use super::drums::Drum;
use super::theory::Harmony;
use super::voices::Instrument;
use bands::{JAZZ, REGGAE, ROCK};
use machines::{DRUM_AND_BASS, HIP_HOP, HOUSE, TECHNO};
use quiet::{AMBIENT, CLASSICAL, PIANO_SOLO};

/// How a part finds its pitches in the current chord and key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line {
    /// The whole chord, voiced around the part's register.
    Chord,
    /// Root, fifth and octave.
    Power,
    /// The root; with this probability the fifth or the octave instead.
    Root(f32),
    /// A bass that walks from chord to chord in scale steps.
    Walk,
    /// The chord's notes one by one over two octaves.
    Arpeggio,
    /// Low, high, middle, high (Domenico Alberti's accompaniment).
    Alberti,
    /// A random walk over the scale that rests on chord notes.
    Melody,
    /// A sequence of scale degrees drawn once and repeated every bar, with leaps of an octave.
    Riff,
    /// One pitch that wanders a little, as speech does.
    Speech,
}

/// One player of a band.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Each song takes one of these, and one of `patterns`.
    pub instruments: &'static [Instrument],
    pub patterns: &'static [&'static str],
    pub line: Line,
    /// MIDI pitch around which it plays.
    pub register: i32,
    /// Beats that a note is held; 0 holds it until the next one.
    pub hold: f32,
    /// Level in dB against the other parts.
    pub level: f32,
    /// Level sent to the reverberation, in [0, 1].
    pub room: f32,
    /// Echoes: level of each against the one before; they fall on dotted eighths.
    pub echo: f32,
    /// Distortion: gain before the clipping; 0 is clean.
    pub drive: f32,
    /// Largest slide into a note, in semitones.
    pub slide: f32,
    /// Probability that a song has this part, and that a written note is played.
    pub present: f32,
    pub played: f32,
}

impl Part {
    const BASE: Self = Self {
        instruments: &[],
        patterns: &[],
        line: Line::Chord,
        register: 60,
        hold: 0.0,
        level: 0.0,
        room: 0.2,
        echo: 0.0,
        drive: 0.0,
        slide: 0.0,
        present: 1.0,
        played: 0.97,
    };
}

/// One drum's patterns, of which a song takes one, and its level in dB.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    pub drum: Drum,
    pub level: f32,
    pub patterns: &'static [&'static str],
}

/// A genre.
#[derive(Clone, Copy, Debug)]
pub struct Genre {
    /// The name of its folder.
    pub name: &'static str,
    /// Beats a minute, as a listener would tap them: lowest and highest.
    pub tempo: (f32, f32),
    pub beats_per_bar: usize,
    /// Notes a beat that swing, and the range of their ratio.
    pub swing: (f32, (f32, f32)),
    /// Timing errors of the players: standard deviation in seconds.
    pub loose: f32,
    pub harmonies: &'static [Harmony],
    /// Beats a chord lasts, and its number of notes.
    pub chord_beats: usize,
    pub chord_notes: i32,
    pub beats: &'static [Beat],
    pub parts: &'static [Part],
    /// Seconds of reverberation.
    pub room: (f32, f32),
}

const STRAIGHT: (f32, (f32, f32)) = (4.0, (0.5, 0.5));

const fn beat(drum: Drum, level: f32, patterns: &'static [&'static str]) -> Beat {
    Beat { drum, level, patterns }
}

const fn harmony(scale: [i32; 7], degrees: &'static [i32]) -> Harmony {
    Harmony { scale, degrees }
}

pub const GENRES: &[Genre] =
    &[AMBIENT, CLASSICAL, DRUM_AND_BASS, HIP_HOP, HOUSE, JAZZ, PIANO_SOLO, REGGAE, ROCK, TECHNO];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_among_the_thirty_and_sorted() {
        let known = crate::dataset::genres();
        assert!(GENRES.iter().all(|g| known.iter().any(|k| k == g.name)));
        assert!(GENRES.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn bars_have_whole_steps_a_beat() {
        for genre in GENRES {
            let of_parts = genre.parts.iter().flat_map(|p| p.patterns);
            for pattern in genre.beats.iter().flat_map(|b| b.patterns).chain(of_parts) {
                for bar in pattern.split('|') {
                    let steps = bar.len() / genre.beats_per_bar;
                    assert_eq!(steps * genre.beats_per_bar, bar.len(), "{}: {bar}", genre.name);
                    assert!([1, 2, 4, 8].contains(&steps), "{}: {bar}", genre.name);
                    assert!(bar.chars().all(|c| "Xxo.".contains(c)), "{}: {bar}", genre.name);
                }
            }
        }
    }

    #[test]
    fn every_two_tempo_ranges_overlap() {
        for (a, b) in GENRES.iter().flat_map(|a| GENRES.iter().map(move |b| (a, b))) {
            let shared = a.tempo.1.min(b.tempo.1) - a.tempo.0.max(b.tempo.0);
            assert!(shared >= 12.0, "{} and {} share {shared} beats a minute", a.name, b.name);
        }
    }
}
