//! Which frames of a song say nothing.

use crate::audio::{AudioError, Framing, Song};

/// A frame is silent whose level is so many decibels or more below that of the song's loudest frame.
///
/// So a verdict does not depend on how a song is normalised, and its loudest frame is never silent. Music has quieter
/// places than its loudest second, but by 60 dB only where it fades in or out: what is left there is noise and dither.
pub const SILENT: f64 = 60.0;

/// The first samples of the frames of a song that are not silent, in order.
///
/// A song may sound only behind its last whole frame. Then its frames are silent all alike, and the one that ends with the
/// song, which overlaps them, speaks for it. A song that is shorter than a frame has one, which repeats it.
///
/// # Errors
/// [`AudioError`] where the song's storage fails.
pub fn sounding(song: &Song, framing: &Framing, frame: &mut [f32]) -> Result<Vec<usize>, AudioError> {
    let channels = song.recording().channels;
    if (1..framing.length).contains(&song.len()) {
        // Shorter than a frame: it is heard once, repeated.
        return Ok(vec![0]);
    }
    let mut level = |start: usize| -> Result<f64, AudioError> {
        song.write_frame(start, frame)?;
        Ok(level(frame, channels))
    };
    let mut frames = Vec::with_capacity(framing.count(song.len()));
    for start in framing.starts(song.len()) {
        frames.push((start, level(start)?));
    }
    let loudest = frames.iter().map(|frame| frame.1).fold(0.0, f64::max);
    let end = song.len().saturating_sub(framing.length);
    if frames.last().is_some_and(|&(last, _)| end > last) && is_silent(loudest, level(end)?) {
        return Ok(vec![end]);
    }
    frames.retain(|frame| !is_silent(frame.1, loudest));
    Ok(frames.into_iter().map(|frame| frame.0).collect())
}

/// Whether a frame of this level is silent beside one of that level.
fn is_silent(level: f64, loud: f64) -> bool {
    loud > 0.0 && level <= loud * 10f64.powf(-SILENT / 20.0)
}

/// The root mean square of a planar frame's deviations from its channels' means: a constant is no sound.
fn level(frame: &[f32], channels: usize) -> f64 {
    let length = frame.len() / channels.max(1);
    let planes = frame.chunks_exact(length.max(1));
    let squares: f64 = planes
        .map(|plane| {
            let mean = plane.iter().map(|&s| f64::from(s)).sum::<f64>() / length as f64;
            plane.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum::<f64>()
        })
        .sum();
    (squares / frame.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const LENGTH: usize = 100;

    /// The starts, in frames, of the frames that sound, of a song whose samples are those of its frames times a level in
    /// decibels, in each channel.
    fn sounding_of(frames: &[Option<f64>], rest: &[f32], constant: f32, channels: usize) -> Vec<usize> {
        let mut rng = Rng::new(7);
        let mut samples: Vec<f32> = Vec::new();
        for level in frames {
            let level = level.map_or(0.0, |decibels| 10f64.powf(decibels / 20.0) as f32);
            samples.extend((0..LENGTH).map(|_| level * rng.normal()));
        }
        samples.extend(rest);
        samples.iter_mut().for_each(|s| *s += constant);
        let song = Song::from_samples(&vec![samples; channels], 1_000);
        let mut frame = vec![0.0; channels * LENGTH];
        sounding(&song, &Framing::consecutive(LENGTH), &mut frame).unwrap()
    }

    fn frames(of: &[usize]) -> Vec<usize> {
        of.iter().map(|frame| frame * LENGTH).collect()
    }

    #[test]
    fn silent_frames_are_those_far_below_the_loudest() {
        let silence = None;
        for channels in [1, 2] {
            for constant in [0.0, 0.2] {
                let of = |levels: &[Option<f64>]| sounding_of(levels, &[], constant, channels);
                // Before, between and behind; digital silence, and noise of the last bits.
                let some = [silence, Some(-20.0), silence, Some(-75.0), Some(-65.0), Some(-90.0), silence];
                assert_eq!(of(&some), frames(&[1, 3, 4]));
                // Whatever the level of the whole.
                for level in [0.0, -40.0, 20.0] {
                    assert_eq!(of(&[Some(level), Some(level - 50.0), Some(level - 65.0)]), frames(&[0, 1]));
                }
                // One frame in a long silence.
                let mut long = vec![silence; 500];
                long[321] = Some(-30.0);
                assert_eq!(of(&long), frames(&[321]));
            }
        }
    }

    #[test]
    fn every_frame_of_music_sounds_and_a_song_of_silence_keeps_its_frames() {
        let music: Vec<Option<f64>> = (0..60).map(|i| Some(-f64::from(i) * 0.9)).collect();
        assert_eq!(sounding_of(&music, &[0.1; 50], 0.0, 1), frames(&(0..60).collect::<Vec<_>>()));
        assert_eq!(sounding_of(&[None, None], &[], 0.0, 1), frames(&[0, 1]));
        // Shorter than a frame.
        assert_eq!(sounding_of(&[], &[0.5; 60], 0.0, 1), [0]);
    }

    #[test]
    fn a_sound_behind_the_last_whole_frame_speaks_for_the_song() {
        let mut rng = Rng::new(1);
        let rest: Vec<f32> = (0..40).map(|_| rng.normal()).collect();
        for channels in [1, 2] {
            assert_eq!(sounding_of(&[None, None], &rest, 0.0, channels), [2 * LENGTH + 40 - LENGTH]);
        }
        // Where frames sound too, those speak.
        assert_eq!(sounding_of(&[None, Some(-20.0)], &rest, 0.0, 1), frames(&[1]));
    }
}
