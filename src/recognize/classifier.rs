use super::program::FrameProgram;
use super::{RecognizeError, at_once};
use crate::audio::Song;
use crate::device::Device;
use crate::model::{Model, Network, Weights};

/// A frame of a song with the network's probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its first sample.
    pub start: usize,
    /// Of every genre, in the model's order.
    pub probabilities: Vec<f32>,
}

/// What gives the frames of songs their probabilities.
pub trait Classify {
    /// Gives the network its weights.
    ///
    /// # Errors
    /// [`crate::model::ModelError::Weights`] where they are another network's.
    fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError>;

    /// The frames of songs with their probabilities: for every song its frames in order, without those that are silent and
    /// those that the network's framing drops as quiet. Where that would drop all of a song's, it drops none. A song shorter
    /// than a frame has none.
    ///
    /// # Errors
    /// [`RecognizeError::OtherAudio`] where a song has not the network's sample rate and channels; [`RecognizeError`]
    /// where the device fails, or a song's storage.
    fn frames(&mut self, songs: &[&Song]) -> Result<Vec<Vec<Frame>>, RecognizeError>;
}

/// A network loaded on a device for inference, a batch of frames at a time.
pub struct FrameClassifier(FrameProgram);

impl FrameClassifier {
    /// Loads the network; it knows nothing until it is given weights.
    ///
    /// # Errors
    /// [`RecognizeError`] where the network cannot be built or the device cannot hold it.
    pub fn new(network: &Network, device: &dyn Device, batch: usize) -> Result<Self, RecognizeError> {
        Ok(Self(FrameProgram::new(network, device, batch, |inference| inference.probabilities)?))
    }

    /// Loads a trained model.
    ///
    /// # Errors
    /// As [`FrameClassifier::new`], and [`crate::model::ModelError::Weights`] where the weights are another network's.
    pub fn of_model(model: &Model, device: &dyn Device) -> Result<Self, RecognizeError> {
        let mut classifier = Self::new(&model.network()?, device, at_once(&model.card.config))?;
        classifier.0.set_weights(&model.weights)?;
        Ok(classifier)
    }
}

impl Classify for FrameClassifier {
    fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError> {
        self.0.set_weights(weights)
    }

    fn frames(&mut self, songs: &[&Song]) -> Result<Vec<Vec<Frame>>, RecognizeError> {
        let mut rows: Vec<Vec<Frame>> = songs.iter().map(|_| Vec::new()).collect();
        self.0.frames(songs, &mut |song, start, probabilities| {
            rows[song].push(Frame { start, probabilities: probabilities.to_vec() });
        })?;
        Ok(rows)
    }
}
