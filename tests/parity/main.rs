//! Parity of every device's kernels with the reference; see `harness`.

mod activation;
mod batch_norm;
mod bias;
mod concat;
mod conv2d;
mod cooperative;
mod dense;
mod dropout;
mod elementwise;
mod every;
mod follow;
mod harness;
mod launches;
mod log;
mod log_mel;
mod loss;
mod mask;
mod mel;
mod mixed;
mod network;
mod optimizer;
mod pool;
mod stft;
