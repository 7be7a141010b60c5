//! Parts of a song in the place of all of it, without decoding the rest.
//!
//! A reader goes to a packet before each part ([`super::reader::Reader::seek_to`]); what its packets decode to is cut to the
//! sample. The result is that of decoding all and cutting then, up to what a codec needs of the packets before (overlap,
//! prediction), for which [`LEAD`] leaves time. Anything that is unusual about a file, damage too, is none of this module's
//! business: such a file is decoded whole.

use std::io::Write;
use std::path::Path;

use symphonia::core::codecs::audio::AudioDecoder;

use super::aac;
use super::catch::catch_quietly;
use super::choose::Chosen;
use super::decode::file;
use super::error::{AudioFault, fault_of};
use super::info::FileInfo;
use super::load::{RecordError, Recorder};
use super::open::Opened;
use super::reader::{Missing, Unit};
use super::song::{AudioSpec, Recording};

/// Seconds before and behind a part that are decoded for its sake: codecs take up to two packets (0.2 s) to be right, the
/// mixer decides by the last half second, and the resampler looks 0.13 s back and ahead. Whole samples at every usual rate.
const LEAD: f64 = 0.48;
const TAIL: f64 = 0.28;

/// Writes parts of the song in `path` to `out`, one behind the other, as [`super::record`] writes all of it. `spans` gives
/// where they begin and end, in seconds, of a song of so many seconds: in order, at least a second apart. The result has the
/// song's length in seconds too.
///
/// It is none where `spans` gives none, where the format does not allow it, and where anything is wrong with the file: then it
/// is to be recorded whole, and what was written to `out` is to be thrown away.
///
/// # Errors
/// [`RecordError::Write`] where `out` fails.
pub fn record_parts(
    path: &Path,
    spec: &AudioSpec,
    spans: impl Fn(f64) -> Option<Vec<(f64, f64)>>,
    out: &mut dyn Write,
) -> Result<Option<(Recording, f64)>, RecordError> {
    let mut recorder = Recorder::new(spec, out);
    let heard =
        catch_quietly(|| Seeking::new(path)?.map_or(Ok(None), |s| s.run(spec, &spans, &mut recorder)));
    if let Some(error) = recorder.trouble {
        return Err(RecordError::Write(error));
    }
    match heard {
        Ok(Some((info, length))) => {
            let recording = recorder.recording(spec, info).map_err(RecordError::Write)?;
            Ok(Some((recording, length)))
        }
        _ => Ok(None),
    }
}

/// A file of whose track only parts are decoded.
struct Seeking {
    opened: Opened,
    chosen: Chosen,
    decoder: Box<dyn AudioDecoder>,
    info: FileInfo,
    /// The song's length in seconds.
    length: f64,
    /// Samples of the track before the song's first.
    offset: u64,
    /// Packets that decoded, and those of them that show that AAC is more than that.
    good: u64,
    replicated: u64,
}

/// A part, in samples of the track: where decoding and the part itself begin and end.
struct Span {
    first: u64,
    from: u64,
    to: u64,
    last: u64,
}

impl Seeking {
    fn new(path: &Path) -> Result<Option<Self>, AudioFault> {
        let opened = Opened::new(file(path)?)?;
        let chosen = opened.choose()?;
        let info = opened.info(&chosen);
        let Some(length) = chosen.declared.filter(|_| chosen.is_placed() && info.sample_rate > 0) else {
            return Ok(None);
        };
        if opened.missing != Missing::default() {
            return Ok(None);
        }
        let offset = chosen.part.map_or(0, |part| part.samples(info.sample_rate).0);
        let decoder = chosen.decoder()?;
        Ok(Some(Self { opened, chosen, decoder, info, length, offset, good: 0, replicated: 0 }))
    }

