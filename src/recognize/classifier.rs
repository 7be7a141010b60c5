use super::gathering::Gathering;
use super::{BATCH, RecognizeError};
use crate::audio::Song;
use crate::device::{Device, Executable};
use crate::engine;
use crate::graph::NodeId;
use crate::model::{InferenceGraph, Model, Network, ParameterLayout, Running, Weights};

/// A frame of a song with the network's probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its first sample.
    pub start: usize,
    /// Of every genre, in the model's order.
    pub probabilities: Vec<f32>,
}

/// A network loaded on a device for inference, a batch of frames at a time.
pub struct FrameClassifier {
    inference: InferenceGraph,
    program: Box<dyn Executable>,
    genres: usize,
    gathering: Gathering,
}

impl FrameClassifier {
    /// Loads the network; it knows nothing until it is given weights.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built or the device cannot hold it.
    pub fn new(network: &Network, device: &dyn Device, batch: usize) -> Result<Self, RecognizeError> {
        let inference = network.inference(batch)?;
        let program = engine::compile(&inference.graph, &inference.request(true), device)?;
        let gathering = Gathering::new(&network.config, batch);
        Ok(Self { inference, program, genres: network.genres, gathering })
    }

    /// Loads a trained model.
    ///
    /// # Errors
    /// As [`FrameClassifier::new`], and [`crate::model::ModelError::Weights`] where the weights are another network's.
    pub fn of_model(model: &Model, device: &dyn Device) -> Result<Self, RecognizeError> {
        let mut classifier = Self::new(&model.network()?, device, BATCH)?;
        classifier.set_weights(&model.weights)?;
        Ok(classifier)
    }

    /// Gives the network its weights.
    ///
    /// # Errors
    /// [`crate::model::ModelError::Weights`] where they are another network's.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError> {
        let InferenceGraph { layout, running, state, .. } = &self.inference;
        write_weights(self.program.as_mut(), (layout, running, *state), weights)
    }

    /// The frames of songs with their probabilities: for every song its frames in order, without those that the network's
    /// framing drops as quiet. Where it would drop all of a song's, it drops none. A song shorter than a frame has none.
    ///
    /// # Errors
    /// [`RecognizeError::OtherAudio`] where a song has not the network's sample rate and channels; [`RecognizeError`]
    /// where the device fails, or a song's storage.
    pub fn frames(&mut self, songs: &[&Song]) -> Result<Vec<Vec<Frame>>, RecognizeError> {
        let mut rows: Vec<Vec<Frame>> = songs.iter().map(|_| Vec::new()).collect();
        let (program, inference, genres) = (&mut self.program, &self.inference, self.genres);
        self.gathering.batches(songs, &mut |audio, frames| {
            program.write(inference.audio, audio)?;
            program.run()?;
            let probabilities = program.outputs()?.swap_remove(0);
            for (&(song, start), row) in frames.iter().zip(probabilities.chunks_exact(genres)) {
                rows[song].push(Frame { start, probabilities: row.to_vec() });
            }
            Ok(())
        })?;
        Ok(rows)
    }
}

/// Writes weights into a program of a network with this layout, these running statistics and this variable of parameters.
///
/// # Errors
/// [`crate::model::ModelError::Weights`] where they are another network's; [`crate::device::DeviceError`].
pub(super) fn write_weights(
    program: &mut dyn Executable,
    (layout, running, state): (&ParameterLayout, &[Running], NodeId),
    weights: &Weights,
) -> Result<(), RecognizeError> {
    let (flat, statistics) = weights.scatter(layout, running)?;
    program.write(state, &flat)?;
    for (running, data) in running.iter().zip(&statistics) {
        program.write(running.node, data)?;
    }
    Ok(())
}
