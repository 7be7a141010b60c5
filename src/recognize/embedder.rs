use super::program::FrameProgram;
use super::{RecognizeError, at_once};
use crate::audio::Song;
use crate::device::Device;
use crate::model::{Model, Network, Weights};

/// What a network's last layer sees of the frames of a song.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// The first sample of every frame.
    pub starts: Vec<usize>,
    /// [frames, E].
    pub values: Vec<f32>,
}

/// A trained network loaded on a device without its last layer.
pub struct Embedder(FrameProgram);

impl Embedder {
    /// Loads a trained model.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built, the device cannot hold it, or the weights are another
    /// network's.
    pub fn of_model(model: &Model, device: &dyn Device) -> Result<Self, RecognizeError> {
        let mut embedder = Self::new(&model.network()?, device)?;
        embedder.set_weights(&model.weights)?;
        Ok(embedder)
    }

    /// Loads the network; it knows nothing until it is given weights.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built or the device cannot hold it.
    pub fn new(network: &Network, device: &dyn Device) -> Result<Self, RecognizeError> {
        let frames = at_once(&network.config);
        Ok(Self(FrameProgram::new(network, device, frames, |inference| inference.embedding)?))
    }

    /// Gives the network its weights.
    ///
    /// # Errors
    /// [`crate::model::ModelError::Weights`] where they are another network's.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError> {
        self.0.set_weights(weights)
    }

    /// The frames of songs as the network's framing keeps them; see [`super::Classify::frames`].
    ///
    /// # Errors
    /// As there.
    pub fn embed(&mut self, songs: &[&Song]) -> Result<Vec<Embedded>, RecognizeError> {
        let mut all = vec![Embedded::default(); songs.len()];
        self.0.frames(songs, &mut |song, start, row| {
            all[song].starts.push(start);
            all[song].values.extend_from_slice(row);
        })?;
        Ok(all)
    }

    /// Samples of a frame and channel.
    pub fn frame_length(&self) -> usize {
        self.0.frame_length()
    }
}
