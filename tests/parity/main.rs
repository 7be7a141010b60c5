//! Parity of every device's kernels with the reference; see `harness`.

mod activation;
mod batch_norm;
mod bias;
mod conv2d;
mod dense;
mod dropout;
mod harness;
mod launches;
mod log;
mod log_mel;
mod loss;
mod mask;
mod mel;
mod network;
mod optimizer;
mod pool;
mod residual_add;
mod stft;
