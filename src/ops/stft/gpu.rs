use super::fft::twiddle;
use super::{PowerStft, Signals};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, Table, constants, grid, shader};

const SHADER: Shader = shader!("stft");

/// Points of a workgroup, which fill its memory of 16 KiB.
const GROUP_POINTS: usize = 2048;
/// Points of a thread, and the radix of the first passes.
const RADIX: usize = 16;

pub fn launch(stft: PowerStft, signals: Signals, entry: &'static str, bindings: Vec<Binding>) -> Launch {
    let Signals { count, samples, frames } = signals;
    let points = stft.n_fft / 2;
    let (threads, group_frames) = (points / RADIX, GROUP_POINTS / points);
    // Two passes of radix 16 leave one of `last`; where there are fewer points, one does.
    let groups = if points < RADIX * RADIX { 1 } else { RADIX };
    let constants = constants([
        ("SAMPLES", samples),
        ("FRAMES", frames),
        ("SIGNALS", count),
        ("HOP", stft.hop),
        ("PAD", stft.padding()),
        ("POINTS", points),
        ("THREADS", threads),
        ("GROUPS", groups),
        ("LAST", threads / groups),
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

/// Half the window, and e^(−2πi·k/n) for k in 0..n; behind these e^(−2πi·j·k/m) [15, m/16] of the first pass, in the
/// order in which threads read them.
pub fn tables(stft: PowerStft) -> Vec<Table> {
    let n = stft.n_fft;
    let window = move || stft.window().iter().map(|w| (w / 2.0) as f32).collect();
    let threads = n / 2 / RADIX;
    let first_pass = move || (1..RADIX).flat_map(move |k| (0..threads).map(move |j| 2 * j * k));
    let twiddles =
        move || (0..n).chain(first_pass()).map(|k| twiddle(k, n)).flat_map(|(cos, sin)| [cos, sin]).collect();
    vec![Table::new(n, window), Table::new(2 * (n + (RADIX - 1) * threads), twiddles)]
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
