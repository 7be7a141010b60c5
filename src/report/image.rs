//! Spectrograms as rows and columns of numbers.

use serde::{Deserialize, Serialize};

/// Numbers over frequency and time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Frequencies, the lowest first.
    pub rows: usize,
    /// Moments.
    pub columns: usize,
    /// [rows, columns]; what is not finite is left blank.
    pub values: Vec<f32>,
}

/// The frequencies that an image's rows stand for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frequencies {
    /// The centres of filters at equal distances on the HTK mel scale; the first begins at `low`, the last ends at `high`
    /// (Hz).
    Mel { low: f64, high: f64 },
    /// Bins at equal distances from 0 to `high` (Hz).
    Linear { high: f64 },
}

/// A spectrogram of a whole song: natural logarithms of power.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spectrogram {
    pub image: Image,
    pub frequencies: Frequencies,
}

impl Image {
    /// Whether there is anything to draw: values, and as many as rows and columns say.
    pub fn is_drawable(&self) -> bool {
        self.rows > 0
            && self.columns > 0
            && self.rows.checked_mul(self.columns) == Some(self.values.len())
            && self.values.iter().any(|value| value.is_finite())
    }

    /// The image with at most so many rows and columns: each becomes the mean of those that it stands for, the blank ones
    /// left out.
    pub fn pooled(&self, rows: usize, columns: usize) -> Self {
        let (rows, columns) = (self.rows.min(rows.max(1)), self.columns.min(columns.max(1)));
        if (rows, columns) == (self.rows, self.columns) {
            return self.clone();
        }
        let mut sums = vec![(0f64, 0usize); rows * columns];
        for (row, values) in self.values.chunks_exact(self.columns).enumerate() {
            let row = row * rows / self.rows;
            for (column, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                let (sum, count) = &mut sums[row * columns + column * columns / self.columns];
                *sum += f64::from(*value);
                *count += 1;
            }
        }
        let mean = |&(sum, count): &(f64, usize)| {
            if count == 0 { f32::NAN } else { (sum / count as f64) as f32 }
        };
        Self { rows, columns, values: sums.iter().map(mean).collect() }
    }

    /// The value that the share `part` of all finite values does not exceed; `of` is applied to them first.
    pub(super) fn quantile(&self, part: f64, of: impl Fn(f32) -> f32) -> Option<f32> {
        let mut values: Vec<f32> = self.values.iter().map(|&v| of(v)).filter(|v| v.is_finite()).collect();
        let last = values.len().checked_sub(1)?;
        let place = (part.clamp(0.0, 1.0) * last as f64).round() as usize;
        Some(*values.select_nth_unstable_by(place, f32::total_cmp).1)
    }
}

/// HTK's mel scale.
fn mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

impl Frequencies {
    /// The highest frequency (Hz).
    pub fn high(&self) -> f64 {
        match *self {
            Self::Mel { high, .. } | Self::Linear { high } => high,
        }
    }

    /// How far up an image of `rows` rows a frequency (Hz) lies: from 0 at the lower edge to 1 at the upper.
    pub fn place(&self, hz: f64, rows: usize) -> f64 {
        let rows = rows as f64;
        match *self {
            // Filter h of H has its centre at (h + 1)/(H + 1) of the range.
            Self::Mel { low, high } => {
                let part = (mel(hz) - mel(low)) / (mel(high) - mel(low));
                (part * (rows + 1.0) - 0.5) / rows
            }
            Self::Linear { high } => (hz / high * (rows - 1.0) + 0.5) / rows,
        }
    }
}

/// The spectrograms of a song's frames, put together along its time: where frames overlap, their mean; where there is none,
/// blank; and at most so many columns, whatever the song's length.
#[derive(Clone, Debug)]
pub struct Strip {
    rows: usize,
    columns: usize,
    seconds: f64,
    sums: Vec<f64>,
    /// How much of every column is covered.
    covered: Vec<f64>,
}

impl Strip {
    /// For a song of `seconds`: a column every `spacing` seconds, but at most `most`.
    pub fn new(rows: usize, seconds: f64, spacing: f64, most: usize) -> Self {
        let wanted = (seconds / spacing).ceil();
        let wanted = if wanted.is_finite() { wanted as usize } else { most };
        let columns = wanted.min(most).max(1);
        Self { rows, columns, seconds, sums: vec![0.0; rows * columns], covered: vec![0.0; columns] }
    }

