use super::{Adam, Common, Sgd};
use crate::ops::kernel::{Binding, GpuKernel, Io, Launch, Shader, grid};
use crate::ops::vector::Maps;

const SHADER: Shader = Shader { name: "optimizer", source: include_str!("../../../shaders/optimizer.wgsl") };
static UPDATES: Maps = Maps::new(SHADER, "optimizer, by fours");

/// Gradients that one workgroup sums the squares of.
const CHUNK: usize = 4096;

pub fn global_norm(io: &Io<'_>) -> GpuKernel {
    let len = io.inputs[0].elements();
    let chunks = len.div_ceil(CHUNK);
    let partials = Binding::Workspace(0..2 * chunks);
    let launch = |entry, bindings, groups| Launch {
        shader: SHADER,
        entry,
        constants: vec![("LEN", len as f64), ("CHUNK", CHUNK as f64), ("CHUNKS", chunks as f64)],
        bindings,
        workgroups: grid(groups),
    };
    let squares = launch("squares", vec![Binding::Input(0), partials.clone()], chunks);
    let norm = launch("norm", vec![partials, Binding::Output], 1);
    GpuKernel { workspace: 2 * chunks, launches: vec![squares, norm], ..GpuKernel::default() }
}

fn update(entries: [&'static str; 2], common: Common, own: &[(&'static str, f64)], io: &Io<'_>) -> GpuKernel {
    let len = io.inputs[1].elements();
    let clips = common.max_norm.is_finite();
    let mut constants = vec![
        ("LEN", len as f64),
        ("CLIPS", f64::from(u8::from(clips))),
        ("MAX_NORM", if clips { f64::from(common.max_norm) } else { 0.0 }),
        ("WEIGHT_DECAY", f64::from(common.weight_decay)),
        ("DECAYED", common.decayed.min(len) as f64),
    ];
    constants.extend(own);
    let (entry, first) = if io.in_place { (entries[1], 1) } else { (entries[0], 0) };
    // Four parameters of a thread decay alike.
    let run = if common.decayed.min(len).is_multiple_of(4) { len } else { 1 };
    let (shader, lanes) = UPDATES.for_runs_of(run);
    let launch = Launch {
        shader,
        entry,
        constants,
        bindings: (first..4).map(Binding::Input).chain([Binding::Output]).collect(),
        workgroups: grid(len.div_ceil(256 * lanes)),
    };
    GpuKernel { launches: vec![launch], ..GpuKernel::default() }
}

pub fn sgd(op: Sgd, io: &Io<'_>) -> GpuKernel {
    update(["sgd", "sgd_in_place"], op.common, &[("MOMENTUM", f64::from(op.momentum))], io)
}

pub fn adam(op: Adam, io: &Io<'_>) -> GpuKernel {
    let own = [
        ("BETA1", f64::from(op.beta1)),
        ("BETA2", f64::from(op.beta2)),
        ("EPSILON", f64::from(op.epsilon)),
        ("DECOUPLED", f64::from(u8::from(op.decoupled))),
    ];
    update(["adam", "adam_in_place"], op.common, &own, io)
}
