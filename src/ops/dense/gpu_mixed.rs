//! Matrix products in mixed precision: convolutions of images of one element by kernels of one.

use super::{Form, MatmulDims};
use crate::ops::conv2d::product::Kind;
use crate::ops::conv2d::{Dims, gpu_mixed};
use crate::ops::kernel::{Binding, GpuKernel, Mixed};

/// The product as a kernel; none where f32 does as well.
pub fn product(form: Form, MatmulDims { m, n, k }: MatmulDims, mixed: Mixed) -> Option<GpuKernel> {
    // A dense layer x·wᵀ is the convolution forward, its gradients dy·w and dyᵀ·x are those of the
    // convolution.
    let (kind, samples, inputs, outputs, swapped) = match form {
        Form::TransposeB => (Kind::Forward, m, k, n, false),
        Form::Plain => (Kind::InputGrad, m, n, k, true),
        Form::TransposeA => (Kind::WeightGrad, k, n, m, true),
    };
    let (c, k) = (inputs, outputs);
    let d =
        Dims { n: samples, c, h: 1, w: 1, k, r: 1, s: 1, p: 1, q: 1, stride: [1; 2], pad: [0; 2], groups: 1 };
    let [first, second] = if swapped { [1, 0] } else { [0, 1] };
    gpu_mixed::product(kind, &d, [Binding::Input(first), Binding::Input(second)], mixed)
}
