//! The genres as data: what a band of each plays. Every song draws a tempo, a key, a harmony, one of each part's
//! instruments and patterns, and a mix.

use super::drums::*;
use super::instruments::*;
use super::theory::{DORIAN, HARMONIC_MINOR, Harmony, MAJOR, MINOR, MIXOLYDIAN, PHRYGIAN};
use super::voices::Instrument;

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

const AMBIENT: Genre = Genre {
    name: "ambient",
    tempo: (60.0, 112.0),
    beats_per_bar: 4,
    swing: STRAIGHT,
    loose: 0.05,
    harmonies: &[
        harmony(MAJOR, &[0, 3]),
        harmony(DORIAN, &[0, 6]),
        harmony(MINOR, &[0, 5, 2]),
        harmony(MIXOLYDIAN, &[0, 6, 3]),
    ],
    chord_beats: 8,
    chord_notes: 4,
    beats: &[],
    parts: &[
        Part {
            instruments: &[PAD, BREATHY_PAD, CHOIR],
            patterns: &["X...|....", "X...|..x."],
            register: 62,
            room: 0.7,
            ..Part::BASE
        },
        Part {
            instruments: &[PAD, BREATHY_PAD],
            patterns: &["X...|....|....|...."],
            line: Line::Root(0.2),
            register: 41,
            level: -3.0,
            room: 0.5,
            ..Part::BASE
        },
        Part {
            instruments: &[BELL, VIBRAPHONE],
            patterns: &["x.......|....x...", "...x....|.x......", "x.....x.|........"],
            line: Line::Melody,
            register: 79,
            hold: 2.0,
            level: -7.0,
            room: 0.9,
            echo: 0.5,
            present: 0.6,
            played: 0.8,
            ..Part::BASE
        },
        Part {
            instruments: &[WIND],
            patterns: &["X...|....|....|...."],
            line: Line::Root(0.5),
            register: 84,
            level: -9.0,
            room: 0.8,
            ..Part::BASE
        },
    ],
    room: (2.5, 5.0),
};

const CLASSICAL: Genre = Genre {
    name: "classical",
    tempo: (70.0, 126.0),
    beats_per_bar: 4,
    swing: STRAIGHT,
    loose: 0.02,
    harmonies: &[
        harmony(MAJOR, &[0, 3, 4, 0]),
        harmony(MAJOR, &[0, 4, 5, 2, 3, 0, 3, 4]),
        harmony(HARMONIC_MINOR, &[0, 3, 4, 0]),
        harmony(HARMONIC_MINOR, &[0, 5, 3, 4]),
    ],
    chord_beats: 2,
    chord_notes: 3,
    beats: &[],
    parts: &[
        Part {
            instruments: &[VIOLINS, OBOE, VIOLINS],
            patterns: &["x.x.xxx.|x...x.x.", "x..xx.x.|x.x.x...", "xxxxx.x.|x.x.xxx.", "x...x.x.|xxxxx..."],
            line: Line::Melody,
            register: 74,
            room: 0.5,
            ..Part::BASE
        },
        Part {
            instruments: &[VIOLINS],
            patterns: &["xxxxxxxx", "x.x.x.x.", "xxxxxxxxxxxxxxxx"],
            line: Line::Alberti,
            register: 64,
            level: -4.0,
            room: 0.5,
            ..Part::BASE
        },
        Part {
            instruments: &[VIOLINS],
            patterns: &["x.x.", "x..."],
            register: 60,
            level: -5.0,
            room: 0.5,
            present: 0.7,
            ..Part::BASE
        },
        Part {
            instruments: &[CELLO],
            patterns: &["x.x.", "xxxx", "x.xx"],
            line: Line::Root(0.3),
            register: 45,
            level: -2.0,
            room: 0.4,
            ..Part::BASE
        },
    ],
    room: (1.2, 2.6),
};

