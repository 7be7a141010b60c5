use super::{Adam, Sgd, UpdateSettings};
use crate::ops::kernel::{Binding, Constants, GpuKernel, Launch, constants, grid};
use crate::ops::map::{Entries, GpuMap, Lanes, entries, lanes};

const SHADER: Lanes = lanes!("optimizer");

/// Gradients that one workgroup sums the squares of.
const CHUNK: usize = 4096;

pub fn global_norm(p: usize) -> GpuKernel {
    let chunks = p.div_ceil(CHUNK);
    let partials = Binding::Workspace(0..2 * chunks);
    let launch = |entry, bindings, groups| Launch {
        shader: SHADER.one,
        entry,
        constants: constants([("LEN", p), ("CHUNK", CHUNK), ("CHUNKS", chunks)]),
        bindings,
        workgroups: grid(groups),
    };
    let squares = launch("squares", vec![Binding::Input(0), partials.clone()], chunks);
    let norm = launch("norm", vec![partials, Binding::Output], 1);
    GpuKernel { workspace: 2 * chunks, launches: vec![squares, norm], ..GpuKernel::default() }
}

fn update(
    entries: Entries,
    common: UpdateSettings,
    own: Constants,
    p: usize,
    in_place: Option<usize>,
) -> GpuKernel {
    let clips = common.max_norm.is_finite();
    let decayed = common.decayed.min(p);
    let fresh = common.fresh.map(|first| first.min(p));
    let mut constants = vec![
        ("LEN", p as f64),
        ("CLIPS", f64::from(u8::from(clips))),
        ("MAX_NORM", if clips { f64::from(common.max_norm) } else { 0.0 }),
        ("WEIGHT_DECAY", f64::from(common.weight_decay)),
        ("DECAYED", decayed as f64),
        ("BASE_RATE", f64::from(common.base_rate)),
        ("FRESH", fresh[0] as f64),
        ("FRESH_END", fresh[1] as f64),
        ("FRESH_REST", fresh[2] as f64),
    ];
    constants.extend(own);
    // Four parameters of a thread are treated alike.
    let alike = fresh.iter().chain([&decayed]).all(|first| first.is_multiple_of(4));
    let run = if alike { p } else { 1 };
    SHADER.map(run, GpuMap { entries, constants, inputs: 4, in_place, len: p })
}

pub fn sgd(op: Sgd, p: usize, in_place: Option<usize>) -> GpuKernel {
    let own = vec![("MOMENTUM", f64::from(op.momentum))];
    update(entries!("sgd"), op.common, own, p, in_place)
}

pub fn adam(op: Adam, p: usize, in_place: Option<usize>) -> GpuKernel {
    let own = vec![
        ("BETA1", f64::from(op.beta1)),
        ("BETA2", f64::from(op.beta2)),
        ("EPSILON", f64::from(op.epsilon)),
        ("DECOUPLED", f64::from(u8::from(op.decoupled))),
    ];
    update(entries!("adam"), op.common, own, p, in_place)
}
