use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{CliError, End, models, print};
use crate::Error;
use crate::export::{self, ExportError, Frontend};
use crate::files;
use crate::model::Model;

/// Writes a model as a file that runs elsewhere: a web page that recognises songs by itself, or a graph for
/// other runtimes.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Export {
    /// What the file is
    #[arg(long, value_enum)]
    format: ExportFormat,
    /// A trained model, or included [default: the newest best.safetensors of the runs in ./runs, else the included one]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The file to write [default: the model's name, in the current folder]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    page: PageFlags,
    #[command(flatten)]
    graph: GraphFlags,
}

/// What a file for other programs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// One web page that needs no server and no network; songs stay in the browser, which computes on its GPU.
    Html,
    /// ONNX, for the programs that run it, such as onnxruntime: audio in, probabilities out.
    Onnx,
}

impl ExportFormat {
    fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Onnx => "onnx",
        }
    }
}

/// Flags of web pages.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "With --format html")]
struct PageFlags {
    /// Let the page also show what in a song spoke for its genre
    #[arg(long)]
    with_explanation: bool,
}

/// Flags of ONNX.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "With --format onnx")]
struct GraphFlags {
    /// What the graph begins with [default: stft]
    #[arg(long, value_enum, value_name = "NAME")]
    frontend: Option<GraphFrontend>,
}

/// What a graph of ONNX begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GraphFrontend {
    /// Audio, through the operator STFT
    Stft,
    /// Audio, through convolutions, where a runtime has no STFT; a larger file
    Conv,
    /// Spectrograms that are made elsewhere
    None,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer export --format html
  genre-recognizer export --format html --model runs/music/best.safetensors --with-explanation --output music.html
  genre-recognizer export --format onnx
  genre-recognizer export --format onnx --frontend conv --model runs/music/best.safetensors";

impl Export {
    pub fn run(&self) -> Result<End, CliError> {
        let foreign = match self.format {
            ExportFormat::Html => self.graph.frontend.map(|_| ("--frontend", "onnx")),
            ExportFormat::Onnx => self.page.with_explanation.then_some(("--with-explanation", "html")),
        };
        if let Some((flag, format)) = foreign {
            return Err(CliError::Usage(format!("{flag} is for --format {format}; leave it out")));
        }
        let (path, model) = match &self.model {
            Some(path) => (path.clone(), Model::load(path)?),
            None => models::find()?,
        };
        let extension = self.format.extension();
        let output = self.output.clone().unwrap_or_else(|| name(&path).with_extension(extension));
        // A link that leads nowhere is one, too.
        if output.symlink_metadata().is_ok() {
            return Err(CliError::Other(format!(
                "{}: there is such a file already; remove it, or name another with --output",
                files::shown(&output)
            )));
        }
        let exported = match self.format {
            ExportFormat::Html => self.page.export(&model),
            ExportFormat::Onnx => self.graph.export(&model),
        }
        .map_err(Error::from)?;
        files::write_atomic(&output, &exported.bytes).map_err(|error| {
            CliError::Other(format!("{}: writing failed: {error}", files::shown(&output)))
        })?;
        let size = exported.bytes.len() as f64 / 1e6;
        print(&format!("{}: {size:.1} MB\n{}\n", files::shown(&output), exported.use_it))?;
        Ok(End::Success)
    }
}

/// A file's contents, and what to do with it, in a line.
struct Exported {
    bytes: Vec<u8>,
    use_it: &'static str,
}

impl PageFlags {
    fn export(&self, model: &Model) -> Result<Exported, ExportError> {
        let page = export::html(model, export::Page { explanation: self.with_explanation })?;
        Ok(Exported { bytes: page.into_bytes(), use_it: "open it in a browser, and drop songs on it" })
    }
}

impl GraphFlags {
    fn export(&self, model: &Model) -> Result<Exported, ExportError> {
        let frontend = match self.frontend {
            None | Some(GraphFrontend::Stft) => Frontend::Stft,
            Some(GraphFrontend::Conv) => Frontend::Conv,
            Some(GraphFrontend::None) => Frontend::None,
        };
        let bytes = export::onnx(model, frontend)?;
        Ok(Exported {
            bytes,
            use_it: "any runtime of ONNX runs it; docs/export.md says what goes in and what comes out",
        })
    }
}

/// What a model is called: the run's name where it is a run's best one, else that of its file.
fn name(model: &Path) -> PathBuf {
    let run = model
        .parent()
        .and_then(Path::file_name)
        .filter(|_| model.file_name() == Some("best.safetensors".as_ref()));
    run.or(model.file_stem()).map_or_else(|| "model".into(), PathBuf::from)
}
