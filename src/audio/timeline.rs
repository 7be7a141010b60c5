//! Which of a track's decoded samples are the song.

use super::edits::Part;
use super::reader::PageEnd;

/// Most samples a channel that wait for a page to say where they lie.
const PENDING: usize = 1 << 20;

/// Cuts a track's samples down to what is to be heard.
#[derive(Default)]
pub(super) struct Timeline {
    /// Where pages say which samples are to be heard (Ogg).
    pages: Option<Pages>,
    part: Option<Part>,
    /// Samples still to drop and to keep of the part, once the rate is known.
    left: Option<(u64, Option<u64>)>,
}

/// Samples that wait for the end of their page.
#[derive(Default)]
struct Pages {
    pending: Vec<Vec<f32>>,
    /// Samples from the beginning of the stream to the first that waits; `None` before the first page has ended.
    position: Option<i64>,
}

impl Timeline {
    /// A timeline of `part` of a track, whose packets come on pages or not.
    pub(super) fn new(part: Option<Part>, paged: bool) -> Self {
        Self { pages: paged.then(Pages::default), part, left: None }
    }

    /// Takes the samples of one packet at `rate` Hz and what its page says. Leaves in `planes` those to be heard now, and
    /// returns how many a channel they are.
    pub(super) fn take(&mut self, rate: u32, planes: &mut Vec<Vec<f32>>, end: Option<PageEnd>) -> usize {
        if let Some(pages) = &mut self.pages {
            pages.take(planes, end);
        }
        self.cut(rate, planes)
    }

    /// What still waits when a stream ends, as [`Timeline::take`] gives it.
    pub(super) fn finish(&mut self, rate: u32, planes: &mut Vec<Vec<f32>>) -> usize {
        planes.iter_mut().for_each(Vec::clear);
        if let Some(pages) = &mut self.pages {
            std::mem::swap(planes, &mut pages.pending);
        }
        self.cut(rate, planes)
    }

    fn cut(&mut self, rate: u32, planes: &mut [Vec<f32>]) -> usize {
        let mut frames = planes.first().map_or(0, Vec::len);
        let Some(part) = self.part else {
            return frames;
        };
        let (drop, keep) = self.left.get_or_insert_with(|| part.samples(rate));
        let dropped = frames.min(usize::try_from(*drop).unwrap_or(usize::MAX));
        *drop -= dropped as u64;
        frames -= dropped;
        if let Some(keep) = keep {
            frames = frames.min(usize::try_from(*keep).unwrap_or(usize::MAX));
            *keep -= frames as u64;
        }
        for plane in planes {
            plane.drain(..dropped);
            plane.truncate(frames);
        }
        frames
    }

    /// Whether nothing more is to be heard.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.left, Some((_, Some(0))))
    }
}

impl Pages {
    /// Samples wait for the first page's end, which says whether some of the first are to be dropped, and for the last
    /// page's, which says the same of the last (RFC 3533; Vorbis I, A.2; RFC 7845, 4.4). Any other page's number only
    /// says where the stream is: it may begin anywhere, jump where pages are lost, and be missing.
    fn take(&mut self, planes: &mut Vec<Vec<f32>>, end: Option<PageEnd>) {
        if self.pending.len() != planes.len() {
            self.pending.resize_with(planes.len(), Vec::new);
        }
        for (pending, plane) in self.pending.iter_mut().zip(planes.iter_mut()) {
            pending.append(plane);
        }
        let count = self.pending.first().map_or(0, Vec::len);
        match end {
            Some(PageEnd { granule, last }) => {
                let (mut from, mut to) = (0, count);
                match self.position {
                    // All of the stream is on one page.
                    None if last => to = index(granule, count),
                    None => from = index((count as i64).saturating_sub(granule), count),
                    Some(position) if last => to = index(granule.saturating_sub(position), count),
                    Some(_) => {}
                }
                for pending in &mut self.pending {
                    pending.truncate(to);
                    pending.drain(..from);
                }
                self.position = (!last).then_some(granule);
            }
            None if count < PENDING => return,
            None => self.position = Some(self.position.unwrap_or(0).saturating_add(count as i64)),
        }
        std::mem::swap(planes, &mut self.pending);
    }
}

/// `samples` as a place in `0 ..= count`.
fn index(samples: i64, count: usize) -> usize {
    usize::try_from(samples).unwrap_or(0).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples that are heard of packets of (samples, what their page says); sample i has the value i.
    fn heard(part: Option<Part>, packets: &[(usize, Option<(i64, bool)>)]) -> Vec<f32> {
        let mut timeline = Timeline::new(part, true);
        let (mut at, mut out) = (0, Vec::new());
        for &(count, end) in packets {
            let mut planes = vec![(at..at + count).map(|i| i as f32).collect::<Vec<_>>()];
            at += count;
            let end = end.map(|(granule, last)| PageEnd { granule, last });
            assert_eq!(timeline.take(48_000, &mut planes, end), planes.first().map_or(0, Vec::len));
            out.extend(planes.concat());
        }
        let mut planes = Vec::new();
        timeline.finish(48_000, &mut planes);
        out.extend(planes.concat());
        out
    }

    fn range(of: std::ops::Range<usize>) -> Vec<f32> {
        of.map(|i| i as f32).collect()
    }

    #[test]
    fn pages_say_what_is_heard() {
        let page = |granule| Some((granule, false));
        let last = |granule| Some((granule, true));
        // The usual case; an end that is cut; a beginning that is; both on one page.
        assert_eq!(heard(None, &[(4, page(4)), (4, None), (4, last(12))]), range(0..12));
        assert_eq!(heard(None, &[(4, page(4)), (4, last(6))]), range(0..6));
        assert_eq!(heard(None, &[(4, page(1)), (4, last(5))]), range(3..8));
        assert_eq!(heard(None, &[(4, None), (4, last(5))]), range(0..5));
        // Joined late; a jump; an end without a mark; numbers that make no sense.
        assert_eq!(heard(None, &[(4, page(1004)), (4, page(1008)), (4, last(1010))]), range(0..10));
        assert_eq!(heard(None, &[(4, page(4)), (4, page(108)), (4, last(110))]), range(0..10));
        assert_eq!(heard(None, &[(4, page(4)), (4, page(8)), (3, None)]), range(0..11));
        assert_eq!(heard(None, &[(4, page(i64::MIN)), (4, page(i64::MAX)), (3, last(-5))]), range(4..8));
        // What the codec delays is dropped after that.
        let part = Part { start: 3, length: None, scale: 48_000 };
        assert_eq!(heard(Some(part), &[(4, page(4)), (4, last(6))]), range(3..6));
    }
}
