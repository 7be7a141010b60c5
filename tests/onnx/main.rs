//! Models as ONNX: what the files hold, and that onnxruntime computes from them what the CPU device does.

mod file;
mod networks;
mod operations;
mod pages;

use std::fs::{self, File as Handle};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use genre_recognizer::export::{Frontend, onnx};
use genre_recognizer::model::{Ancestor, ModelCard, Provenance, Source};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::python;
use file::File;
use networks::BATCH;

const FRONTENDS: [Frontend; 3] = [Frontend::Stft, Frontend::Conv, Frontend::None];

/// The interpreter with what tests of exports need.
fn interpreter(packages: &str) -> Option<PathBuf> {
    python::with(packages, "ONNX_PYTHON", "REQUIRE_ONNX")
}

/// Graphs for onnxruntime.
struct Runtime {
    folder: TempDir,
    manifest: Handle,
    cases: usize,
}

/// A tensor's shape and values.
type Shaped<'a> = (&'a [usize], &'a [f32]);

impl Runtime {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Handle::create(folder.path().join("manifest.jsonl")).unwrap();
        Self { folder, manifest, cases: 0 }
    }

    /// Adds a file, and what it must compute. `batches` says whether the input's first axis is a batch.
    fn add(
        &mut self,
        what: &str,
        bytes: &[u8],
        (input, values): (&str, Shaped),
        wanted: Shaped,
        batches: bool,
    ) {
        let file = format!("{}.onnx", self.cases);
        fs::write(self.folder.path().join(&file), bytes).unwrap();
        let case = json!({
            "what": what, "file": file, "input": input, "shape": values.0, "values": values.1,
            "wanted_shape": wanted.0, "wanted": wanted.1, "batches": batches,
        });
        writeln!(self.manifest, "{case}").unwrap();
        self.cases += 1;
    }

    /// Checks and runs all of them, where there is an onnxruntime.
    fn run(self) {
        let Some(python) = interpreter("onnx, onnxruntime") else { return };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/check.py");
        let manifest = self.folder.path().join("manifest.jsonl");
        let done = Command::new(python).arg(script).arg(manifest).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{out}\n{err}");
        println!("{} graphs, {out}", self.cases);
    }
}

#[test]
fn networks_of_every_setting_compute_the_same() {
    let mut runtime = Runtime::new();
    for (what, config) in networks::all() {
        let model = networks::model(config);
        let computed = networks::compute(&model);
        let labels = model.card.genres.len();
        let first = computed.probabilities.chunks_exact(labels).map(|frame| frame[0]);
        let (low, high) = first.fold((1.0f32, 0.0f32), |(low, high), p| (low.min(p), high.max(p)));
        assert!(high - low > 1e-3, "{what}: frames are alike, {:?}", computed.probabilities);
        let audio = [BATCH, model.card.config.channels, model.card.config.frame_length()];
        for frontend in FRONTENDS {
            let what = format!("{what}, {frontend:?}");
            let bytes = onnx(&model, frontend).unwrap();
            let file = File::read(&bytes);
            file.check(&what);
            let input = match frontend {
                Frontend::None => ("features", (&computed.feature_shape[..], &computed.features[..])),
                _ => ("audio", (&audio[..], &computed.audio[..])),
            };
            assert_eq!(file.input.0, input.0, "{what}");
            let sizes: Vec<_> = input.1.0[1..].iter().map(|&size| Ok(size as i64)).collect();
            assert_eq!(file.input.1, [vec![Err("batch".into())], sizes].concat(), "{what}");
            let output = ("probabilities".into(), vec![Err("batch".into()), Ok(labels as i64)]);
            assert_eq!(file.output, output, "{what}");
            // A batch norm is left where its input is no layer's: of the features, and in musicnn.
            assert_eq!(file.operators().contains("STFT"), frontend == Frontend::Stft, "{what}");
            let norms = file.nodes.iter().filter(|node| node.operator == "BatchNormalization").count();
            assert!(norms == 1 || what.starts_with("musicnn"), "{what}: {norms} norms");
            let wanted = (&[BATCH, labels][..], &computed.probabilities[..]);
            runtime.add(&what, &bytes, input, wanted, true);
        }
    }
    runtime.run();
}

#[test]
fn the_metadata_says_what_recognition_needs() {
    let mut model = networks::model(networks::tiny());
    let source =
        Source { name: "a network".into(), licence: "ISC".into(), notice: "Copyright (c) them\n".into() };
    let provenance = Provenance { source: Some(source), ..Provenance::default() };
    let ancestor = Ancestor { digest: "0".into(), labels: 50, provenance };
    model.card.provenance.base = Some(Box::new(ancestor));
    (model.card.config.frame_step, model.card.config.drop_below) = (Some(0.125), Some(-50.5));
    let file = File::read(&onnx(&model, Frontend::Conv).unwrap());
    let text = |key: &str| file.metadata[key].as_str();
    let json = |key: &str| serde_json::from_str::<Value>(text(key)).unwrap();
    assert_eq!(json("genres"), json!(["blues", "folk", "jazz", "rock"]));
    assert_eq!([text("sample_rate"), text("channels"), text("normalise")], ["4000", "1", "peak"]);
    assert_eq!([text("frame_length"), text("frame_step"), text("drop_below")], ["1000", "500", "-50.5"]);
    assert_eq!((text("frontend"), text("digest")), ("conv", model.digest().as_str()));
    let decision = json!({"aggregation": "mean-log-probability", "temperature": 1.0, "unsure_below": 0.5});
    assert_eq!(json("decision"), decision);
    assert_eq!(text("licence"), "a network: ISC\n\nCopyright (c) them");
    assert_eq!(serde_json::from_str::<ModelCard>(text("genre-recognizer")).unwrap(), model.card);
    assert!(file.about.contains("audio [batch, 1, 1000] of 4000 samples a second"), "{}", file.about);
    // What does not apply is left out.
    let plain = File::read(&onnx(&networks::model(networks::tiny()), Frontend::Stft).unwrap());
    assert!(!plain.metadata.contains_key("licence") && !plain.metadata.contains_key("drop_below"));
}

/// The weights stand in the file as they are, but for what batch norms make of them.
#[test]
fn weights_are_the_models() {
    let config = networks::all().into_iter().find(|(what, _)| *what == "musicnn").unwrap().1;
    let model = networks::model(config);
    let file = File::read(&onnx(&model, Frontend::None).unwrap());
    let floats =
        |bytes: &[u8]| bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect::<Vec<_>>();
    let mut found = 0;
    for (name, tensor) in model.weights.0.iter().filter(|(name, _)| name.ends_with("weight")) {
        let written = &file.initializers[name];
        assert_eq!(written.shape, tensor.shape.iter().map(|&size| size as i64).collect::<Vec<_>>(), "{name}");
        assert_eq!(floats(&written.bytes), tensor.data, "{name}");
        found += 1;
    }
    assert_eq!(found, 4 + 2 + 1 + 1);
}