// Two bars of the break a bar: the beat that a listener taps is half as fast as the drums.
const DRUM_AND_BASS: Genre = Genre {
    name: "drumbass",
    tempo: (78.0, 104.0),
    beats_per_bar: 4,
    swing: STRAIGHT,
    loose: 0.002,
    harmonies: &[harmony(MINOR, &[0, 5]), harmony(DORIAN, &[0, 0, 6, 0]), harmony(MINOR, &[0, 0, 5, 6])],
    chord_beats: 4,
    chord_notes: 4,
    beats: &[
        beat(
            KICK_LIVE,
            0.0,
            &[
                "X.X.......XX....X.X.......X.....",
                "X.........X.....X.X.......X.....",
                "X..X......X.....X.X.......XX....",
            ],
        ),
        beat(
            SNARE_BREAK,
            -1.0,
            &[
                "....X..o.o..X..o....X..o.o..X.oo",
                "....X.......X..o....X..o....X...",
                "....X..x.o..X.......X..x.o....X.",
            ],
        ),
        beat(HAT, -8.0, &["X.x.X.x.X.x.X.x.X.x.X.x.X.x.X.x.", "XoxoXoxoXoxoXoxoXoxoXoxoXoxoXoxo"]),
        beat(RIDE, -14.0, &["X...X...X...X...X...X...X...X...", "................................"]),
    ],
    parts: &[
        Part {
            instruments: &[REESE, REESE, SUB_BASS],
            patterns: &["X.....x.X...x...", "X.......x..x....", "X..x......x.X..."],
            line: Line::Root(0.25),
            register: 38,
            level: -2.0,
            room: 0.05,
            slide: 5.0,
            ..Part::BASE
        },
        Part {
            instruments: &[PAD, ELECTRIC_PIANO, CHOIR],
            patterns: &["X...............", "X.........x....."],
            register: 63,
            level: -9.0,
            room: 0.6,
            echo: 0.4,
            present: 0.75,
            ..Part::BASE
        },
    ],
    room: (0.6, 2.0),
};

const HIP_HOP: Genre = Genre {
    name: "hiphoprap",
    tempo: (72.0, 106.0),
    beats_per_bar: 4,
    swing: (4.0, (0.54, 0.64)),
    loose: 0.008,
    harmonies: &[harmony(MINOR, &[0, 5]), harmony(DORIAN, &[0, 3]), harmony(MINOR, &[0, 3, 0, 4])],
    chord_beats: 4,
    chord_notes: 4,
    beats: &[
        beat(KICK_808, 0.0, &["X..x......x.x...", "X......x..x.....", "X.x....x..X..x.."]),
        beat(SNARE, -1.0, &["....X.......X...", "....X.......X..o", "....X..o....X..."]),
        beat(HAT, -4.0, &["x.x.x.x.x.x.x.x.", "x.xxx.x.x.xxx.x.", "x.x.x.xxx.x.x.x."]),
        beat(
            SCRATCH,
            -9.0,
            &["..............x.|...........x..x.", "................|......x.x.......", "................"],
        ),
    ],
    parts: &[
        Part {
            instruments: &[RAPPER],
            patterns: &[
                "x.xxx.xxx.xxx.x.|xxx.x.xxxxx.x...",
                "xx.xx.x.xx.xx.xx|x.xxx.xxx.x.x...",
                "..x.xxxxx.x.xxx.|x.x.xxx.xxxxx...",
            ],
            line: Line::Speech,
            register: 50,
            hold: 0.22,
            level: 0.0,
            room: 0.08,
            slide: 2.0,
            ..Part::BASE
        },
        Part {
            instruments: &[SUB_BASS, DUB_BASS],
            patterns: &["X..x......x.....", "X......x..x.....", "X.........x..x.."],
            line: Line::Root(0.15),
            register: 36,
            level: -2.0,
            room: 0.02,
            slide: 3.0,
            ..Part::BASE
        },
        Part {
            instruments: &[ELECTRIC_PIANO, PIANO, NYLON_GUITAR, VIBRAPHONE],
            patterns: &["x.....x...x.....", "x..x..x.....x...", "x...x...x..x...."],
            line: Line::Arpeggio,
            register: 64,
            hold: 1.0,
            level: -7.0,
            room: 0.25,
            ..Part::BASE
        },
    ],
    room: (0.4, 1.2),
};

