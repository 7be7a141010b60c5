//! Where frames of a fixed length lie in a song.

/// How songs are cut into frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framing {
    /// Samples a frame.
    pub length: usize,
    /// Samples from the beginning of a frame to that of the next.
    pub step: usize,
    /// A frame whose root mean square is below this is quiet, and dropped; 0 keeps every frame.
    pub quiet: f32,
}

impl Framing {
    /// Frames of `length` samples one after the other, every one kept.
    pub fn consecutive(length: usize) -> Self {
        Self { length, step: length, quiet: 0.0 }
    }

    /// Number of whole frames in `len` samples. The last, partial frame is dropped. 0 where the song is shorter than a
    /// frame, or where length or step is 0.
    pub fn count(&self, len: usize) -> usize {
        let &Self { length, step, .. } = self;
        if length == 0 || step == 0 || len < length { 0 } else { 1 + (len - length) / step }
    }

    /// Start positions of the frames that [`Framing::count`] counts.
    pub fn starts(&self, len: usize) -> impl ExactSizeIterator<Item = usize> + Clone + use<> {
        let step = self.step;
        (0..self.count(len)).map(move |i| i * step)
    }

    /// Whether any frame may be quiet.
    pub fn drops(&self) -> bool {
        self.quiet > 0.0
    }

    /// Whether a frame, over all its channels, is quiet.
    pub fn is_quiet(&self, frame: &[f32]) -> bool {
        if !self.drops() || frame.is_empty() {
            return false;
        }
        let squares: f64 = frame.iter().map(|&s| f64::from(s * s)).sum();
        squares < frame.len() as f64 * f64::from(self.quiet).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_cover_the_song_exactly(len in 0usize..5000, length in 1usize..300, step in 1usize..400) {
            let framing = Framing { length, step, quiet: 0.0 };
            let starts: Vec<usize> = framing.starts(len).collect();
            prop_assert_eq!(starts.len(), framing.count(len));
            for (i, start) in starts.iter().enumerate() {
                prop_assert_eq!(*start, i * step);
                prop_assert!(start + length <= len);
            }
            // No further frame would fit.
            prop_assert!(starts.len() * step + length > len);
            // Consecutive frames take every sample once, but for a rest shorter than a frame.
            let covered = Framing::consecutive(length).count(len) * length;
            prop_assert!(covered <= len && len - covered < length);
        }
    }

    #[test]
    fn nothing_to_cut() {
        for (len, length, step) in [(2, 3, 1), (5, 0, 1), (5, 1, 0), (0, 1, 1)] {
            assert_eq!(Framing { length, step, quiet: 0.0 }.count(len), 0);
        }
    }

    #[test]
    fn quiet_frames() {
        let framing = Framing { quiet: 0.1, ..Framing::consecutive(4) };
        assert!(framing.is_quiet(&[0.0, 0.19, 0.0, 0.0]));
        assert!(!framing.is_quiet(&[0.0, -0.21, 0.0, 0.0]));
        assert!(!Framing::consecutive(4).is_quiet(&[0.0; 4]));
    }
}
