use super::RecognizeError;
use super::gathering::Gathering;
use super::program::write_weights;
use crate::audio::Song;
use crate::device::{Device, Executable};
use crate::engine;
use crate::model::{ExplanationGraph, Features, ModelConfig, Network, Weights};

/// Power below this is drawn as silence: its logarithm must be finite.
const SILENCE: f32 = 1e-10;

/// A frame of a song with what in it speaks for a genre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExplainedFrame<'a> {
    /// Its first sample.
    pub start: usize,
    /// Of every genre.
    pub probabilities: &'a [f32],
    /// [H, W], row 0 the lowest frequency: natural logarithms of power, whatever features the network takes; the mean of
    /// the channels.
    pub power: &'a [f32],
    /// [H, W]: by how much the genre's logit grows with each of these logarithms, in all channels alike.
    pub gradient: &'a [f32],
}

/// A network loaded on a device to explain what it recognises, a batch of frames at a time.
pub struct Explainer {
    network: Network,
    explanation: ExplanationGraph,
    program: Box<dyn Executable>,
    batch: usize,
    gathering: Gathering,
}

impl Explainer {
    /// Loads the network with its weights.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built, the weights are another network's, or the device cannot hold
    /// it.
    pub fn new(
        network: &Network,
        weights: &Weights,
        device: &dyn Device,
        batch: usize,
    ) -> Result<Self, RecognizeError> {
        let explanation = network.explanation(batch)?;
        let mut program = engine::compile(&explanation.graph, &explanation.request(true), device)?;
        let ExplanationGraph { layout, running, state, .. } = &explanation;
        write_weights(program.as_mut(), (layout, running, *state), weights)?;
        let gathering = Gathering::new(&network.config, batch);
        Ok(Self { network: network.clone(), explanation, program, batch, gathering })
    }

    /// Calls `each` with every frame of a song, in order, explained for the genre with the number `genre`; without those
    /// that the network's framing drops as quiet. No frame is kept: a song may be of any length.
    ///
    /// # Errors
    /// [`RecognizeError`] where there is no such genre, the song has not the network's sample rate and channels, or the
    /// device or the song's storage fails.
    pub fn explain(
        &mut self,
        song: &Song,
        genre: usize,
        each: &mut dyn FnMut(ExplainedFrame<'_>),
    ) -> Result<(), RecognizeError> {
        let genres = self.network.genres;
        if genre >= genres {
            return Err(RecognizeError::NoSuchGenre { genre, genres });
        }
        let mut selector = vec![0.0; self.batch * genres];
        selector.iter_mut().skip(genre).step_by(genres).for_each(|weight| *weight = 1.0);
        let (program, explanation) = (&mut self.program, &self.explanation);
        program.write(explanation.selector, &selector)?;
        let ModelConfig { channels, features, .. } = self.network.config;
        let (height, width) = self.network.feature_size();
        let size = height * width;
        let (mut power, mut gradient) = (vec![0.0; size], vec![0.0; size]);
        self.gathering.batches(&[song], &mut |audio, frames| {
            program.write(explanation.audio, audio)?;
            program.run()?;
            let outputs = program.outputs()?;
            let images = [&outputs[1], &outputs[2]].map(|images| images.chunks_exact(channels * size));
            let [of_features, of_gradient] = images;
            let rows = outputs[0].chunks_exact(genres).zip(of_features.zip(of_gradient));
            for (&(_, start), (probabilities, (image, slope))) in frames.iter().zip(rows) {
                power.fill(0.0);
                gradient.fill(0.0);
                for (i, (&value, &slope)) in image.iter().zip(slope).enumerate() {
                    let (value, slope) = logarithmic(features, value, slope);
                    power[i % size] += value / channels as f32;
                    gradient[i % size] += slope;
                }
                each(ExplainedFrame { start, probabilities, power: &power, gradient: &gradient });
            }
            Ok(())
        })
    }
}

/// A feature as the natural logarithm of the power that it stands for, and the derivative to that logarithm.
pub(super) fn logarithmic(features: Features, value: f32, slope: f32) -> (f32, f32) {
    const DECIBELS: f32 = 10.0 / std::f32::consts::LN_10;
    match features {
        Features::LogMel => (value, slope),
        Features::MelDecibel | Features::Decibel => (value / DECIBELS, slope * DECIBELS),
        Features::Power => (value.max(SILENCE).ln(), slope * value),
        // y = log10(1 + gain·x): dy/dln x = gain·x/((1 + gain·x)·ln 10).
        Features::CompressedMel => {
            let gained = (value * std::f32::consts::LN_10).exp_m1();
            let logarithm = (gained / Features::GAIN).max(SILENCE).ln();
            (logarithm, slope * gained / ((1.0 + gained) * std::f32::consts::LN_10))
        }
    }
}
