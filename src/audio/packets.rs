//! The way of a file's packets through its decoder, and what is made of those that fail.

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::packet::Packet;

use super::aac;
use super::choose::{Chosen, check_spec};
use super::error::{AudioFault, fault_of, is_disk};
use super::info::{FileInfo, Loss};
use super::limits;
use super::open::Opened;
use super::reader::{Missing, PageEnd};
use super::timeline::Timeline;

/// How many more packets may fail than decode before the rest of a file is given up: bounds the work on files whose
/// headers promise millions of packets.
const PATIENCE: u64 = 1000;

/// How many packets in a row may give no sample, because they are empty or of other tracks: bounds the work on headers
/// that promise packets of no bytes.
const IDLE: u32 = 1 << 20;

/// Seconds that may be missing of a declared length without a word: some headers count in packets.
const SLACK: f64 = 0.2;

/// Receives (sample rate, planar samples of one packet). Both rate and number of channels may change from packet to
/// packet.
pub(super) type Sink<'a> = dyn FnMut(u32, &[Vec<f32>]) -> Result<(), AudioFault> + 'a;

/// The state of decoding one file.
///
/// A file whose rate, channels or codec change midway is decoded part by part. Packets that fail are passed over, as
/// symphonia's documentation advises, with one rule for how many may: see [`Packets::verdict`].
#[derive(Default)]
pub(super) struct Packets {
    /// Sample rate and number of channels of the first packet that decodes, and of the last.
    first: Option<(u32, usize)>,
    spec: Option<(u32, usize)>,
    /// Seconds so far.
    seconds: f64,
    timeline: Timeline,
    /// Seconds that the headers of all parts declare, where all do exactly.
    declared: Option<f64>,
    /// Whether that says nothing about a file that ends where a packet does.
    stale: bool,
    parts: u32,
    good: u64,
    bad: u64,
    /// Whether the decoder has not given a sample yet.
    fresh: bool,
    /// Packets read since the last one that gave samples.
    idle: u32,
    cut: bool,
    /// Packets that show that AAC is more than that.
    replicated: u64,
    /// What a decoder does not know, the first time.
    unsupported: Option<AudioFault>,
    /// What went wrong last.
    trouble: Option<String>,
    planes: Vec<Vec<f32>>,
}

impl Packets {
    /// Decodes all that is to be heard into `sink`.
    ///
    /// # Errors
    /// Those of [`super::decode::decode`], and what the sink gives.
    pub(super) fn run(mut self, mut opened: Opened, sink: &mut Sink) -> Result<FileInfo, AudioFault> {
        let mut chosen = opened.choose()?;
        let mut info = opened.info(&chosen);
        let mut decoder = Some(self.start(&chosen)?);
        while self.bad <= self.good + PATIENCE && !self.timeline.is_over() {
            let unit = match opened.reader.next() {
                Ok(Some(unit)) => unit,
                Ok(None) => break,
                // A chained stream starts anew.
                Err(Symphonia::ResetRequired) => {
                    self.flush(sink)?;
                    decoder = match opened.choose().and_then(|next| {
                        chosen = next;
                        self.start(&chosen)
                    }) {
                        Ok(decoder) => Some(decoder),
                        Err(AudioFault::Io(error)) => return Err(error.into()),
                        Err(fault) if self.first.is_none() => return Err(fault),
                        // The other parts count.
                        Err(fault) => {
                            self.fail(fault.to_string());
                            None
                        }
                    };
                    continue;
                }
                Err(Symphonia::IoError(e)) if is_disk(&e) => return Err(e.into()),
                // The stream cannot be read further; what was decoded counts.
                Err(e) => {
                    self.cut = true;
                    self.trouble = Some(e.to_string());
                    break;
                }
            };
            self.idle += 1;
            if self.idle > IDLE {
                self.trouble = Some(format!("{IDLE} packets without a sample"));
                break;
            }
            if unit.packet.track_id != chosen.id {
                continue;
            }
            match &mut decoder {
                Some(decoder) => self.decode(decoder.as_mut(), &chosen, &unit.packet, unit.end, sink)?,
                None => self.bad += 1,
            }
        }
        self.flush(sink)?;
        opened.reader.tags(&mut opened.tags);
        (info.artists, info.title) = (opened.tags.artists(), opened.tags.title());
        (info.sample_rate, info.channels) = self.first.unwrap_or((info.sample_rate, info.channels));
        let (before, missing) = (opened.missing, opened.reader.missing());
        info.loss = self.verdict(Missing {
            packets: before.packets.saturating_add(missing.packets),
            cut: before.cut || missing.cut,
        })?;
        Ok(info)
    }

    /// Begins a part.
    fn start(&mut self, chosen: &Chosen) -> Result<Box<dyn AudioDecoder>, AudioFault> {
        let declared = chosen.declared.filter(|_| chosen.exact);
        self.declared = match self.parts {
            0 => declared,
            _ => self.declared.zip(declared).map(|(before, now)| before + now),
        };
        self.stale |= chosen.stale;
        self.parts = self.parts.saturating_add(1);
        self.timeline = Timeline::new(chosen.part, chosen.paged);
        self.fresh = true;
        chosen.decoder()
    }

