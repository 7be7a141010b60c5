use super::LogMel;
use crate::ops::kernel::{Binding, GpuKernel, Table};
use crate::ops::mel::{Band, Mel};
use crate::ops::stft::{self, Signals};

/// Rows of the filters whose weights lie side by side; the shader's.
const SLAB: usize = 16;

/// For every row its first column, how many, and where its weights begin; the weights, in slabs of rows, by columns, each
/// slab as long as its longest row.
fn filters(mel: &Mel) -> [Table; 2] {
    let lengths = |mel: &Mel| -> Vec<usize> {
        let longest = |slab: &[Band]| slab.iter().map(|band| band.weights.len()).max().unwrap_or(0);
        mel.bands().chunks(SLAB).map(longest).collect()
    };
    let (rows, elements) = (mel.clone(), mel.clone());
    let bands = move || {
        let mut begin = 0;
        let mut table = Vec::with_capacity(4 * rows.rows());
        for (slab, length) in rows.bands().chunks(SLAB).zip(lengths(&rows)) {
            for (i, band) in slab.iter().enumerate() {
                // Whole numbers far below 2²⁴, so exact; the fourth is padding.
                table.extend([band.start, band.weights.len(), begin + i, 0].map(|number| number as f32));
            }
            begin += SLAB * length;
        }
        table
    };
    // No filter may hold a bin; a buffer must hold something.
    let len = SLAB * lengths(mel).iter().sum::<usize>().max(1);
    let weights = move || {
        let mut table = Vec::with_capacity(len);
        for (slab, length) in elements.bands().chunks(SLAB).zip(lengths(&elements)) {
            let row = |i: usize| slab.get(i).map_or(&[][..], |band| &band.weights[..]);
            table.extend(
                (0..length).flat_map(|j| (0..SLAB).map(move |i| row(i).get(j).copied().unwrap_or(0.0))),
            );
        }
        table.resize(len, 0.0);
        table
    };
    [Table::new(4 * mel.rows(), bands), Table::new(len, weights)]
}

/// One dispatch of `log_mel`, which stands in shaders/stft.wgsl beside the transform.
pub fn forward(op: &LogMel, signals: Signals) -> GpuKernel {
    let mut tables = stft::gpu::tables(op.stft);
    tables.extend(filters(&op.mel));
    let given = [Binding::Input(0)].into_iter().chain((0..tables.len()).map(Binding::Table));
    let bindings = given.chain([Binding::Output]).collect();
    let mut launch = stft::gpu::launch(op.stft, signals, "log_mel", bindings);
    launch.constants.extend([
        ("ROWS", op.mel.rows() as f64),
        ("LOGARITHM", f64::from(u8::from(op.ln.is_some()))),
        ("FLOOR", op.ln.map_or(0.0, |ln| f64::from(ln.floor))),
    ]);
    GpuKernel { tables, ..launch.into() }
}

#[cfg(test)]
mod tests {
    /// A WGSL file cannot include another: the logarithm stands in two.
    #[test]
    fn one_logarithm() {
        let of = |source: &'static str| {
            let start = source.find("fn split(").expect("a logarithm");
            let natural = source.find("fn natural(").expect("a logarithm");
            let end = natural + source[natural..].find("\n}\n").expect("its end");
            &source[start..end]
        };
        let log = of(include_str!("../../../shaders/log.wgsl"));
        assert_eq!(log, of(include_str!("../../../shaders/stft.wgsl")));
    }
}
