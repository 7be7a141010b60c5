//! Mel filter bank: a banded matrix applied to the frequency axis.

mod cpu;
mod filters;
mod gpu;

use std::sync::Arc;

pub use filters::{Band, FilterBank, MelScale, MelSpec};

use super::kernel::{CpuKernel, GpuKernel, Real};
use super::prepared::Prepared;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// Power [N, C, F, T] → mel power [N, C, H, T]: `y[h, t] = Σ_f m[h, f]·x[f, t]`.
///
/// Transposed it maps [N, C, H, T] → [N, C, F, T] by `Σ_h m[h, f]·x[h, t]`, which is its own gradient rule.
#[derive(Clone, Debug)]
pub struct Mel {
    /// The filters.
    pub bank: Arc<FilterBank>,
    /// Whether their transpose is applied.
    pub transposed: bool,
}

impl Mel {
    /// The filters (not transposed) of a specification.
    ///
    /// # Errors
    /// In words, where the specification describes no usable filter bank.
    pub fn new(spec: MelSpec) -> Result<Self, String> {
        Ok(Self { bank: Arc::new(FilterBank::new(spec)?), transposed: false })
    }

    /// Rows of the matrix as applied: H, or F where transposed.
    pub fn rows(&self) -> usize {
        if self.transposed { self.bank.bins() } else { self.bank.mels() }
    }

    /// Columns of the matrix as applied: F, or H where transposed.
    pub fn columns(&self) -> usize {
        if self.transposed { self.bank.mels() } else { self.bank.bins() }
    }

    /// The matrix element as applied.
    pub fn weight(&self, row: usize, column: usize) -> f32 {
        if self.transposed { self.bank.weight(column, row) } else { self.bank.weight(row, column) }
    }

    /// The rows of the matrix as applied, without the zeros around them.
    pub fn bands(&self) -> &[Band] {
        self.bank.bands(self.transposed)
    }
}

/// The sizes of a filter bank's input and output.
#[derive(Clone, Copy, Debug)]
pub struct MelSizes {
    /// Elements of the output.
    len: usize,
    /// T.
    frames: usize,
}

impl Operation for Mel {
    type Sizes = MelSizes;

    fn name(&self) -> &'static str {
        if self.transposed { "mel_grad" } else { "mel" }
    }

    fn settings(&self) -> String {
        let spec = &self.bank.spec;
        let scale = match spec.scale {
            MelScale::Htk => "",
            MelScale::Slaney => ", Slaney's scale",
        };
        format!("{} filters, {} to {} Hz{scale}", spec.mels, spec.low, spec.high)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<MelSizes>, String> {
        let [x] = arity(inputs)?;
        let [n, c, rows, frames] = x.dims("the spectrogram [N, C, F, T]")?;
        if rows != self.columns() {
            return Err(format!("{} frequencies wanted, {rows} given", self.columns()));
        }
        let output = Shape::from([n, c, self.rows(), frames]);
        let sizes = MelSizes { len: output.elements(), frames };
        let products: usize = self.bands().iter().map(|band| band.weights.len()).sum();
        Ok(Prepared::new(output, sizes).flops(2 * products * n * c * frames).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let transpose = Mel { bank: self.bank.clone(), transposed: !self.transposed };
        let dy = backward.upstream();
        Ok(vec![backward.add_for(0, transpose.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, &MelSizes { frames, .. }: &MelSizes, inputs: &[&[T]], output: &mut [T]) {
        let spectrograms = inputs[0].chunks_exact(self.columns() * frames);
        for (x, y) in spectrograms.zip(output.chunks_exact_mut(self.rows() * frames)) {
            for row in 0..self.rows() {
                for t in 0..frames {
                    y[row * frames + t] = (0..self.columns())
                        .map(|f| T::of(f64::from(self.weight(row, f))) * x[f * frames + t])
                        .sum();
                }
            }
        }
    }

    fn cpu(&self, sizes: &MelSizes, _: Option<usize>) -> CpuKernel {
        cpu::banded(self, sizes.frames)
    }

    fn gpu(&self, sizes: &MelSizes, _: Option<usize>) -> GpuKernel {
        gpu::banded(self, sizes)
    }
}
