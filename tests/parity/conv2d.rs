//! Convolution forward, to the input and to the weight.

use std::sync::Arc;

use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::graph::Shape;
use genre_recognizer::ops::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
use genre_recognizer::rng::Rng;
use proptest::prelude::*;

use super::harness::{Case, normal};

/// A convolution's sizes; channels are those of one group.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    n: usize,
    groups: usize,
    c: usize,
    k: usize,
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
}

const PLAIN: Sizes =
    Sizes { n: 1, groups: 1, c: 1, k: 1, image: [5, 7], kernel: [3, 3], stride: [1, 1], pad: [1, 1] };

fn check(sizes: Sizes, seed: u64) {
    cases(sizes, seed).iter().for_each(Case::check);
}

/// On the CPU only: a software adapter takes a second to compile a tile for sizes that it has not seen.
fn check_cpu(sizes: Sizes, seed: u64) {
    cases(sizes, seed).iter().for_each(|case| case.check_on(&[Arc::new(Cpu)]));
}

/// The three convolutions.
fn cases(sizes: Sizes, seed: u64) -> [Case; 3] {
    let Sizes { n, groups, c, k, image, kernel, stride, pad } = sizes;
    let conv = Conv2d { stride, pad, groups };
    let mut rng = Rng::new(seed);
    let x = normal(&mut rng, [n, c * groups, image[0], image[1]], 1.0);
    let w = normal(&mut rng, [k * groups, c, kernel[0], kernel[1]], 0.5);
    let d = conv.dims(&x.0, &w.0).unwrap();
    let dy = normal(&mut rng, [n, d.k, d.p, d.q], 2.0);
    let taps = kernel[0] * kernel[1];
    let case = |op, a: &(Shape, Vec<f32>), b: &(Shape, Vec<f32>), reduction, backward| Case {
        op,
        inputs: vec![a.clone(), b.clone()],
        reduction,
        backward,
    };
    [
        case(conv.into(), &x, &w, c * taps, false),
        case(Conv2dInputGrad { conv, input: image }.into(), &w, &dy, k * taps, true),
        case(Conv2dWeightGrad { conv, kernel }.into(), &x, &dy, n * d.p * d.q, true),
    ]
}

#[test]
fn kernels_and_paddings() {
    check(Sizes { c: 3, k: 5, ..PLAIN }, 1);
    check(Sizes { n: 2, c: 2, k: 3, image: [7, 13], kernel: [3, 5], pad: [1, 2], ..PLAIN }, 2);
    check_cpu(Sizes { n: 3, c: 2, k: 9, image: [5, 3], kernel: [5, 3], pad: [2, 0], ..PLAIN }, 3);
    check_cpu(Sizes { c: 7, k: 2, image: [17, 2], kernel: [2, 1], pad: [0, 2], ..PLAIN }, 4);
    check(Sizes { n: 2, c: 5, k: 13, image: [3, 31], kernel: [1, 1], pad: [0, 0], ..PLAIN }, 5);
    // More padding than the kernel is large: some outputs see nothing of the input.
    check(Sizes { c: 2, k: 3, image: [3, 2], kernel: [2, 3], pad: [3, 4], ..PLAIN }, 6);
    check_cpu(Sizes { image: [1, 1], kernel: [1, 1], pad: [0, 0], ..PLAIN }, 7);
}

#[test]
fn strides() {
    check(Sizes { n: 2, k: 16, image: [13, 17], kernel: [5, 5], stride: [2, 2], pad: [2, 2], ..PLAIN }, 11);
    check_cpu(Sizes { c: 3, k: 5, image: [17, 7], stride: [1, 2], ..PLAIN }, 12);
    check(
        Sizes { n: 2, c: 2, k: 3, image: [7, 33], kernel: [3, 5], stride: [2, 3], pad: [0, 2], ..PLAIN },
        13,
    );
    // A stride beyond the kernel: positions that no output reads have no gradient.
    check_cpu(Sizes { c: 3, k: 2, image: [13, 5], kernel: [1, 2], stride: [3, 3], pad: [0, 1], ..PLAIN }, 14);
    check(Sizes { c: 2, k: 3, image: [5, 7], stride: [2, 2], pad: [3, 3], ..PLAIN }, 15);
}

