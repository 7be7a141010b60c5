//! The programs that the pages show do what the pages say.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use genre_recognizer::Recognizer;
use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::export::onnx;
use genre_recognizer::model::{Labels, ModelConfig};
use genre_recognizer::rng::Rng;
use genre_recognizer::score::{Aggregation, Decision};
use serde_json::Value;

use super::{Frontend, interpreter, networks};

/// The program in Python that a page shows.
fn program(page: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).unwrap();
    let (_, program) = text.split_once("```python\n").unwrap_or_else(|| panic!("{page} has no program"));
    program.split_once("```").unwrap().0.to_string()
}

/// Runs a page's program and then `more`; the JSON that this prints last.
fn run(python: &Path, page: &str, more: &str, arguments: &[&Path]) -> Value {
    let script = format!("{}\n{more}", program(page));
    let done = Command::new(python).arg("-c").arg(script).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{page}: {out}\n{err}");
    serde_json::from_str(out.lines().last().unwrap()).unwrap_or_else(|error| panic!("{page}: {error}: {out}"))
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `docs/formats.md`: thirty lines read a model file, and compute with it.
#[test]
fn a_model_file_is_read_in_python() {
    let lines = program("formats.md").lines().count();
    assert!(lines <= 30, "{lines} lines");
    let Some(python) = interpreter("numpy, safetensors") else { return };
    let folder = tempfile::tempdir().unwrap();
    let [file, embedding] = ["model.safetensors", "embedding"].map(|name| folder.path().join(name));
    for labels in [Labels::Genres, Labels::Tags] {
        let model = networks::model(ModelConfig { labels, ..networks::tiny() });
        let computed = networks::compute(&model);
        model.save(&file).unwrap();
        fs::write(&embedding, bytes(&computed.embedding)).unwrap();
        let more = "
embedding = np.fromfile(sys.argv[2], np.float32).reshape(3, -1)
norm = norms['block1.conv1.norm']
print(json.dumps([card, sorted(arrays), last_layer(embedding).tolist(), [n.tolist() for n in norm]]))";
        let printed = run(&python, "formats.md", more, &[&file, &embedding]);
        assert_eq!(printed[0]["genres"], serde_json::to_value(&model.card.genres).unwrap());
        let config: ModelConfig = serde_json::from_value(printed[0]["config"].clone()).unwrap();
        assert_eq!(config, model.card.config);
        let names: Vec<&String> = model.weights.0.keys().collect();
        assert_eq!(printed[1], serde_json::to_value(names).unwrap());
        let rows = printed[2].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
        let found: Vec<f64> = rows.map(|p| p.as_f64().unwrap()).collect();
        assert_eq!(found.len(), computed.probabilities.len());
        for (found, &wanted) in found.iter().zip(&computed.probabilities) {
            assert!((found - f64::from(wanted)).abs() < 1e-5, "{found} {wanted}");
        }
        // y = factor·x + term
        let tensor = |name: &str| &model.weights.0[name].data;
        let (running, pair) = (tensor("block1.conv1.norm.running"), tensor("block1.conv1.norm.scale_shift"));
        let channels = pair.len() / 2;
        for c in 0..channels {
            let factor = f64::from(pair[c]) / (f64::from(running[channels + c]) + 1e-5).sqrt();
            let term = f64::from(pair[channels + c]) - f64::from(running[c]) * factor;
            for (found, wanted) in [(&printed[3][0][c], factor), (&printed[3][1][c], term)] {
                assert!((found.as_f64().unwrap() - wanted).abs() < 1e-5, "{found} {wanted}");
            }
        }
    }
}

/// `docs/export.md`: a song is recognised as it is here, by every rule.
#[test]
fn a_song_is_recognised_in_python() {
    let Some(python) = interpreter("numpy, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    let [file, samples] = ["model.onnx", "samples"].map(|name| folder.path().join(name));
    let mut rng = Rng::new(9);
    for (i, aggregation) in Aggregation::ALL.into_iter().chain([Aggregation::Independent]).enumerate() {
        let config = ModelConfig { channels: 1 + i % 2, frame_step: Some(0.2), ..networks::tiny() };
        let labels = if aggregation == Aggregation::Independent { Labels::Tags } else { Labels::Genres };
        let mut model = networks::model(ModelConfig { labels, ..config });
        model.card.decision = Decision { aggregation, temperature: 1.3, unsure_below: Some(0.99) };
        fs::write(&file, onnx(&model, Frontend::Stft).unwrap()).unwrap();
        // A song of 20 frames, whose second half is a hum; its first second is silence.
        let channels: Vec<Vec<f32>> = (0..model.card.config.channels)
            .map(|_| {
                let sound = |i: usize, noise: f32| {
                    if i < 4_000 {
                        0.0
                    } else if i < 8_000 {
                        0.1 * noise
                    } else {
                        0.2 * (0.3 * i as f32).sin()
                    }
                };
                (0..16_321).map(|i| sound(i, rng.range(-1.0, 1.0))).collect()
            })
            .collect();
        fs::write(&samples, bytes(&channels.concat())).unwrap();
        let more = format!(
            "
import sys
samples = np.fromfile(sys.argv[2], np.float32).reshape({}, -1)
probabilities, unsure = recognise(sys.argv[1], samples)
print(json.dumps([probabilities, unsure]))",
            channels.len()
        );
        let printed = run(&python, "export.md", &more, &[&file, &samples]);
        let unsure = printed[1].as_bool().unwrap();
        let verdict =
            Recognizer::new(model, Arc::new(Cpu)).unwrap().recognize_samples(&channels, 4_000).unwrap();
        assert_eq!(verdict.unsure, unsure);
        assert_eq!(printed[0].as_object().unwrap().len(), verdict.guesses.len());
        for guess in &verdict.guesses {
            // Samples are kept in 16 bits here.
            let found = printed[0][&guess.genre].as_f64().unwrap();
            assert!(
                (found - f64::from(guess.probability)).abs() < 2e-3,
                "{aggregation:?}: {found} {guess:?}"
            );
        }
    }
}
