//! Layers of constant weights: convolutions, dense layers and batch norms, and what goes into their weights.

use super::nodes::{Attribute, sizes};
use super::translate::Translation;
use crate::export::ExportError;
use crate::graph::{NodeId, Shape};
use crate::ops::Op;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::dense::{Form, Matmul};

/// `scale·x + shift` of every channel, and the nodes that compute it, one behind the other.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
    nodes: Vec<NodeId>,
}

impl Affine {
    fn shift(&self) -> Vec<f32> {
        self.shift.iter().map(|&shift| shift as f32).collect()
    }

    /// The weights of a layer, a row for every channel, scaled.
    fn scaled(&self, weights: &[f32]) -> Vec<f32> {
        let row = weights.len() / self.scale.len();
        let rows = weights.chunks_exact(row).zip(&self.scale);
        rows.flat_map(|(row, &scale)| row.iter().map(move |&w| (f64::from(w) * scale) as f32)).collect()
    }
}

impl Translation<'_> {
    /// Adds a convolution or dense layer together with what follows it that its weights can take in; whether it is one, and
    /// something does.
    ///
    /// # Errors
    /// As [`Translation::name`].
    pub fn layer(&mut self, id: NodeId) -> Result<bool, ExportError> {
        let node = self.node(id);
        let &[x, weight] = node.inputs.as_slice() else { return Ok(false) };
        let shape = self.shape(weight);
        let (operator, attributes) = match &node.op {
            Op::Conv2d(conv) => ("Conv", convolution(conv, shape)),
            Op::Matmul(Matmul { form: form @ Form::TransposeB }) => ("Gemm", gemm(*form)),
            _ => return Ok(false),
        };
        let affine = self.affine(id);
        let (Some(weights), Some(&last)) = (self.constant(weight), affine.nodes.last()) else {
            return Ok(false);
        };
        let (weights, shift) = (affine.scaled(weights), affine.shift());
        let x = self.name(x)?;
        let weights = self.nodes.floats(&self.graph.node(weight).name, shape, &weights);
        let bias = self.nodes.floats(&format!("{}.bias", node.name), &[shift.len()], &shift);
        let value = self.nodes.add(&node.name, operator, &[&x, &weights, &bias], &attributes);
        self.covered.extend(affine.nodes);
        self.values.insert(last, value);
        Ok(true)
    }

    /// The biases and batch norms that follow a layer's output [N, C, ...], as long as nothing else reads what lies between.
    fn affine(&self, layer: NodeId) -> Affine {
        let channels = self.shape(layer)[1];
        let mut affine = Affine { scale: vec![1.0; channels], shift: vec![0.0; channels], nodes: Vec::new() };
        let mut last = layer;
        while let Some(&[reader]) = self.readers.get(&last).map(Vec::as_slice)
            && last != self.output
            && let node = self.node(reader)
            && node.inputs[0] == last
            && let Some(constants) =
                node.inputs[1..].iter().map(|&id| self.constant(id)).collect::<Option<Vec<_>>>()
        {
            match (&node.op, constants.as_slice()) {
                (Op::Bias(_), &[bias]) => {
                    affine.shift.iter_mut().zip(bias).for_each(|(shift, &b)| *shift += f64::from(b));
                }
                (Op::BatchNorm(norm), &[stats, pair]) if norm.slope.is_none() => {
                    let [(mean, variance), (scale, shift)] =
                        [stats, pair].map(|pair| pair.split_at(channels));
                    for c in 0..channels {
                        let factor = f64::from(scale[c]) / (f64::from(variance[c]) + norm.epsilon).sqrt();
                        affine.scale[c] *= factor;
                        affine.shift[c] =
                            (affine.shift[c] - f64::from(mean[c])) * factor + f64::from(shift[c]);
                    }
                }
                _ => break,
            }
            affine.nodes.push(reader);
            last = reader;
        }
        affine
    }

    /// A batch norm on constant statistics, with nothing fused into it.
    pub fn norm(&mut self, norm: &BatchNorm, id: NodeId, x: &str) -> Option<String> {
        let node = self.node(id);
        let &[_, stats, pair] = node.inputs.as_slice() else { return None };
        if norm.slope.is_some() {
            return None;
        }
        let (stats, pair) = (self.constants.get(&stats)?, self.constants.get(&pair)?);
        let channels = stats.len() / 2;
        let [(mean, variance), (scale, shift)] = [stats, pair].map(|pair| pair.split_at(channels));
        let parts = [("scale", scale), ("shift", shift), ("mean", mean), ("variance", variance)];
        let parts = parts
            .map(|(part, values)| self.nodes.floats(&format!("{}.{part}", node.name), &[channels], values));
        let inputs: Vec<&str> = std::iter::once(x).chain(parts.iter().map(String::as_str)).collect();
        let epsilon = Attribute::Float(norm.epsilon as f32);
        Some(self.nodes.add(&node.name, "BatchNormalization", &inputs, &[("epsilon", epsilon)]))
    }
}

/// The attributes of Conv, for weights of this shape.
pub fn convolution(conv: &Conv2d, weight: &Shape) -> Vec<(&'static str, Attribute<'static>)> {
    let [top, left] = conv.pad;
    vec![
        ("kernel_shape", Attribute::Ints(sizes(&weight[2..]))),
        ("strides", Attribute::Ints(sizes(conv.stride))),
        ("pads", Attribute::Ints(sizes([top, left, top, left]))),
        ("group", Attribute::Int(conv.groups as i64)),
    ]
}

/// The attributes of Gemm.
pub fn gemm(form: Form) -> Vec<(&'static str, Attribute<'static>)> {
    vec![
        ("transA", Attribute::Int(i64::from(form == Form::TransposeA))),
        ("transB", Attribute::Int(i64::from(form == Form::TransposeB))),
    ]
}
