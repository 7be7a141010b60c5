//! The layers of `peer.py`, in burn.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::activation::leaky_relu;
use burn::tensor::signal::{StftOptions, hann_window, stft};

pub const RATE: usize = 44_100;
const N_FFT: usize = 2048;
const HOP: usize = 512;
const MELS: usize = 128;
const LOW: f64 = 30.0;
const HIGH: f64 = 16_000.0;
const SLOPE: f64 = 0.3;
const CHANNELS: [usize; 4] = [16, 32, 64, 128];
const UNITS: usize = 256;

/// Audio [N, RATE] to ln(mel power + 1e-5) [N, 1, MELS, T].
pub struct LogMel {
    window: Tensor<1>,
    /// [1, MELS, N_FFT/2 + 1]
    mel: Tensor<3>,
}

impl LogMel {
    pub fn new(device: &Device) -> Self {
        let mel = TensorData::new(mel_filters(), [1, MELS, N_FFT / 2 + 1]);
        Self { window: hann_window(N_FFT, true, device), mel: Tensor::from_data(mel, device) }
    }

    /// [N, T, N_FFT/2 + 1]
    pub fn power(&self, audio: Tensor<2>) -> Tensor<3> {
        let options = StftOptions { hop_length: HOP, ..StftOptions::new(N_FFT) };
        stft(audio, Some(self.window.clone()), options).square().sum_dim(3).squeeze_dim(3)
    }

    pub fn forward(&self, audio: Tensor<2>) -> Tensor<4> {
        let power = self.power(audio).swap_dims(1, 2);
        let [frames, ..] = power.dims();
        let mel = self.mel.clone().expand([frames, MELS, N_FFT / 2 + 1]).matmul(power);
        mel.add_scalar(1e-5).log().unsqueeze_dim(1)
    }
}

/// Triangles of unit area on the HTK mel scale, [MELS, N_FFT/2 + 1].
fn mel_filters() -> Vec<f32> {
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let edge = |i: usize| {
        let mel = mel(LOW) + (mel(HIGH) - mel(LOW)) * i as f64 / (MELS + 1) as f64;
        700.0 * (10f64.powf(mel / 2595.0) - 1.0)
    };
    let filter = |m: usize| {
        let (left, centre, right) = (edge(m), edge(m + 1), edge(m + 2));
        (0..=N_FFT / 2).map(move |bin| {
            let hertz = (bin * RATE) as f64 / N_FFT as f64;
            let triangle = ((hertz - left) / (centre - left)).min((right - hertz) / (right - centre));
            (triangle.max(0.0) * 2.0 / (right - left)) as f32
        })
    };
    (0..MELS).flat_map(filter).collect()
}

#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        let pad = kernel / 2;
        let conv = Conv2dConfig::new([inputs, outputs], [kernel; 2])
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false);
        Self { conv: conv.init(device), norm: BatchNormConfig::new(outputs).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

#[derive(Module, Debug)]
struct Block {
    first: ConvNorm,
    second: ConvNorm,
    projection: ConvNorm,
    pool: MaxPool2d,
}

impl Block {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            first: ConvNorm::new(inputs, outputs, 3, 1, device),
            second: ConvNorm::new(outputs, outputs, 3, 1, device),
            projection: ConvNorm::new(inputs, outputs, 1, 1, device),
            pool: MaxPool2dConfig::new([2, 2]).with_ceil_mode(true).init(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.second.forward(leaky_relu(self.first.forward(x.clone()), SLOPE));
        self.pool.forward(leaky_relu(y + self.projection.forward(x), SLOPE))
    }
}

/// Log-mel spectrograms [N, 1, MELS, T] to logits [N, genres].
#[derive(Module, Debug)]
pub struct Network {
    norm: BatchNorm,
    stem: ConvNorm,
    blocks: Vec<Block>,
    dense: Linear,
    dense_norm: BatchNorm,
    head: Linear,
}

impl Network {
    pub fn new(genres: usize, device: &Device) -> Self {
        let inputs = [CHANNELS[0]].into_iter().chain(CHANNELS);
        Self {
            norm: BatchNormConfig::new(1).init(device),
            stem: ConvNorm::new(1, CHANNELS[0], 5, 2, device),
            blocks: inputs.zip(CHANNELS).map(|(i, o)| Block::new(i, o, device)).collect(),
            dense: LinearConfig::new(CHANNELS[3], UNITS).with_bias(false).init(device),
            dense_norm: BatchNormConfig::new(UNITS).init(device),
            head: LinearConfig::new(UNITS, genres).init(device),
        }
    }

    pub fn forward(&self, spectrum: Tensor<4>) -> Tensor<2> {
        let x = leaky_relu(self.stem.forward(self.norm.forward(spectrum)), SLOPE);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let [n, c, h, w] = x.dims();
        let x = x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c]);
        self.head.forward(leaky_relu(self.dense_norm.forward(self.dense.forward(x)), SLOPE))
    }
}
