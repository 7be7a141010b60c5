//! Fits a line to points by gradient descent, on the CPU and, where there is one, on a GPU:
//! `cargo run --release --example linear_regression`
//!
//! Prediction, loss, gradients and the update are one graph; a run of it is a step.

use std::error::Error;

use genre_recognizer::engine::ops::{Add, Axes, Mul, Reduce, Square, Sub};
use genre_recognizer::engine::{Device, DeviceChoice, Graph, Request, compile, open};

const POINTS: usize = 64;
const STEPS: usize = 300;
const SLOPE: f32 = 2.0;
const INTERCEPT: f32 = -0.5;

fn main() -> Result<(), Box<dyn Error>> {
    fit(open(DeviceChoice::Cpu)?.as_ref())?;
    match open(DeviceChoice::Gpu) {
        Ok(gpu) => fit(gpu.as_ref())?,
        Err(error) => println!("not on a GPU: {error}"),
    }
    Ok(())
}

fn fit(device: &dyn Device) -> Result<(), Box<dyn Error>> {
    let mut graph = Graph::new();
    let x = graph.input("x", [POINTS])?;
    let y = graph.input("y", [POINTS])?;
    let slope = graph.variable("slope", [1])?;
    let intercept = graph.variable("intercept", [1])?;

    // mean((slope·x + intercept − y)²)
    let scaled = graph.apply(Mul, &[x, slope])?;
    let predicted = graph.apply(Add, &[scaled, intercept])?;
    let error = graph.apply(Sub, &[predicted, y])?;
    let squares = graph.apply(Square, &[error])?;
    let loss = graph.apply(Reduce::mean(Axes::All), &[squares])?;

    let upstream = graph.input("upstream", [1])?; // dloss/dloss, which is 1
    let rate = graph.input("rate", [1])?;
    let gradients = graph.gradients(loss, upstream, &[slope, intercept])?;
    let mut request = Request::outputs(&[loss]);
    for (parameter, gradient) in [slope, intercept].into_iter().zip(gradients) {
        let step = graph.apply(Mul, &[gradient, rate])?;
        let next = graph.apply(Sub, &[parameter, step])?;
        request.updates.push((parameter, next));
    }

    let mut program = compile(&graph, &request, device)?;
    let xs: Vec<f32> = (0..POINTS).map(|i| i as f32 / POINTS as f32 * 2.0 - 1.0).collect();
    let ys: Vec<f32> = xs.iter().map(|x| SLOPE * x + INTERCEPT).collect();
    program.write(x, &xs)?;
    program.write(y, &ys)?;
    program.write(upstream, &[1.0])?;
    program.write(rate, &[0.3])?;
    let mut last = f32::INFINITY;
    for _ in 0..STEPS {
        program.run()?;
        last = program.outputs()?[0][0];
    }
    let (slope, intercept) = (program.read(slope)?[0], program.read(intercept)?[0]);
    println!("y = {slope:.4}·x + {intercept:.4}, loss {last:.2e}, on {}", device.describe());
    if (slope - SLOPE).abs() > 1e-3 || (intercept - INTERCEPT).abs() > 1e-3 {
        return Err("the line was not found".into());
    }
    Ok(())
}
