use std::sync::Arc;

use crate::audio::{Song, frame_starts};
use crate::device::{Device, DeviceError, Executable, LoadOptions};
use crate::model::{Inference, ModelError, Network, Weights};
use crate::plan::plan;

/// Why recognition failed.
#[derive(Debug, thiserror::Error)]
pub enum RecognizeError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A network loaded on a device for inference, a batch of frames at a time.
pub struct Recognizer {
    network: Network,
    inference: Inference,
    program: Box<dyn Executable>,
    batch: usize,
    /// The batch that is being filled.
    audio: Vec<f32>,
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
        let size = network.config.channels * network.config.frame_length();
        let audio = vec![0.0; batch * size];
        Ok(Self { network: network.clone(), inference, program, batch, audio })
    }

    /// Gives the network its weights.
    ///
    /// # Errors
    /// [`ModelError::Weights`] where they are another network's.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), RecognizeError> {
        let (flat, statistics) = weights.scatter(&self.inference.layout, &self.inference.running)?;
        self.program.write(self.inference.state, &flat)?;
        for (running, data) in self.inference.running.iter().zip(&statistics) {
            self.program.write(running.node, data)?;
        }
        Ok(())
    }

    /// Genre probabilities of the consecutive frames of songs, one row a frame: for every song a vector of rows.
    /// Songs must be at the network's sample rate and have its channels; one shorter than a frame has no rows.
    ///
    /// # Errors
    /// [`DeviceError`] where the device fails.
    pub fn frames(&mut self, songs: &[&Song]) -> Result<Vec<Vec<Vec<f32>>>, RecognizeError> {
        let frame = self.network.config.frame_length();
        let mut rows: Vec<Vec<Vec<f32>>> = songs.iter().map(|_| Vec::new()).collect();
        let starts = |song: &Song| frame_starts(song.len(), frame, frame);
        let all: Vec<(usize, usize)> = songs
            .iter()
            .enumerate()
            .flat_map(|(i, song)| starts(song).map(move |start| (i, start)))
            .collect();
        let size = self.network.config.channels * frame;
        for batch in all.chunks(self.batch) {
            for (&(song, start), out) in batch.iter().zip(self.audio.chunks_exact_mut(size)) {
                songs[song].write_frame(start, out);
            }
            self.audio[batch.len() * size..].fill(0.0);
            self.program.write(self.inference.audio, &self.audio)?;
            self.program.run()?;
            let probabilities = self.program.outputs()?.swap_remove(0);
            for (&(song, _), row) in batch.iter().zip(probabilities.chunks_exact(self.network.genres)) {
                rows[song].push(row.to_vec());
            }
        }
        Ok(rows)
    }
}
