//! The three convolutions as matrix products: what every dispatch of them begins with.

use super::Dims;

/// Which of the three convolutions; the numbers are the KIND of `shaders/mixed/product.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// y of (x, w).
    Forward = 0,
    /// dx of (w, dy).
    InputGrad = 1,
    /// dw of (x, dy).
    WeightGrad = 2,
}

/// A convolution as a matrix product for each group.
#[derive(Clone, Copy)]
pub struct Product {
    pub rows: usize,
    pub columns: usize,
    pub terms: usize,
    pub groups: usize,
}

impl Product {
    pub fn new(kind: Kind, d: &Dims) -> Self {
        let (taps, groups) = (d.r * d.s, d.groups);
        let (outputs, inputs) = (d.n * d.p * d.q, d.n * d.h * d.w);
        let (rows, columns, terms) = match kind {
            Kind::Forward => (d.group_k(), outputs, d.group_c() * taps),
            Kind::InputGrad => (d.group_c(), inputs, d.group_k() * taps),
            Kind::WeightGrad => (d.group_k(), d.group_c() * taps, outputs),
        };
        Self { rows, columns, terms, groups }
    }

    /// Elements of the result.
    pub fn elements(self) -> usize {
        self.groups * self.rows * self.columns
    }

    pub fn multiplications(self) -> usize {
        self.elements() * self.terms
    }
}

/// The constants of the shaders that are a convolution's sizes.
pub fn sizes(d: &Dims) -> [(&'static str, usize); 14] {
    [
        ("N", d.n),
        ("H", d.h),
        ("W", d.w),
        ("GROUPS", d.groups),
        ("GROUP_C", d.group_c()),
        ("GROUP_K", d.group_k()),
        ("R", d.r),
        ("S", d.s),
        ("P", d.p),
        ("Q", d.q),
        ("STRIDE_H", d.stride[0]),
        ("STRIDE_W", d.stride[1]),
        ("PAD_H", d.pad[0]),
        ("PAD_W", d.pad[1]),
    ]
}

/// A long sum of so many stages in `wanted` parts or fewer: how many parts there are, and the stages of each but the last.
pub fn in_parts(stages: usize, wanted: usize) -> [usize; 2] {
    let part_stages = stages.div_ceil(wanted.max(1)).max(1);
    [stages.div_ceil(part_stages), part_stages]
}
