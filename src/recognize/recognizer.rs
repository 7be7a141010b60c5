use std::sync::Arc;

use crate::audio::{AudioError, Song};
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
    network: Network,
    inference: Inference,
    program: Box<dyn Executable>,
    batch: usize,
    /// The batch that is being filled, and the song and first sample of the frames that are in it.
    audio: Vec<f32>,
    filled: Vec<(usize, usize)>,
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
        Ok(Self { network: network.clone(), inference, program, batch, audio, filled: Vec::new() })
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

    /// The frames of songs, recognised: for every song its frames in order, without those that the network's framing
    /// drops as quiet. Where it would drop all of a song's, it drops none. Songs must be at the network's sample rate and
    /// have its channels; one shorter than a frame has none.
    ///
    /// # Errors
    /// [`RecognizeError`] where the device fails, or a song's storage.
    pub fn frames(&mut self, songs: &[&Song]) -> Result<Vec<Vec<Frame>>, RecognizeError> {
        let framing = self.network.config.framing();
        let size = self.network.config.channels * framing.length;
        let mut rows: Vec<Vec<Frame>> = songs.iter().map(|_| Vec::new()).collect();
        self.filled.clear();
        for (i, song) in songs.iter().enumerate() {
            for drop_quiet in [true, false] {
                let mut kept = 0;
                for start in framing.starts(song.len()) {
                    let place = self.filled.len() * size;
                    let frame = &mut self.audio[place..place + size];
                    song.write_frame(start, frame)?;
                    if drop_quiet && framing.is_quiet(frame) {
                        continue;
                    }
                    self.filled.push((i, start));
                    kept += 1;
                    if self.filled.len() == self.batch {
                        self.recognise(&mut rows)?;
                    }
                }
                if kept > 0 {
                    break;
                }
            }
        }
        if !self.filled.is_empty() {
            self.recognise(&mut rows)?;
        }
        Ok(rows)
    }

    /// Recognises the frames that are in the batch.
    fn recognise(&mut self, rows: &mut [Vec<Frame>]) -> Result<(), RecognizeError> {
        let size = self.audio.len() / self.batch;
        self.audio[self.filled.len() * size..].fill(0.0);
        self.program.write(self.inference.audio, &self.audio)?;
        self.program.run()?;
        let probabilities = self.program.outputs()?.swap_remove(0);
        for ((song, start), row) in self.filled.drain(..).zip(probabilities.chunks_exact(self.network.genres))
        {
            rows[song].push(Frame { start, probabilities: row.to_vec() });
        }
        Ok(())
    }
}
