//! A file's packets, whoever reads its container.

use symphonia::core::errors::Result;
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatId, FormatReader, MediaInfo, SeekMode, SeekTo, Track};
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

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

    /// Goes to a packet of a track that begins at or before `sample`, as near as is cheap, so that [`Reader::next`] gives
    /// that one; it may only be called with later and later places. Returns the sample at which the packet begins, which
    /// means nothing where pages tell that. `None` where that cannot be told without reading all before, or where the file is
    /// not one whole stream: then it may stand anywhere.
    ///
    /// # Errors
    /// As of [`Reader::next`].
    fn seek_to(&mut self, _track: u32, _sample: u64) -> Result<Option<u64>> {
        Ok(None)
    }

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

    /// By MP4's table of samples, where it counts time in samples.
    fn seek_to(&mut self, track: u32, sample: u64) -> Result<Option<u64>> {
        let described = self.as_ref().tracks().iter().find(|described| described.id == track);
        let rate = described.and_then(|track| track.codec_params.as_ref()?.audio()?.sample_rate);
        let base = described.and_then(|track| track.time_base);
        let in_samples =
            base.zip(rate).is_some_and(|(base, rate)| base.numer.get() == 1 && base.denom.get() == rate);
        let Some(ts) = i64::try_from(sample).ok().map(Timestamp::new).filter(|_| in_samples) else {
            return Ok(None);
        };
        if self.format_info().format != FORMAT_ID_ISOMP4 {
            return Ok(None);
        }
        let to = SeekTo::Timestamp { ts, track_id: track };
        let found = self.as_mut().seek(SeekMode::Accurate, to)?;
        Ok(u64::try_from(found.actual_ts.get()).ok())
    }

    fn tags(&mut self, tags: &mut Tags) {
        tags.take(&mut self.metadata());
    }
}
