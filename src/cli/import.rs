use std::path::PathBuf;

use clap::Args;

use super::{CliError, End, print, quoted};
use crate::files;
use crate::import::Wheel;

/// Makes a model of a network that others have trained: musicnn's, out of its Python package.
///
/// `pip download --no-deps musicnn` fetches the package; neither Python nor TensorFlow is needed to read it. The model tells
/// fifty tags, such as genres, instruments and moods, that do not exclude each other; `train --from` teaches it the genres of
/// your own songs.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Import {
    /// The package, musicnn-0.1.0-py3-none-any.whl
    #[arg(value_name = "WHEEL")]
    wheel: PathBuf,
    /// Which of its networks: MSD_musicnn, which learnt from the Million Song Dataset, or MTT_musicnn, from MagnaTagATune
    #[arg(long, value_name = "NAME", default_value = "MSD_musicnn")]
    network: String,
    /// Keep the filters that are silent whatever is heard, too: most of MSD_musicnn's
    #[arg(long)]
    whole: bool,
    /// The model's file [default: <network>.safetensors]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  pip download --no-deps musicnn
  genre-recognizer import musicnn-0.1.0-py3-none-any.whl
  genre-recognizer predict --model MSD_musicnn.safetensors --top-k 8 song.mp3
  genre-recognizer train --from MSD_musicnn.safetensors --dataset ~/Music --freeze";

impl Import {
    pub fn run(&self) -> Result<End, CliError> {
        let wheel = Wheel::open(&self.wheel)?;
        let imported = wheel.import(&self.network)?;
        let model = if self.whole { imported } else { imported.without_silent_filters() }.into_model();
        let output = self.output.clone().unwrap_or_else(|| format!("{}.safetensors", self.network).into());
        if output.exists() {
            return Err(CliError::Other(format!(
                "{}: there is such a file already; remove it, or name another with --output",
                files::shown(&output)
            )));
        }
        model.save(&output)?;
        let source = model.card.provenance.source.as_ref();
        let (name, licence) = source.map_or(("", ""), |source| (&source.name, &source.licence));
        print(&format!(
            "{}: {name}, licence {licence}\n{} tags: {}\ntry it: genre-recognizer predict --model {} --top-k 8 SONG\n",
            files::shown(&output),
            model.card.genres.len(),
            model.card.genres.join(", "),
            quoted(&output),
        ))?;
        Ok(End::Success)
    }
}
