//! Plans, seen by what their programs compute.

use std::sync::Arc;

use genre_recognizer::device::{Device, LoadOptions, cpu::Cpu};
use genre_recognizer::ops::Graph;
use genre_recognizer::ops::dense::{Form, Matmul};
use genre_recognizer::ops::source::Variable;
use genre_recognizer::plan::{Request, plan};

/// New values that cannot be computed in the variable's place are kept until they are copied, after all else has run.
#[test]
fn updates_survive_what_is_computed_after_them() {
    let mut graph = Graph::new();
    let variables = ["a", "b", "c"]
        .map(|name| graph.add_named(name, Variable { shape: [2, 2].into() }.into(), &[]).unwrap());
    let updates = variables.map(|x| (x, graph.add(Matmul { form: Form::Plain }.into(), &[x, x]).unwrap()));
    let request = Request { outputs: vec![], updates: updates.to_vec(), fuse: false };
    let program = Arc::new(plan(&graph, &request, &Cpu).unwrap());
    let mut loaded = Cpu.load(program, LoadOptions { poison: true, profile: false }).unwrap();
    for (&x, value) in variables.iter().zip([1.0, 2.0, 3.0]) {
        loaded.write(x, &[value, 1.0, 0.0, value]).unwrap();
    }
    loaded.run().unwrap();
    for (&x, value) in variables.iter().zip([1.0, 2.0, 3.0]) {
        assert_eq!(loaded.read(x).unwrap(), [value * value, 2.0 * value, 0.0, value * value]);
    }
}
