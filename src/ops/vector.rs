//! Shaders of maps, which treat all elements alike, for one element an invocation or for four.
//!
//! A memory-bound kernel wants many bytes under way: with four elements an invocation there are four times as many for
//! the same number of instructions, and what an element's channel costs is paid once.

use std::sync::OnceLock;

use super::kernel::Shader;

/// How a shader says that an invocation computes one element, and what makes it four.
const FOUR: [[&str; 2]; 2] =
    [["alias Value = f32;", "alias Value = vec4<f32>;"], ["const LANES = 1u;", "const LANES = 4u;"]];

/// A shader written over `Value`s of `LANES` elements.
pub struct Maps {
    one: Shader,
    four: &'static str,
    source: OnceLock<String>,
}

impl Maps {
    /// The shader as it stands in its file, and the name of what is made of it.
    pub const fn new(one: Shader, four: &'static str) -> Self {
        Self { one, four, source: OnceLock::new() }
    }

    /// The shader, and the elements of an invocation: four where runs of `length` elements divide into fours.
    pub fn for_runs_of(&'static self, length: usize) -> (Shader, usize) {
        if !length.is_multiple_of(4) {
            return (self.one, 1);
        }
        let source = self.source.get_or_init(|| {
            FOUR.iter().fold(self.one.source.to_string(), |source, [one, four]| source.replace(one, four))
        });
        (Shader { name: self.four, source }, 4)
    }
}
