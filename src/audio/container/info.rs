//! What the first frame of an MP3 says about the stream: the tags of Xing and LAME, and of Fraunhofer (VBRI).

use super::frame::Frame;

/// Samples that every decoder delays.
const DECODER: u32 = 529;

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

    /// How many of `samples` from `position` on are to be dropped from the start and from the end.
    pub(super) fn trims(&self, position: u64, samples: u64) -> (u64, u64) {
        let start = u64::from(self.delay).saturating_sub(position).min(samples);
        // What follows the number of frames was glued to it.
        let total = self.frames.unwrap_or(0).saturating_mul(samples);
        let sound = total.saturating_sub(self.padding.into());
        let end = match position < total {
            true => (position + samples).saturating_sub(sound).min(samples - start),
            false => 0,
        };
        (start, end)
    }
}
