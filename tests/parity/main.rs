//! Parity of every device's kernels with the reference; see `harness`.

mod conv2d;
mod harness;
mod launches;
mod residual_add;
