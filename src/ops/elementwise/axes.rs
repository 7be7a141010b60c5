//! Tensors whose axes are walked in two ways: read or repeated, kept or summed. Neighbouring axes that are
//! walked alike are one axis, so that few are left.

use crate::graph::Shape;
use crate::ops::kernel::Constants;

/// Axes of the output and of both operands of a map with broadcasting, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Lengths of the output's axes.
    pub lengths: [usize; AXES],
    /// From one element of an operand along an axis to the next; 0 where the operand is repeated.
    pub strides: [[usize; AXES]; 2],
}

/// The most axes that are left of a tensor with broadcasting.
pub const AXES: usize = 4;

/// The shape to which tensors of two shapes are broadcast: both have as many axes, and an axis of length 1 is
/// repeated as often as the other tensor's is long.
///
/// # Errors
/// In words, where an axis differs and neither length is 1.
pub fn broadcast_shape(a: &Shape, b: &Shape) -> Result<Shape, String> {
    let fits = a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a == b || *a == 1 || *b == 1);
    if !fits {
        return Err(format!(
            "{a} and {b} must have as many axes, and each axis one length, or the length 1 in one"
        ));
    }
    let longer = |(&a, &b): (&usize, &usize)| if a == 1 { b } else { a };
    Ok(Shape::from(&a.iter().zip(b.iter()).map(longer).collect::<Vec<_>>()[..]))
}

/// The axes along which `x` is repeated to become `output`.
pub fn repeated(x: &Shape, output: &Shape) -> Vec<usize> {
    (0..x.len()).filter(|&axis| x[axis] != output[axis]).collect()
}

impl Broadcast {
    /// # Errors
    /// In words, where more than [`AXES`] axes are left.
    pub fn new(output: &Shape, operands: [&Shape; 2]) -> Result<Self, String> {
        // Of every axis that is left, its length and which operands have it.
        let mut axes: Vec<(usize, [bool; 2])> = Vec::new();
        for (axis, &length) in output.iter().enumerate().filter(|(_, length)| **length != 1) {
            let has = operands.map(|operand| operand[axis] == length);
            match axes.last_mut() {
                Some((last, alike)) if *alike == has => *last *= length,
                _ => axes.push((length, has)),
            }
        }
        let Some(missing) = AXES.checked_sub(axes.len()) else {
            return Err(format!("{output} is read and repeated along more than {AXES} axes in turn"));
        };
        let mut broadcast = Self { lengths: [1; AXES], strides: [[0; AXES]; 2] };
        let mut elements = [1; 2];
        for (axis, &(length, has)) in axes.iter().enumerate().rev() {
            broadcast.lengths[missing + axis] = length;
            for operand in (0..2).filter(|&operand| has[operand]) {
                broadcast.strides[operand][missing + axis] = elements[operand];
                elements[operand] *= length;
            }
        }
        Ok(broadcast)
    }

    pub fn elements(&self) -> usize {
        self.lengths.iter().product()
    }

    /// Elements of the innermost axis.
    pub fn row(&self) -> usize {
        self.lengths[AXES - 1]
    }

    /// Whether both operands have the output's shape.
    pub fn is_plain(&self) -> bool {
        [0, 1].iter().all(|&operand| self.reads_all(operand))
    }

    /// Whether an operand has the output's shape.
    pub fn reads_all(&self, operand: usize) -> bool {
        self.lengths.iter().zip(&self.strides[operand]).all(|(&length, &stride)| length == 1 || stride > 0)
    }

    /// Whether an operand is read along the innermost axis, not repeated.
    pub fn reads_rows(&self, operand: usize) -> bool {
        self.strides[operand][AXES - 1] > 0
    }

    /// The operand's elements for row `i` of the output.
    #[inline(always)]
    pub fn read(&self, operand: usize, i: usize, from: &[f32], to: &mut [f32]) {
        let from = &from[self.index(operand, i * self.row())..];
        if self.reads_rows(operand) { to.copy_from_slice(&from[..to.len()]) } else { to.fill(from[0]) }
    }

    /// The lengths and strides as constants of `shaders/elementwise.wgsl`.
    pub fn constants(&self) -> Constants {
        const NAMES: [[&str; AXES]; 3] =
            [["D0", "D1", "D2", "D3"], ["A0", "A1", "A2", "A3"], ["B0", "B1", "B2", "B3"]];
        let values = [self.lengths, self.strides[0], self.strides[1]];
        NAMES
            .into_iter()
            .flatten()
            .zip(values.into_iter().flatten())
            .map(|(name, value)| (name, value as f64))
            .collect()
    }

    /// Where the operand's element for element `i` of the output is.
    #[inline(always)]
    pub fn index(&self, operand: usize, mut i: usize) -> usize {
        let mut index = 0;
        for axis in (0..AXES).rev() {
            index += i % self.lengths[axis] * self.strides[operand][axis];
            i /= self.lengths[axis];
        }
        index
    }
}

/// A tensor of which every other axis is summed: [K₀, R₀, K₁, R₁, K₂] → [K₀, K₁, K₂].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduction {
    /// K.
    pub kept: [usize; 3],
    /// R.
    pub summed: [usize; 2],
}

impl Reduction {
    /// # Errors
    /// In words, where an axis is none of x's, or more axes are left.
    pub fn new(x: &Shape, axes: &[usize]) -> Result<Self, String> {
        if let Some(axis) = axes.iter().find(|&&axis| axis >= x.len()) {
            return Err(format!("{x} has no axis {axis}"));
        }
        let mut lengths = [1; 5];
        let mut last = 0;
        for (axis, &length) in x.iter().enumerate().filter(|(_, length)| **length != 1) {
            // Kept axes stand at even places.
            if (last % 2 == 1) != axes.contains(&axis) {
                last += 1;
            }
            *lengths
                .get_mut(last)
                .ok_or_else(|| format!("the axes {axes:?} of {x} alternate too often"))? *= length;
        }
        let [k0, r0, k1, r1, k2] = lengths;
        Ok(Self { kept: [k0, k1, k2], summed: [r0, r1] })
    }

    /// Elements of the output.
    pub fn outputs(&self) -> usize {
        self.kept.iter().product()
    }

    /// Terms of every sum.
    pub fn terms(&self) -> usize {
        self.summed.iter().product()
    }

    /// Where term `t` of output `o` is in x.
    pub fn index(&self, o: usize, t: usize) -> usize {
        let ([_, k1, k2], [r0, r1]) = (self.kept, self.summed);
        (((o / k2 / k1 * r0 + t / r1) * k1 + o / k2 % k1) * r1 + t % r1) * k2 + o % k2
    }
}
