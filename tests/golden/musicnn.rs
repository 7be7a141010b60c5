//! An imported network, against what its own code computes (`musicnn.py`): from a spectrogram, on every device.
//!
//! The published networks are compared where `MUSICNN_WHEEL` names their wheel.

use std::path::Path;
use std::sync::Arc;

use genre_recognizer::device::{Device, cpu::Cpu};
use genre_recognizer::engine::{self, Request};
use genre_recognizer::import::Wheel;
use genre_recognizer::model::Model;
use genre_recognizer::ops::source::Input;
use safetensors::SafeTensors;

use crate::common;

/// Published outputs are met to within this; the probabilities lie in 0 to 1, the others come up to 5.
const TOLERANCE: f32 = 1e-5;
const CLIPS: usize = 2;

/// `spectrogram` of musicnn.py as [CLIPS, 1, mels, frames].
fn spectrogram(frames: usize, mels: usize) -> Vec<f32> {
    let level = |number: u64| {
        let mut z = 7u64.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 54) as f32 / 256.0
    };
    let mut values = vec![0.0; CLIPS * mels * frames];
    for clip in 0..CLIPS {
        for frame in (0..frames).filter(|frame| frame % 16 < 12) {
            for mel in 0..mels {
                let number = (clip * frames + frame) * mels + mel + 1;
                values[(clip * mels + mel) * frames + frame] =
                    level(number as u64) * (1.0 - mel as f32 / 128.0);
            }
        }
    }
    values
}

/// What a model makes of the spectrogram: its embeddings, and its probabilities.
fn outputs(model: &Model, device: &dyn Device) -> Vec<Vec<f32>> {
    let mut inference = model.network().unwrap().inference(CLIPS).unwrap();
    let features = inference.graph.nodes().find(|(_, node)| node.name == "log10").unwrap().0;
    let shape = inference.graph.shape(features).clone();
    let [mels, frames] = [shape[2], shape[3]];
    inference.graph.replace(features, Input { shape }.into(), &[]).unwrap();
    let request = Request::outputs(&[inference.embedding, inference.probabilities]);
    let mut program = engine::compile(&inference.graph, &request, device).unwrap();
    let (flat, running) = model.weights.scatter(&inference.layout, &inference.running).unwrap();
    program.write(inference.state, &flat).unwrap();
    for (r, data) in inference.running.iter().zip(&running) {
        program.write(r.node, data).unwrap();
    }
    program.write(features, &spectrogram(frames, mels)).unwrap();
    program.run().unwrap();
    program.outputs().unwrap()
}

fn compare(wheel: &Wheel, network: &str, golden: &str) {
    let file = include_bytes!("musicnn.safetensors");
    let file = SafeTensors::deserialize(file).unwrap();
    let whole = wheel.import(network).unwrap();
    let pruned = whole.clone().without_silent_filters();
    let models = [("whole", whole), ("without silent filters", pruned)];
    let models = models.map(|(what, imported)| (what, imported.into_model()));
    let devices = [Some(Arc::new(Cpu) as Arc<dyn Device>), common::gpu()];
    let devices: Vec<_> = devices.into_iter().flatten().collect();
    for ((what, model), device) in models.iter().flat_map(|model| devices.iter().map(move |d| (model, d))) {
        let found = outputs(model, device.as_ref());
        for (name, values) in ["embedding", "probabilities"].into_iter().zip(found) {
            let wanted = file.tensor(&format!("{golden}/{name}")).unwrap();
            let wanted: Vec<f32> =
                wanted.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            assert_eq!(values.len(), wanted.len(), "{golden} {name}");
            let worst = values.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{golden}, {what}: {name} on {}: at most {worst:.1e} apart", device.describe());
            assert!(worst <= TOLERANCE, "{golden}, {what}: {name} on {}: {worst:e}", device.describe());
        }
    }
}

#[test]
fn a_tiny_network_computes_what_its_own_code_does() {
    let bytes = include_bytes!("musicnn_tiny.whl").to_vec();
    compare(&Wheel::read(Path::new("musicnn_tiny.whl"), bytes).unwrap(), "MSD_musicnn", "tiny");
}

#[test]
fn the_published_networks_compute_what_their_own_code_does() {
    let Some(path) = std::env::var_os("MUSICNN_WHEEL") else {
        common::skip("MUSICNN_WHEEL names no wheel of musicnn (pip download --no-deps musicnn)");
        return;
    };
    let wheel = Wheel::open(Path::new(&path)).unwrap();
    for network in ["MSD_musicnn", "MTT_musicnn"] {
        compare(&wheel, network, network);
    }
}
