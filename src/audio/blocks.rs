//! Samples as 16-bit block floating point: half the size of f32, and still 98 dB below the loudest sample of every
//! 23 ms (at 44.1 kHz) at worst.
//!
//! A signal of any number of channels is a sequence of groups; a group holds, for each channel, one block: a scale
//! (f32, little endian) and [`BLOCK`] samples (i16, little endian), sample = scale · integer. The last block is filled up
//! with zeros. A group ends with a digest of its blocks (XXH3, u64, little endian), so that what is read from a disk is
//! never taken for music when it is something else. The form is the same in memory and on disk.

use std::io::{self, Write};
use std::ops::Range;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::measure::{Measure, measure};

/// Samples of one channel in a block.
pub(super) const BLOCK: usize = 1024;
/// Bytes of a block.
const BYTES: usize = size_of::<f32>() + BLOCK * size_of::<i16>();
/// Bytes of a group's digest.
const SEAL: usize = size_of::<u64>();
const FULL_SCALE: f32 = 32767.0;

/// Bytes that `len` samples of each of `channels` channels take.
pub(super) fn size(len: u64, channels: usize) -> u64 {
    len.div_ceil(BLOCK as u64) * group(channels) as u64
}

/// Bytes of a group.
fn group(channels: usize) -> usize {
    channels * BYTES + SEAL
}

/// Whether `groups`, whole groups of `channels` channels, are as they were written.
pub(super) fn intact(groups: &[u8], channels: usize) -> bool {
    groups.len().is_multiple_of(group(channels))
        && groups.chunks_exact(group(channels)).all(|group| {
            let (blocks, seal) = group.split_at(channels * BYTES);
            seal == xxh3_64(blocks).to_le_bytes()
        })
}

/// The bytes that hold the samples `from .. to` of all channels.
pub(super) fn byte_range(from: usize, to: usize, channels: usize) -> Range<u64> {
    let group = group(channels) as u64;
    (from / BLOCK) as u64 * group..to.div_ceil(BLOCK) as u64 * group
}

/// What an [`Encoder`] saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Levels {
    /// Samples a channel.
    pub len: u64,
    /// Largest absolute sample of all channels, but for a burst: see [`level`].
    pub peak: f32,
    /// Root of the mean square over all channels.
    pub rms: f64,
    /// XXH3 (128 bits) of the encoded bytes and the length.
    pub digest: u128,
}

/// Writes a stream of planar samples as blocks.
pub(super) struct Encoder<W> {
    out: W,
    /// Samples that do not fill a block yet.
    pending: Vec<Vec<f32>>,
    group: Vec<u8>,
    len: u64,
    /// Largest absolute sample of each group.
    peaks: Vec<f32>,
    squares: f64,
    digest: Xxh3Default,
}

impl<W: Write> Encoder<W> {
    pub fn new(out: W, channels: usize) -> Self {
        let pending = vec![Vec::with_capacity(BLOCK); channels];
        let group = Vec::with_capacity(group(channels));
        Self { out, pending, group, len: 0, peaks: Vec::new(), squares: 0.0, digest: Xxh3Default::new() }
    }

    /// Takes finite samples, one slice a channel, all of equal length.
    pub fn push(&mut self, planes: &[Vec<f32>]) -> io::Result<()> {
        let length = planes.first().map_or(0, Vec::len);
        let mut taken = 0;
        while taken < length {
            let room = BLOCK - self.pending.first().map_or(0, Vec::len);
            let count = room.min(length - taken);
            for (pending, plane) in self.pending.iter_mut().zip(planes) {
                pending.extend_from_slice(&plane[taken..taken + count]);
            }
            taken += count;
            if count == room {
                self.write_group()?;
            }
        }
        self.len += length as u64;
        Ok(())
    }

    /// Writes what is left.
    pub fn finish(mut self) -> io::Result<Levels> {
        if self.pending.iter().any(|p| !p.is_empty()) {
            self.write_group()?;
        }
        self.out.flush()?;
        self.digest.update(&self.len.to_le_bytes());
        let samples = (self.len * self.pending.len() as u64).max(1);
        let rms = (self.squares / samples as f64).sqrt();
        Ok(Levels { len: self.len, peak: level(self.peaks), rms, digest: self.digest.digest128() })
    }

    fn write_group(&mut self) -> io::Result<()> {
        self.group.clear();
        let mut loudest = 0.0f32;
        for block in &mut self.pending {
            let Measure { low, high, squares, .. } = measure(block);
            let peak = high.max(-low);
            loudest = loudest.max(peak);
            self.squares += squares;
            // What is too small for its reciprocal is silence, far below any sound.
            let scale = if peak > 1e-30 { peak / FULL_SCALE } else { 0.0 };
            let inverse = if scale > 0.0 { FULL_SCALE / peak } else { 0.0 };
            block.resize(BLOCK, 0.0);
            self.group.extend_from_slice(&scale.to_le_bytes());
            let start = self.group.len();
            self.group.resize(start + BLOCK * size_of::<i16>(), 0);
            for (bytes, sample) in self.group[start..].chunks_exact_mut(2).zip(block.iter()) {
                bytes.copy_from_slice(&rounded(sample * inverse).to_le_bytes());
            }
            block.clear();
        }
        self.peaks.push(loudest);
        self.digest.update(&self.group);
        self.group.extend(xxh3_64(&self.group).to_le_bytes());
        self.out.write_all(&self.group)
    }
}

/// How loud a burst is above all else, as a factor (12 dB).
const BURST: f32 = 4.0;

