//! A model of tags on songs that may have several.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::{Evaluate, SplitPart, show};
use crate::audio::Song;
use crate::cli::progress::Progress;
use crate::cli::songs::{DATASET, songs};
use crate::cli::{CliError, End, Format, counted, open, print};
use crate::dataset::Entry;
use crate::files;
use crate::model::Model;
use crate::recognize::{Classify, FrameClassifier};
use crate::score::TagFigures;

/// Songs that are recognised at a time.
const SONGS: usize = 64;

#[derive(Serialize)]
struct Judgement<'a> {
    songs: usize,
    /// Means over the tags below.
    roc_auc: f64,
    average_precision: f64,
    /// The model's tags that some songs have and others have not.
    tags: &'a [TagFigures],
    /// Tags of songs that the model does not know.
    unknown: &'a BTreeSet<String>,
    #[serde(serialize_with = "files::serialize_path")]
    model: &'a Path,
    #[serde(serialize_with = "files::serialize_path")]
    dataset: &'a Path,
    device: String,
}

impl Evaluate {
    /// Judges a model whose labels do not exclude each other. The tags of a song are those of `tracks.csv`, or else its genre.
    pub(super) fn judge_tags(&self, path: &Path, model: &Model) -> Result<End, CliError> {
        if self.split != SplitPart::All {
            return Err(CliError::Usage("--split is for models of genres".to_string()));
        }
        let (data, _) = songs(self.dataset.as_deref().unwrap_or(Path::new(DATASET)))?;
        let device = open(self.device)?;
        let library = self.read(&data, model)?;
        let entries = &library.dataset.songs;
        let mut classifier = FrameClassifier::of_model(model, device.as_ref())?;
        let progress = Progress::new("recognising");
        let mut probabilities: Vec<Vec<f32>> = Vec::with_capacity(entries.len());
        for group in library.songs.chunks(SONGS) {
            let group: Vec<&Song> = group.iter().collect();
            for frames in classifier.frames(&group)? {
                let rows = frames.iter().map(|frame| frame.probabilities.as_slice());
                let mut song = model.card.decision.song(rows);
                song.resize(model.card.genres.len(), 0.0);
                probabilities.push(song);
            }
            progress.at(probabilities.len(), entries.len(), "songs");
        }
        progress.finish();
        let of = |entry: &Entry| -> Vec<String> {
            let genre = &library.dataset.genres[entry.genre];
            let tags = if entry.tags.is_empty() { std::slice::from_ref(genre) } else { &entry.tags[..] };
            tags.iter().map(|tag| key(tag)).collect()
        };
        let tags: Vec<Vec<String>> = entries.iter().map(of).collect();
        let figures: Vec<TagFigures> = model
            .card
            .genres
            .iter()
            .enumerate()
            .filter_map(|(i, tag)| {
                let wanted = key(tag);
                let has: Vec<bool> = tags.iter().map(|tags| tags.contains(&wanted)).collect();
                let column: Vec<f32> = probabilities.iter().map(|song| song[i]).collect();
                TagFigures::new(tag, &column, &has)
            })
            .collect();
        let known: BTreeSet<String> = model.card.genres.iter().map(|tag| key(tag)).collect();
        let unknown: BTreeSet<String> =
            tags.into_iter().flatten().filter(|tag| !known.contains(tag)).collect();
        let shown = files::shown(&library.dataset.root);
        if figures.is_empty() {
            return Err(CliError::Other(format!(
                "{shown}: no tag of the model divides these songs; they have {}, the model knows {}",
                unknown.iter().map(|tag| files::printable(tag)).collect::<Vec<_>>().join(", "),
                model.card.genres.join(", ")
            )));
        }
        let mean = |of: fn(&TagFigures) -> f64| figures.iter().map(of).sum::<f64>() / figures.len() as f64;
        let (auc, precision) = (mean(|f| f.roc_auc), mean(|f| f.average_precision));
        print(&match self.format {
            Format::Json => show::json(&Judgement {
                songs: entries.len(),
                roc_auc: auc,
                average_precision: precision,
                tags: &figures,
                unknown: &unknown,
                model: path,
                dataset: &library.dataset.root,
                device: device.describe(),
            })?,
            Format::Csv => {
                let rows = figures
                    .iter()
                    .map(|f| format!("{},{},{:.4},{:.4}\n", f.tag, f.songs, f.roc_auc, f.average_precision));
                format!("tag,songs,roc_auc,average_precision\n{}", rows.collect::<String>())
            }
            Format::Table => {
                let width = figures.iter().map(|f| f.tag.chars().count()).max().unwrap_or(0).max(4);
                let mut text = format!(
                    "{shown}: {}, {}\n\n{:<width$}  songs  ROC-AUC  average precision\n",
                    counted(entries.len(), "song"),
                    counted(figures.len(), "tag"),
                    "tag"
                );
                for f in &figures {
                    text += &format!(
                        "{:<width$}  {:>5}  {:>7.3}  {:>17.3}\n",
                        f.tag, f.songs, f.roc_auc, f.average_precision
                    );
                }
                text += &format!("{:<width$}  {:>5}  {auc:>7.3}  {precision:>17.3}\n", "mean", "");
                if !unknown.is_empty() {
                    let names: Vec<String> = unknown.iter().map(|tag| files::printable(tag)).collect();
                    text += &format!("\nnot known to the model: {}\n", names.join(", "));
                }
                text
            }
        })?;
        Ok(End::Success)
    }
}

/// What two spellings of a tag share.
fn key(tag: &str) -> String {
    tag.trim().to_lowercase().replace(['-', '_'], " ")
}
