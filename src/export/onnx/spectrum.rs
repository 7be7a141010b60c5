//! The power spectrogram, by the means that a runtime has.

use std::f64::consts::TAU;

use super::Frontend;
use super::nodes::{Attribute, Nodes, sizes};
use crate::graph::Shape;
use crate::ops::stft::PowerStft;

/// Audio [N, C, L], the tensor `x`, → [N, C, F, T]. None where the front end has no spectrogram.
pub fn power(
    nodes: &mut Nodes,
    name: &str,
    x: &str,
    audio: &Shape,
    stft: PowerStft,
    frontend: Frontend,
) -> Option<String> {
    let part = |part: &str| format!("{name}.{part}");
    let &[_, channels, samples] = &audio[..] else { return None };
    let (bins, columns, n_fft) = (stft.bins(), stft.frames(samples), stft.n_fft);
    let length = samples + 2 * stft.padding();
    let mut x = x.to_string();
    if stft.centred {
        let margins = sizes([0, 0, stft.padding(), 0, 0, stft.padding()]);
        let margins = nodes.ints(&part("margins"), &[6], &margins);
        x = nodes.add(&part("padded"), "Pad", &[&x, &margins], &[("mode", Attribute::Text("reflect"))]);
    }
    // Every channel is a signal. 0 keeps the batch, −1 is the batch times the channels, and the batch again.
    let batch = if channels == 1 { 0 } else { -1 };
    let reshape = |nodes: &mut Nodes, what: &str, x: &str, rest: &[usize]| {
        let shape = [vec![batch], sizes(rest)].concat();
        let shape = nodes.ints(&format!("{what}.shape"), &[shape.len()], &shape);
        nodes.add(what, "Reshape", &[x, &shape], &[])
    };
    // The sum of the squares of real and imaginary parts, which lie along an axis.
    let power = |nodes: &mut Nodes, name: &str, spectrum: &str, axis: i64| {
        let squares = nodes.add(&part("squares"), "Mul", &[spectrum, spectrum], &[]);
        let axes = nodes.ints(&part("parts"), &[1], &[axis]);
        nodes.add(name, "ReduceSum", &[&squares, &axes], &[("keepdims", Attribute::Int(0))])
    };
    let window = stft.window();
    match frontend {
        Frontend::Stft => {
            let signals = reshape(nodes, &part("signals"), &x, &[length, 1]);
            let window: Vec<f32> = window.iter().map(|&w| w as f32).collect();
            let window = nodes.floats(&part("window"), &[n_fft], &window);
            let hop = nodes.ints(&part("hop"), &[], &[stft.hop as i64]);
            let size = nodes.ints(&part("size"), &[], &[n_fft as i64]);
            let inputs = [signals.as_str(), &hop, &window, &size];
            let spectrum = nodes.add(&part("spectrum"), "STFT", &inputs, &[("onesided", Attribute::Int(1))]);
            let power = power(nodes, &part("power"), &spectrum, 3); // [N·C, T, F]
            let turned = [("perm", Attribute::Ints(vec![0, 2, 1]))];
            let power = nodes.add(&part("turned"), "Transpose", &[&power], &turned);
            Some(reshape(nodes, name, &power, &[channels, bins, columns]))
        }
        Frontend::Conv => {
            let signals = match channels {
                1 => x,
                _ => reshape(nodes, &part("signals"), &x, &[1, length]),
            };
            let kernels = nodes.floats(&part("kernels"), &[2 * bins, 1, n_fft], &kernels(&window, bins));
            let attributes = [
                ("kernel_shape", Attribute::Ints(sizes([n_fft]))),
                ("strides", Attribute::Ints(sizes([stft.hop]))),
            ];
            let spectrum = nodes.add(&part("spectrum"), "Conv", &[&signals, &kernels], &attributes);
            let parts = reshape(nodes, &part("complex"), &spectrum, &[channels, 2, bins, columns]);
            Some(power(nodes, name, &parts, 2))
        }
        Frontend::None => None,
    }
}

/// The windowed real and imaginary parts of the Fourier transform: `w[i]·cos(2πfi/n)` of every bin f, then `−w[i]·sin(2πfi/n)`.
fn kernels(window: &[f64], bins: usize) -> Vec<f32> {
    let n = window.len();
    let angle = |f: usize, i: usize| TAU * (f * i % n) as f64 / n as f64;
    let rows = |wave: fn(f64) -> f64| {
        (0..bins).flat_map(move |f| (0..n).map(move |i| (window[i] * wave(angle(f, i))) as f32))
    };
    rows(f64::cos).chain(rows(|angle| -angle.sin())).collect()
}
