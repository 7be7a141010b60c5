//! Parity of every device's kernels with the reference; see `harness`.

mod conv2d;
mod harness;
mod launches;
mod log;
mod mel;
mod residual_add;
mod stft;
