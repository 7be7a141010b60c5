//! Parity of every device's kernels with the reference; see `harness`.

mod activation;
mod batch_norm;
mod conv2d;
mod harness;
mod launches;
mod log;
mod mel;
mod pool;
mod residual_add;
mod stft;
