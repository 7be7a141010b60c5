//! Parity of every device's kernels with the reference; see `harness`.

mod activation;
mod batch_norm;
mod harness;
mod launches;
mod pool;
mod residual_add;