const HOUSE: Genre = Genre {
    name: "house",
    tempo: (88.0, 128.0),
    beats_per_bar: 4,
    swing: (4.0, (0.5, 0.56)),
    loose: 0.0,
    harmonies: &[
        harmony(MINOR, &[0, 3, 5, 4]),
        harmony(DORIAN, &[0, 3]),
        harmony(MINOR, &[0, 0, 5, 6]),
        harmony(MAJOR, &[1, 4, 0, 5]),
    ],
    chord_beats: 4,
    chord_notes: 4,
    beats: &[
        beat(KICK_909, 0.0, &["X...X...X...X..."]),
        beat(CLAP, -4.0, &["....X.......X...", "....X.......X..o"]),
        beat(OPEN_HAT, -7.0, &["..X...X...X...X."]),
        beat(SHAKER, -12.0, &["xoxoxoxoxoxoxoxo", "x.xox.xox.xox.xo", "................"]),
    ],
    parts: &[
        Part {
            instruments: &[PIANO, ORGAN, SAW_STAB, ELECTRIC_PIANO],
            patterns: &["x..x..x...x..x..", "..x..x....x..x..", "x..x...x..x...x.", "..x...xx..x...x."],
            register: 65,
            hold: 0.3,
            level: -3.0,
            room: 0.3,
            ..Part::BASE
        },
        Part {
            instruments: &[SYNTH_BASS, SUB_BASS],
            patterns: &["..x...x...x...x.", "..xx..x...xx..x.", "x.x...x.x.x..xx."],
            line: Line::Root(0.3),
            register: 40,
            hold: 0.3,
            level: -1.0,
            room: 0.03,
            ..Part::BASE
        },
        Part {
            instruments: &[CHOIR, PAD, VIOLINS],
            patterns: &["x..............."],
            register: 67,
            level: -10.0,
            room: 0.6,
            present: 0.5,
            ..Part::BASE
        },
    ],
    room: (0.7, 2.0),
};

const JAZZ: Genre = Genre {
    name: "jazzblues",
    tempo: (84.0, 168.0),
    beats_per_bar: 4,
    swing: (2.0, (0.6, 0.68)),
    loose: 0.012,
    harmonies: &[
        harmony(MAJOR, &[1, 4, 0, 0]),
        harmony(MAJOR, &[0, 5, 1, 4]),
        harmony(DORIAN, &[0, 3, 0, 4]),
        harmony(MIXOLYDIAN, &[0, 3, 0, 0]),
    ],
    chord_beats: 4,
    chord_notes: 5,
    beats: &[
        beat(RIDE, -3.0, &["x.xxx.xx", "x.xxx.xx", "x.x.x.xx"]),
        beat(HAT, -7.0, &["..x...x."]),
        beat(BRUSH, -8.0, &["o..o.o..|.o.x...o", "o.o.o.o.|o.xoo.ox", "...x....|.x...o.."]),
        beat(KICK_LIVE, -12.0, &["o.o.o.o.", "........|.....o.."]),
    ],
    parts: &[
        Part {
            instruments: &[UPRIGHT_BASS],
            patterns: &["xxxx", "x.xxx.x.|x.x.x.xx"],
            line: Line::Walk,
            register: 41,
            level: 0.0,
            room: 0.1,
            ..Part::BASE
        },
        Part {
            instruments: &[PIANO, NYLON_GUITAR, PIANO],
            patterns: &["...x....|.x..x...", "x..x....|...x..x.", ".x...x..|..x....x"],
            register: 62,
            hold: 0.45,
            level: -4.0,
            room: 0.2,
            ..Part::BASE
        },
        Part {
            instruments: &[SAXOPHONE, VIBRAPHONE, SAXOPHONE, PIANO],
            patterns: &["xx.xxx.x|.xxxx...", "x.xxxxxx|x..x....", ".xxx.xxx|xxx.x..x"],
            line: Line::Melody,
            register: 70,
            level: -1.0,
            room: 0.25,
            slide: 1.5,
            played: 0.9,
            ..Part::BASE
        },
    ],
    room: (0.5, 1.5),
};

