//! Products in mixed precision. On operands that f16 holds exactly nothing is rounded but the sums, which are
//! f32: there the tolerance is that of f32. On others the bound follows from the rounding of both operands.
//!
//! An adapter with matrix units runs these tests on them; see `cooperative` for other adapters. Products that stay in f32
//! there are compared as those of f32.

use std::sync::Arc;

use genre_recognizer::device::{Device, Precision, reference};
use genre_recognizer::graph::{GraphOp, Shape};
use genre_recognizer::ops::Op;
use genre_recognizer::ops::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::kernel::Kernel;
use genre_recognizer::rng::Rng;

use super::harness::{Case, common, normal};

/// The nearest number that f16 holds, of two the even one.
pub fn to_half(value: f32) -> f32 {
    let magnitude = value.abs();
    if magnitude >= 65_520.0 {
        return f32::INFINITY.copysign(value);
    }
    // Below 2^-14 the spacing stays 2^-24; above it is 2^-10 of the power of two below.
    let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(-14);
    let spacing = 2f32.powi(exponent - 10);
    ((magnitude / spacing).round_ties_even() * spacing).copysign(value)
}

#[test]
fn rounding_is_that_of_f16() {
    let halves = [
        (1.0, 1.0),
        (1.0 + 2f32.powi(-11), 1.0),
        (1.0 + 3.0 * 2f32.powi(-11), 1.0 + 2f32.powi(-9)),
        (-0.1, -0.099_975_586),
        (65_519.0, 65_504.0),
        (-65_520.0, f32::NEG_INFINITY),
        (2f32.powi(-25), 0.0),
        (1.5 * 2f32.powi(-24), 2f32.powi(-23)),
        (6.1e-5, 1023.0 * 2f32.powi(-24)),
    ];
    for (value, half) in halves {
        assert_eq!(to_half(value), half, "{value}");
    }
}

/// The three convolutions: channels are those of one group.
pub fn convolutions(
    [n, groups, c, k]: [usize; 4],
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
    seed: u64,
) -> Vec<Case> {
    let conv = Conv2d { stride, pad, groups };
    let mut rng = Rng::new(seed);
    let x = normal(&mut rng, [n, c * groups, image[0], image[1]], 1.0);
    let w = normal(&mut rng, [k * groups, c, kernel[0], kernel[1]], 0.5);
    let d = conv.dims(&x.0, &w.0).unwrap();
    let dy = normal(&mut rng, [n, d.k, d.p, d.q], 2.0);
    let taps = kernel[0] * kernel[1];
    let case = |op: Op, a: &(Shape, Vec<f32>), b: &(Shape, Vec<f32>), reduction, backward| Case {
        op,
        inputs: vec![a.clone(), b.clone()],
        reduction,
        backward,
    };
    vec![
        case(conv.into(), &x, &w, c * taps, false),
        case(Conv2dInputGrad { conv, input: image }.into(), &w, &dy, k * taps, true),
        case(Conv2dWeightGrad { conv, kernel }.into(), &x, &dy, n * d.p * d.q, true),
    ]
}

/// The three products of a dense layer.
pub fn products([m, n, k]: [usize; 3], seed: u64) -> Vec<Case> {
    let mut rng = Rng::new(seed);
    let forms = [
        (Form::Plain, [m, k], [k, n]),
        (Form::TransposeB, [m, k], [n, k]),
        (Form::TransposeA, [k, m], [k, n]),
    ];
    let case = |(form, a, b): (Form, [usize; 2], [usize; 2])| Case {
        op: Matmul { form }.into(),
        inputs: vec![normal(&mut rng, a, 1.0), normal(&mut rng, b, 0.5)],
        reduction: k,
        backward: form != Form::TransposeB,
    };
    forms.into_iter().map(case).collect()
}

