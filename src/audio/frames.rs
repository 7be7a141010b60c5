//! Where frames of a fixed length lie in a song.

/// Number of whole frames of `frame` samples, one every `hop` samples, in `len` samples. The last, partial frame
/// is dropped. 0 where the song is shorter than a frame, or where `frame` or `hop` is 0.
pub fn frame_count(len: usize, frame: usize, hop: usize) -> usize {
    if frame == 0 || hop == 0 || len < frame { 0 } else { 1 + (len - frame) / hop }
}

/// Start positions of the frames that [`frame_count`] counts.
pub fn frame_starts(len: usize, frame: usize, hop: usize) -> impl ExactSizeIterator<Item = usize> + Clone {
    (0..frame_count(len, frame, hop)).map(move |i| i * hop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_cover_the_song() {
        assert_eq!(frame_count(10, 3, 3), 3);
        assert_eq!(frame_count(9, 3, 3), 3);
        assert_eq!(frame_count(10, 3, 2), 4);
        assert_eq!(frame_count(3, 3, 100), 1);
        for (len, frame, hop) in [(2, 3, 1), (5, 0, 1), (5, 1, 0), (0, 1, 1)] {
            assert_eq!(frame_count(len, frame, hop), 0);
        }
        for (len, frame, hop) in [(100, 7, 7), (100, 7, 3), (101, 10, 20)] {
            let starts: Vec<_> = frame_starts(len, frame, hop).collect();
            assert!(starts.iter().all(|s| s + frame <= len));
            assert!(starts.last().unwrap() + hop + frame > len, "one more frame would fit");
        }
    }
}
