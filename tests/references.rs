//! The references by closed forms, hand-computed numbers and PyTorch's float64 values. What follows from them:
//! gradient rules are proven on the references (`gradients`), kernels against them (`parity`).
//!
//! PyTorch's numbers come from:
//! ```python
//! import torch, torch.nn.functional as F
//! torch.set_default_dtype(torch.float64)
//! f = lambda v: torch.tensor(v, dtype=torch.float32).double().item()  # settings are float32 in the engine
//! for make in (lambda p: torch.optim.Adam(p, 0.01, (f(.9), f(.999)), f(1e-8), weight_decay=f(.1)),
//!              lambda p: torch.optim.AdamW(p, 0.01, (f(.9), f(.999)), f(1e-8), weight_decay=f(.1)),
//!              lambda p: torch.optim.SGD(p, 0.01, momentum=f(.9), weight_decay=f(.1))):
//!     p = torch.tensor([1.0, -2.0, 0.5], requires_grad=True); o = make([p])
//!     for g in ([3.0, -4.0, 12.0], [0.25, 0.5, -0.125]):
//!         p.grad = torch.tensor(g); torch.nn.utils.clip_grad_norm_([p], 2.0); o.step(); print(p.tolist())
//! x = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]]); q = torch.tensor([[0.7, 0.1, 0.2], [0.0, 1.0, 0.0]])
//! w = torch.tensor([1.0, 2.0, 0.5])
//! print(F.softmax(x, 1).tolist()); print(F.cross_entropy(x, q), F.cross_entropy(x, q, label_smoothing=f(.1), weight=w))
//! x = torch.arange(48.0).reshape(2, 4, 2, 3) % 7 - 3; w = torch.arange(24.0).reshape(4, 2, 1, 3) % 5 - 2
//! print(F.conv2d(x, w, stride=(1, 2), padding=(0, 1), groups=2).flatten().tolist())
//! ```

use std::collections::HashMap;

use approx::assert_relative_eq;
use genre_recognizer::device::reference::evaluate;
use genre_recognizer::graph::{NodeId, Shape};
use genre_recognizer::ops::activation::{LeakyRelu, LeakyReluGrad};
use genre_recognizer::ops::batch_norm::*;
use genre_recognizer::ops::bias::{Bias, BiasGrad};
use genre_recognizer::ops::concat::{Concat, Pad, Slice};
use genre_recognizer::ops::conv2d::Conv2d;
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::ops::elementwise::Binary::{Add, Mul, Sub};
use genre_recognizer::ops::elementwise::Unary::{Sigmoid, Square};
use genre_recognizer::ops::elementwise::{Axes, Expand, Reduce};
use genre_recognizer::ops::log::{Compress, CompressGrad};
use genre_recognizer::ops::loss::{BinaryCrossEntropy, BinaryCrossEntropyGrad, CrossEntropy, Softmax};
use genre_recognizer::ops::mask::Mask;
use genre_recognizer::ops::optimizer::{Adam, GlobalNorm, Sgd, UpdateSettings};
use genre_recognizer::ops::pool::*;
use genre_recognizer::ops::source::Input;
use genre_recognizer::ops::view::{Pack, View};
use genre_recognizer::ops::{Graph, Op, Operation};
use genre_recognizer::rng::Rng;

type Tensor = (Shape, Vec<f64>);

fn tensor(shape: impl Into<Shape>, data: impl IntoIterator<Item = f64>) -> Tensor {
    (shape.into(), data.into_iter().collect())
}

fn random(rng: &mut Rng, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let data = (0..shape.elements()).map(|_| 2.0 * rng.uniform_f64() - 1.0).collect();
    (shape, data)
}

/// The reference of one operation in f64.
fn run(op: impl Into<Op>, inputs: &[&Tensor]) -> Tensor {
    let mut graph = Graph::new();
    let ids: Vec<NodeId> = inputs
        .iter()
        .map(|(shape, _)| graph.add(Input { shape: shape.clone() }.into(), &[]).unwrap())
        .collect();
    let output = graph.add(op.into(), &ids).unwrap();
    let given: HashMap<_, _> = ids.into_iter().zip(inputs.iter().map(|(_, data)| data.clone())).collect();
    (graph.shape(output).clone(), evaluate(&graph, &given, &[output]).remove(0))
}

#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len());
    for (&a, &e) in actual.iter().zip(expected) {
        assert_relative_eq!(a, e, epsilon = 1e-12, max_relative = 1e-12);
    }
}

