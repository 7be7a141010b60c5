use crate::audio::{AudioError, AudioFault, AudioSpec};
use crate::device::DeviceError;
use crate::engine::EngineError;
use crate::model::{FileError, ModelError};

/// Why a song could not be recognised, or a model not be loaded for it.
#[derive(Debug, thiserror::Error)]
pub enum RecognizeError {
    /// The model file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The network cannot be built, or the weights are another network's.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device cannot be opened, cannot hold the network, or fails.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The song cannot be read.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// Samples in memory cannot be a song.
    #[error("the samples cannot be recognised: {0}")]
    Samples(#[from] AudioFault),
    /// A genre was asked for by a number that none has.
    #[error("there is no genre {genre}: there are {genres}, counted from 0")]
    NoSuchGenre {
        /// The number.
        genre: usize,
        /// How many genres the network knows.
        genres: usize,
    },
    /// A song in memory is not what the network listens to.
    #[error(
        "the song has {channels} channel(s) at {sample_rate} Hz, but the network listens to {} at {} Hz; \
         load songs with the model's AudioSpec",
        wanted.channels,
        wanted.sample_rate
    )]
    OtherAudio {
        /// The song's channels.
        channels: usize,
        /// The song's samples per second.
        sample_rate: u32,
        /// What the network listens to.
        wanted: AudioSpec,
    },
}

impl From<EngineError> for RecognizeError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Graph(error) => Self::Model(error.into()),
            EngineError::Device(error) => Self::Device(error),
        }
    }
}
