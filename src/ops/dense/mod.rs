//! Dense layers: the matrix product in the three transposition forms that training needs.

mod cpu;
mod gpu;
mod gpu_mixed;

use super::kernel::{CpuKernel, GpuKernel, Mixed, Real};
use super::prepared::Prepared;
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
    /// Which operand is stored transposed.
    pub form: Form,
}

/// The sizes of a matrix product [m, k]·[k, n].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatmulDims {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

impl Matmul {
    /// The sizes for operands a and b.
    ///
    /// # Errors
    /// In words, where they do not fit.
    pub fn sizes(&self, a: &Shape, b: &Shape) -> Result<MatmulDims, String> {
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
        Ok(MatmulDims { m, n, k: ka })
    }
}

impl Operation for Matmul {
    type Sizes = MatmulDims;

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

    /// Sliced by rows of A; where A is transposed, those are the terms of the sum.
    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<MatmulDims>, String> {
        let [a, b] = arity(inputs)?;
        let sizes @ MatmulDims { m, n, k } = self.sizes(a, b)?;
        let prepared = Prepared::new(Shape::from([m, n]), sizes).flops(2 * m * n * k);
        Ok(match self.form {
            Form::Plain | Form::TransposeB => prepared.rows(&[0]),
            Form::TransposeA => prepared.sum(&[0, 1]),
        })
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

    fn reference<T: Real>(&self, &MatmulDims { m, n, k }: &MatmulDims, inputs: &[&[T]], output: &mut [T]) {
        let (a, b) = (inputs[0], inputs[1]);
        for i in 0..m {
            for j in 0..n {
                output[i * n + j] = (0..k)
                    .map(|l| match self.form {
                        Form::Plain => a[i * k + l] * b[l * n + j],
                        Form::TransposeB => a[i * k + l] * b[j * k + l],
                        Form::TransposeA => a[l * m + i] * b[l * n + j],
                    })
                    .sum();
            }
        }
    }

    fn cpu(&self, sizes: &MatmulDims, _: Option<usize>) -> CpuKernel {
        cpu::product(self.form, *sizes)
    }

    fn gpu(&self, sizes: &MatmulDims, _: Option<usize>) -> GpuKernel {
        gpu::product(self.form, *sizes)
    }

    fn gpu_mixed(&self, sizes: &MatmulDims, mixed: Mixed) -> Option<GpuKernel> {
        gpu_mixed::product(self.form, *sizes, mixed)
    }
}
