//! What the first frame of an MP3 says about the stream: the tags of Xing and LAME, and of Fraunhofer (VBRI).

use super::frame::Frame;

/// Samples that every decoder delays.
const DECODER: u32 = 529;
/// Bytes of the longest frame of layer III.
const LONGEST: u64 = 1441;

/// What the first frame says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// Frames of sound, and bytes of the stream.
    pub frames: Option<u64>,
    bytes: Option<u64>,
    /// Samples to drop from the start and from the end.
    delay: u32,
    pub padding: u32,
}

impl Info {
    /// Reads a frame that holds such a tag instead of sound.
    pub(super) fn read(bytes: &[u8], frame: &Frame) -> Option<Self> {
        if frame.side == 0 {
            return None;
        }
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let at = 4 + frame.side;
        // The bits that would describe sound are 0; a checksum may stand before them.
        let quiet = |to: usize| bytes.get(6..to).is_some_and(|side| side.iter().all(|&byte| byte == 0));
        if let Some(b"Xing" | b"Info") = bytes.get(at..at + 4).filter(|_| quiet(at)) {
            let flags = word(at + 4)?;
            let mut next = at + 8;
            let mut field = |bit: u32, size: usize| {
                let here = (flags & bit != 0).then_some(next);
                next += if here.is_some() { size } else { 0 };
                here
            };
            let (frames, count) = (field(1, 4), field(2, 4));
            let _ = (field(4, 100), field(8, 4));
            let value = |at: Option<usize>| at.and_then(word).map(u64::from);
            let mut info = Self { frames: value(frames), bytes: value(count), ..Self::default() };
            if let Some(b"LAME" | b"Lavf" | b"Lavc") = bytes.get(next..next + 4) {
                let trims = word(next + 21).map_or(0, |word| word >> 8);
                info.delay = DECODER + (trims >> 12);
                info.padding = (trims & 0xfff).saturating_sub(DECODER);
            }
            return Some(info);
        }
        if bytes.get(36..40) == Some(b"VBRI") && quiet(36) {
            let (count, frames) = (word(46)?, word(50)?);
            return Some(Self { frames: Some(frames.into()), bytes: Some(count.into()), ..Self::default() });
        }
        None
    }

    /// Without a number of frames that cannot be, as programs that cut songs leave it behind: far from the `estimate` for
    /// frames of one length, of which there are `there` bytes now and were as many as the tag says.
    pub(super) fn checked(mut self, estimate: f64, there: u64) -> Self {
        let grown =
            self.bytes.filter(|&bytes| bytes > 0).map_or(1.0, |bytes| bytes as f64 / there.max(1) as f64);
        let likely = (estimate * grown).max(1.0);
        self.frames = self.frames.filter(|&frames| (0.6..1.6).contains(&(frames as f64 / likely)));
        self
    }

    /// Samples that are not to be heard.
    pub(super) fn trimmed(&self) -> u64 {
        u64::from(self.delay) + u64::from(self.padding)
    }

    /// How many of `samples` from `position` on are to be dropped from the start and from the end; `left` bytes follow.
    pub(super) fn trims(&self, position: u64, samples: u64, left: u64) -> (u64, u64) {
        let start = u64::from(self.delay).saturating_sub(position).min(samples);
        let total = self.frames.unwrap_or(0).saturating_mul(samples);
        let sound = total.saturating_sub(self.padding.into());
        let after = position + samples;
        if position >= total || after <= sound {
            return (start, 0);
        }
        // Another song that was glued to this one goes on where its last frame ends.
        let own = (total.saturating_sub(after) / samples.max(1) + 2) * LONGEST;
        let end = if left > own { 0 } else { (after - sound).min(samples - start) };
        (start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_to_drop() {
        let info = Info { frames: Some(4), bytes: None, delay: 1105, padding: 200 };
        let trims = |frame: u64, left: u64| info.trims(frame * 1152, 1152, left);
        assert_eq!((trims(0, 9999), trims(1, 9999), trims(2, 999)), ((1105, 0), (0, 0), (0, 0)));
        // The end, of the file or of a part; what follows it.
        assert_eq!(
            (trims(3, 0), trims(3, 1000), trims(3, 9999), trims(4, 500)),
            ((0, 200), (0, 200), (0, 0), (0, 0))
        );
        let unknown = Info { delay: 1105, ..Info::default() };
        assert_eq!((unknown.trims(0, 1152, 9), unknown.trims(1152, 1152, 0)), ((1105, 0), (0, 0)));
    }

    #[test]
    fn numbers_that_cannot_be() {
        let info = |frames, bytes| Info { frames: Some(frames), bytes, ..Info::default() };
        let checked = |info: Info| info.checked(100.0, 41_700).frames;
        assert_eq!((checked(info(100, None)), checked(info(100, Some(41_700)))), (Some(100), Some(100)));
        assert_eq!(
            (checked(info(300, None)), checked(info(0, None)), checked(info(33, Some(41_700)))),
            (None, None, None)
        );
        // Cut off: as many frames as there were.
        assert_eq!(checked(info(300, Some(125_100))), Some(300));
    }
}
