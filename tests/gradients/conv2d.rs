use genre_recognizer::ops::conv2d::Conv2d;
use genre_recognizer::rng::Rng;

use super::harness::{Case, signed};

/// Groups, C and K: full, two groups, depthwise, depthwise with two filters a channel.
const CHANNELS: [[usize; 3]; 4] = [[1, 3, 5], [2, 4, 6], [3, 3, 3], [3, 3, 6]];

/// Kernel and padding, the latter up to larger than half the kernel.
const KERNELS: [[[usize; 2]; 2]; 4] =
    [[[3, 3], [1, 1]], [[1, 1], [0, 0]], [[2, 3], [0, 2]], [[3, 1], [2, 0]]];

#[test]
fn every_grouping_stride_size_and_kernel() {
    let mut rng = Rng::new(30);
    for [groups, c, k] in CHANNELS {
        for stride in [[1, 1], [2, 2], [2, 1]] {
            for [h, w] in [[5, 3], [4, 6]] {
                for [[r, s], pad] in KERNELS {
                    let x = signed(&mut rng, [2, c, h, w]);
                    let weight = signed(&mut rng, [k, c / groups, r, s]);
                    Case::of(Conv2d { stride, pad, groups }, vec![x, weight], &[0, 1]).check();
                }
            }
        }
    }
}

/// The stem of the network, and a stride that leaves columns unread.
#[test]
fn large_kernels_and_strides() {
    let mut rng = Rng::new(31);
    let stem = Conv2d { stride: [2, 2], pad: [2, 2], groups: 1 };
    let inputs = vec![signed(&mut rng, [1, 1, 7, 6]), signed(&mut rng, [2, 1, 5, 5])];
    Case::of(stem, inputs, &[0, 1]).check();
    let sparse = Conv2d { stride: [3, 5], pad: [0, 1], groups: 1 };
    let inputs = vec![signed(&mut rng, [1, 2, 8, 7]), signed(&mut rng, [3, 2, 2, 2])];
    Case::of(sparse, inputs, &[0, 1]).check();
}