    /// Puts in a frame, [rows, T] of any T, that lasts from `start` for `duration` seconds. What lies outside the song is
    /// left out.
    pub fn add(&mut self, start: f64, duration: f64, frame: &[f32]) {
        let count = frame.len() / self.rows.max(1);
        let scale = self.columns as f64 / self.seconds;
        let edge = |t: usize| (start + duration * t as f64 / count as f64) * scale;
        if !(edge(0).is_finite() && edge(count).is_finite()) {
            return;
        }
        for t in 0..count {
            let (left, right) = (edge(t).max(0.0), edge(t + 1).min(self.columns as f64));
            for column in left as usize..(right.max(0.0).ceil() as usize) {
                let share = right.min((column + 1) as f64) - left.max(column as f64);
                if share <= 0.0 {
                    continue;
                }
                self.covered[column] += share;
                for row in 0..self.rows {
                    self.sums[row * self.columns + column] += share * f64::from(frame[row * count + t]);
                }
            }
        }
    }

    /// What was put in.
    pub fn image(&self) -> Image {
        let cells = self.sums.iter().zip(self.covered.iter().cycle());
        let value = |(&sum, &covered): (&f64, &f64)| {
            // A sliver left by rounding is no cover.
            if covered < 1e-6 { f32::NAN } else { (sum / covered) as f32 }
        };
        Image { rows: self.rows, columns: self.columns, values: cells.map(value).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_side_by_side_fill_the_strip() {
        // Two frames of two columns each: one column a quarter second.
        let mut strip = Strip::new(2, 1.0, 0.25, 100);
        strip.add(0.0, 0.5, &[1.0, 2.0, 10.0, 20.0]);
        strip.add(0.5, 0.5, &[3.0, 4.0, 30.0, 40.0]);
        let image = strip.image();
        assert_eq!((image.rows, image.columns), (2, 4));
        assert_eq!(image.values, [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn overlaps_are_averaged_gaps_are_blank_and_length_is_bounded() {
        let mut strip = Strip::new(1, 4.0, 1.0, 100);
        strip.add(0.0, 2.0, &[1.0, 3.0]);
        strip.add(1.0, 1.0, &[5.0]);
        strip.add(3.5, 1.0, &[7.0, 9.0]);
        let values = strip.image().values;
        assert_eq!(values[..2], [1.0, 4.0]);
        assert!(values[2].is_nan());
        assert_eq!(values[3], 7.0);
        let hour = Strip::new(128, 3600.0, 0.01, 1600);
        assert_eq!((hour.columns, hour.sums.len()), (1600, 128 * 1600));
        // Wider columns than frames: all of them count.
        let mut strip = Strip::new(1, 4.0, 1.0, 1);
        (0..4).for_each(|i| strip.add(f64::from(i), 1.0, &[i as f32]));
        assert_eq!(strip.image().values, [1.5]);
        // No holes where columns are narrower than those of the frames.
        let mut strip = Strip::new(1, 3.0, 0.1, 100);
        (0..3).for_each(|i| strip.add(f64::from(i), 1.0, &[1.0, 1.0, 1.0]));
        assert!(strip.image().values.iter().all(|v| (v - 1.0).abs() < 1e-6));
    }

    #[test]
    fn lengths_that_are_no_numbers_do_no_harm() {
        for (seconds, spacing) in [(0.0, 0.0), (f64::NAN, 1.0), (1.0, 0.0), (-1.0, 1.0), (f64::INFINITY, 1.0)]
        {
            let mut strip = Strip::new(2, seconds, spacing, 50);
            strip.add(0.0, 1.0, &[1.0; 6]);
            strip.add(f64::NAN, 1.0, &[1.0; 6]);
            assert!(strip.image().columns <= 50);
        }
    }

    #[test]
    fn pooling_takes_means() {
        let image = Image { rows: 2, columns: 4, values: vec![1.0, 3.0, 5.0, f32::NAN, 2.0, 2.0, 8.0, 8.0] };
        assert_eq!(image.pooled(2, 2).values, [2.0, 5.0, 2.0, 8.0]);
        assert_eq!(image.pooled(1, 1).values, [29.0 / 7.0]);
        assert_eq!(image.pooled(9, 9).columns, 4);
        assert_eq!(image.quantile(1.0, |v| v), Some(8.0));
        assert_eq!(image.quantile(0.0, |v| -v), Some(-8.0));
        assert_eq!(Image::default().quantile(0.5, |v| v), None);
    }

    #[test]
    fn frequencies_lie_where_their_filters_are() {
        // Three filters over 0 to 4 parts: centres at parts 1, 2 and 3, rows' centres at 1/6, 1/2 and 5/6.
        let mels = Frequencies::Mel { low: 0.0, high: 8_000.0 };
        let hz = |part: f64| 700.0 * (10f64.powf(part * mel(8_000.0) / 2595.0) - 1.0);
        for row in 0..3 {
            let place = mels.place(hz(f64::from(row + 1) / 4.0), 3);
            assert!((place - (f64::from(row) + 0.5) / 3.0).abs() < 1e-12, "row {row}: {place}");
        }
        let linear = Frequencies::Linear { high: 100.0 };
        assert_eq!(linear.place(0.0, 5), 0.1);
        assert_eq!(linear.place(50.0, 5), 0.5);
    }
}
