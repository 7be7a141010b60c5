//! The instruments: parameters of the voices.

use super::dsp::Adsr;
use super::voices::Instrument::{self, Analog as A, Fm as F, Modal as M, Pluck as P, Singer as S};
use super::voices::{Analog, Fm, Modal, Pluck, Singer};

const STRING_PARTIALS: &[(f32, f32)] = &[
    (1.0, 1.0),
    (2.0, 0.75),
    (3.0, 0.5),
    (4.0, 0.42),
    (5.0, 0.3),
    (6.0, 0.22),
    (7.0, 0.1),
    (8.0, 0.12),
    (9.0, 0.09),
    (10.0, 0.07),
    (11.0, 0.05),
    (12.0, 0.04),
    (13.0, 0.03),
    (14.0, 0.02),
];

pub const PIANO: Instrument = M(Modal {
    partials: STRING_PARTIALS,
    stiffness: 4e-4,
    ring: 5.0,
    damping: 0.35,
    attack: 0.002,
    release: 0.25,
    click: 0.5,
});
pub const ORGAN: Instrument = M(Modal {
    partials: &[
        (0.5, 0.7),
        (1.0, 1.0),
        (1.5, 0.5),
        (2.0, 0.7),
        (3.0, 0.3),
        (4.0, 0.4),
        (6.0, 0.15),
        (8.0, 0.25),
    ],
    stiffness: 0.0,
    ring: f32::INFINITY,
    damping: 0.0,
    attack: 0.004,
    release: 0.04,
    click: 0.25,
});
pub const VIBRAPHONE: Instrument = M(Modal {
    partials: &[(1.0, 1.0), (4.0, 0.25), (10.1, 0.08)],
    stiffness: 0.0,
    ring: 4.0,
    damping: 0.5,
    attack: 0.001,
    release: 0.4,
    click: 0.15,
});
pub const ELECTRIC_PIANO: Instrument = F(Fm {
    ratio: 1.0,
    index: 2.4,
    rest: 0.15,
    index_decay: 0.9,
    amp: Adsr::new(0.002, 4.0, 0.0, 0.15),
    tremolo: (4.5, 0.2),
});
pub const BELL: Instrument = F(Fm {
    ratio: 3.51,
    index: 3.0,
    rest: 0.05,
    index_decay: 1.8,
    amp: Adsr::new(0.002, 5.0, 0.0, 2.5),
    tremolo: (0.0, 0.0),
});
pub const SUB_BASS: Instrument = F(Fm {
    ratio: 1.0,
    index: 1.1,
    rest: 0.3,
    index_decay: 0.3,
    amp: Adsr::new(0.004, 2.5, 0.4, 0.08),
    tremolo: (0.0, 0.0),
});