/// The peak of a song, from the largest absolute sample of each of its blocks.
///
/// That is the largest of all, unless it is of a burst: at most one block in 250 (or 4 of 128 or more, or else one in 32)
/// that are more than 12 dB louder than every other. A click, or a moment of noise, does not make a whole song quiet.
fn level(mut peaks: Vec<f32>) -> f32 {
    let count = peaks.len();
    let few = (count / 250).max((count / 32).min(4));
    if count == 0 {
        return 0.0;
    }
    let (burst, &mut rest, _) = peaks.select_nth_unstable_by(few, |a, b| b.total_cmp(a));
    burst.sort_unstable_by(|a, b| b.total_cmp(a));
    let below = burst.iter().skip(1).copied().chain([rest]);
    let found = burst.iter().zip(below).find(|(above, below)| *below > 0.0 && **above > BURST * below);
    found.map_or_else(|| burst.first().copied().unwrap_or(rest), |(_, below)| below)
}

/// The nearest integer of a number within ±2²¹. At 1.5 · 2²³ the last bit of a float is worth 1, so that the sum's last
/// 16 bits are the integer: unlike a call of `round` and a saturating cast, this is one vector instruction.
fn rounded(value: f32) -> i16 {
    (value + 12_582_912.0).to_bits() as u16 as i16
}

/// Decodes the samples `from ..` of `channel`, as many as `out` is long, times `gain`. `groups` begins with the group
/// that holds `from`, as [`byte_range`] says.
pub(super) fn decode(
    groups: &[u8],
    channels: usize,
    channel: usize,
    from: usize,
    gain: f32,
    out: &mut [f32],
) {
    let blocks =
        groups.chunks_exact(group(channels)).map(|group| &group[channel * BYTES..(channel + 1) * BYTES]);
    let mut skip = from % BLOCK;
    let mut rest = out;
    for block in blocks {
        let (scale, samples) = block.split_at(size_of::<f32>());
        let scale = gain * f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
        let count = rest.len().min(BLOCK - skip);
        let (now, later) = rest.split_at_mut(count);
        let samples = samples[2 * skip..].chunks_exact(2);
        for (out, bytes) in now.iter_mut().zip(samples) {
            *out = scale * f32::from(i16::from_le_bytes([bytes[0], bytes[1]]));
        }
        (rest, skip) = (later, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn blocks_decode_to_what_was_encoded() {
        let mut rng = Rng::new(1);
        for (channels, len) in [(1, 1), (1, BLOCK), (2, BLOCK + 1), (3, 3 * BLOCK - 1), (2, 5000)] {
            // Levels that change from block to block, and one block of silence.
            let level = |i: usize| [1.0, 1e-4, 0.0, 30.0][i / BLOCK % 4];
            let planes: Vec<Vec<f32>> =
                (0..channels).map(|_| (0..len).map(|i| level(i) * rng.range(-1.0, 1.0)).collect()).collect();
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, channels);
            // In pieces of odd sizes.
            for from in (0..len).step_by(777) {
                let piece: Vec<Vec<f32>> =
                    planes.iter().map(|p| p[from..len.min(from + 777)].to_vec()).collect();
                encoder.push(&piece).unwrap();
            }
            let levels = encoder.finish().unwrap();
            let all = || planes.iter().flatten();
            let squares: f64 = all().map(|&s| f64::from(s).powi(2)).sum();
            assert_eq!((levels.len, levels.peak), (len as u64, all().fold(0.0, |m: f32, s| m.max(s.abs()))));
            assert!((levels.rms - (squares / (channels * len) as f64).sqrt()).abs() < 1e-6 * levels.rms);
            assert_eq!(bytes.len() as u64, size(len as u64, channels));
            assert!(intact(&bytes, channels) && !intact(&bytes[1..], channels));
            for at in [0, 3, 700, bytes.len() - 1] {
                bytes[at] ^= 1;
                assert!(!intact(&bytes, channels));
                bytes[at] ^= 1;
            }
            for (from, to) in [(0, len), (len / 2, len), (len / 3, len / 2), (len - 1, len)] {
                let range = byte_range(from, to, channels);
                let groups = &bytes[range.start as usize..range.end as usize];
                for (channel, plane) in planes.iter().enumerate() {
                    let mut out = vec![f32::NAN; to - from];
                    decode(groups, channels, channel, from, 2.0, &mut out);
                    for (i, (&got, &want)) in out.iter().zip(&plane[from..to]).enumerate() {
                        let err = (got - 2.0 * want).abs();
                        assert!(err <= 2.0 * level(from + i) / 65_000.0, "{got} for {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_burst_is_no_peak() {
        let music: Vec<f32> = (0..1000).map(|i| 0.1 + 0.1 * ((i * 7) % 11) as f32 / 11.0).collect();
        let most = music.iter().copied().fold(0.0, f32::max);
        let with = |bursts: &[f32]| {
            let mut peaks = music.clone();
            peaks.iter_mut().step_by(100).zip(bursts).for_each(|(peak, burst)| *peak = *burst);
            level(peaks)
        };
        assert_eq!((with(&[]), with(&[1.0]), with(&[1.0, 0.9, 1.0, 0.9])), (most, most, most));
        // Louder music, a fifth loud block, a beat: none of them is a burst.
        assert_eq!((with(&[0.7]), with(&[1.0; 5]), with(&[0.9; 10])), (0.7, 1.0, 0.9));
        // A sound in silence is all there is; so is the loudest of a few blocks.
        let mut sound = vec![0.0; 1000];
        sound[7] = 0.5;
        assert_eq!((level(sound), level(vec![0.1, 1.0, 0.1]), level(vec![])), (0.5, 1.0, 0.0));
    }
}
