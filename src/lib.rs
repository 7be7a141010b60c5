//! GenreRecognizer: a music genre recogniser on a from-scratch GPU compute engine.
#![deny(unsafe_code)]
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod audio;
pub mod cli;
pub mod dataset;
pub mod device;
pub mod files;
pub mod gemm;
pub mod graph;
pub mod model;
pub mod ops;
pub mod paths;
pub mod plan;
pub mod recognize;
pub mod report;
pub mod rng;
pub mod score;
pub mod simd;
pub mod train;
