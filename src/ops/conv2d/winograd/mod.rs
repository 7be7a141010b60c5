//! Winograd's minimal filtering down the rows: F(4, 3), four outputs of three taps by six multiplications
//! instead of twelve (Winograd 1980; Lavin and Gray 2016 for two dimensions).
//!
//! With tiles of six input rows d, three taps g and four output rows y, `y = Aᵀ·((G·g) ⊙ (Bᵀ·d))`, where each
//! of the six products is summed over channels and over the taps of a row *before* the output transform. Rows
//! are transformed and columns are not, because then every step works on contiguous rows, and each of the six
//! products is the [`crate::gemm::shift_product`] of a convolution with a kernel of one row. Two dimensions
//! would save another third of the multiplications, and lose it to shuffles at the widths of this network.
//!
//! A transformed channel is, for each of the six points, rows of padded columns, one row for each row of
//! tiles of each sample. The padding behind a row is the padding before the next.
//!
//! Points are 0, ±3/4, ±3/2 and ∞: the transforms of data have few digits, so they are exact in f32, and the
//! result's error is 1.4 times that of the plain sum, where the usual ±1, ±2 make it twice as large, and 5
//! times at worst.

mod gradient;
mod product;
mod transform;
mod weight_grad;

pub use product::{forward, input_grad};
pub use weight_grad::weight_grad;

use super::Dims;

/// Output rows of a tile.
const ROWS: usize = 4;
/// Taps down the rows.
const TAPS: usize = 3;
/// Input rows of a tile, and products.
const POINTS: usize = ROWS + TAPS - 1;

/// Columns of a register tile of the widest instruction set.
const COLUMNS: usize = 48;
/// Padded columns of samples side by side, at least, if there are enough samples: two register tiles.
const SIDE_BY_SIDE: usize = 2 * COLUMNS;
/// Register tiles of columns that are multiplied before their transform, at most: their products stay in the
/// first-level cache.
const TILES: usize = 4;
/// Terms of a sum from which the transforms are worth their time.
const TERMS: usize = 24;
/// The widest vector of f32.
const LANES: usize = 16;
/// Room behind the last column of a point.
const SLACK: usize = LANES;

/// A convolution with three rows of taps and stride 1, as tiles of rows.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    samples: usize,
    /// Channels of the image that is read, and of the one that is written.
    channels: [usize; 2],
    /// Height and width of both.
    images: [[usize; 2]; 2],
    /// Zeros above the image that is read, and before its rows.
    pad: [usize; 2],
    /// Taps of a row.
    taps: usize,
    /// Tiles, one below the other, of an image.
    tiles: usize,
    /// Padded columns of a row.
    pitch: usize,
    /// Samples side by side in a product.
    batch: usize,
}

impl Tiling {
    /// None where the plain sum is faster: by shapes alone, so that a result does not depend on the machine's
    /// threads.
    fn new(
        samples: usize,
        channels: [usize; 2],
        images: [[usize; 2]; 2],
        pad: [usize; 2],
        taps: usize,
    ) -> Option<Self> {
        let tiles = images[1][0].div_ceil(ROWS);
        let read = images[1][1] + taps - 1;
        let pitch = (pad[1] + images[0][1]).max(read.saturating_sub(pad[1]));
        let least = SIDE_BY_SIDE.div_ceil(tiles * pitch).min(samples);
        // As many samples as leave the least of the register tiles empty.
        let padded = |batch: usize| (batch * tiles * pitch).next_multiple_of(COLUMNS);
        let batch = (least..=samples.min(2 * least))
            .min_by_key(|&batch| padded(batch) * 1000 / batch)
            .unwrap_or(least);
        // Columns of a plain product and of these, in whole register tiles, for as many outputs.
        let plain = TAPS * batch * (images[1][0] * pitch).next_multiple_of(COLUMNS);
        let ours = POINTS * padded(batch);
        let pays = 10 * ours <= 8 * plain && channels[0] * taps >= TERMS && channels[1] >= 8;
        let fits = taps < SLACK && pad[1] < taps;
        (pays && fits).then_some(Self { samples, channels, images, pad, taps, tiles, pitch, batch })
    }

    /// The forward convolution, of x.
    fn forward(d: &Dims) -> Option<Self> {
        let fits = d.r == TAPS && d.stride == [1, 1] && d.groups == 1;
        let tiling = || Self::new(d.n, [d.c, d.k], [[d.h, d.w], [d.p, d.q]], d.pad, d.s);
        fits.then(tiling).flatten()
    }

    /// The gradient to the input: a convolution of dy by the flipped kernel.
    fn input_grad(d: &Dims) -> Option<Self> {
        let fits = d.r == TAPS && d.stride == [1, 1] && d.groups == 1 && d.pad[0] < TAPS && d.pad[1] < d.s;
        let tiling = || {
            let pad = [TAPS - 1 - d.pad[0], d.s - 1 - d.pad[1]];
            Self::new(d.n, [d.k, d.c], [[d.p, d.q], [d.h, d.w]], pad, d.s)
        };
        fits.then(tiling).flatten()
    }

    /// Padded columns of all rows of tiles of a sample.
    fn len(&self) -> usize {
        self.tiles * self.pitch
    }

    /// From one point of a transformed channel to the next: the columns of all samples side by side, zeros,
    /// and room for the rest of a vector.
    fn point(&self) -> usize {
        (self.batch * self.len() + self.taps).next_multiple_of(SLACK) + SLACK
    }

    /// Elements of the transformed image; as much as is multiplied at once can be read behind the last
    /// column.
    fn transformed(&self) -> usize {
        self.channels[0] * POINTS * self.point() + TILES * COLUMNS + SLACK
    }
}
