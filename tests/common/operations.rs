//! One example of every operation: what tests that go through all of them run. They fail where a variant of
//! `Op` has none.

use genre_recognizer::graph::Shape;
use genre_recognizer::ops::Op;
use genre_recognizer::ops::activation::{LeakyRelu, LeakyReluGrad};
use genre_recognizer::ops::batch_norm::{
    BatchNorm, BatchNormInputGrad, BatchNormSums, BatchStats, MergeStats, RunningStats,
};
use genre_recognizer::ops::bias::{Bias, BiasGrad};
use genre_recognizer::ops::concat::{Concat, Pad, Slice};
use genre_recognizer::ops::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::dropout::Dropout;
use genre_recognizer::ops::elementwise::{Axes, Binary, Expand, Reduce, Unary};
use genre_recognizer::ops::exchange::{Exchange, Joined};
use genre_recognizer::ops::log::{Compress, CompressGrad, Decibel, DecibelGrad, Ln, LnGrad};
use genre_recognizer::ops::log_mel::LogMel;
use genre_recognizer::ops::loss::{
    BinaryCrossEntropy, BinaryCrossEntropyGrad, CrossEntropy, CrossEntropyGrad, Softmax, SoftmaxGrad,
};
use genre_recognizer::ops::mask::Mask;
use genre_recognizer::ops::mel::{Mel, MelScale, MelSpec};
use genre_recognizer::ops::optimizer::{Adam, GlobalNorm, Sgd, UpdateSettings};
use genre_recognizer::ops::pool::{AveragePool, AveragePoolGrad, MaxPool, MaxPoolGrad, Window};
use genre_recognizer::ops::source::{Input, Variable};
use genre_recognizer::ops::stft::{PowerStft, PowerStftGrad};
use genre_recognizer::ops::view::{Pack, View};
use genre_recognizer::rng::Rng;

/// An operation with inputs that it takes.
pub struct Example {
    pub op: Op,
    pub inputs: Vec<(Shape, Vec<f64>)>,
}

