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
    /// One block of output.
    block: Vec<Vec<f32>>,
    /// Samples a channel of the filter's delay that are still to be dropped.
    delay: usize,
    /// Samples a channel taken and given so far.
    received: u64,
    given: u64,
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
        let block = vec![vec![0.0; fft.as_ref().map_or(0, |fft| fft.output_frames_next())]; channels];
        let delay = fft.as_ref().map_or(0, |fft| fft.output_delay());
        Ok(Self { from, to, fft, pending: vec![Vec::new(); channels], block, delay, received: 0, given: 0 })
    }

    /// Takes planar samples, one slice a channel, all of equal length, and appends to `out` what is ready.
    ///
    /// # Errors
    /// [`AudioFault::Corrupt`] where the number of channels is not the one given to [`Resampler::new`].
    pub fn push<P: AsRef<[f32]>>(&mut self, planes: &[P], out: &mut [Vec<f32>]) -> Result<(), AudioFault> {
        let length = planes.first().map_or(0, |p| p.as_ref().len());
        let channels = self.pending.len();
        if [planes.len(), out.len()] != [channels; 2] || planes.iter().any(|p| p.as_ref().len() != length) {
            return Err(AudioFault::Corrupt("its channels differ in number or length".to_owned()));
        }
        self.received += length as u64;
        let Some(chunk) = self.fft.as_ref().map(|fft| fft.input_frames_next()) else {
            for (channel, plane) in out.iter_mut().zip(planes) {
                channel.extend_from_slice(plane.as_ref());
            }
            return Ok(());
        };
        for (channel, plane) in self.pending.iter_mut().zip(planes) {
            channel.extend_from_slice(plane.as_ref());
        }
        let available = self.pending.first().map_or(0, Vec::len);
        let whole = available - available % chunk;
        for start in (0..whole).step_by(chunk) {
            self.process(start, None, u64::MAX, out)?;
        }
        for channel in &mut self.pending {
            channel.drain(..whole);
        }
        Ok(())
    }

    /// Ends the stream: with what it appends to `out`, round(received · to / from) samples a channel were given in all,
    /// aligned with the input.
    ///
    /// # Errors
    /// As [`Resampler::push`].
    pub fn finish(mut self, out: &mut [Vec<f32>]) -> Result<(), AudioFault> {
        if self.fft.is_none() {
            return Ok(());
        }
        let (from, to) = (u128::from(self.from), u128::from(self.to));
        let wanted = ((u128::from(self.received) * to * 2 + from) / (from * 2)) as u64;
        let mut left = self.pending.first().map_or(0, Vec::len);
        while self.given < wanted {
            self.process(0, Some(left), wanted, out)?;
            left = 0;
        }
        Ok(())
    }

    /// Resamples one chunk of `pending` from `start` on: a whole one, or its first `partial` samples and then zeros.
    /// Gives no more samples than `wanted` in all.
    fn process(
        &mut self,
        start: usize,
        partial: Option<usize>,
        wanted: u64,
        out: &mut [Vec<f32>],
    ) -> Result<(), AudioFault> {
        let Some(fft) = &mut self.fft else {
            return Ok(());
        };
        let failed = |e: &dyn std::fmt::Display| AudioFault::Corrupt(format!("resampling failed: {e}"));
        let (channels, available) = (self.pending.len(), self.pending.first().map_or(0, Vec::len));
        let size = self.block.first().map_or(0, Vec::len);
        let input = SequentialSliceOfVecs::new(self.pending.as_slice(), channels, available)
            .map_err(|e| failed(&e))?;
        let mut output = SequentialSliceOfVecs::new_mut(self.block.as_mut_slice(), channels, size)
            .map_err(|e| failed(&e))?;
        let indexing = Indexing {
            input_offset: start,
            output_offset: 0,
            partial_len: partial,
            active_channels_mask: None,
        };
        let (_, written) =
            fft.process_into_buffer(&input, &mut output, Some(&indexing)).map_err(|e| failed(&e))?;
        let skip = self.delay.min(written);
        self.delay -= skip;
        let count = ((written - skip) as u64).min(wanted - self.given);
        self.given += count;
        for (channel, block) in out.iter_mut().zip(&self.block) {
            channel.extend_from_slice(&block[skip..skip + count as usize]);
        }
        Ok(())
    }
}

/// Resamples a whole signal: `channels` planar, all of equal length, from `from` to `to` Hz.
/// The result has round(len · to / from) samples a channel and no delay.
///
/// # Errors
/// [`AudioFault::Rate`] where a rate is 0; [`AudioFault::Corrupt`] where lengths differ.
#[cfg(any(test, feature = "internals"))]
pub fn resample<P: AsRef<[f32]>>(channels: &[P], from: u32, to: u32) -> Result<Vec<Vec<f32>>, AudioFault> {
    let mut resampler = Resampler::new(from, to, channels.len())?;
    let mut out = vec![Vec::new(); channels.len()];
    resampler.push(channels, &mut out)?;
    resampler.finish(&mut out)?;
    Ok(out)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