pub const SYNTH_BASS: Instrument = A(Analog {
    sub: 0.6,
    cutoff: 3.0,
    sweep: 2.2,
    sweep_decay: 0.35,
    q: 1.4,
    amp: Adsr::new(0.003, 0.9, 0.4, 0.06),
    ..Analog::BASE
});
pub const ACID: Instrument = A(Analog {
    cutoff: 3.0,
    sweep: 3.2,
    sweep_decay: 0.5,
    q: 7.0,
    amp: Adsr::new(0.002, 0.8, 0.3, 0.03),
    wobble: (0.11, 1.0),
    ..Analog::BASE
});
pub const REESE: Instrument = A(Analog {
    detune: &[-22.0, 0.0, 19.0],
    sub: 1.0,
    cutoff: 7.0,
    q: 1.8,
    amp: Adsr::new(0.01, 1.0, 0.9, 0.1),
    wobble: (2.7, 1.1),
    glide: 0.2,
    ..Analog::BASE
});
pub const SAW_STAB: Instrument = A(Analog {
    detune: &[-9.0, 8.0],
    cutoff: 5.0,
    sweep: 2.0,
    sweep_decay: 0.4,
    q: 1.2,
    amp: Adsr::new(0.003, 0.6, 0.2, 0.12),
    ..Analog::BASE
});
pub const PAD: Instrument = A(Analog {
    detune: &[-11.0, 0.0, 13.0],
    cutoff: 4.0,
    q: 0.9,
    amp: Adsr::new(1.1, 4.0, 0.8, 2.2),
    vibrato: (4.0, 6.0, 0.5),
    wobble: (0.17, 1.3),
    ..Analog::BASE
});
pub const BREATHY_PAD: Instrument = A(Analog {
    detune: &[-7.0, 9.0],
    square: true,
    breath: 0.5,
    cutoff: 3.0,
    q: 1.5,
    amp: Adsr::new(0.8, 4.0, 0.8, 2.6),
    wobble: (0.23, 1.6),
    ..Analog::BASE
});
/// Noise through a filter that wanders.
pub const WIND: Instrument = A(Analog {
    detune: &[],
    breath: 1.0,
    cutoff: 1.0,
    q: 9.0,
    amp: Adsr::new(1.5, 4.0, 0.9, 2.5),
    wobble: (0.31, 1.2),
    ..Analog::BASE
});
pub const VIOLINS: Instrument = A(Analog {
    detune: &[-5.0, 6.0],
    breath: 0.12,
    cutoff: 7.0,
    q: 1.0,
    amp: Adsr::new(0.09, 3.0, 0.85, 0.22),
    vibrato: (5.8, 32.0, 0.25),
    ..Analog::BASE
});
pub const CELLO: Instrument = A(Analog {
    breath: 0.08,
    cutoff: 6.0,
    q: 1.3,
    amp: Adsr::new(0.07, 3.0, 0.85, 0.2),
    vibrato: (5.2, 24.0, 0.3),
    ..Analog::BASE
});
pub const OBOE: Instrument = A(Analog {
    square: true,
    breath: 0.1,
    cutoff: 5.0,
    q: 2.2,
    amp: Adsr::new(0.05, 3.0, 0.9, 0.12),
    vibrato: (5.4, 22.0, 0.35),
    ..Analog::BASE
});
pub const SAXOPHONE: Instrument = A(Analog {
    breath: 0.35,
    cutoff: 4.0,
    sweep: 1.0,
    sweep_decay: 0.5,
    q: 1.9,
    amp: Adsr::new(0.03, 1.5, 0.75, 0.1),
    vibrato: (5.0, 34.0, 0.25),
    glide: 0.08,
    ..Analog::BASE
});

pub const NYLON_GUITAR: Instrument =
    P(Pluck { pick: 0.5, string: 0.72, ring: 3.0, damped: 0.15, position: 0.2, body: (190.0, 0.8) });
pub const SKANK_GUITAR: Instrument =
    P(Pluck { pick: 0.8, string: 0.85, ring: 1.2, damped: 0.04, position: 0.13, body: (350.0, 0.3) });
pub const ROCK_GUITAR: Instrument =
    P(Pluck { pick: 0.9, string: 0.9, ring: 5.0, damped: 0.05, position: 0.15, body: (240.0, 0.2) });
pub const UPRIGHT_BASS: Instrument =
    P(Pluck { pick: 0.3, string: 0.5, ring: 1.2, damped: 0.08, position: 0.25, body: (110.0, 1.0) });
pub const PICKED_BASS: Instrument =
    P(Pluck { pick: 0.7, string: 0.7, ring: 2.0, damped: 0.06, position: 0.12, body: (90.0, 0.5) });
pub const DUB_BASS: Instrument =
    P(Pluck { pick: 0.2, string: 0.4, ring: 1.6, damped: 0.08, position: 0.3, body: (80.0, 1.2) });

pub const RAPPER: Instrument =
    S(Singer { fall: 3.0, vibrato: 0.0, consonant: 2.0, amp: Adsr::new(0.012, 0.5, 0.7, 0.06) });
pub const TOASTER: Instrument =
    S(Singer { fall: 1.0, vibrato: 15.0, consonant: 0.8, amp: Adsr::new(0.03, 1.0, 0.8, 0.12) });
pub const CHOIR: Instrument =
    S(Singer { fall: 0.0, vibrato: 20.0, consonant: 0.0, amp: Adsr::new(0.5, 3.0, 0.9, 1.2) });
