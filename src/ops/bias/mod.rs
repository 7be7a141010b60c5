//! A bias for every channel.

use rayon::prelude::*;

use super::channels::Channels;
use super::kernel::{Binding, CpuKernel, GpuKernel, Launch, Real, Shader, constants, grid, shader};
use super::map::{GpuMap, entries, map};
use super::prepared::Prepared;
use super::{Backward, Operation, arity, reduce};
use crate::graph::{GraphError, NodeId, Shape};
use crate::simd;

const SHADER: Shader = shader!("bias");

/// Elements of one channel that one workgroup sums.
const CHUNK: usize = 4096;

/// (x [N, C, ...], b \[C\]) → `y[n, c, i] = x[n, c, i] + b[c]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bias;

/// dy [N, C, ...] → gradient to the bias, \[C\]: `Σ_{n, i} dy[n, c, i]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BiasGrad;

impl Operation for Bias {
    type Sizes = Channels;

    fn name(&self) -> &'static str {
        "bias"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Channels>, String> {
        let [x, b] = arity(inputs)?;
        let channels = Channels::of(x)?;
        let c = channels.c;
        if **b != [c] {
            return Err(format!("the bias of {c} channels must be [{c}], not {b}"));
        }
        Ok(Prepared::new(x.clone(), channels).in_place(0).rows(&[0]))
    }

    fn gradient(&self, backward: &mut Backward<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let dy = backward.upstream();
        Ok(vec![Some(dy), backward.add_for(1, BiasGrad.into(), &[dy])?])
    }

    fn reference<T: Real>(&self, channels: &Channels, inputs: &[&[T]], output: &mut [T]) {
        for (i, (y, &x)) in output.iter_mut().zip(inputs[0]).enumerate() {
            *y = x + inputs[1][channels.channel(i)];
        }
    }

    /// Sample by sample.
    fn cpu(&self, &Channels { c, size, .. }: &Channels, in_place: Option<usize>) -> CpuKernel {
        map(
            0,
            in_place,
            c * size,
            #[inline(always)]
            move |_, inputs, y| {
                let b = inputs[1];
                if size == 1 {
                    y.chunks_exact_mut(c).for_each(|y| y.iter_mut().zip(b).for_each(|(y, &b)| *y += b));
                } else {
                    let rows = y.chunks_exact_mut(size).zip(b.iter().cycle());
                    rows.for_each(|(y, &b)| y.iter_mut().for_each(|y| *y += b));
                }
            },
        )
    }

    fn gpu(&self, channels: &Channels, in_place: Option<usize>) -> GpuKernel {
        let Channels { n, c, size } = *channels;
        let constants = constants([("N", n), ("C", c), ("SIZE", size)]);
        let len = channels.elements();
        GpuMap { entries: entries!("bias"), constants, inputs: 2, in_place, len }.kernel(SHADER, 1)
    }
}

impl Operation for BiasGrad {
    type Sizes = Channels;

    fn name(&self) -> &'static str {
        "bias_grad"
    }

    fn prepare(&self, inputs: &[&Shape]) -> Result<Prepared<Channels>, String> {
        let [dy] = arity(inputs)?;
        let channels = Channels::of(dy)?;
        Ok(Prepared::new(Shape::from([channels.c]), channels).flops(dy.elements()).sum(&[0]))
    }

    fn reference<T: Real>(&self, channels: &Channels, inputs: &[&[T]], output: &mut [T]) {
        output.fill(T::zero());
        for (i, &dy) in inputs[0].iter().enumerate() {
            output[channels.channel(i)] += dy;
        }
    }

    fn cpu(&self, &Channels { c, size, .. }: &Channels, _: Option<usize>) -> CpuKernel {
        CpuKernel::new(move |inputs, db| {
            let dy = inputs[0];
            db.par_iter_mut().enumerate().for_each(|(channel, db)| {
                simd::vectorised(
                    simd::arch(),
                    #[inline(always)]
                    || {
                        let rows = dy.chunks_exact(c * size).map(|sample| &sample[channel * size..][..size]);
                        *db = rows.map(|row| f64::from(reduce::sum(row))).sum::<f64>() as f32;
                    },
                );
            });
        })
    }

    fn gpu(&self, channels: &Channels, _: Option<usize>) -> GpuKernel {
        let Channels { n, c, size } = *channels;
        let chunks = channels.count().div_ceil(CHUNK);
        let launch = |entry, bindings, groups| Launch {
            shader: SHADER,
            entry,
            constants: constants([("N", n), ("C", c), ("SIZE", size), ("CHUNKS", chunks), ("CHUNK", CHUNK)]),
            bindings,
            workgroups: grid(groups),
        };
        // One chunk is the whole sum.
        let partials = if chunks == 1 { Binding::Output } else { Binding::Workspace(0..c * chunks) };
        let mut launches = vec![launch("bias_grad", vec![Binding::Input(0), partials.clone()], c * chunks)];
        if chunks > 1 {
            launches.push(launch("bias_grad_total", vec![partials, Binding::Output], c));
        }
        GpuKernel { workspace: if chunks > 1 { c * chunks } else { 0 }, launches, ..GpuKernel::default() }
    }
}
