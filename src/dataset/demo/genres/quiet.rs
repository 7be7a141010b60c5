//! Genres without drums.

use super::{Genre, Line, Part, STRAIGHT, harmony};
use crate::dataset::demo::instruments::{
    BELL, BREATHY_PAD, CELLO, CHOIR, OBOE, PAD, PIANO, VIBRAPHONE, VIOLINS, WIND,
};
use crate::dataset::demo::theory::{DORIAN, HARMONIC_MINOR, MAJOR, MINOR, MIXOLYDIAN};

pub const AMBIENT: Genre = Genre {
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

pub const CLASSICAL: Genre = Genre {
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

pub const PIANO_SOLO: Genre = Genre {
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
