//! Dense layers: the matrix product in the three transposition forms that training needs.

mod cpu;
mod gpu;
mod gpu_mixed;

use super::kernel::{CpuKernel, GpuKernel, Io, Mixed, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// Which operand is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A [m, k] · B [k, n].
    Plain,
    /// A [m, k] · Bᵀ, B [n, k]: a dense layer forward, x·wᵀ.
    TransposeB,
    /// Aᵀ · B, A [k, m], B [k, n]: its weight gradient, dyᵀ·x.
    TransposeA,
}

/// The product [m, n] of two matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matmul {
    pub form: Form,
}

/// The sizes of a matrix product [m, k]·[k, n].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

impl Matmul {
    /// The sizes for operands a and b.
    ///
    /// # Errors
    /// In words, where they do not fit.
    pub fn sizes(&self, a: &Shape, b: &Shape) -> Result<Sizes, String> {
        let [a0, a1] = a.dims("the first matrix")?;
        let [b0, b1] = b.dims("the second matrix")?;
        let (m, ka, kb, n) = match self.form {
            Form::Plain => (a0, a1, b0, b1),
            Form::TransposeB => (a0, a1, b1, b0),
            Form::TransposeA => (a1, a0, b0, b1),
        };
        if ka != kb {
            return Err(format!("the inner sizes differ: {ka} and {kb}"));
        }
        Ok(Sizes { m, n, k: ka })
    }
}

impl Operation for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn settings(&self) -> String {
        match self.form {
            Form::Plain => "A·B",
            Form::TransposeB => "A·Bᵀ",
            Form::TransposeA => "Aᵀ·B",
        }
        .into()
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [a, b] = arity(inputs)?;
        let Sizes { m, n, .. } = self.sizes(a, b)?;
        Ok(Shape::from([m, n]))
    }

    /// With C = A·B: dA = dC·Bᵀ, dB = Aᵀ·dC; with C = A·Bᵀ: dA = dC·B, dB = dCᵀ·A;
    /// with C = Aᵀ·B: dA = B·dCᵀ, dB = A·dC.
    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (a, b, dc) = (backward.input(0), backward.input(1), backward.upstream());
        let ((form_a, in_a), (form_b, in_b)) = match self.form {
            Form::Plain => ((Form::TransposeB, [dc, b]), (Form::TransposeA, [a, dc])),
            Form::TransposeB => ((Form::Plain, [dc, b]), (Form::TransposeA, [dc, a])),
            Form::TransposeA => ((Form::TransposeB, [b, dc]), (Form::Plain, [a, dc])),
        };
        Ok(vec![
            backward.add_for(0, Matmul { form: form_a }.into(), &in_a)?,
            backward.add_for(1, Matmul { form: form_b }.into(), &in_b)?,
        ])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], _: &Shape) {
        let (a, b) = (inputs[0], inputs[1]);
        let Ok(Sizes { m, n, k }) = self.sizes(a.shape, b.shape) else { return };
        for i in 0..m {
            for j in 0..n {
                output[i * n + j] = (0..k)
                    .map(|l| match self.form {
                        Form::Plain => a.data[i * k + l] * b.data[l * n + j],
                        Form::TransposeB => a.data[i * k + l] * b.data[j * k + l],
                        Form::TransposeA => a.data[l * m + i] * b.data[l * n + j],
                    })
                    .sum();
            }
        }
    }

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        match self.sizes(io.inputs[0], io.inputs[1]) {
            Ok(sizes) if sizes.m * sizes.n * sizes.k > 0 => cpu::product(self.form, sizes),
            _ => CpuKernel::from_reference(*self, io),
        }
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        let sizes = self.sizes(io.inputs[0], io.inputs[1]);
        sizes.map_or_else(|_| GpuKernel::default(), |sizes| gpu::product(self.form, sizes))
    }

    /// By rows of A; where A is transposed, those are the terms of the sum.
    fn split(&self) -> Option<Split> {
        match self.form {
            Form::Plain | Form::TransposeB => Split::rows(&[0]),
            Form::TransposeA => Split::sum(&[0, 1]),
        }
    }

    fn gpu_mixed(&self, io: &Io<'_>, mixed: Mixed) -> GpuKernel {
        let sizes = self.sizes(io.inputs[0], io.inputs[1]).ok();
        sizes.and_then(|sizes| gpu_mixed::product(self.form, sizes, mixed)).unwrap_or_else(|| self.gpu(io))
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        self.sizes(io.inputs[0], io.inputs[1]).map_or(0, |s| 2 * (s.m * s.n * s.k) as u64)
    }
}