/// Odd and prime sizes, sums of no multiple of 4 or of a tile, groups, strides, parts of a sum, several
/// tiles.
pub fn cases() -> Vec<Case> {
    let one = [1, 1];
    [
        convolutions([2, 1, 17, 33], [13, 11], [3, 3], one, one, 1),
        convolutions([2, 1, 5, 7], [7, 13], [3, 5], [2, 3], [1, 2], 2),
        convolutions([1, 3, 5, 7], [5, 7], [1, 1], one, [0, 0], 3),
        convolutions([3, 1, 5, 4], [31, 29], [3, 3], [2, 2], [2, 1], 4),
        // Several output blocks and stages of windows, and zeros of different widths around an image.
        convolutions([3, 1, 70, 9], [8, 5], [3, 3], one, [2, 0], 11),
        products([13, 33, 17], 5),
        products([67, 71, 3], 6),
        products([5, 7, 1031], 7),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether the device computes the case's kernel in mixed precision.
fn rounds(case: &Case, device: &dyn Device) -> bool {
    let shapes: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
    match device.compile(&case.op.prepare(&shapes).unwrap(), None) {
        Kernel::Gpu(kernel) => kernel.launches[0].shader.name.starts_with("mixed/"),
        Kernel::Cpu(_) => false,
    }
}

fn device() -> Option<Arc<dyn Device>> {
    let device = common::mixed_gpu();
    if let Some(device) = &device {
        assert_eq!(device.precision(), Precision::Mixed);
    }
    device
}

#[test]
fn exact_operands_give_what_f32_gives() {
    let Some(device) = device() else { return };
    for mut case in cases() {
        case.inputs.iter_mut().flat_map(|(_, data)| data).for_each(|value| *value = to_half(*value));
        case.check_on(std::slice::from_ref(&device));
    }
}

/// In f64, of the case's operands changed by `f`.
pub fn exact(case: &Case, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let (graph, inputs, _, output) = case.graph(false);
    let given = inputs.iter().zip(&case.inputs);
    let given = given.map(|(&id, (_, data))| (id, data.iter().map(|&v| f(f64::from(v))).collect())).collect();
    reference::evaluate(&graph, &given, &[output]).remove(0)
}

fn run(case: &Case, device: &dyn Device) -> Vec<f32> {
    let (graph, inputs, zeros, output) = case.graph(false);
    case.run(device, &graph, &inputs, &zeros, output)
}

/// Rounding an operand changes it by at most 2^-11 of itself, or of 2^-14 where it is smaller; so a product
/// changes by 2^-10 of its magnitude, and a sum by as much of the sum of magnitudes.
#[test]
fn other_operands_are_rounded_and_no_more() {
    let Some(device) = device() else { return };
    let mut rounded = 0;
    for case in cases() {
        if !rounds(&case, device.as_ref()) {
            case.check_on(std::slice::from_ref(&device));
            continue;
        }
        rounded += 1;
        let (expected, actual) = (exact(&case, |v| v), run(&case, device.as_ref()));
        let magnitudes = exact(&case, |v| v.abs().max(2f64.powi(-14)));
        let (mut error, mut power) = (0.0, 0.0);
        for ((&r, &g), m) in expected.iter().zip(&actual).zip(magnitudes) {
            let difference = (f64::from(g) - r).abs();
            let allowed = (2f64.powi(-10) + 1e-5) * m;
            assert!(difference <= allowed, "{:?}: {g}, not {r} (allowed {allowed:e})", case.op);
            error += difference * difference;
            power += r * r;
        }
        let mean = error / power;
        assert!((1e-9..1e-6).contains(&mean), "{:?}: normalised mean squared error {mean:e}", case.op);
    }
    assert!(rounded >= 6, "only {rounded} products were computed in mixed precision");
}

/// What f16 does not hold is not finite in any result that it is part of. (It may be multiplied with the
/// zeros beyond a border too, which makes NaN.)
#[test]
fn what_is_too_large_is_never_hidden() {
    let Some(device) = device() else { return };
    let mut cases = convolutions([2, 1, 9, 10], [7, 9], [3, 3], [1, 1], [0, 0], 8);
    cases.extend(products([9, 11, 13], 9));
    cases.retain(|case| rounds(case, device.as_ref()));
    assert!(cases.len() >= 3);
    for mut case in cases {
        for (input, value) in [(0, 65_520.0), (1, -1e5), (0, 3e38)] {
            let place = case.inputs[input].1.len() / 2;
            let before = std::mem::replace(&mut case.inputs[input].1[place], value);
            // Where the operand has a part, from an input of zeros and a one, by another of ones.
            let mut parts = Case { op: case.op.clone(), inputs: case.inputs.clone(), ..case };
            parts.inputs.iter_mut().for_each(|(_, data)| data.fill(1.0));
            parts.inputs[input].1.fill(0.0);
            parts.inputs[input].1[place] = 1.0;
            let parts = exact(&parts, |v| v);
            assert!(parts.contains(&0.0) && parts.contains(&1.0));
            let results = run(&case, device.as_ref());
            let mut untouched = 0;
            for (result, part) in results.iter().zip(parts) {
                assert!(part == 0.0 || !result.is_finite(), "{:?}: {value} became {result}", case.op);
                untouched += usize::from(part == 0.0 && result.is_finite());
            }
            assert!(untouched > 0, "{:?}: {value} spoilt everything", case.op);
            case.inputs[input].1[place] = before;
        }
        // The largest that it holds.
        case.inputs.iter_mut().for_each(|(_, data)| data[0] = 65_504.0);
        assert!(run(&case, device.as_ref()).iter().all(|result| result.is_finite()), "{:?}", case.op);
    }
}

/// Depthwise convolutions stay in f32.
#[test]
fn products_of_few_rows_are_those_of_f32() {
    let Some(device) = device() else { return };
    for case in convolutions([2, 7, 1, 1], [13, 7], [3, 3], [1, 1], [1, 1], 10) {
        case.check_on(std::slice::from_ref(&device));
    }
}
