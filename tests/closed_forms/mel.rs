use genre_recognizer::graph::Shape;
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};

use super::{near, reference};

const DEFAULT: MelSpec =
    MelSpec { sample_rate: 44_100, n_fft: 2048, mels: 128, low: 30.0, high: 16_000.0, scale: MelScale::Htk };

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

/// `librosa.filters.mel(sr=16000, n_fft=512, n_mels=96, dtype=numpy.float64)` of librosa 0.11, the filters of musicnn:
/// a filter, its first bin that is not 0, and the weights from there. Filters 36 to 38 stand at the knee, 1000 Hz.
const SLANEY: [(usize, usize, &[f64]); 9] = [
    (0, 1, &[0.03199922190480566]),
    (1, 1, &[0.00015857241137450447, 0.03184064949343116]),
    (30, 30, &[0.004757172341235121, 0.027242049563570542]),
    (36, 37, &[0.018190365230849798, 0.013012507808396275]),
    (37, 38, &[0.013248693791208788, 0.01750136888494919]),
    (38, 39, &[0.008085648188894793, 0.0221723742114279, 0.0028959855199157713]),
    (40, 42, &[0.01487791520351807, 0.014853697481186756]),
    (
        60,
        79,
        &[
            0.004132087630655313,
            0.00898657151770865,
            0.010932313498315823,
            0.006231039521794762,
            0.0015297655452737005,
        ],
    ),
    (
        95,
        241,
        &[
            0.0004649185951404268,
            0.0009792202044487193,
            0.001493521813757012,
            0.0020078234230653047,
            0.002522125032373597,
            0.0030364266416818895,
            0.0035507282509901826,
            0.003984559970829838,
            0.0034864899744761046,
            0.0029884199781223713,
            0.002490349981768638,
            0.0019922799854149046,
            0.001494209989061171,
            0.0009961399927074378,
            0.0004980699963537044,
        ],
    ),
];

#[test]
fn slaneys_scale_is_librosas() {
    let spec = MelSpec {
        sample_rate: 16_000,
        n_fft: 512,
        mels: 96,
        low: 0.0,
        high: 8_000.0,
        scale: MelScale::Slaney,
    };
    let bank = Mel::new(spec).unwrap().bank;
    for (filter, first, weights) in SLANEY {
        for bin in 0..257usize {
            let wanted = bin.checked_sub(first).and_then(|i| weights.get(i)).copied().unwrap_or(0.0);
            near(f64::from(bank.weight(filter, bin)), wanted, 2e-9, &format!("filter {filter}, bin {bin}"));
        }
    }
    let weights = (0..96).flat_map(|filter| (0..257).map(move |bin| (filter, bin)));
    let sum: f64 = weights.map(|(filter, bin)| f64::from(bank.weight(filter, bin))).sum();
    near(sum, 3.071913855918935, 1e-6, "the sum of all weights");
}

/// Specifications that name no scale are of HTK's, as all were before there was another.
#[test]
fn the_default_scale_is_not_written() {
    let written = serde_json::to_string(&DEFAULT).unwrap();
    assert!(!written.contains("scale"), "{written}");
    assert_eq!(serde_json::from_str::<MelSpec>(&written).unwrap(), DEFAULT);
    let slaney = MelSpec { scale: MelScale::Slaney, ..DEFAULT };
    let written = serde_json::to_string(&slaney).unwrap();
    assert!(written.contains(r#""scale":"slaney""#), "{written}");
    assert_eq!(serde_json::from_str::<MelSpec>(&written).unwrap(), slaney);
}

/// What a filter takes of white noise, as a sum over bins: its area, as closely as bins sample a triangle.
#[test]
fn unit_area() {
    let (n_fft, sample_rate) = (4096, 22_050);
    let mel =
        Mel::new(MelSpec { sample_rate, n_fft, mels: 20, low: 0.0, high: 11_025.0, scale: MelScale::Htk })
            .unwrap();
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
    let mel = Mel::new(MelSpec {
        sample_rate: 22_050,
        n_fft: 1024,
        mels: 10,
        low: 100.0,
        high: 8_000.0,
        scale: MelScale::Htk,
    })
    .unwrap();
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
    let mel = Mel::new(MelSpec {
        sample_rate: 22_050,
        n_fft: 64,
        mels: 5,
        low: 0.0,
        high: 11_025.0,
        scale: MelScale::Htk,
    })
    .unwrap();
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
