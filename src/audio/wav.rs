//! Writes 16-bit PCM WAV files (RIFF WAVE, format tag 1).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes `channels` (planar, equal lengths, nominal range [−1, 1]) to `path` as 16-bit PCM at `rate` Hz.
///
/// Samples are rounded to the nearest of 32767 steps and clipped; NaN becomes 0.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] where there is no channel, where lengths differ, or where the file would pass
/// the 4 GiB of a RIFF header; otherwise whatever writing the file gives.
pub fn write_wav(path: &Path, rate: u32, channels: &[&[f32]]) -> io::Result<()> {
    let invalid =
        |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", path.display()));
    let length = channels.first().ok_or_else(|| invalid("a WAV file needs at least one channel"))?.len();
    if channels.iter().any(|c| c.len() != length) {
        return Err(invalid("the channels of a WAV file must have equal lengths"));
    }
    let count = u16::try_from(channels.len()).map_err(|_| invalid("too many channels for a WAV file"))?;
    let block = count.checked_mul(2).ok_or_else(|| invalid("too many channels for a WAV file"))?;
    let data = u32::try_from(length)
        .ok()
        .and_then(|n| n.checked_mul(u32::from(block)))
        .filter(|&bytes| bytes <= u32::MAX - 36)
        .ok_or_else(|| invalid("a WAV file holds at most 4 GiB"))?;
    let bytes_a_second = rate
        .checked_mul(u32::from(block))
        .ok_or_else(|| invalid("the sample rate is too high for a WAV file"))?;

    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(b"RIFF")?;
    out.write_all(&(36 + data).to_le_bytes())?;
    out.write_all(b"WAVEfmt ")?;
    out.write_all(&16u32.to_le_bytes())?;
    out.write_all(&1u16.to_le_bytes())?;
    out.write_all(&count.to_le_bytes())?;
    out.write_all(&rate.to_le_bytes())?;
    out.write_all(&bytes_a_second.to_le_bytes())?;
    out.write_all(&block.to_le_bytes())?;
    out.write_all(&16u16.to_le_bytes())?;
    out.write_all(b"data")?;
    out.write_all(&data.to_le_bytes())?;
    for i in 0..length {
        for channel in channels {
            // A float-to-integer cast saturates, and turns NaN into 0.
            let value = (channel[i].clamp(-1.0, 1.0) * 32767.0).round() as i16;
            out.write_all(&value.to_le_bytes())?;
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
