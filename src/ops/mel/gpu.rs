use std::sync::Arc;

use super::Mel;
use crate::graph::Shape;
use crate::ops::kernel::{Binding, GpuKernel, Launch, Shader, grid};

const SHADER: Shader = Shader { name: "mel", source: include_str!("../../../shaders/mel.wgsl") };

/// For every row its first column, how many, and where its elements begin in the second table.
pub fn tables(mel: &Mel) -> Vec<Arc<[f32]>> {
    let (mut bands, mut weights) = (Vec::new(), Vec::new());
    for band in mel.band_weights() {
        // Whole numbers far below 2²⁴, so exact; the fourth is padding.
        bands.extend([band.start as f32, band.weights.len() as f32, weights.len() as f32, 0.0]);
        weights.extend(band.weights);
    }
    if weights.is_empty() {
        weights.push(0.0); // No filter holds a bin; a buffer must hold something.
    }
    vec![bands.into(), weights.into()]
}

pub fn banded(mel: &Mel, output: &Shape) -> GpuKernel {
    let len = output.elements();
    let constants = [("LEN", len), ("ROWS", mel.rows()), ("COLUMNS", mel.columns()), ("FRAMES", output[3])];
    let launch = Launch {
        shader: SHADER,
        entry: "banded",
        constants: constants.map(|(name, value)| (name, value as f64)).to_vec(),
        bindings: vec![Binding::Input(0), Binding::Table(0), Binding::Table(1), Binding::Output],
        workgroups: grid(len.div_ceil(256)),
    };
    GpuKernel { workspace: 0, tables: tables(mel), launches: vec![launch] }
}