#[test]
fn groups() {
    check(Sizes { n: 2, groups: 2, c: 3, k: 5, image: [7, 5], ..PLAIN }, 21);
    check(Sizes { n: 2, groups: 7, image: [13, 7], ..PLAIN }, 22);
    check(Sizes { groups: 5, k: 2, image: [7, 17], stride: [2, 2], ..PLAIN }, 23);
    check(Sizes { groups: 3, c: 2, image: [5, 3], kernel: [3, 5], stride: [2, 1], pad: [1, 2], ..PLAIN }, 24);
}

/// Across the borders of tiles of channels, positions and terms, and of parts of a sum.
#[test]
fn beyond_one_tile() {
    check(Sizes { n: 2, c: 17, k: 33, image: [13, 11], ..PLAIN }, 31);
    check_cpu(Sizes { n: 3, c: 65, k: 5, image: [7, 9], kernel: [1, 1], pad: [0, 0], ..PLAIN }, 32);
    check_cpu(Sizes { n: 2, groups: 65, image: [17, 5], ..PLAIN }, 33);
    check(Sizes { n: 1, c: 5, k: 66, image: [31, 33], kernel: [3, 5], stride: [2, 1], ..PLAIN }, 34);
}

/// Three rows of taps and enough channels, where the CPU device filters by tiles of four rows: heights and
/// widths on both sides of tiles and vectors, more and fewer samples than are taken together, all paddings.
#[test]
fn tiles_of_rows() {
    let enough = Sizes { c: 9, k: 11, ..PLAIN };
    for (seed, image) in (51..).zip([[4, 5], [8, 15], [9, 16], [12, 17], [16, 44], [23, 33], [7, 97]]) {
        check_cpu(Sizes { n: 3, image, ..enough }, seed);
    }
    check_cpu(Sizes { n: 17, c: 16, k: 24, image: [8, 5], ..PLAIN }, 61);
    check_cpu(Sizes { n: 5, c: 40, k: 16, image: [16, 11], ..PLAIN }, 62);
    check_cpu(Sizes { n: 2, image: [18, 21], pad: [0, 0], ..enough }, 63);
    check_cpu(Sizes { n: 2, image: [17, 19], pad: [2, 2], ..enough }, 64);
    check_cpu(Sizes { n: 2, image: [15, 13], kernel: [3, 5], pad: [1, 2], ..enough }, 65);
    check_cpu(Sizes { n: 2, c: 25, image: [16, 12], kernel: [3, 1], pad: [1, 0], ..enough }, 66);
}

/// Long sums: over channels forward, over samples and positions for the weight.
#[test]
fn long_sums() {
    check(Sizes { n: 1, c: 131, k: 7, image: [5, 3], ..PLAIN }, 41);
    check(Sizes { n: 3, c: 2, k: 5, image: [65, 67], ..PLAIN }, 42);
}

/// On both sides of the rules that choose tiles on a GPU: products of more than 2²⁴ multiplications with one,
/// two and four columns a thread; a weight gradient with one and with two; kernels whose taps need several
/// stages, and too many for the weight gradient's tiles.
#[test]
fn tiles() {
    check(Sizes { n: 3, c: 17, k: 33, image: [37, 41], ..PLAIN }, 51);
    check(Sizes { c: 23, k: 17, image: [67, 73], ..PLAIN }, 52);
    check(Sizes { c: 2, k: 5, image: [5, 5], kernel: [61, 63], pad: [30, 31], ..PLAIN }, 53);
    let [forward, ..] = cases(Sizes { c: 7, k: 17, image: [127, 131], ..PLAIN }, 54);
    forward.check();
    let [forward, ..] = cases(Sizes { c: 4, k: 17, image: [181, 191], ..PLAIN }, 55);
    forward.check();
}

