use genre_recognizer::graph::Shape;
use genre_recognizer::ops::mel::{Mel, MelSpec};

use super::{near, reference};

const DEFAULT: MelSpec = MelSpec { sample_rate: 44_100, n_fft: 2048, mels: 128, low: 30.0, high: 16_000.0 };

/// Edges of the default's filters in Hz, from mel(f) = 2595·log10(1 + f/700): mel(30) = 47.293408,
/// mel(16000) = 3574.919829, 129 equal steps of 27.345942 mel between them.
const EDGES: [(usize, [f64; 3]); 3] = [
    (0, [30.0, 47.929_727_309, 66.299_831_497]),
    (64, [2_749.456_703_189, 2_834.179_741_618, 2_920.983_685_493]),
    (127, [15_208.916_456_612, 15_599.659_653_669, 16_000.0]),
];

/// The height of the triangle with these edges and area 1 (Hz) at a frequency.
fn triangle([left, centre, right]: [f64; 3], hz: f64) -> f64 {
    let peak = 2.0 / (right - left);
    if hz <= left || hz >= right {
        0.0
    } else if hz <= centre {
        peak * (hz - left) / (centre - left)
    } else {
        peak * (right - hz) / (right - centre)
    }
}

#[test]
fn triangles_of_the_default() {
    let bank = Mel::new(DEFAULT).unwrap().bank;
    for (filter, edges) in EDGES {
        for bin in 0..1025 {
            let hz = bin as f64 * 44_100.0 / 2048.0;
            let what = format!("filter {filter}, bin {bin}");
            near(f64::from(bank.weight(filter, bin)), triangle(edges, hz), 1e-8, &what);
        }
    }
}

/// What a filter takes of white noise, as a sum over bins: its area, as closely as bins sample a triangle.
#[test]
fn unit_area() {
    let (n_fft, sample_rate) = (4096, 22_050);
    let mel = Mel::new(MelSpec { sample_rate, n_fft, mels: 20, low: 0.0, high: 11_025.0 }).unwrap();
    let width = f64::from(sample_rate) / n_fft as f64;
    let flat = (Shape::from([1, 1, 2049, 1]), vec![width; 2049]);
    for (filter, area) in reference(mel, &[flat]).into_iter().enumerate() {
        near(area, 1.0, 3e-3, &format!("area of filter {filter}"));
    }
}

/// Neighbouring triangles share edges: below the peak of unit height they add up to one. In the bank they
/// have unit area instead, so each is put back to unit height first.
#[test]
fn neighbours_add_up() {
    let mel =
        Mel::new(MelSpec { sample_rate: 22_050, n_fft: 1024, mels: 10, low: 100.0, high: 8_000.0 }).unwrap();
    let step = 2595.0 * ((1.0 + 8_000.0 / 700.0f64).log10() - (1.0 + 100.0 / 700.0f64).log10()) / 11.0;
    let start = 2595.0 * (1.0 + 100.0 / 700.0f64).log10();
    let edge = |i: usize| 700.0 * (10f64.powf((start + step * i as f64) / 2595.0) - 1.0);
    for bin in 0..513 {
        let hz = bin as f64 * 22_050.0 / 1024.0;
        if hz > edge(1) && hz < edge(10) {
            let height = |h: usize| f64::from(mel.bank.weight(h, bin)) * (edge(h + 2) - edge(h)) / 2.0;
            near((0..10).map(height).sum(), 1.0, 1e-5, &format!("{hz} Hz"));
        }
    }
}

/// ⟨M·x, y⟩ = ⟨x, Mᵀ·y⟩ on unit vectors: both are the same matrix.
#[test]
fn transpose_is_the_transpose() {
    let mel =
        Mel::new(MelSpec { sample_rate: 22_050, n_fft: 64, mels: 5, low: 0.0, high: 11_025.0 }).unwrap();
    let transposed = Mel { transposed: true, ..mel.clone() };
    let unit = |len: usize, at: usize| {
        let mut data = vec![0.0; len];
        data[at] = 1.0;
        (Shape::from([1, 1, len, 1]), data)
    };
    for bin in 0..33 {
        let column = reference(mel.clone(), &[unit(33, bin)]);
        for (filter, element) in column.into_iter().enumerate() {
            assert_eq!(reference(transposed.clone(), &[unit(5, filter)])[bin], element);
        }
    }
}

#[test]
fn refuses_what_cannot_be() {
    for (mels, low, high) in
        [(0, 0.0, 100.0), (3, -1.0, 100.0), (3, 100.0, 100.0), (3, 0.0, 22_051.0), (3, f64::NAN, 1.0)]
    {
        assert!(
            Mel::new(MelSpec { mels, low, high, ..DEFAULT }).is_err(),
            "{mels} filters, {low} to {high} Hz"
        );
    }
}
