//! Natural logarithm, logarithmic compression and decibel scale of a power spectrogram.

mod compress;
mod cpu;
mod ln;
mod reference;

pub use compress::{Compress, CompressGrad};
pub(super) use ln::ln;
use ln::ln_1p;

use super::kernel::{Binding, CpuKernel, GpuKernel, Launch, Real, Shader, grid, shader};
use super::map::{Entries, GpuMap, entries, map};
use super::prepared::Prepared;
use super::{Backward, Operation, arity, same};
use crate::graph::{GraphError, NodeId, Shape};

const SHADER: Shader = shader!("log");

/// `y = ln(x + floor)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ln {
    /// Keeps the logarithm of 0 finite.
    pub floor: f32,
}

/// (x, dy) → `dy / (x + floor)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LnGrad(pub Ln);

/// Kapre's decibel scale, a sample (first axis) at a time: `d = 10·log10(max(x, AMIN))`,
/// `y = max(d − max(d), −range)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decibel {
    /// Positive; Kapre's is 80 dB.
    pub range: f32,
}

/// (x, dy) → gradient to x. The sample's (first) maximum receives what all values above the floor give up by
/// being measured against it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecibelGrad(pub Decibel);

impl Decibel {
    /// The power below which all is silence.
    pub const AMIN: f64 = 1e-10;
}

/// A batch of samples, the first axis, and the elements of each.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    samples: usize,
    size: usize,
}

impl Samples {
    fn of(x: &Shape) -> Result<Self, String> {
        match x[..] {
            [samples, ref rest @ ..] => Ok(Self { samples, size: rest.iter().product() }),
            [] => Err("a first axis (samples) is needed".into()),
        }
    }
}

fn gradient(backward: &mut Backward<'_>, op: super::Op) -> Result<Vec<Option<NodeId>>, GraphError> {
    let inputs = [backward.input(0), backward.upstream()];
    Ok(vec![backward.add_for(0, op, &inputs)?])
}

impl Ln {
    fn gpu(self, entries: Entries, inputs: usize, len: usize, in_place: Option<usize>) -> GpuKernel {
        let constants = vec![("LEN", len as f64), ("FLOOR", f64::from(self.floor))];
        GpuMap { entries, constants, inputs, in_place, len }.kernel(SHADER, 1)
    }
}

impl Decibel {
    /// One workgroup a sample.
    fn gpu(self, entry: &'static str, inputs: usize, Samples { samples, size }: Samples) -> GpuKernel {
        let constants =
            vec![("SAMPLES", samples as f64), ("SIZE", size as f64), ("RANGE", f64::from(self.range))];
        let bindings = Binding::all(inputs, None);
        Launch { shader: SHADER, entry, constants, bindings, workgroups: grid(samples) }.into()
    }
}

impl Operation for Ln {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "ln"
    }

    fn settings(&self) -> String {
        format!("floor {:e}", self.floor)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [x] = arity(inputs)?;
        Ok(Prepared::like(x).in_place(0).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        gradient(backward, LnGrad(*self).into())
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        let floor = T::of(f64::from(self.floor));
        for (y, &x) in output.iter_mut().zip(inputs[0]) {
            *y = (x + floor).ln();
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        let floor = self.floor;
        map(
            0,
            in_place,
            1,
            #[inline(always)]
            move |_, _, y| y.iter_mut().for_each(|y| *y = ln(*y + floor)),
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        Self::gpu(*self, entries!("ln"), 1, len, in_place)
    }
}

impl Operation for LnGrad {
    type Sizes = usize;

    fn name(&self) -> &'static str {
        "ln_grad"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<usize>, String> {
        let [x, dy] = arity(inputs)?;
        same(x, dy, "x and dy")?;
        Ok(Prepared::like(x).rows(&[0, 1]))
    }

    fn reference<T: Real>(&self, _: &usize, inputs: &[&[T]], output: &mut [T]) {
        let floor = T::of(f64::from(self.0.floor));
        for ((dx, &x), &dy) in output.iter_mut().zip(inputs[0]).zip(inputs[1]) {
            *dx = dy / (x + floor);
        }
    }

    fn cpu(&self, _: &usize, in_place: Option<usize>) -> CpuKernel {
        let floor = self.0.floor;
        map(
            1,
            in_place,
            1,
            #[inline(always)]
            move |first, inputs, dx| {
                dx.iter_mut().zip(&inputs[0][first..]).for_each(|(dx, &x)| *dx /= x + floor);
            },
        )
    }

    fn gpu(&self, &len: &usize, in_place: Option<usize>) -> GpuKernel {
        self.0.gpu(entries!("ln_grad"), 2, len, in_place)
    }
}

impl Operation for Decibel {
    type Sizes = Samples;

    fn name(&self) -> &'static str {
        "decibel"
    }

    fn settings(&self) -> String {
        format!("floor −{} dB", self.range)
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Samples>, String> {
        let [x] = arity(inputs)?;
        Ok(Prepared::new(x.clone(), Samples::of(x)?).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        gradient(backward, DecibelGrad(*self).into())
    }

    fn reference<T: Real>(&self, sizes: &Samples, inputs: &[&[T]], output: &mut [T]) {
        reference::forward(self, inputs[0], output, sizes.size);
    }

    fn cpu(&self, sizes: &Samples, _: Option<usize>) -> CpuKernel {
        cpu::decibel(*self, sizes.size)
    }

    fn gpu(&self, sizes: &Samples, _: Option<usize>) -> GpuKernel {
        Self::gpu(*self, "decibel", 1, *sizes)
    }
}

impl Operation for DecibelGrad {
    type Sizes = Samples;

    fn name(&self) -> &'static str {
        "decibel_grad"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Samples>, String> {
        let [x, dy] = arity(inputs)?;
        same(x, dy, "x and dy")?;
        Ok(Prepared::new(x.clone(), Samples::of(x)?).rows(&[0, 1]))
    }

    fn reference<T: Real>(&self, sizes: &Samples, inputs: &[&[T]], output: &mut [T]) {
        reference::gradient(&self.0, inputs[0], inputs[1], output, sizes.size);
    }

    fn cpu(&self, sizes: &Samples, _: Option<usize>) -> CpuKernel {
        cpu::decibel_gradient(self.0, sizes.size)
    }

    fn gpu(&self, sizes: &Samples, _: Option<usize>) -> GpuKernel {
        self.0.gpu("decibel_grad", 2, *sizes)
    }
}
