use super::fft::twiddle;
use super::{PowerStft, Signals};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, Table, constants, grid, shader};

const SHADER: Shader = shader!("stft");

/// Threads of a workgroup at the most, and at the least where one frame does not occupy as many.
const MOST: usize = 256;
const LEAST: usize = 64;

/// How frames are spread over workgroups: threads a frame, and frames a workgroup.
fn teams(points: usize) -> (usize, usize) {
    let threads = (points / 4).min(MOST);
    (threads, (LEAST / threads).max(1))
}

pub fn launch(stft: PowerStft, signals: Signals, entry: &'static str, bindings: Vec<Binding>) -> Launch {
    let Signals { count, samples, frames } = signals;
    let points = stft.n_fft / 2;
    let (threads, group_frames) = teams(points);
    let constants = constants([
        ("SAMPLES", samples),
        ("FRAMES", frames),
        ("SIGNALS", count),
        ("HOP", stft.hop),
        ("PAD", stft.padding()),
        ("POINTS", points),
        ("LOG_POINTS", points.trailing_zeros() as usize),
        ("THREADS", threads),
        ("GROUP_FRAMES", group_frames),
    ]);
    Launch {
        shader: SHADER,
        entry,
        constants,
        bindings,
        workgroups: grid((count * frames).div_ceil(group_frames)),
    }
}

/// Half the window, and e^(−2πi·k/n) for k in 0..n.
pub fn tables(stft: PowerStft) -> Vec<Table> {
    let n = stft.n_fft;
    let window = move || stft.window().iter().map(|w| (w / 2.0) as f32).collect();
    let twiddles = move || (0..n).map(|k| twiddle(k, n)).flat_map(|(cos, sin)| [cos, sin]).collect();
    vec![Table::new(n, window), Table::new(2 * n, twiddles)]
}

pub fn forward(stft: PowerStft, signals: Signals) -> GpuKernel {
    let bindings = vec![Binding::Input(0), Binding::Table(0), Binding::Table(1), Binding::Output];
    GpuKernel { tables: tables(stft), ..launch(stft, signals, "power", bindings).into() }
}

pub fn gradient(stft: PowerStft, signals: Signals) -> GpuKernel {
    let workspace = signals.count * signals.frames * stft.n_fft;
    let frames = Binding::Workspace(0..workspace);
    let bindings =
        vec![Binding::Input(0), Binding::Table(0), Binding::Table(1), Binding::Input(1), frames.clone()];
    let frame_gradient = launch(stft, signals, "frame_gradient", bindings);
    let overlap_add = Launch {
        workgroups: grid((signals.count * signals.samples).div_ceil(256)),
        ..launch(stft, signals, "overlap_add", vec![frames, Binding::Output])
    };
    GpuKernel { workspace, tables: tables(stft), launches: vec![frame_gradient, overlap_add] }
}
