//! Gradient rules proven by finite differences on the f64 reference; see `harness`.
//!
//! `GRADIENT_TABLE=1 cargo test --test engine -- --nocapture gradients::` prints the worst error of every operation,
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
mod pool;
mod rules;
