use super::{Band, Mel, MelSizes};
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, Table, constants, grid, shader};

const SHADER: Shader = shader!("mel");

/// For every row its first column, how many, and where its elements begin in the second table; the elements.
fn tables(mel: &Mel) -> Vec<Table> {
    let (rows, elements) = (mel.clone(), mel.clone());
    let bands = move || {
        let mut begin = 0;
        let row = |band: &Band| {
            begin += band.weights.len();
            // Whole numbers far below 2²⁴, so exact; the fourth is padding.
            [band.start, band.weights.len(), begin - band.weights.len(), 0].map(|number| number as f32)
        };
        rows.bands().iter().flat_map(row).collect()
    };
    // No filter may hold a bin; a buffer must hold something.
    let len = mel.bands().iter().map(|band| band.weights.len()).sum::<usize>().max(1);
    let weights = move || {
        let weights = elements.bands().iter().flat_map(|band| band.weights.iter().copied());
        weights.chain(std::iter::repeat(0.0)).take(len).collect()
    };
    vec![Table::new(4 * mel.rows(), bands), Table::new(len, weights)]
}

pub fn banded(mel: &Mel, &MelSizes { len, frames }: &MelSizes) -> GpuKernel {
    let constants =
        constants([("LEN", len), ("ROWS", mel.rows()), ("COLUMNS", mel.columns()), ("FRAMES", frames)]);
    let bindings = vec![Binding::Input(0), Binding::Table(0), Binding::Table(1), Binding::Output];
    let workgroups = grid(len.div_ceil(256));
    let launch = Launch { shader: SHADER, entry: "banded", constants, bindings, workgroups };
    GpuKernel { tables: tables(mel), ..launch.into() }
}