    fn run(
        mut self,
        spec: &AudioSpec,
        spans: &impl Fn(f64) -> Option<Vec<(f64, f64)>>,
        recorder: &mut Recorder<'_>,
    ) -> Result<Option<(FileInfo, f64)>, AudioFault> {
        let Some(spans) = spans(self.length) else { return Ok(None) };
        let rate = self.info.sample_rate;
        let samples = |seconds: f64| (seconds * f64::from(rate)).round() as u64;
        for (from, to) in spans {
            let lead = LEAD.min(from);
            let ready = |seconds: f64| (seconds * f64::from(spec.sample_rate)).round() as usize;
            recorder.begin(ready(lead), ready(to - from));
            let span = Span {
                first: self.offset + samples(from - lead),
                from: self.offset + samples(from),
                to: self.offset + samples(to),
                last: self.offset + samples((to + TAIL).min(self.length)),
            };
            if !self.decode(&span, recorder)? {
                return Ok(None);
            }
            recorder.flush()?;
            if recorder.is_short() {
                return Ok(None);
            }
        }
        self.opened.reader.tags(&mut self.opened.tags);
        let whole = self.opened.reader.missing() == Missing::default();
        Ok(whole.then_some((self.info, self.length)))
    }

    /// Decodes a part; whether all of it is there.
    fn decode(&mut self, span: &Span, recorder: &mut Recorder<'_>) -> Result<bool, AudioFault> {
        let begin = self.opened.reader.seek_to(self.chosen.id, span.first).map_err(fault_of)?;
        let Some(begin) = begin else { return Ok(false) };
        self.decoder.reset();
        // Where what is decoded next lies; not known before a page has ended.
        let mut position = (!self.chosen.paged).then_some(begin);
        let mut planes: Vec<Vec<f32>> = Vec::new();
        let mut waiting: Vec<Vec<f32>> = Vec::new();
        let mut given = span.first;
        while position.is_none_or(|position| position < span.last) {
            let Some(unit) = self.opened.reader.next().map_err(fault_of)? else { return Ok(false) };
            if unit.packet.track_id != self.chosen.id {
                continue;
            }
            if !self.samples(&unit, &mut planes)? {
                return Ok(false);
            }
            if self.chosen.paged {
                waiting.resize_with(planes.len().max(waiting.len()), Vec::new);
                waiting.iter_mut().zip(&mut planes).for_each(|(waiting, plane)| waiting.append(plane));
                let Some(end) = unit.end else { continue };
                let count = waiting.first().map_or(0, Vec::len) as u64;
                let Some(at) = u64::try_from(end.granule).ok().and_then(|end| end.checked_sub(count)) else {
                    return Ok(false);
                };
                // A jump, or the last page, of which not all is heard.
                if position.is_some_and(|position| position != at) {
                    return Ok(false);
                }
                position = Some(at);
                std::mem::swap(&mut planes, &mut waiting);
                waiting.iter_mut().for_each(Vec::clear);
            }
            let (Some(at), count) = (position, planes.first().map_or(0, Vec::len) as u64) else { continue };
            position = Some(at + count);
            let (from, to) = (at.max(span.first), (at + count).min(span.last));
            if from >= to {
                continue;
            }
            // What a codec leaves out after a jump, well before the part, is silence.
            let silence = from - given;
            if silence > 0 && from + (span.from - span.first) / 2 > span.from {
                return Ok(false);
            }
            for plane in &mut planes {
                plane.truncate((to - at) as usize);
                plane.drain(..(from - at) as usize);
                if silence > 0 {
                    plane.splice(..0, std::iter::repeat_n(0.0, silence as usize));
                }
            }
            given = to;
            recorder.push(self.info.sample_rate, &planes)?;
        }
        Ok(given >= span.to)
    }

    /// Decodes a packet; whether that is as it should be.
    fn samples(&mut self, unit: &Unit, planes: &mut Vec<Vec<f32>>) -> Result<bool, AudioFault> {
        if self.chosen.is_damaged(&unit.packet) {
            return Ok(false);
        }
        let Ok(audio) = self.decoder.decode(&unit.packet) else { return Ok(false) };
        let spec = (audio.spec().rate(), audio.spec().channels().count());
        if audio.frames() > 0 && spec != (self.info.sample_rate, self.info.channels) {
            return Ok(false);
        }
        audio.copy_to_vecs_planar(planes);
        self.replicated += u64::from(self.chosen.is_replicated(&unit.packet, self.good)?);
        self.good += 1;
        Ok(self.replicated < aac::ENOUGH)
    }
}
