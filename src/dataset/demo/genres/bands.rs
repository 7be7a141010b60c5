//! Genres of bands: people with instruments.

use super::{Genre, Line, Part, STRAIGHT, beat, harmony};
use crate::dataset::demo::drums::{BRUSH, CRASH, HAT, KICK_LIVE, RIDE, RIM, SNARE_BIG, TOM};
use crate::dataset::demo::instruments::{
    DUB_BASS, NYLON_GUITAR, ORGAN, PIANO, PICKED_BASS, ROCK_GUITAR, SAXOPHONE, SKANK_GUITAR, SUB_BASS,
    TOASTER, UPRIGHT_BASS, VIBRAPHONE,
};
use crate::dataset::demo::theory::{DORIAN, MAJOR, MINOR, MIXOLYDIAN};

pub const JAZZ: Genre = Genre {
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

pub const REGGAE: Genre = Genre {
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

pub const ROCK: Genre = Genre {
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
