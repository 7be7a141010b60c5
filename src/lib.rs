//! GenreRecognizer: a music genre recogniser on a from-scratch GPU compute engine.
#![deny(unsafe_code)]
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod audio;
pub mod dataset;
pub mod device;
pub mod gemm;
pub mod graph;
pub mod ops;
pub mod plan;
pub mod rng;
