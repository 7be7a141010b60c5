//! A network's graph as nodes of ONNX, operation by operation, so that a new architecture needs nothing here.
//!
//! What does not depend on the input is a constant. What maps every channel of a convolution or dense layer by itself
//! (biases, batch norms on running statistics) goes into its weights.

use std::collections::{HashMap, HashSet};

use super::layers::{convolution, gemm};
use super::nodes::{Attribute, Nodes, sizes};
use super::spectrum;
use super::{Frontend, Part};
use crate::export::ExportError;
use crate::graph::{GraphOp, Node, NodeId, Shape};
use crate::ops::elementwise::{Axes, Binary, Unary};
use crate::ops::log::Decibel;
use crate::ops::mel::Mel;
use crate::ops::pool::Window;
use crate::ops::view::View;
use crate::ops::{Graph, Op};

/// The part's nodes, and the names of its input and output.
///
/// # Errors
/// [`ExportError::Operation`] where an operation has no form in ONNX.
pub fn translate(part: Part<'_>) -> Result<(Nodes, [String; 2]), ExportError> {
    let Part { graph, leaves, input: (input, name), output, frontend } = part;
    let mut needed = vec![false; graph.len()];
    needed[output.index()] = true;
    let mut readers: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for (id, node) in graph.nodes().rev().filter(|&(id, _)| id != input) {
        if needed[id.index()] {
            for &from in &node.inputs {
                needed[from.index()] = true;
                readers.entry(from).or_default().push(id);
            }
        }
    }
    let mut nodes = Nodes::default();
    let input_name = nodes.input(name);
    let values = HashMap::from([(input, input_name.clone())]);
    let (constants, covered) = (leaves, HashSet::new());
    let mut translation = Translation { graph, output, frontend, readers, nodes, constants, covered, values };
    let needed = || graph.nodes().map(|(id, _)| id).filter(|id| needed[id.index()]);
    // A layer must know what stands behind it.
    needed().for_each(|id| translation.part_of_constant(id));
    for id in needed() {
        translation.visit(id)?;
    }
    let output_name = translation.name(output)?;
    Ok((translation.nodes, [input_name, output_name]))
}

/// A graph on its way to ONNX.
pub struct Translation<'a> {
    pub graph: &'a Graph,
    pub output: NodeId,
    frontend: Frontend,
    pub readers: HashMap<NodeId, Vec<NodeId>>,
    pub nodes: Nodes,
    /// What does not depend on the input.
    pub constants: HashMap<NodeId, Vec<f32>>,
    /// What has no tensor of its own: it is computed within a later node.
    pub covered: HashSet<NodeId>,
    /// The tensors of ONNX that hold what nodes compute.
    pub values: HashMap<NodeId, String>,
}

