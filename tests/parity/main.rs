//! Parity of every device's kernels with the reference; see `harness`.

mod bias;
mod conv2d;
mod dense;
mod dropout;
mod harness;
mod launches;
mod loss;
mod optimizer;
mod pool;
mod residual_add;
