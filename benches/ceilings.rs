//! What the best GPU adapter can reach, measured by kernels that do nothing else: multiply-adds in f32, copies between
//! buffers, and launches that wait for each other. What the engine's kernels reach is held against these figures.
//!
//! `cargo bench --bench ceilings` prints one line of JSON: `about`, the adapter; `f32_gflops`; `copy_gb_s`, bytes read plus bytes
//! written; `launch_us`. Each is the best of several runs. Nothing is printed where there is no adapter.

use std::error::Error;
use std::time::{Duration, Instant};

use wgpu::util::DeviceExt;

/// Runs go on for at least so long.
const WARM_UP: Duration = Duration::from_millis(400);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Invocations of a workgroup; the shader's.
const WORKGROUP: usize = 256;
/// FLOPs of an invocation's round: 16 vectors of four multiply-adds.
const FLOPS_PER_ROUND: usize = 16 * 4 * 2;

/// How much is done, on hardware and on an adapter that computes on the processor.
struct Sizes {
    invocations: usize,
    rounds: usize,
    /// Bytes that are copied.
    copied: usize,
    launches: usize,
    runs: usize,
}

const HARDWARE: Sizes =
    Sizes { invocations: 1 << 20, rounds: 4096, copied: 1 << 30, launches: 2000, runs: 8 };
const SOFTWARE: Sizes = Sizes { invocations: 1 << 12, rounds: 64, copied: 1 << 24, launches: 50, runs: 2 };

struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
    module: wgpu::ShaderModule,
}

impl Bench {
    fn pipeline(&self, entry: &str, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &self.module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
            cache: None,
        })
    }

    /// Seconds of the fastest run: `launches` dispatches in one submission, from its hand-over to its end.
    fn best(
        &self,
        pipeline: &wgpu::ComputePipeline,
        buffers: &[(u32, &wgpu::Buffer)],
        invocations: usize,
        launches: usize,
        runs: usize,
    ) -> Outcome<f64> {
        let entries: Vec<_> = buffers
            .iter()
            .map(|&(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let workgroups = invocations.div_ceil(WORKGROUP);
        let across = workgroups.clamp(1, 65_535);
        let grid = [across as u32, workgroups.div_ceil(across).max(1) as u32];
        let mut best = f64::INFINITY;
        // An idle adapter's clock rises within some tenths of a second.
        let begin = Instant::now();
        let mut done = 0;
        while done <= runs || begin.elapsed() < WARM_UP {
            done += 1;
            let mut encoder = self.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group, &[]);
            for _ in 0..launches {
                pass.dispatch_workgroups(grid[0], grid[1], 1);
            }
            drop(pass);
            let commands = encoder.finish();
            let start = Instant::now();
            self.queue.submit([commands]);
            self.device.poll(wgpu::PollType::wait_indefinitely())?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        Ok(best)
    }

    fn buffer(&self, bytes: usize) -> wgpu::Buffer {
        let vectors = bytes / 16;
        let contents: Vec<f32> =
            (0..4 * vectors).map(|i| 0.25 + (i.wrapping_mul(2_654_435_761) % 1009) as f32 / 4096.0).collect();
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(&contents),
            usage: wgpu::BufferUsages::STORAGE,
        })
    }
}

fn main() -> Outcome<()> {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if !asked.iter().all(|asked| "ceilings".contains(asked.as_str())) {
        return Ok(());
    }
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    let Ok(adapter) = pollster::block_on(instance.request_adapter(&options)) else {
        eprintln!("No GPU adapter was found: nothing is measured.");
        return Ok(());
    };
    let info = adapter.get_info();
    let sizes = if info.device_type == wgpu::DeviceType::Cpu { SOFTWARE } else { HARDWARE };
    let required_limits = wgpu::Limits {
        max_buffer_size: adapter.limits().max_buffer_size,
        max_storage_buffer_binding_size: adapter.limits().max_storage_buffer_binding_size,
        ..wgpu::Limits::defaults().or_worse_values_from(&adapter.limits())
    };
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
    let module = device.create_shader_module(wgpu::include_wgsl!("ceilings/ceilings.wgsl"));
    let bench = Bench { device, queue, module };
    let Sizes { invocations, rounds, copied, launches, runs } = sizes;

    let few = bench.buffer(64);
    let result = bench.buffer(64);
    let multiply_add = bench.pipeline("multiply_add", &[("ROUNDS", rounds as f64)]);
    let seconds = bench.best(&multiply_add, &[(0, &few), (1, &result)], invocations, 1, runs)?;
    let gflops = (invocations * rounds * FLOPS_PER_ROUND) as f64 / seconds / 1e9;

    let vectors = copied / 16;
    let copy = bench.pipeline("copy", &[("COUNT", vectors as f64)]);
    let (from, to) = (bench.buffer(copied), bench.buffer(copied));
    let times = if copied >= HARDWARE.copied { 4 } else { 1 };
    let seconds = bench.best(&copy, &[(0, &from), (1, &to)], vectors, times, runs)?;
    let copy_gb_s = (times * 2 * copied) as f64 / seconds / 1e9;

    let nothing = bench.pipeline("nothing", &[]);
    let empty = bench.best(&nothing, &[(1, &result)], 1, 1, runs)?;
    let many = bench.best(&nothing, &[(1, &result)], 1, launches + 1, runs)?;
    let line = serde_json::json!({
        "about": format!("{} ({:?}, {} {})", info.name, info.backend, info.driver, info.driver_info),
        "f32_gflops": gflops,
        "copy_gb_s": copy_gb_s,
        "launch_us": 1e6 * (many - empty) / launches as f64,
        "submission_us": 1e6 * empty,
    });
    println!("{line}");
    Ok(())
}
