//! `predict --explain`: a page a song that shows what in it spoke for its genre.

use std::path::{Path, PathBuf};

use super::CliError;
use super::run_report::frequencies;
use crate::audio::Song;
use crate::files;
use crate::model::Network;
use crate::recognize::{Explainer, Recognizer, Verdict, argmax};
use crate::report::{self, EXPLANATION_COLUMNS, Explanation, Moment, Spectrogram, Strip, Timeline};

/// Writes explanations into a folder.
pub struct Explanations {
    folder: PathBuf,
    network: Network,
    genres: Vec<String>,
    /// The model, in words.
    model: String,
    explainer: Explainer,
}

impl Explanations {
    /// Makes the folder and loads the model for explanations.
    ///
    /// # Errors
    /// Where the folder cannot be made or the device cannot hold the network.
    pub fn new(folder: &Path, recognizer: &Recognizer) -> Result<Self, CliError> {
        std::fs::create_dir_all(folder).map_err(|error| {
            let folder = files::shown(folder);
            CliError::Other(format!(
                "{folder}: this folder cannot be made: {error}; name another with --explain"
            ))
        })?;
        let model = recognizer.model();
        let provenance = &model.card.provenance;
        Ok(Self {
            folder: folder.to_owned(),
            network: model.network()?,
            genres: model.card.genres.clone(),
            model: format!(
                "a model trained on {} ({} songs, {} epochs)",
                provenance.dataset, provenance.training_songs, provenance.epochs
            ),
            explainer: recognizer.explainer()?,
        })
    }

    /// Explains the verdict on a song; the page's path.
    ///
    /// # Errors
    /// Where the device fails, the song's storage, or the file system.
    pub fn write(&mut self, path: &Path, song: &Song, verdict: &Verdict) -> Result<PathBuf, CliError> {
        let config = &self.network.config;
        let place = |name: &str| self.genres.iter().position(|genre| genre == name);
        let genre = verdict.guesses.first().and_then(|guess| place(&guess.genre)).unwrap_or(0);
        let mut probabilities = vec![f64::NAN; self.genres.len()];
        for guess in &verdict.guesses {
            if let Some(place) = place(&guess.genre) {
                probabilities[place] = f64::from(guess.probability);
            }
        }
        let (height, width) = self.network.feature_size();
        let spacing = config.frame_seconds / width as f64;
        let mut strips = [(); 2].map(|()| Strip::new(height, song.seconds(), spacing, EXPLANATION_COLUMNS));
        let mut moments = Vec::new();
        self.explainer.explain(song, genre, &mut |frame| {
            let start = frame.start as f64 / f64::from(config.sample_rate);
            for (strip, image) in strips.iter_mut().zip([frame.power, frame.gradient]) {
                strip.add(start, config.frame_seconds, image);
            }
            let genre = argmax(frame.probabilities);
            moments.push(Moment { start, genre, probability: f64::from(frame.probabilities[genre]) });
        })?;
        let [power, gradient] = strips.map(|strip| strip.image());
        let title = crate::paths::text(path.file_name().unwrap_or_default());
        // Safe whatever the song is called, and its own: songs whose files are called alike have different pages.
        let name = files::stem(&title, path.as_os_str().as_encoded_bytes()) + ".html";
        let page = report::explanation(&Explanation {
            file: title,
            model: self.model.clone(),
            seconds: song.seconds(),
            genres: self.genres.clone(),
            genre,
            unsure: verdict.unsure,
            probabilities,
            timeline: Timeline { frame_seconds: config.frame_seconds, moments },
            spectrogram: Spectrogram { image: power, frequencies: frequencies(config) },
            gradient,
        });
        let path = self.folder.join(name);
        files::write_atomic(&path, page.as_bytes())
            .map_err(|error| CliError::Other(format!("{}: writing failed: {error}", files::shown(&path))))?;
        Ok(path)
    }
}
