//! A file to a [`Song`]: decode → mix → resample → normalise.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::decode;
use super::error::{AudioError, AudioFault};
use super::limits;
use super::resample::Resampler;

/// What every song is made into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioSpec {
    /// Samples a second.
    pub sample_rate: u32,
    /// 1 (the average of all channels) or 2 (stereo is kept; anything else is mixed to mono and doubled).
    pub channels: usize,
    /// How the level of a whole song is set.
    pub normalise: Normalise,
}

impl Default for AudioSpec {
    fn default() -> Self {
        Self { sample_rate: 44_100, channels: 1, normalise: Normalise::Peak }
    }
}

/// How the level of a whole song is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// The largest absolute sample of all channels becomes 1.
    #[default]
    Peak,
    /// Left as decoded.
    None,
}

/// A song in memory: planar samples at one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Song {
    /// One vector a channel, all of equal length.
    pub channels: Vec<Vec<f32>>,
    /// Samples a second.
    pub sample_rate: u32,
}

impl Song {
    /// Samples a channel.
    pub fn len(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.len() as f64 / f64::from(self.sample_rate.max(1))
    }

    /// Writes the frame that starts at sample `start` to `out`, planar: [channels × frame], where frame is
    /// `out.len() / channels`. Past the end of the song there are zeros.
    pub fn write_frame(&self, start: usize, out: &mut [f32]) {
        if self.channels.is_empty() {
            return out.fill(0.0);
        }
        let frame = out.len() / self.channels.len();
        if frame == 0 {
            return;
        }
        for (plane, channel) in out.chunks_exact_mut(frame).zip(&self.channels) {
            let from = channel.get(start..).unwrap_or_default();
            let count = from.len().min(frame);
            plane[..count].copy_from_slice(&from[..count]);
            plane[count..].fill(0.0);
        }
    }
}

/// Decodes, mixes, resamples and normalises the song in `path`. Memory is bounded by the song at the new rate.
///
/// # Errors
/// [`AudioError`] with any [`AudioFault`]: unreadable, not audio, unsupported, damaged, empty, shorter than
/// `min_seconds`, longer than [`limits::SECONDS`], silent, not finite.
pub fn load(path: &Path, spec: &AudioSpec, min_seconds: f64) -> Result<Song, AudioError> {
    let fail = |fault| AudioError::new(path, fault);
    let mut mixer = Mixer::new(spec.channels);
    let mut resampler = None;
    decode::stream(path, &mut |rate, planes| {
        let mixed = mixer.mix(planes)?;
        if resampler.is_none() {
            resampler = Some(Resampler::new(rate, spec.sample_rate, mixed.len())?);
        }
        match &mut resampler {
            Some(resampler) => resampler.push(mixed),
            None => Ok(()),
        }
    })?;
    let mut channels = match resampler {
        Some(resampler) => resampler.finish().map_err(fail)?,
        None => Vec::new(),
    };
    channels.iter_mut().for_each(Vec::shrink_to_fit);
    let mut song = Song { channels, sample_rate: spec.sample_rate };
    if song.is_empty() {
        return Err(fail(AudioFault::Empty("the file has no samples")));
    }
    let minimum = min_seconds * f64::from(spec.sample_rate);
    // Half a sample of tolerance: both lengths were rounded.
    if (song.len() as f64) < minimum - 0.5 {
        return Err(fail(AudioFault::TooShort { seconds: song.seconds(), minimum: min_seconds }));
    }
    if mixer.is_silent() {
        return Err(fail(AudioFault::Silent));
    }
    normalise(&mut song, spec.normalise).map_err(fail)?;
    Ok(song)
}

