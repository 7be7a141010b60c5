//! A reader of ONNX files that shares nothing with the writer, and what must hold of every file.

use std::collections::{BTreeMap, BTreeSet};

/// A field's value.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(u64),
    /// What nobody asks for.
    Float,
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(self) -> &'a [u8] {
        let Self::Bytes(bytes) = self else { panic!("{self:?} is not a message") };
        bytes
    }

    fn text(self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn number(self) -> i64 {
        let Self::Number(number) = self else { panic!("{self:?} is no number") };
        number as i64
    }
}

/// A message's fields in order.
struct Fields<'a>(Vec<(u64, Value<'a>)>);

impl<'a> Fields<'a> {
    fn read(mut bytes: &'a [u8]) -> Self {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let (number, rest) = bytes.split_at(end + 1);
            *bytes = rest;
            number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7F))
        }
        fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
            let (front, rest) = bytes.split_at(len);
            *bytes = rest;
            front
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let value = match tag % 8 {
                0 => Value::Number(varint(&mut bytes)),
                2 => {
                    let len = varint(&mut bytes) as usize;
                    Value::Bytes(take(&mut bytes, len))
                }
                5 => {
                    take(&mut bytes, 4);
                    Value::Float
                }
                other => panic!("wire type {other}"),
            };
            fields.push((tag / 8, value));
        }
        Self(fields)
    }

    fn all(&self, field: u64) -> impl Iterator<Item = Value<'a>> {
        self.0.iter().filter(move |(number, _)| *number == field).map(|&(_, value)| value)
    }

    fn one(&self, field: u64) -> Value<'a> {
        let mut all = self.all(field);
        match (all.next(), all.next()) {
            (Some(value), None) => value,
            _ => panic!("field {field} is not there once: {:?}", self.0),
        }
    }
}

#[derive(Debug)]
pub struct Node {
    pub operator: String,
    pub inputs: Vec<String>,
    pub output: String,
    /// The integers of attributes.
    pub attributes: BTreeMap<String, Vec<i64>>,
}

#[derive(Debug)]
pub struct Tensor {
    pub shape: Vec<i64>,
    pub floats: bool,
    pub bytes: Vec<u8>,
}

/// A tensor's name, and its sizes; a size that a run chooses has a name.
pub type Port = (String, Vec<Result<i64, String>>);

#[derive(Debug)]
pub struct File {
    pub nodes: Vec<Node>,
    pub initializers: BTreeMap<String, Tensor>,
    pub input: Port,
    pub output: Port,
    pub metadata: BTreeMap<String, String>,
    pub about: String,
}

fn port(value: Value) -> Port {
    let message = Fields::read(value.bytes());
    let tensor = Fields::read(Fields::read(message.one(2).bytes()).one(1).bytes());
    assert_eq!(tensor.one(1).number(), 1, "floats");
    let shape = Fields::read(tensor.one(2).bytes());
    let size = |dimension: Value| match Fields::read(dimension.bytes()).0[..] {
        [(1, size)] => Ok(size.number()),
        [(2, name)] => Err(name.text()),
        ref other => panic!("a dimension is {other:?}"),
    };
    (message.one(1).text(), shape.all(1).map(size).collect())
}

impl File {
    pub fn read(bytes: &[u8]) -> Self {
        let model = Fields::read(bytes);
        assert_eq!(model.one(1).number(), 8, "the version of the format that came with opset 17");
        let opset = Fields::read(model.one(8).bytes());
        assert_eq!((opset.one(1).text().as_str(), opset.one(2).number()), ("", 17));
        let graph = Fields::read(model.one(7).bytes());
        let nodes = graph.all(1).map(|node| {
            let node = Fields::read(node.bytes());
            let attributes = node.all(5).map(|attribute| {
                let attribute = Fields::read(attribute.bytes());
                let integers = attribute.all(3).chain(attribute.all(8)).map(Value::number);
                (attribute.one(1).text(), integers.collect())
            });
            Node {
                operator: node.one(4).text(),
                inputs: node.all(1).map(Value::text).collect(),
                output: node.one(2).text(),
                attributes: attributes.collect(),
            }
        });
        let initializers = graph.all(5).map(|tensor| {
            let tensor = Fields::read(tensor.bytes());
            let floats = match tensor.one(2).number() {
                1 => true,
                7 => false,
                other => panic!("data type {other}"),
            };
            let shape = tensor.all(1).map(Value::number).collect();
            (tensor.one(8).text(), Tensor { shape, floats, bytes: tensor.one(9).bytes().to_vec() })
        });
        let metadata = model.all(14).map(|entry| {
            let entry = Fields::read(entry.bytes());
            (entry.one(1).text(), entry.one(2).text())
        });
        Self {
            nodes: nodes.collect(),
            initializers: initializers.collect(),
            input: port(graph.one(11)),
            output: port(graph.one(12)),
            metadata: metadata.collect(),
            about: model.one(6).text(),
        }
    }

    /// The operators, each once.
    pub fn operators(&self) -> BTreeSet<&str> {
        self.nodes.iter().map(|node| node.operator.as_str()).collect()
    }

    /// Fails unless every tensor is there before it is read, under one name, and none is there in vain.
    pub fn check(&self, what: &str) {
        for (name, tensor) in &self.initializers {
            let elements = tensor.shape.iter().product::<i64>() as usize;
            let size = if tensor.floats { 4 } else { 8 };
            assert_eq!(tensor.bytes.len(), elements * size, "{what}: {name} {:?}", tensor.shape);
        }
        let mut known: BTreeSet<&str> = self.initializers.keys().map(String::as_str).collect();
        assert!(known.insert(&self.input.0), "{what}: two tensors are {}", self.input.0);
        let mut unread = known.clone();
        for node in &self.nodes {
            for input in &node.inputs {
                assert!(known.contains(input.as_str()), "{what}: {node:?} reads {input}");
                unread.remove(input.as_str());
            }
            if let ("Conv", Some(weight)) =
                (node.operator.as_str(), node.inputs.get(1).and_then(|weight| self.initializers.get(weight)))
            {
                assert_eq!(node.attributes["kernel_shape"], weight.shape[2..], "{what}: {node:?}");
            }
            assert!(known.insert(&node.output), "{what}: two tensors are {}", node.output);
            unread.insert(&node.output);
        }
        assert_eq!(unread, BTreeSet::from([self.output.0.as_str()]), "{what}: what nobody reads");
    }
}
