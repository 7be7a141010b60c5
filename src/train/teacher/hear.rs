//! What teachers say of songs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::super::TrainError;
use super::super::base::Embeddings;
use super::Tags;
use crate::audio::{self, AudioError, Song};
use crate::dataset::{Cache, DatasetError, Lesson, Lessons, Library};
use crate::device::Device;
use crate::model::{HEAD_BIAS, HEAD_WEIGHT, Model, ModelError};
use crate::recognize::RecognizeError;

/// Of a teacher's frame, from the beginning of one that it hears to that of the next.
const STEP: f64 = 1.0 / 3.0;
/// Songs that are decoded before they are heard.
const GROUP: usize = 16;

/// Where songs are heard, and what is kept.
pub struct Hearing<'a> {
    pub library: &'a Library,
    pub device: &'a dyn Device,
    /// Decoded songs, at a teacher's rate.
    pub cache: Option<&'a Cache>,
    /// What was heard before.
    pub folder: Option<&'a Path>,
    pub stop: &'a AtomicBool,
}

/// What teachers say of all songs: embeddings, standardised over the songs in `train`, each song as much as any other, and
/// probabilities of tags. None where it was asked to stop midway. `progress` hears how many songs are done, of how many.
///
/// # Errors
/// [`TrainError`] where a teacher cannot be used, a song not be read at its rate, or the device fails.
pub fn hear_lessons(
    teachers: &[Model],
    train: &[usize],
    hearing: &Hearing<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Option<Lessons>, TrainError> {
    let tags = Tags::of(teachers);
    let count = hearing.library.songs.len();
    let mut all: Vec<Vec<Opinion>> = Vec::with_capacity(teachers.len());
    for (number, teacher) in teachers.iter().enumerate() {
        let own: Vec<usize> =
            tags.places.iter().filter(|place| place.0 == number).map(|place| place.1).collect();
        let mut progress = |done| progress(number * count + done, teachers.len() * count);
        let Some(mut opinions) = opinions(teacher, &own, hearing, &mut progress)? else { return Ok(None) };
        standardise(&mut opinions, train);
        all.push(opinions);
    }
    // Tags are in the teachers' order, so that they come together in that of `tags`.
    let widths = |of: fn(&Opinion) -> usize| all.iter().flat_map(|songs| songs.first().map(of)).sum();
    let mut lessons = Lessons {
        embedding: widths(|opinion| opinion.width),
        labels: tags.names.len(),
        songs: Vec::with_capacity(count),
    };
    for song in 0..count {
        lessons.songs.push(together(all.iter().map(|songs| &songs[song])));
    }
    Ok(Some(lessons))
}

/// What one teacher says of a song.
#[derive(Clone, Default)]
struct Opinion {
    /// Numbers of an embedding.
    width: usize,
    /// Seconds to the middle of each frame.
    middles: Vec<f64>,
    /// [frames, width].
    embeddings: Vec<f32>,
    /// [frames, tags].
    tags: Vec<f32>,
}

/// What a teacher says of all songs; of its tags, those in `own`.
fn opinions(
    teacher: &Model,
    own: &[usize],
    hearing: &Hearing<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<Vec<Opinion>>, TrainError> {
    let mut listener = teacher.clone();
    let config = &mut listener.card.config;
    config.frame_step = Some(config.frame_seconds * STEP);
    let (spec, shortest) = (config.audio(), config.shortest_song());
    let half = config.frame_length() as f64 / 2.0;
    let head = Head::of(teacher, own)?;
    let library = hearing.library;
    let mut opinions = Vec::with_capacity(library.songs.len());
    for group in library.songs.chunks(GROUP) {
        let first = opinions.len();
        let entries = &library.dataset.songs[first..first + group.len()];
        let songs: Vec<Song> = if library.spec == spec {
            group.to_vec()
        } else {
            let load = |path: &Path| match hearing.cache {
                Some(cache) => cache.load(path, &spec, shortest),
                None => audio::load(path, &spec, shortest),
            };
            let loaded = entries.par_iter().with_max_len(1).map(|entry| load(&entry.path));
            loaded.collect::<Result<_, AudioError>>().map_err(DatasetError::from)?
        };
        let listed: Vec<&Song> = songs.iter().collect();
        let heard =
            Embeddings::hear(&listener, &listed, hearing.device, hearing.folder, &mut |_| {}, hearing.stop)?;
        for song in &songs {
            let Some(embedded) = heard.of(song) else { return Ok(None) };
            let rate = f64::from(song.sample_rate());
            // Of a song shorter than a frame, the frame repeats it.
            let middle = |&start: &usize| (start as f64 + half.min(song.len() as f64 / 2.0)) / rate;
            opinions.push(Opinion {
                width: heard.width,
                middles: embedded.starts.iter().map(middle).collect(),
                tags: head.probabilities(&embedded.values),
                embeddings: embedded.values.clone(),
            });
        }
        progress(opinions.len());
        if hearing.stop.load(Ordering::Relaxed) && opinions.len() < library.songs.len() {
            return Ok(None);
        }
    }
    Ok(Some(opinions))
}

/// Some rows of a network's last layer.
struct Head {
    width: usize,
    /// [tags, width].
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Head {
    fn of(model: &Model, tags: &[usize]) -> Result<Self, TrainError> {
        let tensor = |name: &str| {
            let missing = || RecognizeError::from(ModelError::Weights(format!("`{name}` is missing")));
            model.weights.0.get(name).ok_or_else(missing)
        };
        let (weight, bias) = (tensor(HEAD_WEIGHT)?, tensor(HEAD_BIAS)?);
        let width = weight.shape[1];
        let rows = tags.iter().flat_map(|&tag| weight.data[tag * width..][..width].iter().copied());
        Ok(Self { width, weight: rows.collect(), bias: tags.iter().map(|&tag| bias.data[tag]).collect() })
    }

    /// [frames, width] → [frames, tags].
    fn probabilities(&self, embeddings: &[f32]) -> Vec<f32> {
        let logits = |frame: &[f32]| -> Vec<f32> {
            let rows = self.weight.chunks_exact(self.width).zip(&self.bias);
            rows.map(|(row, bias)| bias + row.iter().zip(frame).map(|(w, x)| w * x).sum::<f32>()).collect()
        };
        let frames = embeddings.chunks_exact(self.width).flat_map(logits);
        frames.map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
    }
}

/// Gives every number of the embeddings a mean of 0 and a variance of 1 over some of the songs, each as much as any other.
fn standardise(opinions: &mut [Opinion], songs: &[usize]) {
    let width = opinions.first().map_or(0, |opinion| opinion.width);
    let heard: Vec<&Opinion> =
        songs.iter().map(|&song| &opinions[song]).filter(|opinion| !opinion.middles.is_empty()).collect();
    let mut sums = vec![[0f64; 2]; width];
    for opinion in &heard {
        let share = 1.0 / (opinion.middles.len() * heard.len()) as f64;
        for frame in opinion.embeddings.chunks_exact(width) {
            for (sums, &value) in sums.iter_mut().zip(frame) {
                let value = f64::from(value);
                *sums = [sums[0] + share * value, sums[1] + share * value * value];
            }
        }
    }
    // What does not vary says nothing, and is 0.
    let scale = |[mean, square]: [f64; 2]| {
        let variance = square - mean * mean;
        (mean, if variance > 1e-9 * square.max(1e-9) { variance.sqrt().recip() } else { 0.0 })
    };
    let scales: Vec<(f64, f64)> = sums.into_iter().map(scale).collect();
    for frame in opinions.iter_mut().flat_map(|opinion| opinion.embeddings.chunks_exact_mut(width.max(1))) {
        for (value, (mean, scale)) in frame.iter_mut().zip(&scales) {
            *value = ((f64::from(*value) - mean) * scale) as f32;
        }
    }
}

/// What all teachers say of a song, at the places where the first says something.
fn together<'a>(mut opinions: impl Iterator<Item = &'a Opinion>) -> Lesson {
    let Some(first) = opinions.next() else { return Lesson::default() };
    let others: Vec<Lessons> = opinions.map(Opinion::alone).collect();
    let mut rows = Vec::new();
    for (frame, &middle) in first.middles.iter().enumerate() {
        let read = |lessons: &Lessons| {
            let (mut embedding, mut tags) = (vec![0.0; lessons.embedding], vec![0.0; lessons.labels]);
            lessons.write(0, middle, &mut embedding, &mut tags);
            (embedding, tags)
        };
        let tags = first.tags.len() / first.middles.len();
        let own = (
            first.embeddings[frame * first.width..][..first.width].to_vec(),
            first.tags[frame * tags..][..tags].to_vec(),
        );
        let said: Vec<_> = std::iter::once(own).chain(others.iter().map(read)).collect();
        rows.extend(said.iter().flat_map(|(embedding, _)| embedding));
        rows.extend(said.iter().flat_map(|(_, tags)| tags));
    }
    Lesson { middles: first.middles.clone(), rows }
}

impl Opinion {
    /// As the lessons of one song.
    fn alone(&self) -> Lessons {
        let count = self.middles.len().max(1);
        let tags = self.tags.len() / count;
        let mut rows = Vec::with_capacity(count * (self.width + tags));
        for frame in 0..self.middles.len() {
            rows.extend_from_slice(&self.embeddings[frame * self.width..][..self.width]);
            rows.extend_from_slice(&self.tags[frame * tags..][..tags]);
        }
        let lesson = Lesson { middles: self.middles.clone(), rows };
        Lessons { embedding: self.width, labels: tags, songs: vec![lesson] }
    }
}
