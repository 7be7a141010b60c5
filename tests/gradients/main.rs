//! Gradient rules proven by finite differences on the f64 reference; see `harness`.
//!
//! `GRADIENT_TABLE=1 cargo test --test gradients -- --nocapture` prints the worst error of every operation,
//! for `docs/gradients.md`.

mod activation;
mod batch_norm;
mod conv2d;
mod dense;
mod elementwise;
mod every;
mod features;
mod harness;
mod loss;
mod memory;
#[path = "../common/operations.rs"]
mod operations;
mod pool;
mod rules;
