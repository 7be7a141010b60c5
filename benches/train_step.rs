//! A whole training step and whole inference of the default network. Elements are frames of one second.
//!
//! A step is what `train` does a batch: audio and labels are written, the program runs (features, forward, backward,
//! clipping, AdamW, running statistics), and loss, logits and norm are read. Inference writes audio and reads
//! probabilities. Decoding is not part of either; see `audio`.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Bench, GENRES, Outcome, network, uniform};
use criterion::{SamplingMode, Throughput};
use genre_recognizer::device::{Device, Executable, LoadOptions};
use genre_recognizer::graph::NodeId;
use genre_recognizer::plan::plan;
use genre_recognizer::train::TrainOptions;

fn main() -> Outcome<()> {
    let mut criterion = common::criterion(Duration::from_secs(3));
    let kinds: [(&str, Build); 2] = [("train", Workload::training), ("infer", Workload::inference)];
    for Bench { name, device, batches } in common::devices()? {
        for (&batch, (kind, build)) in batches.iter().flat_map(|batch| kinds.map(|kind| (batch, kind))) {
            let mut group = criterion.benchmark_group(kind);
            group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(batch as u64));
            let mut workload: Option<Workload> = None;
            group.bench_function(format!("{name}_batch{batch}"), |bencher| {
                let fail = |error| -> ! { panic!("{kind} on {name}: {error}") };
                let workload =
                    workload.get_or_insert_with(|| build(device.as_ref(), batch).unwrap_or_else(|e| fail(e)));
                bencher.iter(|| workload.run().unwrap_or_else(|e| fail(e)));
            });
        }
    }
    criterion.final_summary();
    Ok(())
}

type Build = fn(&dyn Device, usize) -> Outcome<Workload>;

/// A loaded program with what is written before every run.
struct Workload {
    loaded: Box<dyn Executable>,
    inputs: Vec<(NodeId, Vec<f32>)>,
}

impl Workload {
    fn training(device: &dyn Device, batch: usize) -> Outcome<Self> {
        let network = network()?;
        let config = TrainOptions { batch, ..TrainOptions::default() }.graph();
        let training = network.training(&config)?;
        let program = plan(&training.graph, &training.request(true), device)?;
        let mut loaded = device.load(Arc::new(program), LoadOptions::default())?;

        let mut state = training.layout.initialise(1);
        state.resize(config.optimizer.rows() * training.layout.len, 0.0);
        loaded.write(training.state, &state)?;
        for running in &training.running {
            loaded
                .write(running.node, &[vec![0.0; running.channels], vec![1.0; running.channels]].concat())?;
        }
        loaded.write(training.loss_gradient, &[1.0])?;
        loaded.write(training.class_weights, &[1.0; GENRES])?;
        loaded.write(training.schedule, &config.optimizer.schedule(1e-3, 1, 1.0))?;
        if let Some(counter) = training.counter {
            loaded.write(counter, &[1.0, 1.0])?;
        }
        let labels = (0..batch * GENRES).map(|i| f32::from(i % GENRES == i / GENRES % GENRES)).collect();
        let audio = uniform(1, batch * network.config.frame_length(), -0.5, 0.5);
        Ok(Self { loaded, inputs: vec![(training.audio, audio), (training.labels, labels)] })
    }

    fn inference(device: &dyn Device, batch: usize) -> Outcome<Self> {
        let network = network()?;
        let inference = network.inference(batch)?;
        let program = plan(&inference.graph, &inference.request(true), device)?;
        let mut loaded = device.load(Arc::new(program), LoadOptions::default())?;
        loaded.write(inference.state, &inference.layout.initialise(1))?;
        for running in &inference.running {
            loaded
                .write(running.node, &[vec![0.0; running.channels], vec![1.0; running.channels]].concat())?;
        }
        let audio = uniform(1, batch * network.config.frame_length(), -0.5, 0.5);
        Ok(Self { loaded, inputs: vec![(inference.audio, audio)] })
    }

    /// One step; an error where it computed something that is not finite.
    fn run(&mut self) -> Outcome<()> {
        for (node, data) in &self.inputs {
            self.loaded.write(*node, data)?;
        }
        self.loaded.run()?;
        let outputs = self.loaded.outputs()?;
        if outputs.iter().flatten().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err("the result is not finite".into())
        }
    }
}
