//! A graph of ONNX while it is written: nodes, and the tensors that it holds. The numbers are those of the fields in
//! `onnx.proto` (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>).

use std::collections::HashSet;

use super::proto::Message;

/// The version of the operators: the first with STFT.
pub const OPSET: i64 = 17;
/// The version of the file format that came with it.
const IR: i64 = 8;
/// The name of the batch's size, which a run chooses.
const BATCH: &str = "batch";

/// TensorProto.DataType
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// The value of a node's attribute.
#[derive(Clone, Debug)]
pub enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'a str),
}

/// Sizes as ONNX writes them.
pub fn sizes(sizes: impl AsRef<[usize]>) -> Vec<i64> {
    sizes.as_ref().iter().map(|&size| size as i64).collect()
}

/// Nodes and initializers, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Nodes {
    nodes: Message,
    initializers: Message,
    names: HashSet<String>,
}

impl Nodes {
    /// The name if no tensor has it yet, else with a number behind it.
    fn unique(&mut self, name: &str) -> String {
        let numbered = (2..).map(|i| format!("{name}_{i}"));
        let mut names = std::iter::once(name.to_string()).chain(numbered);
        // The names do not end, those that are taken do.
        names.find(|name| self.names.insert(name.clone())).unwrap_or_default()
    }

    /// Takes a name for an input of the graph.
    pub fn input(&mut self, name: &str) -> String {
        self.unique(name)
    }

    /// Adds a node; the name of its output.
    pub fn add(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let output = self.unique(name);
        let node = Message::default()
            .each(inputs, |node, input| node.bytes(1, input))
            .bytes(2, &output)
            .bytes(3, &output)
            .bytes(4, operator)
            .each(attributes, |node, (name, value)| node.message(5, attribute(name, value)));
        self.nodes = std::mem::take(&mut self.nodes).message(1, node);
        output
    }

    /// Adds a tensor of floats; its name.
    pub fn floats(&mut self, name: &str, shape: &[usize], data: &[f32]) -> String {
        let bytes = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, FLOAT, &sizes(shape), bytes)
    }

    /// Adds a float without axes; its name.
    pub fn scalar(&mut self, name: &str, value: f32) -> String {
        self.floats(name, &[], &[value])
    }

    /// Adds integers, a list or one without axes; the tensor's name.
    pub fn ints(&mut self, name: &str, shape: &[usize], data: &[i64]) -> String {
        let bytes = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, INT64, &sizes(shape), bytes)
    }

    fn initializer(&mut self, name: &str, kind: i64, shape: &[i64], bytes: Vec<u8>) -> String {
        let name = self.unique(name);
        let tensor = Message::default()
            .each(shape, |tensor, &size| tensor.int(1, size))
            .int(2, kind)
            .bytes(8, &name)
            .bytes(9, bytes);
        self.initializers = std::mem::take(&mut self.initializers).message(5, tensor);
        name
    }

    /// The model: this graph with its input and output, whose first axis a run chooses, and what is said about them.
    pub fn model(
        self,
        name: &str,
        about: &str,
        [input, output]: [(&str, &[usize]); 2],
        metadata: &[(&str, String)],
    ) -> Vec<u8> {
        let mut graph = self.nodes.bytes(2, name);
        graph = graph.append(self.initializers).bytes(10, about);
        graph = graph.message(11, tensor(input)).message(12, tensor(output));
        let opset = Message::default().bytes(1, "").int(2, OPSET);
        Message::default()
            .int(1, IR)
            .bytes(2, env!("CARGO_PKG_NAME"))
            .bytes(3, env!("CARGO_PKG_VERSION"))
            .bytes(6, about)
            .message(7, graph)
            .message(8, opset)
            .each(metadata, |model, (key, value)| {
                model.message(14, Message::default().bytes(1, key).bytes(2, value))
            })
            .into_bytes()
    }
}

/// An AttributeProto.
fn attribute(name: &str, value: &Attribute) -> Message {
    let message = Message::default().bytes(1, name);
    match value {
        Attribute::Float(value) => message.float(2, *value).int(20, 1),
        Attribute::Int(value) => message.int(3, *value).int(20, 2),
        Attribute::Text(value) => message.bytes(4, value).int(20, 3),
        Attribute::Ints(values) => message.each(values, |m, &value| m.int(8, value)).int(20, 7),
    }
}

/// The ValueInfoProto of a tensor of floats, whose first axis is the batch.
fn tensor((name, shape): (&str, &[usize])) -> Message {
    let batch = Message::default().bytes(2, BATCH);
    let shape = Message::default()
        .message(1, batch)
        .each(shape.iter().skip(1), |shape, &size| shape.message(1, Message::default().int(1, size as i64)));
    let tensor = Message::default().int(1, FLOAT).message(2, shape);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}
