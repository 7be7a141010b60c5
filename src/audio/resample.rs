//! Sample rate conversion of whole songs, through rubato's synchronous FFT resampler.

use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use super::error::AudioFault;

/// Least number of samples in a block on the side with the lower rate. It sets the width of the transition band:
/// with the squared Blackman–Harris window about 16/2048 of that side's Nyquist frequency on each side of the
/// cutoff, so that 48 → 44.1 kHz stays flat to beyond 21.5 kHz, with every alias below −100 dB.
const BLOCK: usize = 2048;

/// Converts a stream of planar samples from one rate to another, sample-exact in length and without delay.
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` where the rates are equal.
    fft: Option<Fft<f32>>,
    /// Input that does not fill a block yet.
    pending: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
    /// Samples a channel pushed so far.
    received: u64,
}

impl Resampler {
    /// A resampler of `channels` channels from `from` to `to` Hz.
    ///
    /// # Errors
    /// [`AudioFault::Rate`] where a rate is 0.
    pub fn new(from: u32, to: u32, channels: usize) -> Result<Self, AudioFault> {
        let fft = if from == to {
            None
        } else {
            if from == 0 || to == 0 {
                return Err(AudioFault::Rate(0));
            }
            let divisor = gcd(from, to);
            // Both sides of a block even: only then is the filter's delay a whole number of samples on each.
            let blocks = BLOCK.div_ceil((from.min(to) / divisor) as usize).next_multiple_of(2);
            let chunk = blocks * (from / divisor) as usize;
            let fft = Fft::new_custom(
                from as usize,
                to as usize,
                chunk,
                1,
                channels,
                WindowFunction::BlackmanHarris2,
                FixedSync::Both,
            )
            .map_err(|e| AudioFault::Unsupported(format!("resampling from {from} to {to} Hz ({e})")))?;
            Some(fft)
        };
        let planes = || vec![Vec::new(); channels];
        Ok(Self { from, to, fft, pending: planes(), output: planes(), received: 0 })
    }

    /// Takes planar samples, one slice a channel, all of equal length.
    ///
    /// # Errors
    /// [`AudioFault::Corrupt`] where the number of channels is not the one given to [`Resampler::new`].
    pub fn push<P: AsRef<[f32]>>(&mut self, planes: &[P]) -> Result<(), AudioFault> {
        let length = planes.first().map_or(0, |p| p.as_ref().len());
        if planes.len() != self.output.len() || planes.iter().any(|p| p.as_ref().len() != length) {
            return Err(AudioFault::Corrupt("its channels differ in number or length".to_owned()));
        }
        self.received += length as u64;
        let into = if self.fft.is_some() { &mut self.pending } else { &mut self.output };
        for (channel, plane) in into.iter_mut().zip(planes) {
            channel.extend_from_slice(plane.as_ref());
        }
        let Some(chunk) = self.fft.as_ref().map(|fft| fft.input_frames_next()) else {
            return Ok(());
        };
        let available = self.pending.first().map_or(0, Vec::len);
        let whole = available - available % chunk;
        for start in (0..whole).step_by(chunk) {
            self.process(start, None)?;
        }
        for channel in &mut self.pending {
            channel.drain(..whole);
        }
        Ok(())
    }

    /// Ends the stream: round(received · to / from) samples a channel, aligned with the input.
    ///
    /// # Errors
    /// As [`Resampler::push`].
    pub fn finish(mut self) -> Result<Vec<Vec<f32>>, AudioFault> {
        let Some(delay) = self.fft.as_ref().map(|fft| fft.output_delay()) else {
            return Ok(self.output);
        };
        let (from, to) = (u128::from(self.from), u128::from(self.to));
        let wanted = ((u128::from(self.received) * to * 2 + from) / (from * 2)) as usize;
        let mut left = self.pending.first().map_or(0, Vec::len);
        while self.output.first().is_some_and(|c| c.len() < wanted + delay) {
            self.process(0, Some(left))?;
            left = 0;
        }
        for channel in &mut self.output {
            channel.drain(..delay);
            channel.truncate(wanted);
        }
        Ok(self.output)
    }

    /// Resamples one chunk of `pending` from `start` on: a whole one, or its first `partial` samples and then zeros.
    fn process(&mut self, start: usize, partial: Option<usize>) -> Result<(), AudioFault> {
        let Some(fft) = &mut self.fft else {
            return Ok(());
        };
        let failed = |e: &dyn std::fmt::Display| AudioFault::Corrupt(format!("resampling failed: {e}"));
        let channels = self.output.len();
        let written = self.output.first().map_or(0, Vec::len);
        let total = written + fft.output_frames_next();
        for channel in &mut self.output {
            channel.resize(total, 0.0);
        }
        let available = self.pending.first().map_or(0, Vec::len);
        let input = SequentialSliceOfVecs::new(self.pending.as_slice(), channels, available)
            .map_err(|e| failed(&e))?;
        let mut output = SequentialSliceOfVecs::new_mut(self.output.as_mut_slice(), channels, total)
            .map_err(|e| failed(&e))?;
        let indexing = Indexing {
            input_offset: start,
            output_offset: written,
            partial_len: partial,
            active_channels_mask: None,
        };
        fft.process_into_buffer(&input, &mut output, Some(&indexing)).map_err(|e| failed(&e))?;
        Ok(())
    }
}

/// Resamples a whole signal: `channels` planar, all of equal length, from `from` to `to` Hz.
/// The result has round(len · to / from) samples a channel and no delay.
///
/// # Errors
/// [`AudioFault::Rate`] where a rate is 0; [`AudioFault::Corrupt`] where lengths differ.
pub fn resample<P: AsRef<[f32]>>(channels: &[P], from: u32, to: u32) -> Result<Vec<Vec<f32>>, AudioFault> {
    let mut resampler = Resampler::new(from, to, channels.len())?;
    resampler.push(channels)?;
    resampler.finish()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
