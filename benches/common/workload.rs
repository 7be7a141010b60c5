//! What a user's run repeats: loaded programs, with what the host writes before every run of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use genre_recognizer::device::{Device, Executable, LoadOptions};
use genre_recognizer::graph::{GraphOp, NodeId};
use genre_recognizer::model::{Network, Running};
use genre_recognizer::plan::{Program, Request, Work, plan};
use genre_recognizer::train::TrainOptions;
use serde_json::{Value, json};

use super::{Outcome, uniform};

/// What is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Figure {
    /// Audio and labels are written, the program runs (features, forward, backward, clipping, AdamW, running
    /// statistics), and loss, logits and norm are read: what `train` does a batch.
    Train,
    /// Audio is written, probabilities are read.
    Infer,
    /// The power spectrogram of audio in the device's memory, which stays there.
    Stft,
    /// The logarithm of the mel spectrogram of audio in the device's memory, which stays there.
    LogMel,
}

/// A loaded program.
pub struct Workload {
    program: Arc<Program>,
    loaded: Box<dyn Executable>,
    /// Written before every run.
    inputs: Vec<(NodeId, Vec<f32>)>,
    /// Whether a run's time is that of the device's profile, so that nothing is counted which is written or read.
    by_profile: bool,
    /// Bytes that the plan asks of the device.
    pub planned: u64,
}

impl Workload {
    pub fn load(
        figure: Figure,
        device: &dyn Device,
        network: &Network,
        batch: usize,
        profile: bool,
    ) -> Outcome<Self> {
        match figure {
            Figure::Train => Self::training(device, network, batch, profile),
            Figure::Infer => Self::inference(device, network, batch, profile),
            Figure::Stft => Self::features(device, network, batch, "stft"),
            Figure::LogMel => Self::features(device, network, batch, "ln"),
        }
    }

    fn training(device: &dyn Device, network: &Network, batch: usize, profile: bool) -> Outcome<Self> {
        let config = TrainOptions { batch, ..TrainOptions::default() }.graph();
        let training = network.training(&config)?;
        let program = plan(&training.graph, &training.request(true), device)?;
        let planned = program.memory();
        let program = Arc::new(program);
        let mut loaded = device.load(program.clone(), LoadOptions { profile, poison: false })?;

        let mut state = training.layout.initialise(1);
        state.resize(config.optimizer.rows() * training.layout.len, 0.0);
        loaded.write(training.state, &state)?;
        start(loaded.as_mut(), &training.running)?;
        loaded.write(training.loss_gradient, &[1.0])?;
        let genres = network.genres;
        loaded.write(training.class_weights, &vec![1.0; genres])?;
        loaded.write(training.schedule, &config.optimizer.schedule(1e-3, 1, 1.0))?;
        if let Some(counter) = training.counter {
            loaded.write(counter, &[1.0, 1.0])?;
        }
        let labels = (0..batch * genres).map(|i| f32::from(i % genres == i / genres % genres)).collect();
        let inputs = vec![(training.audio, audio(network, batch)), (training.labels, labels)];
        Ok(Self { program, loaded, inputs, by_profile: false, planned })
    }

    fn inference(device: &dyn Device, network: &Network, batch: usize, profile: bool) -> Outcome<Self> {
        let inference = network.inference(batch)?;
        let program = plan(&inference.graph, &inference.request(true), device)?;
        let planned = program.memory();
        let program = Arc::new(program);
        let mut loaded = device.load(program.clone(), LoadOptions { profile, poison: false })?;
        loaded.write(inference.state, &inference.layout.initialise(1))?;
        start(loaded.as_mut(), &inference.running)?;
        let inputs = vec![(inference.audio, audio(network, batch))];
        Ok(Self { program, loaded, inputs, by_profile: false, planned })
    }

    /// The part of inference up to the operation `last`.
    fn features(device: &dyn Device, network: &Network, batch: usize, last: &str) -> Outcome<Self> {
        let inference = network.inference(batch)?;
        let output = inference.graph.nodes().find(|(_, node)| node.op.name() == last).map(|(id, _)| id);
        let output = output.ok_or("the network has no such feature")?;
        let request = Request { outputs: vec![output], updates: vec![], fuse: true };
        let program = plan(&inference.graph, &request, device)?;
        let planned = program.memory();
        let program = Arc::new(program);
        let options = LoadOptions { poison: false, profile: true };
        let mut loaded = device.load(program.clone(), options)?;
        loaded.write(inference.audio, &audio(network, batch))?;
        Ok(Self { program, loaded, inputs: vec![], by_profile: true, planned })
    }

    /// The time of one run; an error where it computed something that is not finite.
    pub fn run(&mut self) -> Outcome<Duration> {
        let profiled = self.profiled()?;
        let begin = Instant::now();
        for (node, data) in &self.inputs {
            self.loaded.write(*node, data)?;
        }
        self.loaded.run()?;
        let outputs = self.loaded.outputs()?;
        let time = begin.elapsed();
        if !outputs.iter().flatten().all(|value| value.is_finite()) {
            return Err("the result is not finite".into());
        }
        Ok(if self.by_profile { Duration::from_secs_f64(self.profiled()? - profiled) } else { time })
    }

    /// Seconds of every step so far, of a workload that was loaded with a profile.
    pub fn timings(&mut self) -> Outcome<Vec<f64>> {
        Ok(self.loaded.timings()?)
    }

    /// Every step with its time, of a workload that ran `runs` times since its steps had taken `before`.
    pub fn steps(&mut self, before: &[f64], runs: usize) -> Outcome<Vec<Value>> {
        let seconds = self.loaded.timings()?.into_iter().zip(before).map(|(after, before)| after - before);
        let steps = self.program.steps.iter().zip(seconds).map(|(step, seconds)| {
            let (op, settings) = match &step.work {
                Work::Run { op, .. } => (op.name(), op.settings()),
                Work::Copy => ("copy", String::new()),
            };
            let shapes: Vec<String> = step.inputs.iter().map(|(shape, _)| shape.to_string()).collect();
            let elements: usize = step.inputs.iter().chain([&step.output]).map(|(_, place)| place.len).sum();
            json!({
                "name": step.name, "op": op, "settings": settings, "inputs": shapes,
                "output": step.output.0.to_string(), "flops": step.flops(), "bytes": 4 * elements,
                "ms": 1e3 * seconds / runs as f64,
            })
        });
        Ok(steps.collect())
    }

    /// Seconds that the device computed so far.
    fn profiled(&mut self) -> Outcome<f64> {
        Ok(if self.by_profile { self.loaded.timings()?.iter().sum() } else { 0.0 })
    }
}

fn audio(network: &Network, batch: usize) -> Vec<f32> {
    uniform(1, batch * network.config.frame_length(), -0.5, 0.5)
}

/// Writes the running statistics of a network that has not learnt anything.
fn start(loaded: &mut dyn Executable, running: &[Running]) -> Outcome<()> {
    for Running { node, channels, .. } in running {
        loaded.write(*node, &[vec![0.0; *channels], vec![1.0; *channels]].concat())?;
    }
    Ok(())
}
