use serde::{Deserialize, Serialize};

/// The precision of matrix products and convolutions; everything else is always computed in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Both operands are rounded to f16, and the products summed in f32.
    Mixed,
}
