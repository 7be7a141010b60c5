//! A graph as a table for people and as Graphviz DOT.

use std::fmt::{self, Write};

use super::{Graph, GraphOp};

impl<O: GraphOp> fmt::Display for Graph<O> {
    /// One row a node: its name, operation with settings, inputs and output shape.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 4]> = self
            .nodes
            .iter()
            .map(|node| {
                let inputs: Vec<&str> = node.inputs.iter().map(|&id| self.node(id).name.as_str()).collect();
                let op = format!("{} {}", node.op.name(), node.op.settings());
                [node.name.clone(), op.trim_end().to_string(), inputs.join(", "), node.shape.to_string()]
            })
            .collect();
        let header = ["name", "op", "inputs", "shape"].map(String::from);
        let widths: Vec<usize> = (0..4)
            .map(|c| rows.iter().chain([&header]).map(|r| r[c].chars().count()).max().unwrap_or(0))
            .collect();
        for row in [&header].into_iter().chain(&rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:<width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl<O: GraphOp> Graph<O> {
    /// The graph in Graphviz DOT, edges labelled with shapes.
    pub fn to_dot(&self) -> String {
        let mut dot =
            String::from("digraph {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n");
        for (id, node) in self.nodes() {
            let settings = node.op.settings();
            let separator = if settings.is_empty() { "" } else { "\\n" };
            dot += &format!(
                "  n{} [label=\"{}\\n{}{separator}{}\"];\n",
                id.index(),
                escape(&node.name),
                node.op.name(),
                escape(&settings),
            );
            for &input in &node.inputs {
                dot +=
                    &format!("  n{} -> n{} [label=\"{}\"];\n", input.index(), id.index(), self.shape(input));
            }
        }
        dot + "}\n"
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
