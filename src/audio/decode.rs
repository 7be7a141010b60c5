//! Audio files to samples, through symphonia's decoders and our own.
//!
//! What a file is, its bytes decide; the extension is never looked at.

use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use symphonia::core::io::MediaSource;

use super::catch::catch_quietly;
use super::conform::Conform;
use super::error::{AudioError, AudioFault};
use super::info::FileInfo;
use super::limits;
use super::open::Opened;
use super::packets::{Packets, Sink};

/// A decoded file, as it is: nothing mixed, resampled or normalised, unless its rate or channels change midway. Then
/// what comes later is brought to those of its beginning.
#[cfg(any(test, feature = "internals"))]
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Samples a second.
    pub rate: u32,
    /// Planar samples, nominally in [−1, 1]; all channels of equal length.
    pub channels: Vec<Vec<f32>>,
}

/// Decodes the whole file. Encoder delay and padding are trimmed where the format tells them.
///
/// # Errors
/// [`AudioError`] names the file and the [`AudioFault`]. A panic inside a decoder is one of them
/// ([`AudioFault::Corrupt`]).
#[cfg(any(test, feature = "internals"))]
pub fn decode(path: &Path) -> Result<Decoded, AudioError> {
    catch_quietly(|| decode_source(file(path)?)).map_err(|fault| AudioError::new(path, fault))
}

/// Decodes a file that is in memory, as [`decode`] does one on disk.
///
/// # Errors
/// The [`AudioFault`]s of [`decode`].
#[cfg(any(test, feature = "internals"))]
pub fn decode_bytes(bytes: Vec<u8>) -> Result<Decoded, AudioFault> {
    catch_quietly(|| decode_source(Box::new(Cursor::new(bytes))))
}

#[cfg(any(test, feature = "internals"))]
fn decode_source(source: Box<dyn MediaSource>) -> Result<Decoded, AudioFault> {
    let mut collector = Collector::default();
    Packets::default().run(Opened::new(source)?, &mut |rate, planes| collector.push(rate, planes))?;
    collector.finish()
}

/// Puts packets together.
#[cfg(any(test, feature = "internals"))]
#[derive(Default)]
struct Collector {
    rate: u32,
    channels: Vec<Vec<f32>>,
    /// Brings later parts to the rate and channels of the first.
    conform: Option<Conform>,
}

#[cfg(any(test, feature = "internals"))]
impl Collector {
    fn push(&mut self, rate: u32, planes: &[Vec<f32>]) -> Result<(), AudioFault> {
        if self.channels.is_empty() {
            (self.rate, self.channels) = (rate, vec![Vec::new(); planes.len()]);
        }
        if (self.rate, self.channels.len()) != (rate, planes.len()) {
            let conform = self.conform.get_or_insert_with(|| Conform::new(self.rate, self.channels.len()));
            conform.push(rate, planes)?;
        } else if let Some(conform) = &mut self.conform {
            conform.finish()?;
        }
        self.take_ready();
        if (self.rate, self.channels.len()) == (rate, planes.len()) {
            for (channel, plane) in self.channels.iter_mut().zip(planes) {
                channel.extend_from_slice(plane);
            }
        }
        let samples: usize = self.channels.iter().map(Vec::len).sum();
        if samples > limits::SAMPLES { Err(AudioFault::TooLong) } else { Ok(()) }
    }

    fn take_ready(&mut self) {
        if let Some(conform) = &mut self.conform {
            for (channel, ready) in self.channels.iter_mut().zip(&mut conform.ready) {
                channel.append(ready);
            }
        }
    }

    fn finish(mut self) -> Result<Decoded, AudioFault> {
        if let Some(conform) = &mut self.conform {
            conform.finish()?;
        }
        self.take_ready();
        Ok(Decoded { rate: self.rate, channels: self.channels })
    }
}

/// Reads the headers and tags of a file, and decodes nothing.
///
/// # Errors
/// [`AudioError`], as [`decode`] gives it for whatever headers tell: files that cannot be read, that are no audio
/// or of an unsupported kind, damage in headers, and lengths, rates and channels outside [`super::limits`].
#[cfg(feature = "cli")]
pub fn inspect(path: &Path) -> Result<FileInfo, AudioError> {
    catch_quietly(|| {
        let opened = Opened::new(file(path)?)?;
        Ok(opened.info(&opened.choose()?))
    })
    .map_err(|fault| AudioError::new(path, fault))
}

/// Decodes `path` packet by packet into `sink`, so that memory does not depend on the length of the file.
pub(super) fn stream(path: &Path, sink: &mut Sink) -> Result<FileInfo, AudioError> {
    catch_quietly(|| Packets::default().run(Opened::new(file(path)?)?, sink))
        .map_err(|fault| AudioError::new(path, fault))
}

/// Opens a regular file.
pub(super) fn file(path: &Path) -> Result<Box<dyn MediaSource>, AudioFault> {
    // Opening a pipe would wait for a writer, so look first.
    if !std::fs::metadata(path)?.is_file() {
        return Err(AudioFault::NotAFile);
    }
    Ok(Box::new(File::open(path)?))
}