/// Sets the level of the whole song.
fn normalise(song: &mut Song, how: Normalise) -> Result<(), AudioFault> {
    let samples = || song.channels.iter().flatten();
    // Resampling can overflow what was finite before.
    if !samples().all(|s| s.is_finite()) {
        return Err(AudioFault::NonFinite);
    }
    let peak = samples().fold(0.0f32, |peak, s| peak.max(s.abs()));
    if how == Normalise::Peak && peak > 0.0 {
        // Division, so that the peak is exactly 1.
        song.channels.iter_mut().flatten().for_each(|s| *s /= peak);
    }
    Ok(())
}

/// Brings any number of channels to the number wanted, and watches the samples' range.
struct Mixer {
    mixed: Vec<Vec<f32>>,
    /// Least and greatest sample of each channel so far.
    range: Vec<(f32, f32)>,
}

impl Mixer {
    fn new(channels: usize) -> Self {
        Self { mixed: vec![Vec::new(); channels], range: vec![(f32::INFINITY, f32::NEG_INFINITY); channels] }
    }

    /// Mixes planar samples. The result stays valid until the next call.
    fn mix(&mut self, planes: &[Vec<f32>]) -> Result<&[Vec<f32>], AudioFault> {
        let keep = planes.len() == self.mixed.len();
        for (i, (mixed, range)) in self.mixed.iter_mut().zip(&mut self.range).enumerate() {
            mixed.clear();
            match planes {
                _ if keep => mixed.extend_from_slice(&planes[i]),
                [] => {}
                [first, rest @ ..] => {
                    mixed.extend_from_slice(first);
                    for plane in rest {
                        mixed.iter_mut().zip(plane).for_each(|(sum, s)| *sum += s);
                    }
                    let scale = 1.0 / planes.len() as f32;
                    mixed.iter_mut().for_each(|s| *s *= scale);
                }
            }
            // Min and max pass over NaN, so that it is looked for by itself.
            if !mixed.iter().all(|s| s.is_finite()) {
                return Err(AudioFault::NonFinite);
            }
            *range = mixed.iter().fold(*range, |(lo, hi), &s| (lo.min(s), hi.max(s)));
        }
        Ok(&self.mixed)
    }

    /// Whether no channel moves by more than ±[`limits::SILENCE`] about one value.
    fn is_silent(&self) -> bool {
        self.range.iter().all(|&(lo, hi)| hi - lo <= 2.0 * limits::SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_to_mono_and_stereo() {
        let planes = vec![vec![1.0, 0.5], vec![0.0, -0.5], vec![-0.4, 0.3]];
        let mono = Mixer::new(1).mix(&planes[..2]).unwrap().to_vec();
        assert_eq!(mono, [[0.5, 0.0]]);
        assert_eq!(Mixer::new(2).mix(&planes[..2]).unwrap(), &planes[..2]);
        assert_eq!(Mixer::new(2).mix(&planes[..1]).unwrap(), [[1.0, 0.5], [1.0, 0.5]]);
        let three = Mixer::new(2).mix(&planes).unwrap().to_vec();
        assert_eq!(three[0], three[1]);
        assert!((three[0][0] - 0.2).abs() < 1e-7 && (three[0][1] - 0.1).abs() < 1e-7);
        assert!(matches!(Mixer::new(1).mix(&[vec![0.0, f32::NAN]]), Err(AudioFault::NonFinite)));
        assert!(matches!(Mixer::new(1).mix(&[vec![f32::INFINITY], vec![0.0]]), Err(AudioFault::NonFinite)));
    }

    #[test]
    fn frames_are_planar_and_padded() {
        let song = Song { channels: vec![vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]], sample_rate: 3 };
        let mut out = [9.0; 4];
        song.write_frame(1, &mut out);
        assert_eq!(out, [2.0, 3.0, 5.0, 6.0]);
        song.write_frame(2, &mut out);
        assert_eq!(out, [3.0, 0.0, 6.0, 0.0]);
        song.write_frame(7, &mut out);
        assert_eq!(out, [0.0; 4]);
        song.write_frame(0, &mut []);
        assert_eq!((song.len(), song.seconds()), (3, 1.0));
    }
}
