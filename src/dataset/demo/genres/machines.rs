//! Genres of drum machines and samplers.

use super::{Genre, Line, Part, STRAIGHT, beat, harmony};
use crate::dataset::demo::drums::{
    CLANK, CLAP, HAT, KICK_808, KICK_909, KICK_HARD, KICK_LIVE, OPEN_HAT, RIDE, SCRATCH, SHAKER, SNARE,
    SNARE_BREAK,
};
use crate::dataset::demo::instruments::{
    ACID, CHOIR, DUB_BASS, ELECTRIC_PIANO, NYLON_GUITAR, ORGAN, PAD, PIANO, RAPPER, REESE, SAW_STAB,
    SUB_BASS, SYNTH_BASS, VIBRAPHONE, VIOLINS,
};
use crate::dataset::demo::theory::{DORIAN, MAJOR, MINOR, PHRYGIAN};

// Two bars of the break a bar: the beat that a listener taps is half as fast as the drums.
pub const DRUM_AND_BASS: Genre = Genre {
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

pub const HIP_HOP: Genre = Genre {
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

pub const HOUSE: Genre = Genre {
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

pub const TECHNO: Genre = Genre {
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