    fn decode(
        &mut self,
        decoder: &mut dyn AudioDecoder,
        chosen: &Chosen,
        packet: &Packet,
        end: Option<PageEnd>,
        sink: &mut Sink,
    ) -> Result<(), AudioFault> {
        if chosen.is_damaged(packet) {
            self.fail("its checksum is wrong".to_owned());
            return self.pass(end, sink);
        }
        match decoder.decode(packet) {
            Ok(audio) => self.take(&audio, packet, end, sink)?,
            Err(e) => {
                // Damage looks like anything; where nothing decodes, this is why.
                if let Symphonia::Unsupported(_) = e {
                    self.unsupported.get_or_insert_with(|| fault_of(e));
                    self.fail("something in it is not supported".to_owned());
                } else {
                    self.fail(e.to_string());
                }
                self.pass(end, sink)?;
            }
        }
        self.replicated += u64::from(chosen.is_replicated(packet, self.good)?);
        if self.replicated >= aac::ENOUGH { Err(aac::replicated()) } else { Ok(()) }
    }

    /// Passes on what a packet decoded to.
    fn take(
        &mut self,
        audio: &GenericAudioBufferRef<'_>,
        packet: &Packet,
        end: Option<PageEnd>,
        sink: &mut Sink,
    ) -> Result<(), AudioFault> {
        let spec = (audio.spec().rate(), audio.spec().channels().count());
        let fresh = std::mem::take(&mut self.fresh);
        if audio.frames() == 0 {
            // A decoder's first packet may yield nothing yet; packets that never do are no good.
            let trimmed = packet.trim_start.get() + packet.trim_end.get() > 0;
            self.bad += u64::from(!fresh && !trimmed);
            return self.pass(end, sink);
        }
        if self.spec != Some(spec) {
            check_spec(spec.0, spec.1)?;
            self.spec = Some(spec);
            self.first.get_or_insert(spec);
        }
        audio.copy_to_vecs_planar(&mut self.planes);
        self.good += 1;
        self.idle = 0;
        let frames = self.timeline.take(spec.0, &mut self.planes, end);
        self.give(frames, sink)
    }

    /// Heeds the end of a page though its last packet gave nothing.
    fn pass(&mut self, end: Option<PageEnd>, sink: &mut Sink) -> Result<(), AudioFault> {
        let (Some(_), Some((rate, channels))) = (end, self.spec) else {
            return Ok(());
        };
        self.planes.resize_with(channels, Vec::new);
        self.planes.iter_mut().for_each(Vec::clear);
        let frames = self.timeline.take(rate, &mut self.planes, end);
        self.give(frames, sink)
    }

    /// Passes on what still waits at the end of a part.
    fn flush(&mut self, sink: &mut Sink) -> Result<(), AudioFault> {
        let Some((rate, _)) = self.spec else {
            return Ok(());
        };
        let frames = self.timeline.finish(rate, &mut self.planes);
        self.give(frames, sink)
    }

    fn give(&mut self, frames: usize, sink: &mut Sink) -> Result<(), AudioFault> {
        let Some((rate, _)) = self.spec.filter(|_| frames > 0) else {
            return Ok(());
        };
        self.seconds += frames as f64 / f64::from(rate);
        if self.seconds > limits::SECONDS as f64 {
            return Err(AudioFault::TooLong);
        }
        sink(rate, &self.planes)
    }

    fn fail(&mut self, why: String) {
        self.bad += 1;
        self.trouble = Some(why);
    }

    /// What is missing of a song that can be used.
    ///
    /// The rule, whatever the format: a song is used as far as it goes, unless more packets of it are damaged or missing
    /// than decode. A file that ends too early counts as what is there.
    fn verdict(self, Missing { packets, cut }: Missing) -> Result<Option<Loss>, AudioFault> {
        if self.first.is_none() {
            return Err(match (self.unsupported, self.trouble) {
                (Some(fault), _) => fault,
                (None, Some(why)) => AudioFault::Corrupt(format!("nothing could be decoded ({why})")),
                (None, None) => AudioFault::Empty("the file has no samples"),
            });
        }
        if self.seconds == 0.0 {
            return Err(AudioFault::Empty("the file has no samples"));
        }
        let because = self.trouble.map(|t| format!(" ({t})")).unwrap_or_default();
        let failed = self.bad.saturating_add(packets);
        let all = failed.saturating_add(self.good);
        if failed > self.good {
            return Err(AudioFault::Corrupt(format!(
                "{failed} of {all} packets could not be decoded{because}"
            )));
        }
        let (seconds, cut) = (self.seconds, cut || self.cut);
        let declared = self.declared.filter(|declared| (cut || !self.stale) && seconds + SLACK < *declared);
        let loss = Loss { seconds, declared, failed, packets: all, cut };
        Ok((declared.is_some() || failed > 0 || cut).then_some(loss))
    }
}
