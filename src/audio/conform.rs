//! Samples of any rate and number of channels to one rate and number, whatever changes on the way.

use super::error::AudioFault;
use super::mix::Mixer;
use super::resample::Resampler;

/// Mixes and resamples a stream of packets; where their rate changes midway, part by part.
pub(super) struct Conform {
    rate: u32,
    mixer: Mixer,
    /// For the rate that the last packet had.
    resampler: Option<(u32, Resampler)>,
    /// What is ready: planar samples, for the caller to take.
    pub ready: Vec<Vec<f32>>,
}

impl Conform {
    /// To `channels` channels at `rate` Hz.
    pub(super) fn new(rate: u32, channels: usize) -> Self {
        Self { rate, mixer: Mixer::new(channels), resampler: None, ready: vec![Vec::new(); channels] }
    }

    /// Takes the planar samples of a packet at `rate` Hz.
    ///
    /// # Errors
    /// Those of [`Mixer::mix`] and [`Resampler::new`].
    pub(super) fn push(&mut self, rate: u32, planes: &[Vec<f32>]) -> Result<(), AudioFault> {
        if self.resampler.as_ref().is_some_and(|(before, _)| *before != rate) {
            self.finish()?;
        }
        let mixed = self.mixer.mix(rate, planes)?;
        let (_, resampler) = match &mut self.resampler {
            Some(resampler) => resampler,
            none => none.insert((rate, Resampler::new(rate, self.rate, mixed.len())?)),
        };
        resampler.push(mixed, &mut self.ready)
    }

    /// Ends a part: what is left of it becomes ready.
    ///
    /// # Errors
    /// Those of [`Resampler::finish`].
    pub(super) fn finish(&mut self) -> Result<(), AudioFault> {
        match self.resampler.take() {
            Some((_, resampler)) => resampler.finish(&mut self.ready),
            None => Ok(()),
        }
    }

    /// Whether no channel of the mix moves.
    pub(super) fn is_silent(&self) -> bool {
        self.mixer.is_silent()
    }
}
