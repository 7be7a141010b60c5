//! A file's packets, whoever reads its container.

use symphonia::core::errors::Result;
use symphonia::core::formats::{FormatId, FormatReader, MediaInfo, Track};
use symphonia::core::packet::Packet;

use super::tags::Tags;

/// Reads the packets of a container.
pub(super) trait Reader {
    /// What the container is.
    fn format(&self) -> FormatId;

    /// Its tracks; after an error `ResetRequired` of [`Reader::next`] new ones.
    fn tracks(&self) -> &[Track];

    /// What it says of all its tracks together.
    fn media_info(&self) -> MediaInfo {
        MediaInfo::from_tracks(self.tracks())
    }

    /// What a track's packets are stored in that is not read here, if anything.
    fn refuses(&self, _track: u32) -> Option<String> {
        None
    }

    /// The next packet of any track; `None` at the end.
    ///
    /// # Errors
    /// `ResetRequired` where another stream begins; anything else where no more can be read.
    fn next(&mut self) -> Result<Option<Unit>>;

    /// Takes the tags that were found by now.
    fn tags(&mut self, tags: &mut Tags);

    /// What is known to be missing by now.
    fn missing(&self) -> Missing {
        Missing::default()
    }
}

/// A packet, and what its place in the file says about time.
pub(super) struct Unit {
    pub packet: Packet,
    /// Where the packet is the last that ends on a page of Ogg: what that page says.
    pub end: Option<PageEnd>,
}

/// What a page of Ogg says about the last packet that ends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageEnd {
    /// Samples from the beginning of the stream to the end of that packet.
    pub granule: i64,
    /// Whether it is the stream's last page.
    pub last: bool,
}

/// What a container is known to lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Packets, or runs of bytes between packets that are none.
    pub packets: u64,
    /// Whether the file stops before its end.
    pub cut: bool,
}

impl From<Packet> for Unit {
    fn from(packet: Packet) -> Self {
        Self { packet, end: None }
    }
}

impl Reader for Box<dyn FormatReader> {
    fn format(&self) -> FormatId {
        self.format_info().format
    }

    fn tracks(&self) -> &[Track] {
        self.as_ref().tracks()
    }

    fn media_info(&self) -> MediaInfo {
        *self.as_ref().media_info()
    }

    fn next(&mut self) -> Result<Option<Unit>> {
        Ok(self.next_packet()?.map(Unit::from))
    }

    fn tags(&mut self, tags: &mut Tags) {
        tags.take(&mut self.metadata());
    }
}
