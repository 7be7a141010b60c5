use std::sync::Arc;

use super::PowerStft;
use super::fft::turn;
use crate::graph::Shape;
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "stft", source: include_str!("../../../shaders/stft.wgsl") };

/// Threads of a workgroup at the most, and at the least where one frame does not occupy as many.
const MOST: usize = 256;
const LEAST: usize = 64;

/// How frames are spread over workgroups: threads a frame, and frames a workgroup.
fn teams(points: usize) -> (usize, usize) {
    let threads = (points / 4).min(MOST);
    (threads, (LEAST / threads).max(1))
}

pub fn launch(stft: &PowerStft, audio: &Shape, entry: &'static str, bindings: Vec<Binding>) -> Launch {
    let (signals, samples) = (audio[0] * audio[1], audio[2]);
    let (points, frames) = (stft.n_fft / 2, stft.frames(samples));
    let (threads, group_frames) = teams(points);
    let constants = [
        ("SAMPLES", samples),
        ("FRAMES", frames),
        ("SIGNALS", signals),
        ("HOP", stft.hop),
        ("PAD", stft.padding()),
        ("POINTS", points),
        ("LOG_POINTS", points.trailing_zeros() as usize),
        ("THREADS", threads),
        ("GROUP_FRAMES", group_frames),
    ];
    Launch {
        shader: SHADER,
        entry,
        constants: constants.map(|(name, value)| (name, value as f64)).to_vec(),
        bindings,
        workgroups: grid((signals * frames).div_ceil(group_frames)),
    }
}

/// Half the window, and e^(−2πi·k/n) for k in 0..n.
pub fn tables(stft: &PowerStft) -> Vec<Arc<[f32]>> {
    let window = stft.window().iter().map(|w| (w / 2.0) as f32).collect();
    let turns = (0..stft.n_fft).map(|k| turn(k, stft.n_fft)).flat_map(|(cos, sin)| [cos, sin]).collect();
    vec![window, turns]
}

pub fn forward(stft: &PowerStft, audio: &Shape) -> GpuKernel {
    let bindings = vec![Binding::Input(0), Binding::Table(0), Binding::Table(1), Binding::Output];
    let power = launch(stft, audio, "power", bindings);
    GpuKernel { workspace: 0, tables: tables(stft), launches: vec![power] }
}

pub fn gradient(stft: &PowerStft, audio: &Shape) -> GpuKernel {
    let workspace = audio[0] * audio[1] * stft.frames(audio[2]) * stft.n_fft;
    let frames = Binding::Workspace(0..workspace);
    let bindings =
        vec![Binding::Input(0), Binding::Table(0), Binding::Table(1), Binding::Input(1), frames.clone()];
    let frame_gradient = launch(stft, audio, "frame_gradient", bindings);
    let overlap_add = Launch {
        workgroups: grid(audio.elements().div_ceil(256)),
        ..launch(stft, audio, "overlap_add", vec![frames, Binding::Output])
    };
    GpuKernel { workspace, tables: tables(stft), launches: vec![frame_gradient, overlap_add] }
}
