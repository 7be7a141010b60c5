//! Mel filter bank: a banded matrix applied to the frequency axis.

mod cpu;
mod filters;
pub(super) mod gpu;

use std::sync::Arc;

pub use filters::{FilterBank, MelSpec};

use super::kernel::{CpuKernel, GpuKernel, Io, Operand, Real};
use super::split::Split;
use super::{Backward, Operation, arity};
use crate::graph::{GraphError, NodeId, Shape};

/// Power [N, C, F, T] → mel power [N, C, H, T]: `y[h, t] = Σ_f m[h, f]·x[f, t]`.
///
/// Transposed it maps [N, C, H, T] → [N, C, F, T] by `Σ_h m[h, f]·x[h, t]`, which is its own gradient rule.
#[derive(Clone, Debug)]
pub struct Mel {
    pub bank: Arc<FilterBank>,
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

    /// For every row, the columns outside which it is zero.
    pub fn bands(&self) -> Vec<std::ops::Range<usize>> {
        (0..self.rows())
            .map(|row| {
                let used = |&c: &usize| self.weight(row, c) != 0.0;
                let start = (0..self.columns()).find(used).unwrap_or(0);
                let end = (start..self.columns()).rev().find(used).map_or(start, |c| c + 1);
                start..end
            })
            .collect()
    }

    /// The rows of the matrix without the zeros around them.
    pub(super) fn band_weights(&self) -> Vec<Band> {
        let rows = self.bands().into_iter().enumerate();
        rows.map(|(row, band)| Band {
            start: band.start,
            weights: band.map(|column| self.weight(row, column)).collect(),
        })
        .collect()
    }
}

/// A row of the matrix: its first column that is not zero, and the elements from there to the last.
pub(super) struct Band {
    pub start: usize,
    pub weights: Vec<f32>,
}

impl Operation for Mel {
    fn name(&self) -> &'static str {
        if self.transposed { "mel_grad" } else { "mel" }
    }

    fn settings(&self) -> String {
        let spec = &self.bank.spec;
        format!("{} filters, {} to {} Hz", spec.mels, spec.low, spec.high)
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [x] = arity(inputs)?;
        let [n, c, rows, t] = x.dims("the spectrogram [N, C, F, T]")?;
        if rows != self.columns() {
            return Err(format!("{} frequencies wanted, {rows} given", self.columns()));
        }
        Ok(Shape::from([n, c, self.rows(), t]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let transpose = Mel { bank: self.bank.clone(), transposed: !self.transposed };
        let dy = backward.upstream();
        Ok(vec![backward.add_for(0, transpose.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, inputs: &[Operand<'_, T>], output: &mut [T], shape: &Shape) {
        let (x, frames) = (inputs[0], shape[3]);
        let spectrograms = x.data.chunks_exact(self.columns() * frames);
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

    fn cpu(&self, io: &Io<'_>) -> CpuKernel {
        cpu::banded(self, io.output)
    }

    fn gpu(&self, io: &Io<'_>) -> GpuKernel {
        gpu::banded(self, io.output)
    }

    fn split(&self) -> Option<Split> {
        Split::rows(&[0])
    }

    fn operations(&self, io: &Io<'_>) -> u64 {
        let band: usize = self.bands().iter().map(|b| b.len()).sum();
        2 * (band * (io.output.elements() / self.rows())) as u64
    }
}