impl<'a> Translation<'a> {
    pub fn node(&self, id: NodeId) -> &'a Node<Op> {
        self.graph.node(id)
    }

    pub fn shape(&self, id: NodeId) -> &'a Shape {
        self.graph.shape(id)
    }

    fn refuse<T>(&self, id: NodeId) -> Result<T, ExportError> {
        let node = self.node(id);
        Err(ExportError::Operation { op: node.op.name(), node: node.name.clone(), format: "ONNX" })
    }

    /// The tensor that holds a node's value; that of a constant is made when it is first asked for.
    pub fn name(&mut self, id: NodeId) -> Result<String, ExportError> {
        if let Some(name) = self.values.get(&id) {
            return Ok(name.clone());
        }
        let Some(data) = self.constants.get(&id) else { return self.refuse(id) };
        let name = self.nodes.floats(&self.graph.node(id).name, self.graph.shape(id), data);
        self.values.insert(id, name.clone());
        Ok(name)
    }

    /// The value of a node that does not depend on the input.
    pub fn constant(&self, id: NodeId) -> Option<&[f32]> {
        self.constants.get(&id).map(Vec::as_slice)
    }

    /// Where a node is a part of a constant, as parameters are of the network's state, it is a constant too.
    fn part_of_constant(&mut self, id: NodeId) {
        let node = self.node(id);
        if let Op::View(view) = &node.op
            && let Some(whole) = self.constant(node.inputs[0])
        {
            let part = whole[view.offset..][..view.shape.elements()].to_vec();
            self.constants.insert(id, part);
        }
    }

    /// Adds what computes a node, unless it is known already.
    fn visit(&mut self, id: NodeId) -> Result<(), ExportError> {
        let known = self.values.contains_key(&id) || self.constants.contains_key(&id);
        if known || self.covered.contains(&id) || self.layer(id)? {
            return Ok(());
        }
        let value = self.operation(id)?;
        self.values.insert(id, value);
        Ok(())
    }

    fn operation(&mut self, id: NodeId) -> Result<String, ExportError> {
        let node = self.node(id);
        let names = node.inputs.iter().map(|&input| match node.op {
            // Their constants enter in another form.
            Op::BatchNorm(_) | Op::Bias(_) if self.constants.contains_key(&input) => Ok(String::new()),
            _ => self.name(input),
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let (name, x) = (node.name.as_str(), inputs.first().copied().unwrap_or_default());
        let nodes = &mut self.nodes;
        Ok(match &node.op {
            Op::PowerStft(stft) => {
                let audio = self.graph.shape(node.inputs[0]);
                match spectrum::power(nodes, name, x, audio, *stft, self.frontend) {
                    Some(power) => power,
                    None => return self.refuse(id),
                }
            }
            Op::Mel(mel) => {
                let filters =
                    nodes.floats(&format!("{name}.filters"), &[mel.rows(), mel.columns()], &matrix(mel));
                nodes.add(name, "MatMul", &[&filters, x], &[])
            }
            Op::Ln(ln) => {
                let floor = nodes.scalar(&format!("{name}.floor"), ln.floor);
                let raised = nodes.add(&format!("{name}.raised"), "Add", &[x, &floor], &[]);
                nodes.add(name, "Log", &[&raised], &[])
            }
            Op::Compress(compress) => {
                let [gain, one, base] =
                    [("gain", compress.gain), ("one", 1.0), ("base", std::f32::consts::LOG10_E)]
                        .map(|(part, value)| nodes.scalar(&format!("{name}.{part}"), value));
                let scaled = nodes.add(&format!("{name}.scaled"), "Mul", &[x, &gain], &[]);
                let raised = nodes.add(&format!("{name}.raised"), "Add", &[&scaled, &one], &[]);
                let ln = nodes.add(&format!("{name}.ln"), "Log", &[&raised], &[]);
                nodes.add(name, "Mul", &[&ln, &base], &[])
            }
            Op::Decibel(decibel) => decibels(nodes, name, x, node.shape.len(), *decibel),
            Op::Conv2d(conv) => {
                let weight = self.graph.shape(node.inputs[1]);
                nodes.add(name, "Conv", &inputs, &convolution(conv, weight))
            }
            Op::Matmul(matmul) => nodes.add(name, "Gemm", &inputs, &gemm(matmul.form)),
            Op::Bias(_) => {
                let bias = node.inputs[1];
                let Some(values) = self.constants.get(&bias) else { return self.refuse(id) };
                let shape = [&[values.len()][..], &vec![1; node.shape.len() - 2]].concat();
                let bias = nodes.floats(&self.graph.node(bias).name, &shape, values);
                nodes.add(name, "Add", &[x, &bias], &[])
            }
            Op::BatchNorm(norm) => match self.norm(norm, id, x) {
                Some(value) => value,
                None => return self.refuse(id),
            },
            Op::LeakyRelu(leaky) if leaky.slope == 0.0 => nodes.add(name, "Relu", &[x], &[]),
            Op::LeakyRelu(leaky) => {
                nodes.add(name, "LeakyRelu", &[x], &[("alpha", Attribute::Float(leaky.slope))])
            }
            Op::Binary(binary) => {
                let operator = match binary {
                    Binary::Add => "Add",
                    Binary::Sub => "Sub",
                    Binary::Mul => "Mul",
                };
                nodes.add(name, operator, &inputs, &[])
            }
            Op::Unary(Unary::Square) => nodes.add(name, "Mul", &[x, x], &[]),
            Op::Unary(Unary::Sigmoid) => nodes.add(name, "Sigmoid", &[x], &[]),
            Op::Expand(expand) => {
                let mut repeats = expand.repeats.clone();
                repeats.resize(node.shape.len(), 1);
                let repeats = nodes.ints(&format!("{name}.repeats"), &[repeats.len()], &sizes(repeats));
                let repeated = nodes.add(&format!("{name}.repeated"), "Tile", &[x, &repeats], &[]);
                let factor = nodes.scalar(&format!("{name}.factor"), expand.factor);
                nodes.add(name, "Mul", &[&repeated, &factor], &[])
            }
            Op::Reduce(reduce) => {
                let Axes::These(axes) = &reduce.axes else { return self.refuse(id) };
                if reduce.mean {
                    nodes.add(name, "ReduceMean", &[x], &[("axes", Attribute::Ints(sizes(axes)))])
                } else {
                    let axes = nodes.ints(&format!("{name}.axes"), &[axes.len()], &sizes(axes));
                    nodes.add(name, "ReduceSum", &[x, &axes], &[])
                }
            }
            Op::Concat(concat) => {
                nodes.add(name, "Concat", &inputs, &[("axis", Attribute::Int(concat.axis as i64))])
            }
            Op::Slice(slice) => {
                let bounds = [("start", slice.start), ("end", slice.start + slice.len), ("axis", slice.axis)];
                let [start, end, axis] =
                    bounds.map(|(part, value)| nodes.ints(&format!("{name}.{part}"), &[1], &[value as i64]));
                nodes.add(name, "Slice", &[x, &start, &end, &axis], &[])
            }
            Op::Pad(pad) => {
                let axes = node.shape.len();
                let mut widths = vec![0; 2 * axes];
                (widths[pad.axis], widths[axes + pad.axis]) = (pad.before as i64, pad.behind as i64);
                let widths = nodes.ints(&format!("{name}.widths"), &[2 * axes], &widths);
                nodes.add(name, "Pad", &[x, &widths], &[])
            }
            Op::MaxPool(pool) => nodes.add(
                name,
                "MaxPool",
                &[x],
                &window(pool.0, self.graph.shape(node.inputs[0]), &node.shape),
            ),
            Op::AveragePool(pool) => {
                let plane = self.graph.shape(node.inputs[0]);
                match pool.0.size == plane[2..] {
                    true => nodes.add(name, "GlobalAveragePool", &[x], &[]),
                    false => nodes.add(name, "AveragePool", &[x], &window(pool.0, plane, &node.shape)),
                }
            }
            Op::View(view) => match reshaped(view, self.graph.shape(node.inputs[0])) {
                Some(shape) => {
                    let shape = nodes.ints(&format!("{name}.shape"), &[shape.len()], &shape);
                    nodes.add(name, "Reshape", &[x, &shape], &[])
                }
                None => return self.refuse(id),
            },
            Op::Softmax(_) => nodes.add(name, "Softmax", &[x], &[("axis", Attribute::Int(-1))]),
            _ => return self.refuse(id),
        })
    }
}

/// The filters, as they are applied, row by row.
fn matrix(mel: &Mel) -> Vec<f32> {
    let columns = 0..mel.columns();
    (0..mel.rows()).flat_map(|row| columns.clone().map(move |column| mel.weight(row, column))).collect()
}

fn decibels(nodes: &mut Nodes, name: &str, x: &str, axes: usize, decibel: Decibel) -> String {
    let part = |part: &str| format!("{name}.{part}");
    let silence = nodes.scalar(&part("silence"), Decibel::AMIN as f32);
    let bounded = nodes.add(&part("bounded"), "Max", &[x, &silence], &[]);
    let ln = nodes.add(&part("ln"), "Log", &[&bounded], &[]);
    let factor = nodes.scalar(&part("factor"), 10.0 / std::f32::consts::LN_10);
    let level = nodes.add(&part("level"), "Mul", &[&ln, &factor], &[]);
    let others = Attribute::Ints(sizes((1..axes).collect::<Vec<_>>()));
    let loudest = nodes.add(&part("loudest"), "ReduceMax", &[&level], &[("axes", others)]);
    let below = nodes.add(&part("below"), "Sub", &[&level, &loudest], &[]);
    let least = nodes.scalar(&part("least"), -decibel.range);
    nodes.add(name, "Max", &[&below, &least], &[])
}

/// Pooling of planes into planes. Windows that the far edges cut off reach into a margin there, which no mean and no maximum
/// counts.
fn window(window: Window, from: &Shape, to: &Shape) -> [(&'static str, Attribute<'static>); 3] {
    let margin = |axis: usize| {
        let end = (to[2 + axis] - 1) * window.stride[axis] + window.size[axis];
        end.saturating_sub(from[2 + axis])
    };
    [
        ("kernel_shape", Attribute::Ints(sizes(window.size))),
        ("strides", Attribute::Ints(sizes(window.stride))),
        ("pads", Attribute::Ints(sizes([0, 0, margin(0), margin(1)]))),
    ]
}

/// The shape for Reshape, whose 0 keeps the batch. None where the view is not of the whole, or the batch not its first axis.
fn reshaped(view: &View, from: &Shape) -> Option<Vec<i64>> {
    let whole = view.offset == 0 && view.shape.elements() == from.elements();
    if !whole || view.shape.first() != from.first() {
        return None;
    }
    let mut shape = sizes(&view.shape[..]);
    shape[0] = 0;
    Some(shape)
}
