use crate::audio::AudioError;
use crate::dataset::DatasetError;
use crate::dataset::demo::DemoError;
use crate::device::DeviceError;
use crate::engine::EngineError;
use crate::export::ExportError;
use crate::graph::GraphError;
use crate::import::ImportError;
use crate::model::{FileError, ModelError};
use crate::recognize::RecognizeError;
use crate::train::TrainError;

/// Any error of this crate, for programs that do not tell them apart: `?` turns each of them into it. Prints as one line
/// that says what is wrong and what to do.
///
/// An error that only wraps another is unwrapped on the way: a device that fails is [`Error::Device`], be it in training
/// or in recognition.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A song cannot be read.
    #[error(transparent)]
    Audio(AudioError),
    /// A folder of songs cannot be used.
    #[error(transparent)]
    Dataset(DatasetError),
    /// The demo set cannot be rendered.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A device cannot be opened, cannot hold a program, or fails.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A model cannot be exported.
    #[error(transparent)]
    Export(ExportError),
    /// A model file or checkpoint cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A graph does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A network of others cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A network cannot be built.
    #[error(transparent)]
    Model(ModelError),
    /// A song cannot be recognised.
    #[error(transparent)]
    Recognize(RecognizeError),
    /// Training cannot begin or go on.
    #[error(transparent)]
    Train(TrainError),
}

impl From<AudioError> for Error {
    fn from(error: AudioError) -> Self {
        Self::Audio(error)
    }
}

impl From<DatasetError> for Error {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Song(error) => Self::Audio(error),
            error => Self::Dataset(error),
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Graph(error) => Self::Graph(error),
            EngineError::Device(error) => Self::Device(error),
        }
    }
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Model(error) => error.into(),
            error => Self::Export(error),
        }
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Graph(error) => Self::Graph(error),
            error => Self::Model(error),
        }
    }
}

impl From<RecognizeError> for Error {
    fn from(error: RecognizeError) -> Self {
        match error {
            RecognizeError::File(error) => error.into(),
            RecognizeError::Model(error) => error.into(),
            RecognizeError::Device(error) => error.into(),
            RecognizeError::Audio(error) => error.into(),
            error => Self::Recognize(error),
        }
    }
}

impl From<TrainError> for Error {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Dataset(error) => error.into(),
            TrainError::Model(error) => error.into(),
            TrainError::Device(error) => error.into(),
            TrainError::Recognize(error) => error.into(),
            TrainError::File(error) => error.into(),
            error => Self::Train(error),
        }
    }
}