#[test]
fn convolution_of_hand_computed_numbers() {
    // One kernel [[1, 2], [3, 4]] slid over 1..=9 in rows of three.
    let x = tensor([1, 1, 3, 3], (1..=9).map(f64::from));
    let w = tensor([1, 1, 2, 2], [1.0, 2.0, 3.0, 4.0]);
    let plain = Conv2d { stride: [1, 1], pad: [0, 0], groups: 1 };
    assert_eq!(run(plain, &[&x, &w]), tensor([1, 1, 2, 2], [37.0, 47.0, 67.0, 77.0]));
    // Padded by one and with steps of two, every window reaches over an edge but the last.
    let padded = Conv2d { stride: [2, 2], pad: [1, 1], groups: 1 };
    assert_eq!(run(padded, &[&x, &w]), tensor([1, 1, 2, 2], [4.0, 18.0, 36.0, 77.0]));
}

#[test]
fn convolution_of_pytorchs_numbers() {
    let x = tensor([2, 4, 2, 3], (0..48).map(|i| f64::from(i % 7 - 3)));
    let w = tensor([4, 2, 1, 3], (0..24).map(|i| f64::from(i % 5 - 2)));
    let conv = Conv2d { stride: [1, 2], pad: [0, 1], groups: 2 };
    let wanted = [
        15.0, -2.0, -2.0, -2.0, -5.0, 0.0, 3.0, -3.0, 7.0, -10.0, -1.0, 5.0, 0.0, -5.0, -4.0, 1.0, -2.0,
        -2.0, -5.0, 5.0, 3.0, -3.0, -10.0, 15.0, -1.0, 5.0, 5.0, -1.0, -4.0, 1.0, -1.0, 7.0,
    ];
    assert_eq!(run(conv, &[&x, &w]), tensor([2, 4, 2, 2], wanted));
}

/// The same convolution formulated otherwise: x spread into a padded plane of its group, a sum over shifted planes.
#[test]
fn convolution_as_sum_of_shifted_planes() {
    let mut rng = Rng::new(1);
    for (groups, [c, k], [r, s], stride, pad) in [
        (1, [3, 2], [3, 2], [1, 1], [1, 0]),
        (2, [4, 6], [1, 3], [2, 1], [0, 2]),
        (3, [3, 3], [3, 3], [2, 2], [1, 1]),
        (3, [3, 6], [2, 5], [1, 3], [1, 2]),
    ] {
        let [n, h, w] = [2, 5, 7];
        let x = random(&mut rng, [n, c, h, w]);
        let weight = random(&mut rng, [k, c / groups, r, s]);
        let (shape, y) = run(Conv2d { stride, pad, groups }, &[&x, &weight]);
        let (ph, pw) = (h + 2 * pad[0], w + 2 * pad[1]);
        let mut wanted = Vec::new();
        for image in x.1.chunks_exact(c * h * w) {
            let mut plane = vec![0.0; c * ph * pw];
            for (i, &value) in image.iter().enumerate() {
                let (channel, row, column) = (i / (h * w), i / w % h, i % w);
                plane[(channel * ph + row + pad[0]) * pw + column + pad[1]] = value;
            }
            for filter in 0..k {
                let first = filter * groups / k * (c / groups);
                for p in 0..shape[2] {
                    for q in 0..shape[3] {
                        let taps = &weight.1[filter * (c / groups) * r * s..][..(c / groups) * r * s];
                        let sum = taps.iter().enumerate().map(|(t, tap)| {
                            let (channel, row, column) = (first + t / (r * s), t / s % r, t % s);
                            tap * plane[(channel * ph + p * stride[0] + row) * pw + q * stride[1] + column]
                        });
                        wanted.push(sum.sum::<f64>());
                    }
                }
            }
        }
        assert_close(&y, &wanted);
    }
}

#[test]
fn batch_norm_of_known_statistics() {
    // Channel 0 holds 1, 2, 3, 6 (mean 3, variance 3.5), channel 1 the same times −10 plus 1e6: no cancellation.
    let values = [1.0, 2.0, 3.0, 6.0];
    let far = values.map(|v| 1e6 - 10.0 * v);
    let x = tensor([2, 2, 2], [values[0], values[1], far[0], far[1], values[2], values[3], far[2], far[3]]);
    let stats = run(BatchStats, &[&x]);
    assert_close(&stats.1, &[3.0, 1e6 - 30.0, 3.5, 350.0]);

    let affine = tensor([2, 2], [2.0, 0.5, 1.0, -1.0]);
    let (_, y) =
        run(BatchNorm { training: true, slope: None, epsilon: BatchNorm::EPSILON }, &[&x, &stats, &affine]);
    let (near, wide) = ((3.5f64 + 1e-5).sqrt(), (350.0f64 + 1e-5).sqrt());
    let first = values.map(|v| 2.0 * (v - 3.0) / near + 1.0);
    let second = values.map(|v| -0.5 * (10.0 * v - 30.0) / wide - 1.0);
    assert_close(&y, &[first[0], first[1], second[0], second[1], first[2], first[3], second[2], second[3]]);

    // With an epsilon of 0.5 the first channel's deviation is 2.
    let (_, y) = run(BatchNorm { training: true, slope: None, epsilon: 0.5 }, &[&x, &stats, &affine]);
    assert_close(&[y[0], y[1], y[4], y[5]], &values.map(|v| v - 2.0));
}

