//! The compute engine in one program, so that its tests link once, run side by side and share what adapters compile:
//! operations, their gradients and kernels, plans, devices, the network and its training.

mod common;
#[path = "common/operations.rs"]
mod operations;

#[path = "bases.rs"]
mod bases;
#[path = "closed_forms/main.rs"]
mod closed_forms;
#[path = "devices.rs"]
mod devices;
#[path = "golden/main.rs"]
mod golden;
#[path = "gradients/main.rs"]
mod gradients;
#[path = "lessons.rs"]
mod lessons;
#[path = "network.rs"]
mod network;
#[path = "onnx/main.rs"]
mod onnx;
#[path = "parity/main.rs"]
mod parity;
#[path = "plan/main.rs"]
mod plan;
#[path = "ranks.rs"]
mod ranks;
#[path = "references.rs"]
mod references;
#[path = "training.rs"]
mod training;
