//! From audio files to samples: what decodes to what, what is refused and how, resampling.

mod faults;
pub mod ffmpeg;
mod files;
mod formats;
mod parts;
mod resample;
