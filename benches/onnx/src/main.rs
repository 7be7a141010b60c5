//! What exported models compute, and how fast, beside the CPU device: `benches/onnx/run` drives it.
//!
//! - `prepare MODEL FOLDER SONG...` exports the model with every front end, and writes the frames of the songs with what the CPU
//!   device computes of them.
//! - `run RUNTIME FRONTEND FOLDER BATCH THREADS` runs all frames, and prints what came out as a line of JSON.

mod runtimes;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::engine::{Executable, Request, compile};
use genre_recognizer::export::{Frontend, onnx};
use genre_recognizer::graph::NodeId;
use genre_recognizer::model::{InferenceGraph, Model};
use genre_recognizer::{Song, load_song};
use serde_json::json;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// The files and the front ends.
const FRONTENDS: [(&str, Frontend); 3] =
    [("stft", Frontend::Stft), ("conv", Frontend::Conv), ("none", Frontend::None)];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["prepare", model, folder, songs @ ..] => prepare(model.as_ref(), folder.as_ref(), songs),
        ["run", runtime, frontend, folder, batch, threads] => {
            run(runtime, frontend, folder.as_ref(), batch.parse()?, threads.parse()?)
        }
        _ => Err("prepare MODEL FOLDER SONG... or run RUNTIME FRONTEND FOLDER BATCH THREADS".into()),
    }
}

/// The network on the CPU device, for batches of a size.
pub struct Ours {
    inference: InferenceGraph,
    program: Box<dyn Executable>,
}

impl Ours {
    pub fn new(
        model: &Model,
        batch: usize,
        outputs: &dyn Fn(&InferenceGraph) -> Vec<NodeId>,
    ) -> Outcome<Self> {
        let inference = model.network()?.inference(batch)?;
        let wanted = outputs(&inference);
        let mut program = compile(&inference.graph, &Request::outputs(&wanted), &Cpu)?;
        let (state, statistics) = model.weights.scatter(&inference.layout, &inference.running)?;
        program.write(inference.state, &state)?;
        for (running, values) in inference.running.iter().zip(&statistics) {
            program.write(running.node, values)?;
        }
        Ok(Self { inference, program })
    }

    pub fn run(&mut self, audio: &[f32]) -> Outcome<Vec<Vec<f32>>> {
        self.program.write(self.inference.audio, audio)?;
        self.program.run()?;
        Ok(self.program.outputs()?)
    }
}

fn write(path: PathBuf, values: &[f32]) -> Outcome<()> {
    Ok(fs::write(path, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())?)
}

fn read(path: PathBuf) -> Outcome<Vec<f32>> {
    Ok(fs::read(path)?.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

fn prepare(path: &Path, folder: &Path, songs: &[&str]) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    let model = Model::load(path)?;
    model.save(&folder.join("model.safetensors"))?;
    for (name, frontend) in FRONTENDS {
        fs::write(folder.join(name).with_extension("onnx"), onnx(&model, frontend)?)?;
    }
    let config = &model.card.config;
    let mut ours = Ours::new(&model, 1, &|net| vec![net.features, net.probabilities])?;
    let (mut audio, mut features, mut probabilities, mut frames) = (vec![], vec![], vec![], 0);
    let mut frame = vec![0.0; config.channels * config.frame_length()];
    for song in songs {
        let song: Song = load_song(song.as_ref(), &config.audio(), config.shortest_song())?;
        for start in config.framing().starts(song.len()) {
            song.write_frame(start, &mut frame)?;
            let [seen, heard] = ours.run(&frame)?.try_into().map_err(|_| "two outputs wanted")?;
            audio.extend_from_slice(&frame);
            features.extend(seen);
            probabilities.extend(heard);
            frames += 1;
        }
    }
    write(folder.join("audio.f32"), &audio)?;
    write(folder.join("features.f32"), &features)?;
    write(folder.join("probabilities.f32"), &probabilities)?;
    let net = &ours.inference;
    let shape = |node: NodeId| net.graph.shape(node)[1..].to_vec();
    let shapes = json!({
        "frames": frames, "songs": songs.len(), "audio": shape(net.audio), "features": shape(net.features),
        "labels": model.card.genres.len(), "seconds": config.frame_seconds,
    });
    fs::write(folder.join("shapes.json"), shapes.to_string())?;
    println!("{shapes}");
    Ok(())
}

/// A model in a runtime: runs a batch of this shape, and gives the probabilities.
pub type Runtime = Box<dyn FnMut(&[usize], &[f32]) -> Outcome<Vec<f32>>>;

fn run(runtime: &str, frontend: &str, folder: &Path, batch: usize, threads: usize) -> Outcome<()> {
    let shapes: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("shapes.json"))?)?;
    let input = if frontend == "none" { "features" } else { "audio" };
    let sizes: Vec<usize> = serde_json::from_value(shapes[input].clone())?;
    let (values, wanted) =
        (read(folder.join(input).with_extension("f32"))?, read(folder.join("probabilities.f32"))?);
    let labels = shapes["labels"].as_u64().ok_or("no labels")? as usize;
    let shape = [vec![batch], sizes].concat();
    let mut run = runtimes::open(runtime, frontend, folder, &shape, threads)?;
    let size: usize = shape.iter().product();
    // Whole batches alone: a runtime that plans for one size need not plan for another.
    let (mut worst, mut seconds) = (0.0f32, Vec::new());
    for (values, wanted) in values.chunks_exact(size).zip(wanted.chunks_exact(batch * labels)) {
        let began = Instant::now();
        let found = run(&shape, values)?;
        seconds.push(began.elapsed().as_secs_f64());
        if found.len() != wanted.len() {
            return Err(format!("{} probabilities, {} wanted", found.len(), wanted.len()).into());
        }
        for (found, wanted) in found.iter().zip(wanted) {
            // What is no number is as far off as can be.
            let error = (found - wanted).abs();
            worst = if error.is_nan() { f32::INFINITY } else { worst.max(error) };
        }
    }
    let batches = seconds.len();
    // The first batch warms up.
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let median = 1e3 * seconds[seconds.len() / 2];
    println!(
        "{}",
        json!({"runtime": runtime, "frontend": frontend, "ms": median, "worst": worst, "frames": batches * batch})
    );
    Ok(())
}
