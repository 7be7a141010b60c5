//! The songs that a command works on: where they are looked for, how they are read, and what is said of them.

use std::path::{Path, PathBuf};

use super::progress::Progress;
use super::{CliError, counted, say, warn_of_trouble};
use crate::dataset::{self, Cache, DEMO, Dataset, DatasetError, Library, Problem, demo};
use crate::files;
use crate::model::Model;
use crate::train::RunConfig;

/// Where songs are looked for.
pub const DATASET: &str = "dataset";

/// The model that networks of real songs begin with: the one that comes with the program. The demo set's sounds are like
/// nothing that it has heard.
pub fn default_base(dataset: Option<&Path>) -> Option<PathBuf> {
    let root = dataset.unwrap_or(Path::new(DATASET));
    let music = !demo::is_demo(root) && dataset::scan(root).is_ok();
    music.then(|| {
        say("beginning with the included model (--from none: with nothing)");
        Model::INCLUDED.into()
    })
}

/// The settings with the dataset that is named, or else their own, or else the folder where songs are looked for.
pub fn on_dataset(mut config: RunConfig, named: Option<&PathBuf>) -> RunConfig {
    if let Some(dataset) = named {
        config.dataset.clone_from(dataset);
    }
    if config.dataset.as_os_str().is_empty() {
        config.dataset = DATASET.into();
    }
    config
}

/// The songs of a folder; where it holds no audio, those of the demo set in its subfolder. Whether it is the demo set.
pub fn songs(root: &Path) -> Result<(Dataset, bool), CliError> {
    let scanned = dataset::scan(root);
    let none = match &scanned {
        // A folder of one's own stays as it is.
        Err(DatasetError::NoGenres { loose, unlisted, .. }) => {
            *loose == 0 && unlisted.is_empty() && root == Path::new(DATASET)
        }
        // A folder that nobody named need not be there.
        Err(DatasetError::NoSuchFolder(_)) => root == Path::new(DATASET),
        _ => false,
    };
    match scanned {
        Ok(data) => {
            data.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
            Ok((data, demo::is_demo(root)))
        }
        Err(_) if none => {
            let folder = root.join(DEMO);
            say(&format!(
                "{}: no audio here; using synthesised music instead, in {}",
                files::shown(root),
                files::shown(&folder)
            ));
            let progress = Progress::new("rendering");
            demo::render(&folder, |done, total| progress.at(done, total, "songs"))?;
            progress.finish();
            Ok((dataset::scan(&folder)?, true))
        }
        Err(error @ (DatasetError::NoSuchFolder(_) | DatasetError::NotAFolder(_))) => {
            Err(CliError::Other(format!("{error} (--dataset)")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The songs of a folder, in any layout, that a teacher hears.
pub fn heard(root: &Path) -> Result<Dataset, CliError> {
    dataset::scan_songs(root).map_err(|error| match error {
        DatasetError::NoSuchFolder(_) | DatasetError::NotAFolder(_) => {
            CliError::Other(format!("{error} (--dataset)"))
        }
        error => error.into(),
    })
}

/// The name of a run on this dataset.
pub fn name(root: &Path, demo: bool) -> String {
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let last = whole.file_name().map(|name| name.to_string_lossy().into_owned());
    if demo { DEMO.to_string() } else { last.unwrap_or_else(|| "run".into()) }
}

pub fn load(data: &Dataset, config: &RunConfig, cache: Option<&Cache>) -> Result<Library, CliError> {
    let progress = Progress::new("reading");
    let spec = config.model.audio();
    let shortest = config.model.shortest_song();
    let each = |done, total, path: &Path| {
        progress.at(done, total, &files::shown(path.file_name().unwrap_or_default().as_ref()));
    };
    // Who is taught needs no genres.
    let library = match config.teachers.as_slice() {
        [] => Library::load(data, &spec, shortest, cache, each),
        _ => Ok(Library::load_as_is(data, &spec, shortest, cache, each)),
    };
    progress.finish();
    cache.into_iter().for_each(warn_of_trouble);
    match &library {
        Ok(library) => skipped(&library.problems),
        Err(DatasetError::TooFewGenres { problems, .. }) => skipped(problems),
        Err(_) => {}
    }
    library.iter().for_each(partly_lost);
    if data.other_files > 0 && !demo::is_demo(&data.root) {
        say(&format!(
            "{} passed over that no audio extension marks as a song",
            counted(data.other_files, "file")
        ));
    }
    Ok(library?)
}

/// Says how many songs are not all there.
pub fn partly_lost(library: &Library) {
    let lost = library.songs.iter().filter(|song| song.recording().source.loss.is_some()).count();
    if lost > 0 {
        say(&format!(
            "{} partly lost, and used as far as possible; dataset check says how much",
            counted(lost, "song")
        ));
    }
}

pub fn skipped(problems: &[Problem]) {
    for problem in problems {
        say(&format!("skipped: {problem}"));
    }
    // A genre without a song is a folder, and was counted by its songs.
    let files = problems.iter().filter(|problem| !problem.path.is_dir()).count();
    if files > 0 {
        say(&format!("{} skipped", counted(files, "file")));
    }
}

/// Says how many artists are not known.
pub fn unknown_artists(data: &Dataset) {
    let unknown = data.songs.iter().filter(|song| song.artists.is_empty()).count();
    if unknown > 0 && !demo::is_demo(&data.root) {
        say(&format!(
            "the artist of {} is not known (from tags or tracks.csv): accuracy comes out too high where one artist has \
             songs on both sides",
            counted(unknown, "song")
        ));
    }
}