const PIANO_SOLO: Genre = Genre {
    name: "piano",
    tempo: (66.0, 120.0),
    beats_per_bar: 4,
    swing: STRAIGHT,
    loose: 0.015,
    harmonies: &[
        harmony(MAJOR, &[0, 5, 3, 4]),
        harmony(MINOR, &[0, 5, 2, 6]),
        harmony(MAJOR, &[0, 4, 5, 3]),
        harmony(HARMONIC_MINOR, &[0, 3, 4, 0]),
    ],
    chord_beats: 4,
    chord_notes: 3,
    beats: &[],
    parts: &[
        Part {
            instruments: &[PIANO],
            patterns: &["xxxxxxxx", "xxxxxxxxxxxxxxxx", "xxxxxx.x", "x.xxx.xx"],
            line: Line::Arpeggio,
            register: 48,
            hold: 1.5,
            level: -3.0,
            room: 0.3,
            ..Part::BASE
        },
        Part {
            instruments: &[PIANO],
            patterns: &["x.x.x...|x..xx...", "x...x.xx|x.......", "x..xx..x|x...x.x.", "xxxxx.x.|x...x..."],
            line: Line::Melody,
            register: 74,
            level: 0.0,
            room: 0.3,
            ..Part::BASE
        },
        Part {
            instruments: &[PIANO],
            patterns: &["x...", "x.x."],
            line: Line::Chord,
            register: 60,
            level: -6.0,
            room: 0.3,
            present: 0.5,
            ..Part::BASE
        },
    ],
    room: (0.8, 2.4),
};

const REGGAE: Genre = Genre {
    name: "reggae",
    tempo: (66.0, 104.0),
    beats_per_bar: 4,
    swing: (4.0, (0.54, 0.64)),
    loose: 0.008,
    harmonies: &[
        harmony(MAJOR, &[0, 3]),
        harmony(MINOR, &[0, 6]),
        harmony(MINOR, &[0, 3, 0, 4]),
        harmony(MAJOR, &[0, 4, 5, 3]),
    ],
    chord_beats: 4,
    chord_notes: 3,
    beats: &[
        beat(KICK_LIVE, -1.0, &["....X.......X..."]),
        beat(RIM, -2.0, &["....X.......X...", "....X.......X..x", "....X..o....X..."]),
        beat(HAT, -9.0, &["x.x.x.x.x.x.x.x.", "x.xxx.xxx.xxx.xx", "..x...x...x...x."]),
    ],
    parts: &[
        Part {
            instruments: &[SKANK_GUITAR],
            patterns: &["..X...X...X...X.", "..Xx..X...Xx..X."],
            register: 67,
            hold: 0.14,
            level: -1.0,
            room: 0.25,
            ..Part::BASE
        },
        Part {
            instruments: &[ORGAN],
            patterns: &[".xx..xx..xx..xx.", "..xx..xx..xx..xx"],
            register: 60,
            hold: 0.18,
            level: -6.0,
            room: 0.15,
            ..Part::BASE
        },
        Part {
            instruments: &[DUB_BASS, SUB_BASS],
            patterns: &["x..x..x.....x.x.", "..x.x.x...x.x...", "x...x.xx........"],
            line: Line::Root(0.55),
            register: 37,
            level: 1.0,
            room: 0.02,
            ..Part::BASE
        },
        Part {
            instruments: &[TOASTER, SAXOPHONE],
            patterns: &["x..xx.x.x...x...|................", "..x.x.xxx.x.....|....x.x.x......."],
            line: Line::Melody,
            register: 60,
            level: -4.0,
            room: 0.3,
            echo: 0.55,
            slide: 2.0,
            present: 0.6,
            ..Part::BASE
        },
    ],
    room: (0.7, 2.2),
};

