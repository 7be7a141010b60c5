//! `--labels tags`: where a dataset's genres come from.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use xxhash_rust::xxh3::xxh3_64;

use super::failed;
use super::learn::too_few;
use crate::cli::{CliError, counted, say};
use crate::files;
use crate::label::{self, Taxonomy};

/// Where the genre of a song is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Labels {
    /// The folder that it lies in.
    #[default]
    Folders,
    /// Its tags; folders may be in any layout.
    Tags,
}

/// Flags of commands that read a dataset.
#[derive(Args, Debug, Default)]
pub struct LabelFlags {
    /// Where songs' genres are read: the folders that they lie in, or their tags [default: folders]
    #[arg(long, value_enum, default_value_t, hide_default_value = true)]
    labels: Labels,
    /// With --labels tags: how genres are spelt, and which belong together [default: that of dataset/taxonomy.toml]
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// With --labels tags: genres of fewer songs go to the genre that they belong to, or are left out [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    least_songs: Option<u32>,
}

impl LabelFlags {
    /// The folder of songs by genre: the one that is named, or one of links to its songs by their tags, which is made anew
    /// in the folder for caches.
    pub fn dataset(&self, named: Option<&PathBuf>) -> Result<Option<PathBuf>, CliError> {
        if self.labels == Labels::Folders {
            if self.taxonomy.is_some() || self.least_songs.is_some() {
                return Err(CliError::Usage("--taxonomy and --least-songs are for --labels tags".to_owned()));
            }
            return Ok(named.cloned());
        }
        let library = named.map_or(Path::new(crate::cli::songs::DATASET), PathBuf::as_path);
        let taxonomy = Taxonomy::open(self.taxonomy.as_deref()).map_err(failed)?;
        let songs = label::find(library, None).and_then(label::Songs::some).map_err(failed)?;
        let least = self.least_songs.unwrap_or(10);
        let (learnt, found) = label::learn(&songs, &taxonomy, least as usize);
        // The folder of links is nobody's to mend.
        if learnt.genres.len() < 2 {
            return Err(too_few(&learnt, library, ("--least-songs", least)));
        }
        let cache = dirs::cache_dir().ok_or_else(|| {
            CliError::Other("this system has no folder for caches; use label learn --out DIR".to_owned())
        })?;
        let key = xxh3_64(songs.root.as_os_str().as_encoded_bytes());
        let out = cache.join("genre-recognizer").join("by-tags").join(format!("{key:016x}"));
        if out.exists() {
            // Links alone: songs are not reached through them.
            std::fs::remove_dir_all(&out)
                .map_err(|error| CliError::Other(format!("{}: {error}", files::shown(&out))))?;
        }
        label::link(&found, &out).map_err(failed)?;
        let genres: Vec<String> =
            learnt.genres.iter().map(|(genre, songs)| format!("{genre} {songs}")).collect();
        let unknown: usize = learnt.unknown.values().sum();
        say(&format!(
            "by tags: {}; left out: {} without a genre, {} of several, {} not in the taxonomy, {} unread \
             (genre-recognizer label learn says more)",
            genres.join(", "),
            counted(learnt.silent, "song"),
            learnt.several,
            unknown,
            learnt.unread.len()
        ));
        Ok(Some(out))
    }
}