/// Windows of 3×3 taps: all blocks of channels and positions that a thread computes, with one stage of input channels and
/// several. Large blocks are chosen where there are many.
#[test]
fn windows() {
    let shapes = [
        (Sizes { n: 3, c: 17, k: 13, image: [9, 13], pad: [2, 0], ..PLAIN }, [4, 4]),
        (Sizes { n: 128, c: 2, k: 4, image: [63, 44], ..PLAIN }, [4, 8]),
        (Sizes { n: 70, c: 2, k: 15, image: [64, 44], ..PLAIN }, [8, 4]),
        (Sizes { n: 65, c: 7, k: 15, image: [64, 43], ..PLAIN }, [8, 8]),
    ];
    for (seed, (sizes, block)) in (81..).zip(shapes) {
        let [forward, ..] = cases(sizes, seed);
        assert_eq!(forward.constants(["ROWS", "DOWN"]), block, "{sizes:?}");
        forward.check();
    }
}

/// Their weight gradients: teams beside each other in every way, one slice of them and several; one part of the sum of many
/// stages, several parts, of one stage each and of more.
#[test]
fn windows_of_weights() {
    // TEAMS_C, TEAMS_K, SLICES, PARTS, PART_STAGES.
    let shapes = [
        (Sizes { n: 2, c: 16, k: 16, image: [9, 13], ..PLAIN }, [1, 1, 3, 6, 1]),
        (Sizes { n: 3, c: 31, k: 14, image: [7, 11], pad: [0, 2], ..PLAIN }, [2, 1, 1, 15, 1]),
        (Sizes { n: 3, c: 15, k: 32, image: [16, 5], ..PLAIN }, [1, 2, 4, 6, 1]),
        (Sizes { n: 3, c: 30, k: 62, image: [16, 11], ..PLAIN }, [2, 2, 2, 12, 1]),
        (Sizes { n: 3, c: 250, k: 512, image: [8, 6], ..PLAIN }, [2, 2, 2, 2, 3]),
        (Sizes { n: 3, c: 512, k: 500, image: [8, 6], ..PLAIN }, [2, 2, 2, 1, 6]),
    ];
    for (seed, (sizes, tiles)) in (91..).zip(shapes) {
        let [.., weight_grad] = cases(sizes, seed);
        let names = ["TEAMS_C", "TEAMS_K", "SLICES", "PARTS", "PART_STAGES"];
        assert_eq!(weight_grad.constants(names), tiles, "{sizes:?}");
        weight_grad.check();
    }
}

/// Weight gradients of one tap: register tiles of 4 and 8 channels on either side, two to eight slices of positions;
/// channels and positions that fill tiles and stages and that do not; one stage, several, and parts of several.
#[test]
fn points() {
    let one = Sizes { kernel: [1, 1], pad: [0, 0], ..PLAIN };
    let of_weights = |sizes, seed| {
        let [.., weight_grad] = cases(sizes, seed);
        weight_grad.check();
    };
    of_weights(Sizes { n: 2, c: 16, k: 16, image: [16, 12], ..one }, 71);
    of_weights(Sizes { c: 31, k: 7, image: [5, 7], ..one }, 72);
    of_weights(Sizes { n: 3, c: 13, k: 61, image: [3, 17], ..one }, 73);
    of_weights(Sizes { n: 5, c: 64, k: 30, image: [8, 6], ..one }, 74);
    of_weights(Sizes { n: 2, c: 32, k: 32, image: [8, 8], ..one }, 75);
    of_weights(Sizes { n: 3, c: 255, k: 250, image: [17, 21], ..one }, 76);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sizes(
        (n, groups, c, k) in (1usize..4, 1usize..4, 1usize..6, 1usize..10),
        image in [1usize..18, 1usize..14],
        kernel in [1usize..6, 1usize..6],
        stride in [1usize..4, 1usize..4],
        pad in [0usize..4, 0usize..4],
        seed in any::<u64>(),
    ) {
        prop_assume!((0..2).all(|a| image[a] + 2 * pad[a] >= kernel[a]));
        check_cpu(Sizes { n, groups, c, k, image, kernel, stride, pad }, seed);
    }

    #[test]
    fn any_tiles_of_rows(
        (n, c, k) in (1usize..5, 8usize..20, 8usize..20),
        image in [1usize..20, 1usize..36],
        columns in 1usize..6,
        pad in [0usize..4, 0usize..4],
        seed in any::<u64>(),
    ) {
        let kernel = [3, columns];
        prop_assume!((0..2).all(|a| image[a] + 2 * pad[a] >= kernel[a]));
        check_cpu(Sizes { n, c, k, image, kernel, pad, ..PLAIN }, seed);
    }
}