/// Of parts of a batch, those of the whole; far from zero, too.
#[test]
fn merged_statistics_are_those_of_the_whole() {
    let mut rng = Rng::new(12);
    for far in [0.0, 1e6] {
        let (shape, mut data) = random(&mut rng, [5, 3, 2, 2]);
        data.iter_mut().for_each(|v| *v += far);
        let whole = (shape, data);
        for rows in 1..5 {
            let row = 3 * 2 * 2;
            let first = tensor([rows, 3, 2, 2], whole.1[..rows * row].iter().copied());
            let second = tensor([5 - rows, 3, 2, 2], whole.1[rows * row..].iter().copied());
            let merge = MergeStats { counts: [rows, 5 - rows] };
            let merged = run(merge, &[&run(BatchStats, &[&first]), &run(BatchStats, &[&second])]);
            let wanted = run(BatchStats, &[&whole]);
            for (merged, wanted) in merged.1.iter().zip(&wanted.1) {
                assert_relative_eq!(*merged, *wanted, epsilon = 0.0, max_relative = 1e-9);
            }
        }
    }
}

#[test]
fn running_statistics_are_unbiased() {
    let running = tensor([2, 2], [0.0, 1.0, 1.0, 2.0]);
    let batch = tensor([2, 2], [4.0, -1.0, 3.0, 6.0]);
    // 4/3 of the variance; half of the way there.
    let (_, new) = run(RunningStats { momentum: 0.5, count: 4 }, &[&running, &batch]);
    assert_close(&new, &[2.0, 0.0, 2.5, 5.0]);
}

/// The fused forms are the composition of the plain ones.
#[test]
fn fused_batch_norm_is_its_parts() {
    let mut rng = Rng::new(2);
    for shape in [&[2, 3, 3, 5][..], &[5, 3]] {
        let [x, residual, dy] = std::array::from_fn(|_| random(&mut rng, shape));
        let affine = random(&mut rng, [2, 3]);
        let stats = run(BatchStats, &[&x]);
        let leaky = LeakyRelu { slope: 0.3 };
        let norm = run(
            BatchNorm { training: true, slope: None, epsilon: BatchNorm::EPSILON },
            &[&x, &stats, &affine],
        );
        let sum = run(Add, &[&norm, &residual]);
        let y = run(leaky, &[&sum]);
        let fused = BatchNorm { training: true, slope: Some(0.3), epsilon: BatchNorm::EPSILON };
        assert_close(&run(fused, &[&x, &stats, &affine]).1, &run(leaky, &[&norm]).1);
        assert_close(&run(fused, &[&x, &stats, &affine, &residual]).1, &y.1);

        let dz = run(LeakyReluGrad(leaky), &[&y, &dy]);
        let sums = run(BatchNormSums { slope: None, epsilon: BatchNorm::EPSILON }, &[&x, &stats, &dz]);
        assert_close(
            &run(BatchNormSums { slope: Some(0.3), epsilon: BatchNorm::EPSILON }, &[&x, &stats, &dy, &y]).1,
            &sums.1,
        );
        for count in [None, Some(18)] {
            let plain = BatchNormInputGrad { count, slope: None, epsilon: BatchNorm::EPSILON };
            let fused = BatchNormInputGrad { count, slope: Some(0.3), epsilon: BatchNorm::EPSILON };
            let wanted = run(plain, &[&x, &stats, &affine, &sums, &dz]);
            assert_close(&run(fused, &[&x, &stats, &affine, &sums, &dy, &y]).1, &wanted.1);
        }
    }
}

#[test]
fn activations_biases_and_sums() {
    let x = tensor([1, 2, 2], [-2.0, 0.0, 3.0, -0.5]);
    let leaky = run(LeakyRelu { slope: 0.25 }, &[&x]);
    assert_eq!(leaky.1, [-0.5, 0.0, 3.0, -0.125]);
    assert_eq!(run(LeakyRelu { slope: 0.0 }, &[&x]).1, [0.0, 0.0, 3.0, 0.0]);
    let dy = tensor([1, 2, 2], [4.0, 8.0, 16.0, 32.0]);
    assert_eq!(run(LeakyReluGrad(LeakyRelu { slope: 0.25 }), &[&leaky, &dy]).1, [1.0, 2.0, 16.0, 8.0]);
    assert_eq!(run(Bias, &[&x, &tensor([2], [10.0, 20.0])]).1, [8.0, 10.0, 23.0, 19.5]);
    assert_eq!(run(BiasGrad, &[&dy]), tensor([2], [12.0, 48.0]));
    assert_eq!(run(Add, &[&x, &dy]).1, [2.0, 8.0, 19.0, 31.5]);
}