const ROCK: Genre = Genre {
    name: "rock",
    tempo: (86.0, 156.0),
    beats_per_bar: 4,
    swing: STRAIGHT,
    loose: 0.006,
    harmonies: &[
        harmony(MAJOR, &[0, 4, 5, 3]),
        harmony(MIXOLYDIAN, &[0, 6, 3, 0]),
        harmony(MINOR, &[0, 5, 2, 6]),
        harmony(MINOR, &[0, 6, 5, 6]),
    ],
    chord_beats: 4,
    chord_notes: 3,
    beats: &[
        beat(KICK_LIVE, 0.0, &["x.......x.x.....", "x.x.....x.......", "x.....x.x.x....."]),
        beat(SNARE_BIG, 0.0, &["....X.......X..."]),
        beat(HAT, -8.0, &["X.x.X.x.X.x.X.x.", "................"]),
        beat(CRASH, -8.0, &["X...............|................", "X...X...X...X..."]),
        beat(TOM, -5.0, &["................|............x.xx", "................"]),
    ],
    parts: &[
        Part {
            instruments: &[ROCK_GUITAR],
            patterns: &["XxxxXxxx", "X..x..x.x.x.x.x.", "X.xxX.xxX.xxX.xx", "X...x..xX...x.x."],
            line: Line::Power,
            register: 45,
            level: 0.0,
            room: 0.15,
            drive: 25.0,
            ..Part::BASE
        },
        Part {
            instruments: &[PICKED_BASS],
            patterns: &["xxxxxxxx", "x..x..x.x.x.x.x."],
            line: Line::Root(0.05),
            register: 36,
            level: -3.0,
            room: 0.05,
            drive: 2.0,
            ..Part::BASE
        },
        Part {
            instruments: &[ROCK_GUITAR],
            patterns: &["x..xx.x.|x.......", "x.xxx...|x...x.x."],
            line: Line::Melody,
            register: 69,
            level: -2.0,
            room: 0.3,
            echo: 0.3,
            drive: 40.0,
            slide: 2.0,
            present: 0.45,
            ..Part::BASE
        },
        Part {
            instruments: &[TOASTER],
            patterns: &["x.xxx.x.|x.......", "..x.x.xx|x...x..."],
            line: Line::Melody,
            register: 57,
            level: -1.0,
            room: 0.2,
            slide: 2.0,
            present: 0.5,
            ..Part::BASE
        },
    ],
    room: (0.5, 1.6),
};

const TECHNO: Genre = Genre {
    name: "techno",
    tempo: (90.0, 138.0),
    beats_per_bar: 4,
    swing: STRAIGHT,
    loose: 0.0,
    harmonies: &[harmony(PHRYGIAN, &[0]), harmony(MINOR, &[0]), harmony(MINOR, &[0, 0, 0, 6])],
    chord_beats: 8,
    chord_notes: 3,
    beats: &[
        beat(KICK_HARD, 1.0, &["X...X...X...X..."]),
        beat(HAT, -8.0, &["xxXxxxXxxxXxxxXx", "x.Xxx.Xxx.Xxx.Xx"]),
        beat(CLANK, -8.0, &["...x..x....x..x.", "......x..x......", "x..x..x...x..x.."]),
        beat(RIDE, -13.0, &["..x...x...x...x.", "................"]),
    ],
    parts: &[
        Part {
            instruments: &[ACID],
            patterns: &["xxxxxxxxxxxxxxxx", "x.xxxxxxx.xxxx.x", "xxx.xxxx.xxxxxx."],
            line: Line::Riff,
            register: 40,
            hold: 0.16,
            level: 0.0,
            room: 0.1,
            drive: 2.5,
            slide: 7.0,
            played: 1.0,
            ..Part::BASE
        },
        Part {
            instruments: &[SAW_STAB],
            patterns: &["...x............|......x.........", "......x.........", "...x..x........."],
            register: 58,
            hold: 0.15,
            level: -5.0,
            room: 0.5,
            echo: 0.6,
            present: 0.7,
            ..Part::BASE
        },
    ],
    room: (0.5, 2.5),
};

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
