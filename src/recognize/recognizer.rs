use std::path::Path;
use std::sync::Arc;

use super::classifier::{Classify, FrameClassifier};
use super::explain::Explainer;
use super::{RecognizeError, Verdict, at_once};
use crate::audio::{self, AudioError, Song};
use crate::device::{self, Device, DeviceChoice};
use crate::model::Model;

/// A trained model on a device, ready to name the genres of songs.
pub struct Recognizer {
    model: Model,
    device: Arc<dyn Device>,
    classifier: FrameClassifier,
}

impl Recognizer {
    /// Loads the model in `file` on the device of [`DeviceChoice::Auto`]: a hardware GPU where there is one, else the
    /// CPU.
    ///
    /// # Errors
    /// [`RecognizeError::File`] where the file is unreadable, damaged or of another format; [`RecognizeError::Device`]
    /// where no device can be opened or hold the network.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, RecognizeError> {
        Self::open_on(file, device::open(DeviceChoice::Auto)?)
    }

    /// Loads the model in `file` on a device.
    ///
    /// # Errors
    /// As [`Recognizer::open`].
    pub fn open_on(file: impl AsRef<Path>, device: Arc<dyn Device>) -> Result<Self, RecognizeError> {
        Self::new(Model::load(file.as_ref())?, device)
    }

    /// Loads a model that is in memory. How it decides on a song is [`ModelCard::decision`], which may be changed before.
    ///
    /// # Errors
    /// [`RecognizeError::Model`] where the weights do not fit the network, [`RecognizeError::Device`] where the device
    /// cannot hold it.
    ///
    /// [`ModelCard::decision`]: crate::model::ModelCard::decision
    pub fn new(model: Model, device: Arc<dyn Device>) -> Result<Self, RecognizeError> {
        let classifier = FrameClassifier::of_model(&model, device.as_ref())?;
        Ok(Self { model, device, classifier })
    }

    /// The model in use.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The device in use.
    pub fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// The genres that the model knows, in the order of its outputs.
    pub fn genres(&self) -> &[String] {
        &self.model.card.genres
    }

    /// Decodes a file into what the model listens to: its sample rate, channels and level.
    ///
    /// # Errors
    /// [`AudioError`] where the file cannot be read or decoded, is silent, or is shorter than a frame.
    pub fn load(&self, file: impl AsRef<Path>) -> Result<Song, AudioError> {
        let config = &self.model.card.config;
        audio::load(file.as_ref(), &config.audio(), config.shortest_song())
    }

    /// Decodes a file and names its genre.
    ///
    /// # Errors
    /// As [`Recognizer::load`]; [`RecognizeError::Device`] where the device fails.
    pub fn recognize(&mut self, file: impl AsRef<Path>) -> Result<Verdict, RecognizeError> {
        let song = self.load(file)?;
        self.recognize_song(&song)
    }

    /// Names the genre of samples in memory: planar, nominally in [−1, 1], of any number of channels at any rate. They are
    /// mixed, resampled and normalised as those of a file are.
    ///
    /// # Errors
    /// [`RecognizeError::Samples`] where the samples cannot be a song: none, too short, silent, not finite, or channels of
    /// different lengths; [`RecognizeError::Device`] where the device fails.
    pub fn recognize_samples(
        &mut self,
        channels: &[Vec<f32>],
        sample_rate: u32,
    ) -> Result<Verdict, RecognizeError> {
        let config = &self.model.card.config;
        let song = audio::load_samples(channels, sample_rate, &config.audio(), config.shortest_song())?;
        self.recognize_song(&song)
    }

    /// Names the genre of a song that is decoded.
    ///
    /// # Errors
    /// [`RecognizeError::OtherAudio`] where its sample rate or channels are not the model's; [`RecognizeError::Device`]
    /// where the device fails.
    pub fn recognize_song(&mut self, song: &Song) -> Result<Verdict, RecognizeError> {
        let frames = self.classifier.frames(&[song])?.swap_remove(0);
        let card = &self.model.card;
        Ok(Verdict::new(&frames, &card.genres, &card.decision, card.config.sample_rate))
    }

    /// The same model, loaded on the same device to show what in a song speaks for a genre.
    ///
    /// # Errors
    /// [`RecognizeError::Device`] where the device cannot hold it besides.
    pub fn explainer(&self) -> Result<Explainer, RecognizeError> {
        let device = self.device.as_ref();
        // Half as many frames as are recognised at once: a frame's gradient takes memory too.
        let frames = at_once(&self.model.card.config).div_ceil(2);
        Explainer::new(&self.model.network()?, &self.model.weights, device, frames)
    }
}
