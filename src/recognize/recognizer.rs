use std::sync::Arc;

use super::gathering::Gathering;
use crate::audio::{AudioError, Song};
use crate::device::{Device, DeviceError, Executable, LoadOptions};
use crate::graph::NodeId;
use crate::model::{Inference, Layout, ModelError, Network, Running, Weights};
use crate::plan::plan;

/// Why recognition failed.
#[derive(Debug, thiserror::Error)]
pub enum RecognizeError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Audio(#[from] AudioError),
}

/// A frame of a song, recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its first sample.
    pub start: usize,
    /// Of every genre.
    pub probabilities: Vec<f32>,
}

/// A network loaded on a device for inference, a batch of frames at a time.
pub struct Recognizer {
    inference: Inference,
    program: Box<dyn Executable>,
    genres: usize,
    gathering: Gathering,
}

impl Recognizer {
    /// Loads the network; it knows nothing until it is given weights.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built or the device cannot hold it.
    pub fn new(network: &Network, device: &dyn Device, batch: usize) -> Result<Self, RecognizeError> {
        let inference = network.inference(batch)?;
        let program = plan(&inference.graph, &inference.request(true), device).map_err(ModelError::from)?;
        let program = device.load(Arc::new(program), LoadOptions::default())?;
        let gathering = Gathering::new(&network.config, batch);
        Ok(Self { inference, program, genres: network.genres, gathering })
    }

    /// Gives the network its weights.
    ///
    /// # Errors
    /// [`ModelError::Weights`] where they are another network's.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError> {
        let Inference { layout, running, state, .. } = &self.inference;
        write_weights(self.program.as_mut(), (layout, running, *state), weights)
    }

    /// The frames of songs, recognised: for every song its frames in order, without those that the network's framing
    /// drops as quiet. Where it would drop all of a song's, it drops none. Songs must be at the network's sample rate and
    /// have its channels; one shorter than a frame has none.
    ///
    /// # Errors
    /// [`RecognizeError`] where the device fails, or a song's storage.
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
/// [`ModelError::Weights`] where they are another network's; [`DeviceError`].
pub(super) fn write_weights(
    program: &mut dyn Executable,
    (layout, running, state): (&Layout, &[Running], NodeId),
    weights: &Weights,
) -> Result<(), RecognizeError> {
    let (flat, statistics) = weights.scatter(layout, running)?;
    program.write(state, &flat)?;
    for (running, data) in running.iter().zip(&statistics) {
        program.write(running.node, data)?;
    }
    Ok(())
}