/// Powers of ten less one, and what 1 + 9·x would lose.
#[test]
fn compression() {
    let op = Compress { gain: 9.0 };
    let x = tensor([4], [0.0, 1.0, 11.0, 1e-30]);
    assert_close(&run(op, &[&x]).1, &[0.0, 1.0, 2.0, 0.0]);
    let small = run(op, &[&x]).1[3];
    assert_relative_eq!(small, 9e-30 / std::f64::consts::LN_10, epsilon = 0.0, max_relative = 1e-12);
    let dy = tensor([4], [std::f64::consts::LN_10; 4]);
    assert_close(&run(CompressGrad(op), &[&x, &dy]).1, &[9.0, 0.9, 0.09, 9.0]);
}

#[test]
fn matrix_products() {
    let a = tensor([2, 3], (1..=6).map(f64::from));
    let b = tensor([3, 2], (7..=12).map(f64::from));
    let wanted = tensor([2, 2], [58.0, 64.0, 139.0, 154.0]);
    assert_eq!(run(Matmul { form: Form::Plain }, &[&a, &b]), wanted);
    let b_transposed = tensor([2, 3], [7.0, 9.0, 11.0, 8.0, 10.0, 12.0]);
    assert_eq!(run(Matmul { form: Form::TransposeB }, &[&a, &b_transposed]), wanted);
    let a_transposed = tensor([3, 2], [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(run(Matmul { form: Form::TransposeA }, &[&a_transposed, &b]), wanted);
}

#[test]
fn pooling_overlaps_and_leaves_edges() {
    let x = tensor([1, 1, 3, 4], [1.0, 5.0, 2.0, 0.0, 7.0, 3.0, 4.0, 9.0, 6.0, 8.0, -1.0, 10.0]);
    let overlapping = Window { size: [2, 3], stride: [1, 1], ceil: false };
    assert_eq!(run(MaxPool(overlapping), &[&x]), tensor([1, 1, 2, 2], [7.0, 9.0, 8.0, 10.0]));
    let sums = [22.0, 23.0, 27.0, 33.0];
    assert_close(&run(AveragePool(overlapping), &[&x]).1, &sums.map(|sum| sum / 6.0));
    // The third row is left over.
    let dy = tensor([1, 1, 1, 2], [4.0, 8.0]);
    let tiles = Window::tiles([2, 2]);
    assert_eq!(run(MaxPool(tiles), &[&x]), tensor([1, 1, 1, 2], [7.0, 9.0]));
    let wanted = [0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(run(MaxPoolGrad(tiles), &[&x, &dy]).1, wanted);
    let wanted = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(run(AveragePoolGrad { window: tiles, input: [3, 4] }, &[&dy]).1, wanted);
}

/// The third row and the fifth column are windows of their own, of one row and one column.
#[test]
fn pooling_covers_edges() {
    let x = tensor([1, 1, 3, 5], (1..=15).map(f64::from));
    let covering = Window::covering([2, 2]);
    assert_eq!(run(MaxPool(covering), &[&x]), tensor([1, 1, 2, 3], [7.0, 9.0, 10.0, 12.0, 14.0, 15.0]));
    let means = [4.0, 6.0, 7.5, 11.5, 13.5, 15.0];
    assert_eq!(run(AveragePool(covering), &[&x]), tensor([1, 1, 2, 3], means));
    let dy = tensor([1, 1, 2, 3], [4.0, 8.0, 12.0, 16.0, 20.0, 24.0]);
    let wanted = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 8.0, 12.0, 0.0, 16.0, 0.0, 20.0, 24.0];
    assert_eq!(run(MaxPoolGrad(covering), &[&x, &dy]).1, wanted);
    let wanted = [1.0, 1.0, 2.0, 2.0, 6.0, 1.0, 1.0, 2.0, 2.0, 6.0, 8.0, 8.0, 10.0, 10.0, 24.0];
    assert_eq!(run(AveragePoolGrad { window: covering, input: [3, 5] }, &[&dy]).1, wanted);
}

/// As many windows as begin inside: one that is larger than the plane too, none behind it.
#[test]
fn pooling_to_the_edge_begins_inside() {
    let pooled = |length, size, stride| {
        let window = Window { size: [size, 1], stride: [stride, 1], ceil: true };
        run(MaxPool(window), &[&tensor([1, 1, length, 1], vec![0.0; length])]).0[2]
    };
    assert_eq!([pooled(7, 2, 2), pooled(6, 2, 2), pooled(1, 2, 2), pooled(187, 59, 59)], [4, 3, 1, 4]);
    assert_eq!([pooled(7, 3, 2), pooled(8, 3, 2), pooled(5, 1, 3), pooled(7, 1, 3)], [3, 4, 2, 3]);
    assert_eq!([pooled(3, 5, 1), pooled(3, 2, 1)], [1, 2]);
}

#[test]
fn ties_of_max_pooling_go_to_the_first() {
    let x = tensor([1, 1, 2, 4], [1.0, 3.0, 2.0, 2.0, 3.0, 3.0, 2.0, 2.0]);
    let dy = tensor([1, 1, 1, 2], [5.0, 7.0]);
    let dx = run(MaxPoolGrad(Window::tiles([2, 2])), &[&x, &dy]);
    assert_eq!(dx.1, [0.0, 5.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn softmax_and_cross_entropy_of_pytorchs_numbers() {
    let x = tensor([2, 3], [1.0, -2.0, 0.5, 3.0, 0.0, -1.0]);
    let probabilities = [
        0.6037488961486258,
        0.030058887569574023,
        0.3661922162818002,
        0.9362395518765058,
        0.0466126225779739,
        0.017147825545520388,
    ];
    assert_close(&run(Softmax, &[&x]).1, &probabilities);
    let labels = tensor([2, 3], [0.7, 0.1, 0.2, 0.0, 1.0, 0.0]);
    let even = tensor([3], [1.0; 3]);
    let plain = run(CrossEntropy { smoothing: 0.0 }, &[&x, &labels, &even]);
    assert_close(&plain.1, &[1.9852404030498563]);
    let weights = tensor([3], [1.0, 2.0, 0.5]);
    let smoothed = run(CrossEntropy { smoothing: 0.1 }, &[&x, &labels, &weights]);
    assert_close(&smoothed.1, &[3.54964216506434]);
    // Equal logits: ln K, whatever the labels.
    let flat = tensor([2, 3], [4.0; 6]);
    assert_close(&run(CrossEntropy { smoothing: 0.0 }, &[&flat, &labels, &even]).1, &[3f64.ln()]);
}

/// Logits whose exponentials overflow or vanish, also in f32's range.
#[test]
fn softmax_of_large_logits_is_finite() {
    let x = tensor([1, 3], [1e4, 1e4 - 1.0, -1e4]);
    let e = (-1f64).exp();
    assert_close(&run(Softmax, &[&x]).1, &[1.0 / (1.0 + e), e / (1.0 + e), 0.0]);
    let label = tensor([1, 3], [0.0, 0.0, 1.0]);
    let loss = run(CrossEntropy { smoothing: 0.0 }, &[&x, &label, &tensor([3], [1.0; 3])]);
    assert_close(&loss.1, &[2e4 + (1.0 + e).ln()]);
}

/// `−Σ w·(y·ln s + (1 − y)·ln(1 − s))/(N·L)`, s the sigmoid of the logit, as numpy has it; and logits whose
/// exponentials overflow.
#[test]
fn binary_cross_entropy_of_known_numbers() {
    let x = tensor([2, 3], [1.0, -2.0, 0.5, 3.0, 0.0, -1.0]);
    let labels = tensor([2, 3], [0.7, 0.1, 0.0, 0.0, 1.0, 0.25]);
    let weights = tensor([3], [1.0, 2.0, 0.5]);
    assert_close(&run(BinaryCrossEntropy, &[&x, &labels, &weights]).1, &[1.0784447930244947]);
    let dx = run(BinaryCrossEntropyGrad, &[&x, &labels, &weights, &tensor([1], [2.0])]);
    let wanted = [
        0.01035285954333498,
        0.012801948014745027,
        0.10374322186697577,
        0.31752470894081114,
        -1.0 / 3.0,
        0.0031569035616658505,
    ];
    assert_close(&dx.1, &wanted);

    let x = tensor([1, 4], [1e4, 1e4, -1e4, -1e4]);
    let labels = tensor([1, 4], [1.0, 0.0, 1.0, 0.0]);
    let inputs = [&x, &labels, &tensor([4], [1.0; 4])];
    assert_close(&run(BinaryCrossEntropy, &inputs).1, &[5e3]);
    let [x, labels, weights] = inputs;
    let dx = run(BinaryCrossEntropyGrad, &[x, labels, weights, &tensor([1], [4.0])]);
    assert_close(&dx.1, &[0.0, 1.0, -1.0, 0.0]);
}

/// Two steps of an optimizer on three parameters; the first gradient is clipped, the second is not.
fn two_steps(op: impl Into<Op>, rows: usize) -> [Vec<f64>; 2] {
    let op = op.into();
    let mut state = tensor([rows, 3], [1.0, -2.0, 0.5].into_iter().chain(vec![0.0; 3 * (rows - 1)]));
    [(1, [3.0, -4.0, 12.0]), (2, [0.25, 0.5, -0.125])].map(|(step, gradients)| {
        let gradients = tensor([3], gradients);
        let norm = run(GlobalNorm, &[&gradients]);
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(step);
        let schedule = tensor([4], [0.01, correction(0.9), correction(0.999), 1.0]);
        state = run(op.clone(), &[&state, &gradients, &norm, &schedule]);
        state.1[..3].to_vec()
    })
}

const COMMON: UpdateSettings =
    UpdateSettings { max_norm: 2.0, weight_decay: 0.1, decayed: 3, base_rate: 1.0, fresh: [0; 3] };
const ADAM: Adam = Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false, common: COMMON };

#[test]
fn optimizers_take_pytorchs_steps() {
    let [first, second] = two_steps(ADAM, 3);
    assert_close(&first, &[0.9900000001780822, -1.9900000001226414, 0.49000000005273836]);
    assert_close(&second, &[0.980380348074383, -1.986292563253188, 0.4836029669156847]);
    let [first, second] = two_steps(Adam { decoupled: true, ..ADAM }, 3);
    assert_close(&first, &[0.9890000002017655, -1.9880000001326976, 0.48950000004671607]);
    assert_close(&second, &[0.9785743316097871, -1.9855065052230458, 0.4828281815729406]);
    let [first, second] = two_steps(Sgd { momentum: 0.9, common: COMMON }, 2);
    assert_close(&first, &[0.9943846157247438, -1.9918461542897243, 0.4810384629511292]);
    assert_close(&second, &[0.9858363853803521, -1.9875158471609085, 0.46474204158910454]);
}

/// Weight decay stops at `decayed`; all else of the step is the same.
#[test]
fn only_the_first_parameters_decay() {
    for decoupled in [false, true] {
        let with =
            |decayed| two_steps(Adam { decoupled, common: UpdateSettings { decayed, ..COMMON }, ..ADAM }, 3);
        let (all, one, none) = (with(3), with(1), with(0));
        for step in 0..2 {
            assert_eq!(one[step][0], all[step][0]);
            assert_eq!(one[step][1..], none[step][1..]);
            assert_ne!(one[step][0], none[step][0]);
            assert_ne!(one[step][2], all[step][2]);
        }
    }
}

#[test]
fn gradients_are_clipped_by_their_global_norm() {
    let gradients = tensor([3], [3.0, -4.0, 12.0]);
    assert_eq!(run(GlobalNorm, &[&gradients]), tensor([2], [13.0, 0.0]));
    let clip = |max_norm: f32, norm: f64| UpdateSettings { max_norm, ..COMMON }.clip(norm, 1.0);
    assert_close(&[clip(2.0, 13.0)], &[2.0 / 13.000001]);
    // The gradients of a loss that was multiplied by 8 are divided by it.
    assert_close(
        &[UpdateSettings { max_norm: 2.0, ..COMMON }.clip(8.0 * 13.0, 0.125)],
        &[0.125 * 2.0 / 13.000001],
    );
    assert_eq!(UpdateSettings { max_norm: f32::INFINITY, ..COMMON }.clip(8.0 * 13.0, 0.125), 0.125);
    assert_eq!([clip(20.0, 13.0), clip(f32::INFINITY, 13.0), clip(2.0, 0.0)], [1.0; 3]);
}

#[test]
fn gradients_that_are_not_finite_leave_the_state() {
    let state = [1.0, -2.0, 0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    let schedule = tensor([4], [0.01, 0.1, 0.001, 1.0]);
    for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let gradients = tensor([3], [1.0, broken, broken]);
        let norm = run(GlobalNorm, &[&gradients]);
        assert_eq!(norm.1[1], 2.0);
        let ops: [(usize, Op); 3] = [
            (3, ADAM.into()),
            (3, Adam { decoupled: true, ..ADAM }.into()),
            (2, Sgd { momentum: 0.9, common: COMMON }.into()),
        ];
        for (rows, op) in ops {
            let state = tensor([rows, 3], state[..3 * rows].iter().copied());
            assert_eq!(run(op, &[&state, &gradients, &norm, &schedule]), state);
        }
    }
}

/// Which of `count` elements a dropout layer keeps; what it keeps is scaled by 1/(1 − rate).
fn kept(dropout: Dropout, seed: u32, step: u32, count: usize) -> Vec<bool> {
    let ones = tensor([count], vec![1.0; count]);
    let (_, y) = run(dropout, &[&ones, &tensor([2], [f64::from(seed), f64::from(step)])]);
    let scale = 1.0 / (1.0 - f64::from(dropout.rate));
    assert!(y.iter().all(|&y| y == 0.0 || y == scale));
    y.iter().map(|&y| y != 0.0).collect()
}

#[test]
fn dropout_keeps_the_right_share_and_draws_anew() {
    const COUNT: usize = 40_000;
    // Five standard deviations of a binomial share.
    let within = |share: f64, p: f64| (share - p).abs() <= 5.0 * (p * (1.0 - p) / COUNT as f64).sqrt();
    let share = |mask: &[bool]| mask.iter().filter(|&&kept| kept).count() as f64 / COUNT as f64;
    for rate in [0.1f32, 0.25, 0.5, 0.9] {
        let p = 1.0 - f64::from(rate);
        let draw = |layer, seed, step| kept(Dropout { rate, layer, first: 0 }, seed, step, COUNT);
        let mask = draw(0, 1, 1);
        assert_eq!(mask, draw(0, 1, 1));
        assert!(within(share(&mask), p));
        // Neighbours in one mask, and masks of neighbouring layers, seeds and steps, agree as often as chance has it.
        let agreement = p * p + (1.0 - p) * (1.0 - p);
        let shifted = [&mask[1..], &mask[..1]].concat();
        for other in [shifted, draw(1, 1, 1), draw(0, 2, 1), draw(0, 1, 2), draw(0, 16_777_215, 16_777_214)] {
            let same: Vec<bool> = mask.iter().zip(&other).map(|(a, b)| a == b).collect();
            assert!(within(share(&same), agreement), "rate {rate}: {} agree", share(&same));
        }
    }
    // A slice of the batch draws its part of the whole mask.
    let op = Dropout { rate: 0.5, layer: 2, first: 0 };
    assert_eq!(kept(op.slice(300), 7, 8, 700), kept(op, 7, 8, 1000)[300..]);
    assert_eq!(kept(op.slice(300).slice(50), 7, 8, 10), kept(op, 7, 8, 1000)[350..360]);
    let all = kept(Dropout { rate: 0.0, layer: 3, first: 0 }, 5, 6, 1000);
    assert!(all.iter().all(|&kept| kept));
}

#[test]
fn masks_scale_rows_and_columns() {
    // Two samples of two channels of 2×3, each with factors of its own.
    let x = tensor([2, 2, 2, 3], (1..=24).map(f64::from));
    let rows = tensor([2, 2], [1.0, 0.0, 2.0, -1.0]);
    let columns = tensor([2, 3], [1.0, 0.0, 0.5, 1.0, 3.0, 0.0]);
    let wanted = [
        [1.0, 0.0, 1.5, 0.0, 0.0, 0.0, 7.0, 0.0, 4.5, 0.0, 0.0, 0.0],
        [26.0, 84.0, 0.0, -16.0, -51.0, 0.0, 38.0, 120.0, 0.0, -22.0, -69.0, 0.0],
    ];
    assert_eq!(run(Mask, &[&x, &rows, &columns]), tensor([2, 2, 2, 3], wanted.concat()));
}

/// Factors that do not belong to the image are refused, and so is what is no image.
#[test]
fn masks_of_other_sizes_are_refused() {
    let refusal = |shapes: [&[usize]; 3]| {
        let mut graph = Graph::new();
        let input = |shape: &[usize]| Input { shape: shape.into() }.into();
        let ids = shapes.map(|shape| graph.add(input(shape), &[]).unwrap());
        graph.add(Mask.into(), &ids).unwrap_err().to_string()
    };
    assert!(refusal([&[2, 3, 4], &[2, 3], &[2, 4]]).contains("[N, C, H, W]"));
    assert!(refusal([&[2, 1, 3, 4], &[2, 4], &[2, 4]]).contains("[2, 3], not [2, 4]"));
    assert!(refusal([&[2, 1, 3, 4], &[2, 3], &[1, 4]]).contains("[2, 4], not [1, 4]"));
}

#[test]
fn views_and_packs() {
    let x = tensor([2, 3], (0..6).map(f64::from));
    assert_eq!(run(View::reshape([3, 2]), &[&x]).1, x.1);
    let slice = View { offset: 2, shape: [3].into() };
    assert_eq!(run(slice, &[&x]), tensor([3], [2.0, 3.0, 4.0]));
    let pack = Pack { offsets: vec![1, 8], len: 11 };
    let packed = run(pack, &[&x, &tensor([2], [8.0, 9.0])]);
    assert_eq!(packed.1, [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 8.0, 9.0, 0.0]);
}

/// Either tensor is repeated where it has one row or one column.
#[test]
fn arithmetic_with_broadcasting() {
    let x = tensor([2, 3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let (row, column) = (tensor([1, 3], [10.0, 20.0, 30.0]), tensor([2, 1], [1.0, -1.0]));
    assert_eq!(run(Add, &[&x, &row]), tensor([2, 3], [11.0, 22.0, 33.0, 14.0, 25.0, 36.0]));
    assert_eq!(run(Sub, &[&row, &x]), tensor([2, 3], [9.0, 18.0, 27.0, 6.0, 15.0, 24.0]));
    assert_eq!(run(Mul, &[&x, &column]), tensor([2, 3], [1.0, 2.0, 3.0, -4.0, -5.0, -6.0]));
    assert_eq!(run(Sub, &[&row, &column]), tensor([2, 3], [9.0, 19.0, 29.0, 11.0, 21.0, 31.0]));
    let repeated = Expand { factor: 0.5, repeats: vec![1, 3] };
    assert_eq!(run(repeated, &[&column]), tensor([2, 3], [0.5, 0.5, 0.5, -0.5, -0.5, -0.5]));
    assert_eq!(run(Square, &[&column]), tensor([2, 1], [1.0, 1.0]));
    let (_, sigmoid) = run(Sigmoid, &[&tensor([4], [0.0, 2.0, -2.0, -1000.0])]);
    assert_close(&sigmoid, &[0.5, 1.0 / (1.0 + (-2.0f64).exp()), 1.0 / (1.0 + 2.0f64.exp()), 0.0]);
}

#[test]
fn sums_and_means_over_axes() {
    let x = tensor([2, 2, 3], (1..=12).map(f64::from));
    let sum = |axes: &[usize]| run(Reduce::sum(Axes::These(axes.to_vec())), &[&x]);
    assert_eq!(run(Reduce::sum(Axes::All), &[&x]), tensor([1], [78.0]));
    assert_eq!(run(Reduce::mean(Axes::All), &[&x]), tensor([1], [6.5]));
    assert_eq!(sum(&[2]), tensor([2, 2, 1], [6.0, 15.0, 24.0, 33.0]));
    assert_eq!(sum(&[0]), tensor([1, 2, 3], [8.0, 10.0, 12.0, 14.0, 16.0, 18.0]));
    assert_eq!(sum(&[2, 0]), tensor([1, 2, 1], [30.0, 48.0]));
    assert_eq!(sum(&[1]), tensor([2, 1, 3], [5.0, 7.0, 9.0, 17.0, 19.0, 21.0]));
    let mean = run(Reduce::mean(Axes::These(vec![1, 2])), &[&x]);
    assert_eq!(mean, tensor([2, 1, 1], [3.5, 9.5]));
}

#[test]
fn concatenation_slices_and_padding() {
    let (a, b) = (tensor([2, 2], [1.0, 2.0, 3.0, 4.0]), tensor([2, 1], [5.0, 6.0]));
    assert_eq!(run(Concat { axis: 1 }, &[&a, &b]), tensor([2, 3], [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]));
    assert_eq!(run(Concat { axis: 0 }, &[&b, &b]), tensor([4, 1], [5.0, 6.0, 5.0, 6.0]));
    assert_eq!(run(Slice { axis: 1, start: 1, len: 1 }, &[&a]), tensor([2, 1], [2.0, 4.0]));
    let pad = Pad { axis: 1, before: 1, behind: 2 };
    assert_eq!(run(pad, &[&b]), tensor([2, 4], [0.0, 5.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0]));
}

#[test]
fn general_operations_refuse_what_does_not_fit() {
    let refusal = |op: Op, shapes: &[&[usize]]| {
        let mut graph = Graph::new();
        let ids: Vec<NodeId> = shapes
            .iter()
            .map(|&shape| graph.add(Input { shape: shape.into() }.into(), &[]).unwrap())
            .collect();
        graph.add(op, &ids).unwrap_err().to_string()
    };
    assert!(refusal(Mul.into(), &[&[2, 3], &[2, 2]]).contains("[2, 3] and [2, 2]"));
    assert!(refusal(Mul.into(), &[&[2, 3], &[3]]).contains("as many axes"));
    let alternating: [&[usize]; 2] = [&[2, 1, 2, 1, 2], &[1, 2, 1, 2, 1]];
    assert!(refusal(Add.into(), &alternating).contains("in turn"));
    assert!(refusal(Reduce::sum(Axes::These(vec![2])).into(), &[&[2, 3]]).contains("no axis 2"));
    let twice = Expand { factor: 1.0, repeats: vec![2] };
    assert!(refusal(twice.into(), &[&[2, 3]]).contains("axis 0"));
    assert!(refusal(Concat { axis: 0 }.into(), &[&[2, 3], &[2, 2]]).contains("differ"));
    assert!(refusal(Concat { axis: 2 }.into(), &[&[2, 3]]).contains("no axis 2"));
    assert!(refusal(Slice { axis: 1, start: 2, len: 2 }.into(), &[&[2, 3]]).contains("end behind"));
}
