//! How far a student agrees with its teachers on songs that it was not taught on.

use serde::Serialize;

use crate::audio::Song;
use crate::dataset::{Lessons, Library};
use crate::model::{HEAD_BIAS, HEAD_WEIGHT, Weights};
use crate::recognize::{Embedder, RecognizeError};

/// How far a student's frames agree with what its teachers say of the stretch around each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Songs that were heard.
    pub songs: usize,
    /// Their frames.
    pub frames: usize,
    /// The loss: mean squared error of the standardised embedding, and binary cross-entropy of the tags.
    pub loss: f64,
    /// The share of the variance of the teachers' embeddings that the student's explain, over all their numbers.
    pub explained: f64,
    /// The mean correlation of a number of the embedding with the student's.
    pub correlation: f64,
    /// Binary cross-entropy of the tags, the mean over them.
    pub tags: f64,
}

/// Sums over frames of a number of the embedding, x the student's and y the teachers'.
#[derive(Clone, Copy, Default)]
struct Sums {
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

/// Compares a student with these weights, which `embedder` has too, with what is said of songs.
///
/// # Errors
/// [`RecognizeError`] where the device fails or a song cannot be read.
pub fn agree(
    embedder: &mut Embedder,
    weights: &Weights,
    (library, lessons): (&Library, &Lessons),
    songs: &[usize],
) -> Result<Agreement, RecognizeError> {
    /// Songs heard at a time.
    const SONGS: usize = 16;
    let half = embedder.frame_length() as f64 / 2.0;
    let rate = f64::from(library.spec.sample_rate);
    let layer = |name: &str| weights.0.get(name).map(|tensor| tensor.data.as_slice()).unwrap_or_default();
    let (weight, bias) = (layer(HEAD_WEIGHT), layer(HEAD_BIAS));
    let mut sums = vec![Sums::default(); lessons.embedding];
    let (mut entropy, mut frames) = (0.0, 0usize);
    let (mut embedding, mut labels) = (vec![0.0; lessons.embedding], vec![0.0; lessons.labels]);
    for group in songs.chunks(SONGS) {
        let audio: Vec<&Song> = group.iter().map(|&song| &library.songs[song]).collect();
        for (&song, heard) in group.iter().zip(embedder.embed(&audio)?) {
            if lessons.songs[song].middles.is_empty() {
                continue;
            }
            for (&start, own) in heard.starts.iter().zip(heard.values.chunks_exact(lessons.embedding.max(1)))
            {
                lessons.write(song, (start as f64 + half) / rate, &mut embedding, &mut labels);
                for (sums, (&x, &y)) in sums.iter_mut().zip(own.iter().zip(&embedding)) {
                    sums.add(x.into(), y.into());
                }
                let rows = weight.chunks_exact(lessons.embedding.max(1)).zip(bias).zip(&labels);
                entropy += rows
                    .map(|((row, bias), &label)| {
                        let logit = row.iter().zip(own).map(|(w, x)| w * x).sum::<f32>() + bias;
                        let (x, y) = (f64::from(logit), f64::from(label));
                        x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()
                    })
                    .sum::<f64>();
                frames += 1;
            }
        }
    }
    let count = frames.max(1) as f64;
    let error: f64 = sums.iter().map(|s| s.xx - 2.0 * s.xy + s.yy).sum();
    let variance: f64 = sums.iter().map(|s| s.yy - s.y * s.y / count).sum();
    let width = lessons.embedding.max(1) as f64;
    let tags = entropy / (count * lessons.labels.max(1) as f64);
    Ok(Agreement {
        songs: songs.len(),
        frames,
        loss: error / (count * width) + tags,
        explained: if variance > 0.0 { 1.0 - error / variance } else { 0.0 },
        correlation: sums.iter().map(|sums| sums.correlation(count)).sum::<f64>() / width,
        tags,
    })
}

impl Sums {
    fn add(&mut self, x: f64, y: f64) {
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    /// 0 where one of the two does not vary.
    fn correlation(&self, count: f64) -> f64 {
        let (x, y) = (self.xx - self.x * self.x / count, self.yy - self.y * self.y / count);
        let both = self.xy - self.x * self.y / count;
        if x > 0.0 && y > 0.0 { both / (x * y).sqrt() } else { 0.0 }
    }
}