/// At least one example of every variant. All values are positive and no two are alike, so that logarithms,
/// variances, maxima and kinks are no special case.
///
/// # Panics
/// Where a variant has no example.
pub fn examples() -> Vec<Example> {
    let mut rng = Rng::new(1);
    let mut examples = Vec::new();
    let mut example = |op: Op, shapes: &[&[usize]]| {
        let inputs = shapes.iter().map(|&shape| {
            let shape = Shape::from(shape);
            let data = (0..shape.elements()).map(|_| 0.5 + rng.uniform_f64()).collect();
            (shape, data)
        });
        examples.push(Example { op, inputs: inputs.collect() });
    };
    let (image, kernel) = (&[2, 3, 4, 5][..], &[4, 3, 3, 3][..]);
    let (pair, row) = (&[2, 3][..], &[3, 5][..]);
    example(Input { shape: row.into() }.into(), &[]);
    example(Variable { shape: row.into() }.into(), &[]);
    example(View { offset: 2, shape: [3, 2].into() }.into(), &[row]);
    example(Pack { offsets: vec![1, 8], len: 24 }.into(), &[pair, row]);
    example(Exchange { parts: vec![vec![4, 3]], rank: 0, joined: Joined::Rows }.into(), &[&[7]]);
    example(Exchange { parts: vec![vec![4, 4, 4]], rank: 0, joined: Joined::Sum }.into(), &[&[12]]);

    let stft = PowerStft { n_fft: 64, hop: 17, centred: true };
    // A sampling rate of 8 Hz makes filters of unit area weigh about 1.
    let mel =
        Mel::new(MelSpec { sample_rate: 8, n_fft: 64, mels: 5, low: 0.1, high: 3.9, scale: MelScale::Htk })
            .unwrap();
    let (audio, spectrum) = (&[1, 1, 40][..], &[1, 1, 33, 3][..]);
    let (ln, decibel) = (Ln { floor: 0.1 }, Decibel { range: 80.0 });
    example(stft.into(), &[audio]);
    example(PowerStftGrad(stft).into(), &[audio, spectrum]);
    example(mel.clone().into(), &[spectrum]);
    let slaney = MelSpec { scale: MelScale::Slaney, ..mel.bank.spec };
    example(Mel::new(slaney).unwrap().into(), &[spectrum]);
    example(LogMel { stft, mel, ln: Some(ln) }.into(), &[audio]);
    example(ln.into(), &[row]);
    example(LnGrad(ln).into(), &[row, row]);
    let compress = Compress { gain: 10.0 };
    example(compress.into(), &[row]);
    example(CompressGrad(compress).into(), &[row, row]);
    example(decibel.into(), &[row]);
    example(DecibelGrad(decibel).into(), &[row, row]);

    let (conv, input) = (Conv2d::same([3, 3]), [4, 5]);
    example(conv.into(), &[image, kernel]);
    example(Conv2dInputGrad { conv, input }.into(), &[kernel, &[2, 4, 4, 5]]);
    example(Conv2dWeightGrad { conv, kernel: [3, 3] }.into(), &[image, &[2, 4, 4, 5]]);
    example(Bias.into(), &[image, &[3]]);
    example(BiasGrad.into(), &[image]);
    example(Matmul { form: Form::TransposeB }.into(), &[row, &[4, 5]]);

    let slope = Some(0.3);
    example(BatchStats.into(), &[image]);
    // In training the gradient is that through the statistics, which are then no inputs of their own.
    example(
        BatchNorm { training: false, slope: None, epsilon: BatchNorm::EPSILON }.into(),
        &[image, pair, pair],
    );
    example(BatchNormSums { slope, epsilon: BatchNorm::EPSILON }.into(), &[image, pair, image, image]);
    let sums = BatchNormInputGrad { count: Some(40), slope, epsilon: BatchNorm::EPSILON };
    example(sums.into(), &[image, pair, pair, pair, image, image]);
    example(MergeStats { counts: [3, 4] }.into(), &[pair, pair]);
    example(RunningStats { momentum: 0.1, count: 40 }.into(), &[pair, pair]);

    let (leaky, window) = (LeakyRelu { slope: 0.3 }, Window::tiles([2, 2]));
    example(leaky.into(), &[row]);
    example(LeakyReluGrad(leaky).into(), &[row, row]);
    let covering = Window::covering([2, 2]);
    example(MaxPool(covering).into(), &[image]);
    example(AveragePool(covering).into(), &[image]);
    example(MaxPool(window).into(), &[image]);
    example(MaxPoolGrad(window).into(), &[image, &[2, 3, 2, 2]]);
    example(AveragePool(window).into(), &[image]);
    example(AveragePoolGrad { window, input }.into(), &[&[2, 3, 2, 2]]);
    example(Dropout { rate: 0.5, layer: 0, first: 0 }.into(), &[row, &[2]]);
    example(Mask.into(), &[image, &[2, 4], &[2, 5]]);

    for op in [Binary::Add, Binary::Sub, Binary::Mul] {
        example(op.into(), &[row, &[1, 5]]);
    }
    for op in [Unary::Square, Unary::Sigmoid] {
        example(op.into(), &[row]);
    }
    for mean in [false, true] {
        example(Reduce { mean, axes: Axes::These(vec![1]) }.into(), &[row]);
    }
    example(Expand { factor: -0.5, repeats: vec![3] }.into(), &[&[1, 5]]);
    example(Concat { axis: 1 }.into(), &[row, &[3, 2]]);
    example(Slice { axis: 1, start: 1, len: 3 }.into(), &[row]);
    example(Pad { axis: 1, before: 1, behind: 2 }.into(), &[row]);

    let loss = CrossEntropy { smoothing: 0.1 };
    example(Softmax.into(), &[row]);
    example(SoftmaxGrad.into(), &[row, row]);
    example(loss.into(), &[row, row, &[5]]);
    example(CrossEntropyGrad(loss).into(), &[row, row, &[5], &[1]]);
    example(BinaryCrossEntropy.into(), &[row, row, &[5]]);
    example(BinaryCrossEntropyGrad.into(), &[row, row, &[5], &[1]]);
    let common =
        UpdateSettings { max_norm: 1.0, base_rate: 0.25, fresh: [2, 3, 4], ..UpdateSettings::new(0.1, 3) };
    let adam = Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false, common };
    example(GlobalNorm.into(), &[&[5]]);
    example(Sgd { momentum: 0.9, common }.into(), &[&[2, 5], &[5], &[2], &[4]]);
    for decoupled in [false, true] {
        example(Adam { decoupled, ..adam }.into(), &[&[3, 5], &[5], &[2], &[4]]);
    }

    let has = |variant: &str| examples.iter().any(|example| example.op.variant() == variant);
    let missing: Vec<&str> = Op::VARIANTS.iter().copied().filter(|variant| !has(variant)).collect();
    assert!(missing.is_empty(), "tests/common/operations.rs has no example of {missing:?}");
    examples
}
