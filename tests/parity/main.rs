//! Parity of every device's kernels with the reference; see `harness`.

mod conv2d;
mod harness;
mod residual_add;
