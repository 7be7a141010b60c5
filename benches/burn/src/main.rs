//! The default network in burn, in float32: what this project is measured against on the same adapter (see `compare`).
//!
//! `burn-peer --figure train|infer|stft|log_mel --batch 32 --device cpu|gpu --seconds 1`
//!
//! Prints one line of JSON: `about`, and `ms`, the time of every run after those that warm up (and tune kernels). A training
//! step uploads audio and labels, computes features, loss, gradients and AdamW, and reads the loss; it does not clip, drop
//! out or smooth labels, which the project's step does. Inference uploads audio and reads probabilities. The features
//! are taken without gradients, of audio that is already there, and stay there. `cpu` is burn's flex backend (threads:
//! RAYON_NUM_THREADS), `gpu` its wgpu backend on the adapter that wgpu prefers.

mod network;

use std::time::Instant;

use burn::nn::loss::CrossEntropyLoss;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::activation::softmax;
use network::{LogMel, Network, RATE};

const GENRES: usize = 30;
const WARM_UP: usize = 3;
const RUNS: usize = 3;

/// What follows `--name`, else `default`.
fn option<T: std::str::FromStr>(name: &str, default: T) -> T {
    let mut arguments = std::env::args().skip_while(|argument| argument != &format!("--{name}")).skip(1);
    let parse = |value: String| value.parse().unwrap_or_else(|_| panic!("--{name} {value}: not understood"));
    arguments.next().map_or(default, parse)
}

fn main() {
    let (figure, on): (String, String) = (option("figure", "train".into()), option("device", "cpu".into()));
    let (batch, seconds): (usize, f64) = (option("batch", 32), option("seconds", 1.0));
    let device = if on == "gpu" { Device::wgpu(DeviceKind::DefaultDevice) } else { Device::flex() };
    let features = LogMel::new(&device);
    let mut network = Network::new(GENRES, &device.clone().autodiff());

    let samples: Vec<f32> = (0..batch * RATE).map(|i| noise(i) - 0.5).collect();
    let samples = TensorData::new(samples, [batch, RATE]);
    let labels = TensorData::new((0..batch).map(|i| (i % GENRES) as i32).collect::<Vec<_>>(), [batch]);
    let upload = || Tensor::<2>::from_data(samples.clone(), &device);
    let wait = || device.sync().expect("the device computes");

    let mut run: Box<dyn FnMut()> = match figure.as_str() {
        "train" => {
            let mut optimizer = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-2).init();
            let loss = CrossEntropyLoss::new(None, &device);
            let (upload, features, device) = (&upload, &features, &device);
            Box::new(move || {
                let spectrum = Tensor::from_inner(features.forward(upload()));
                let labels = Tensor::<1, Int>::from_data(labels.clone(), &device.clone().autodiff());
                let loss = loss.forward(network.forward(spectrum), labels);
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                network = optimizer.step(1e-3, network.clone(), gradients);
                assert!(loss.into_scalar::<f32>().is_finite());
                wait();
            })
        }
        "infer" => {
            let network = network.valid();
            let (upload, features) = (&upload, &features);
            Box::new(move || {
                let logits = network.forward(features.forward(upload()));
                let probabilities = softmax(logits, 1).into_data();
                assert_eq!(probabilities.shape().num_elements(), batch * GENRES);
            })
        }
        name @ ("stft" | "log_mel") => {
            let audio = upload();
            let (features, stft) = (&features, name == "stft");
            Box::new(move || {
                match stft {
                    true => drop(features.power(audio.clone())),
                    false => drop(features.forward(audio.clone())),
                }
                wait();
            })
        }
        other => panic!("--figure {other}: train, infer, stft and log_mel are known"),
    };

    let start = Instant::now();
    (0..WARM_UP).for_each(|_| run());
    // It tunes anew in every process, and for minutes on a software adapter.
    eprintln!("burn was ready after {:.1} s", start.elapsed().as_secs_f64());
    let mut ms: Vec<f64> = Vec::new();
    while ms.len() < RUNS || ms.iter().sum::<f64>() < 1e3 * seconds {
        let start = Instant::now();
        run();
        ms.push(1e3 * start.elapsed().as_secs_f64());
    }
    let tuned = if cfg!(feature = "autotune") { "autotuned" } else { "not autotuned" };
    let about = match on.as_str() {
        "gpu" => {
            let shaders = if cfg!(feature = "vulkan") { "SPIR-V" } else { "WGSL" };
            let fused = if cfg!(feature = "fusion") { "fused" } else { "not fused" };
            format!("burn {} wgpu ({shaders}, {fused}, {tuned})", env!("BURN"))
        }
        _ => format!("burn {} flex", env!("BURN")),
    };
    println!("{}", serde_json::json!({ "about": about, "ms": ms }));
}

/// A number in [0, 1) that looks random.
fn noise(i: usize) -> f32 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1u64 << 24) as f32
}
