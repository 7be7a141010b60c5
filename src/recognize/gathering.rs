//! Frames of songs, gathered into batches.

use super::RecognizeError;
use super::silence::sounding;
use crate::audio::{AudioSpec, Framing, Song};
use crate::model::ModelConfig;

/// A frame of a batch: the song it is of, by its number, and its first sample.
pub(super) type Origin = (usize, usize);

/// What is done with a batch, given the origins of its frames; behind those, the batch is zeros.
pub(super) type Each<'a> = dyn FnMut(&[f32], &[Origin]) -> Result<(), RecognizeError> + 'a;

/// Gathers the frames that a network's framing keeps into batches [batch, channels, samples].
pub(super) struct Gathering {
    spec: AudioSpec,
    framing: Framing,
    /// Numbers a frame, of all channels.
    size: usize,
    /// The batch that is being filled, and where the frames that are in it come from.
    audio: Vec<f32>,
    filled: Vec<Origin>,
}

impl Gathering {
    /// For batches of `batch` frames.
    pub fn new(config: &ModelConfig, batch: usize) -> Self {
        let framing = config.framing();
        let size = config.channels * framing.length;
        Self {
            spec: config.audio(),
            framing,
            size,
            audio: vec![0.0; batch * size],
            filled: Vec::with_capacity(batch),
        }
    }

    /// Samples of a frame and channel.
    pub fn frame_length(&self) -> usize {
        self.framing.length
    }

    /// Calls `each` with one batch after the other, until all frames of all songs were in one, in order, but those that
    /// are silent, by the rule of [`SILENT`], and those that the framing drops as quiet. Where it would drop all of a song's,
    /// it drops none.
    ///
    /// [`SILENT`]: super::SILENT
    ///
    /// # Errors
    /// [`RecognizeError::OtherAudio`] where a song has not the network's sample rate and channels,
    /// [`RecognizeError::Audio`] where one cannot be read, and whatever `each` says.
    pub fn batches(&mut self, songs: &[&Song], each: &mut Each<'_>) -> Result<(), RecognizeError> {
        songs.iter().try_for_each(|song| self.fits(song))?;
        let size = self.size;
        self.filled.clear();
        let mut frame = vec![0.0; size];
        for (i, song) in songs.iter().enumerate() {
            let sounding = sounding(song, &self.framing, &mut frame)?;
            for drop_quiet in [true, false] {
                let mut kept = 0;
                for &start in &sounding {
                    let place = self.filled.len() * size;
                    let frame = &mut self.audio[place..place + size];
                    song.write_frame(start, frame)?;
                    if drop_quiet && self.framing.is_quiet(frame) {
                        continue;
                    }
                    self.filled.push((i, start));
                    kept += 1;
                    if self.filled.len() * size == self.audio.len() {
                        each(&self.audio, &self.filled)?;
                        self.filled.clear();
                    }
                }
                if kept > 0 {
                    break;
                }
            }
        }
        if !self.filled.is_empty() {
            self.audio[self.filled.len() * size..].fill(0.0);
            each(&self.audio, &self.filled)?;
        }
        Ok(())
    }

    fn fits(&self, song: &Song) -> Result<(), RecognizeError> {
        let (sample_rate, channels) = (song.sample_rate(), song.recording().channels);
        if (sample_rate, channels) == (self.spec.sample_rate, self.spec.channels) {
            return Ok(());
        }
        Err(RecognizeError::OtherAudio { channels, sample_rate, wanted: self.spec.clone() })
    }
}
