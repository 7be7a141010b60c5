//! Padded planes: an image laid out so that every tap of a convolution reads it as one contiguous shift.
//!
//! With stride 1, the product of a tap and a whole output plane reads the padded image at a constant distance
//! from the output's element, if output rows are as far apart as padded rows; what lands between them is
//! dropped. With a larger stride the padded image is first split by phase: plane φ of an axis holds the
//! positions u with u mod stride = φ, and a tap r reads plane r mod stride, r / stride rows further.
//!
//! Where the stride is 1, the padding behind a row is the padding before the next, so that planes are as
//! small as possible: 3 taps around 44 columns take 45 elements per row.

use super::rows;

/// One axis of the planes.
#[derive(Clone, Copy, Debug)]
struct Axis {
    size: usize,
    phases: usize,
    /// Padding before the image; negative where the image's first elements are never read.
    before: isize,
    /// The length of a plane along this axis.
    len: usize,
}

impl Axis {
    /// Taps are those of one phase.
    fn new(size: usize, phases: usize, before: isize, taps: usize, outputs: usize) -> Self {
        let read = outputs + taps - 1;
        let len = match usize::try_from(before) {
            Ok(before) if phases == 1 => (before + size).min(read).max(read.saturating_sub(before)),
            _ => read,
        };
        Self { size, phases, before, len: len.max(outputs) }
    }

    /// Whether the planes of this axis are the image itself.
    fn is_image(&self) -> bool {
        self.phases == 1 && self.before == 0 && self.len == self.size
    }

    /// Which row or column of the image stands at an index of a plane, if any.
    fn source(&self, phase: usize, index: usize) -> Option<usize> {
        usize::try_from((index * self.phases + phase) as isize - self.before).ok().filter(|&p| p < self.size)
    }

    /// The indices of a plane at which the image stands.
    fn inside(&self, phase: usize) -> std::ops::Range<usize> {
        let first = |bound: isize| {
            let before = (bound + self.before - phase as isize).max(0) as usize;
            before.div_ceil(self.phases).min(self.len)
        };
        first(0)..first(self.size as isize)
    }
}

/// The planes of `channels` images of one size, in the order channel, phase, sample.
#[derive(Clone, Copy, Debug)]
pub struct PaddedPlanes {
    channels: usize,
    samples: usize,
    rows: Axis,
    columns: Axis,
}

/// What planes are made for; each pair is for rows and columns.
#[derive(Clone, Copy, Debug)]
pub struct PlaneSpec {
    pub channels: usize,
    /// Samples side by side: a phase's plane of one sample follows that of the sample before.
    pub samples: usize,
    pub image: [usize; 2],
    pub phases: [usize; 2],
    pub before: [isize; 2],
    /// Taps of one phase.
    pub taps: [usize; 2],
    pub outputs: [usize; 2],
}

impl PaddedPlanes {
    pub fn new(spec: &PlaneSpec) -> Self {
        let axis = |i: usize| {
            Axis::new(spec.image[i], spec.phases[i], spec.before[i], spec.taps[i], spec.outputs[i])
        };
        Self { channels: spec.channels, samples: spec.samples, rows: axis(0), columns: axis(1) }
    }

    /// From one row of a plane, and of the outputs, to the next.
    pub fn pitch(&self) -> usize {
        self.columns.len
    }

    /// Elements of all planes.
    pub fn len(&self) -> usize {
        self.channels * self.channel()
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Elements of one image.
    pub fn image_len(&self) -> usize {
        self.rows.size * self.columns.size
    }

    /// Elements of a plane, and from one sample's outputs to the next.
    pub fn plane(&self) -> usize {
        self.rows.len * self.columns.len
    }

    fn channel(&self) -> usize {
        self.rows.phases * self.columns.phases * self.samples * self.plane()
    }

    /// Whether the planes are the images themselves, so that nothing has to be copied.
    pub fn is_image(&self) -> bool {
        self.rows.is_image() && self.columns.is_image()
    }

    /// Where the tap at (row, column) of the padded image reads for the first output.
    pub fn offset(&self, channel: usize, row: usize, column: usize) -> usize {
        let (rows, columns) = (&self.rows, &self.columns);
        let phase = (row % rows.phases) * columns.phases + column % columns.phases;
        let plane = channel * self.channel() + phase * self.samples * self.plane();
        plane + row / rows.phases * columns.len + column / columns.phases
    }

    /// Lays out the images of channel c of sample i, `images(c, i)`; what of `to` lies behind the planes
    /// becomes zero.
    #[inline(always)]
    pub fn fill<'a>(&self, images: impl Fn(usize, usize) -> &'a [f32], to: &mut [f32]) {
        let (planes, slack) = to.split_at_mut(self.len());
        slack.fill(0.0);
        let mut planes = planes.chunks_exact_mut(self.plane());
        for channel in 0..self.channels {
            for phases in pairs(self.rows.phases, self.columns.phases) {
                for (sample, plane) in planes.by_ref().take(self.samples).enumerate() {
                    self.fill_plane(images(channel, sample), phases, plane);
                }
            }
        }
    }

    #[inline(always)]
    fn fill_plane(&self, image: &[f32], phases: (usize, usize), plane: &mut [f32]) {
        let (rows, columns) = (&self.rows, &self.columns);
        let inside = columns.inside(phases.1);
        let first = columns.source(phases.1, inside.start);
        let gap = columns.len - inside.end;
        for index in 0..rows.len {
            let to = &mut plane[index * columns.len..];
            let (Some(row), Some(first)) = (rows.source(phases.0, index), first) else {
                to[..columns.len].fill(0.0);
                continue;
            };
            let row = &image[row * columns.size + first..];
            rows::zero(to, inside.start);
            let middle = &mut to[inside.start..];
            if columns.phases == 1 {
                rows::copy(middle, row, inside.len());
            } else {
                every(columns.phases, &row[..columns.size - first], &mut middle[..inside.len()]);
            }
            rows::zero(&mut to[inside.end..], gap);
        }
    }
}

/// Every `step`-th element of a row.
#[inline(always)]
fn every(step: usize, row: &[f32], to: &mut [f32]) {
    if step == 2 {
        // A constant step becomes vectors.
        let (pairs, last) = row.as_chunks::<2>();
        let (whole, rest) = to.split_at_mut(pairs.len().min(to.len()));
        whole.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
        rest.iter_mut().zip(last).for_each(|(to, &from)| *to = from);
    } else {
        to.iter_mut().zip(row.iter().step_by(step)).for_each(|(to, &from)| *to = from);
    }
}

/// All pairs below two bounds, row by row.
pub fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}
