//! The kernel on matrix units, without any: in a copy of its shader the matrices are computed by the first
//! thread of each subgroup, element by element, and everything else stays as it is. So an adapter that has
//! 16-bit floats alone, a software one too, shows that blocks, squares, stages, parts and borders are right.
//! What is not shown is what a driver makes of the matrices.

use std::collections::HashMap;

use genre_recognizer::graph::{GraphOp, Shape};
use genre_recognizer::ops::kernel::{Binding, Cooperative, GpuKernel, Launch, Mixed};
use wgpu::util::DeviceExt;

use super::harness::{Case, common};
use super::mixed::{convolutions, exact, to_half};

/// What stands for the matrices: of the operands where they lie in workgroup memory, and how far an element is from the next
/// row's and the next column's; of sums which of several they are.
const MATRICES: &str = "
struct Left {
    at: u32,
    down: u32,
    across: u32,
    in_weights: bool,
}
alias Right = vec3u;

var<private> lane: u32;
var<private> held: array<f32, 9u * MATRIX>;

fn from_weights(at: u32, stride: u32) -> Left {
    return Left(4u * at, 4u * stride, 1u, true);
}

fn from_gradients(at: u32, stride: u32) -> Left {
    return Left(4u * at, 1u, 4u * stride, false);
}

fn from_image_across(at: u32, stride: u32) -> Right {
    return vec3u(4u * at, 1u, 4u * stride);
}

fn from_image_down(at: u32, stride: u32) -> Right {
    return vec3u(4u * at, 4u * stride, 1u);
}

fn left(a: Left, i: u32, k: u32) -> f32 {
    let at = a.at + i * a.down + k * a.across;
    if a.in_weights {
        return f32(weights[at / 4u][at % 4u]);
    }
    return f32(gradients[at / 4u][at % 4u]);
}

fn right(b: Right, k: u32, j: u32) -> f32 {
    let at = b.x + k * b.y + j * b.z;
    return f32(image[at / 4u][at % 4u]);
}

fn multiply_add(a: Left, b: Right, c: u32) -> u32 {
    if lane == 0u {
        for (var i = 0u; i < MATRIX; i++) {
            for (var k = 0u; k < SIDE; k++) {
                held[c * MATRIX + i] += left(a, i / SIDE, k) * right(b, k, i % SIDE);
            }
        }
    }
    return c;
}

fn store_sum(c: u32, begin: u32, stride: u32) {
    if lane == 0u {
        for (var i = 0u; i < MATRIX; i++) {
            sums[begin + i / SIDE * stride + i % SIDE] = held[c * MATRIX + i];
        }
    }
}
";

/// The shader without matrix units, for subgroups of `subgroup` threads.
fn emulated(source: &str, subgroup: usize) -> String {
    if !source.contains("enable wgpu_cooperative_matrix;") {
        return source.into();
    }
    let mut replaced = source.to_string();
    let mut replace = |from: &str, to: &str| {
        assert!(replaced.contains(from), "the shader has no `{from}`");
        replaced = replaced.replace(from, to);
    };
    replace("enable wgpu_cooperative_matrix;", "");
    replace("alias Left = coop_mat", "// ");
    replace("alias Right = coop_mat", "// ");
    replace("alias Sum = coop_mat", "// ");
    replace("    @builtin(subgroup_id) subgroup: u32,\n", "");
    let size = format!(
        "    let subgroup = thread / {subgroup}u;\n    lane = thread % {subgroup}u;\n    let square ="
    );
    replace("    let square = subgroup", &format!("{size} subgroup"));
    for number in 0..9 {
        replace(&format!("var sum{number} = Sum();"), &format!("var sum{number} = {number}u;"));
    }
    for (row, first) in [(0, 0), (1, 4)] {
        for column in 0..4 {
            let number = first + column;
            replace(&format!("var sum{row}{column} = Sum();"), &format!("var sum{row}{column} = {number}u;"));
        }
    }
    replace("coopLoadT<Left>(&weights[", "from_weights(");
    replace("coopLoad<Left>(&gradients[", "from_gradients(");
    replace("coopLoad<Right>(&image[", "from_image_across(");
    replace("coopLoadT<Right>(&image[", "from_image_down(");
    replace("], STRIDE);", ", STRIDE);");
    replace("], GRADIENT_STRIDE);", ", GRADIENT_STRIDE);");
    replace("coopMultiplyAdd(", "multiply_add(");
    replace("coopStoreT(", "store_sum(");
    replace(", &sums[subgroup * MATRIX], SIDE);", ", subgroup * MATRIX, SIDE);");
    replaced + MATRICES
}

struct Adapter {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Adapter {
    /// One with 16-bit floats, if there is any.
    fn open() -> Option<Self> {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        let instance = wgpu::Instance::new(descriptor);
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let adapter = adapters.into_iter().find(|adapter| {
            let compute = adapter.get_downlevel_capabilities().flags;
            adapter.features().contains(wgpu::Features::SHADER_F16)
                && adapter.limits().max_compute_workgroup_storage_size >= 32 << 10
                && compute.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        })?;
        let descriptor = wgpu::DeviceDescriptor {
            required_features: wgpu::Features::SHADER_F16,
            required_limits: wgpu::Limits {
                max_compute_workgroup_storage_size: 32 << 10,
                ..wgpu::Limits::defaults()
            },
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
        Some(Self { device, queue })
    }

    fn run(&self, kernel: &GpuKernel, inputs: &[(Shape, Vec<f32>)], len: usize, subgroup: usize) -> Vec<f32> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let filled = |data: &[f32]| {
            let contents = bytemuck::cast_slice(data);
            self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
        };
        let given: Vec<wgpu::Buffer> = inputs.iter().map(|(_, data)| filled(data)).collect();
        let output = filled(&vec![f32::NAN; len]);
        let workspace = filled(&vec![f32::NAN; kernel.workspace.max(1)]);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for launch in &kernel.launches {
            let pipeline = self.pipeline(launch, subgroup);
            let bound = |binding: &Binding| match binding {
                Binding::Input(i) => &given[*i],
                Binding::Output => &output,
                Binding::Workspace(range) => {
                    assert_eq!(*range, 0..kernel.workspace);
                    &workspace
                }
                Binding::Table(_) => panic!("the kernel has no tables"),
            };
            let entries: Vec<wgpu::BindGroupEntry<'_>> = (0u32..)
                .zip(&launch.bindings)
                .map(|(binding, what)| wgpu::BindGroupEntry {
                    binding,
                    resource: bound(what).as_entire_binding(),
                })
                .collect();
            let layout = pipeline.get_bind_group_layout(0);
            let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
            let group = self.device.create_bind_group(&descriptor);
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            let [x, y, z] = launch.workgroups;
            pass.dispatch_workgroups(x, y, z);
        }
        let descriptor = wgpu::BufferDescriptor {
            label: None,
            size: 4 * len as u64,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        let staging = self.device.create_buffer(&descriptor);
        encoder.copy_buffer_to_buffer(&output, 0, &staging, 0, None);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).unwrap())
    }

    fn pipeline(&self, launch: &Launch, subgroup: usize) -> wgpu::ComputePipeline {
        let source = wgpu::ShaderSource::Wgsl(emulated(launch.shader.source, subgroup).into());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some(launch.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &launch.constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }
}

/// Sides of 8 and 16; one and two rows of matrices, one and two squares below each other, two and four columns; all taps at once
/// and row by row; subgroups that are as large as they may be and half of that; zeros of every width around an image.
fn cases() -> Vec<(Case, Cooperative, usize)> {
    let units = |side, subgroup| Cooperative { side, subgroup };
    let windows = |channels, image, pad, seed| convolutions(channels, image, [3, 3], [1, 1], pad, seed);
    let sized = [
        (windows([2, 1, 17, 33], [13, 11], [1, 1], 21), units(16, [32, 32]), 32),
        (windows([3, 1, 20, 12], [8, 5], [1, 1], 22), units(16, [32, 64]), 32),
        (windows([1, 1, 9, 70], [5, 7], [2, 0], 23), units(16, [32, 64]), 64),
        (windows([2, 1, 9, 21], [7, 9], [0, 2], 24), units(8, [32, 32]), 32),
        (windows([1, 1, 40, 8], [9, 3], [0, 0], 25), units(8, [16, 32]), 16),
        // As many positions as keep an adapter busy, for the larger blocks.
        (windows([1, 1, 8, 15], [840, 60], [1, 1], 26), units(8, [32, 32]), 32),
    ];
    let each = |(cases, units, size): (Vec<Case>, Cooperative, usize)| {
        cases.into_iter().map(move |case| (case, units, size))
    };
    sized.into_iter().flat_map(each).collect()
}

#[test]
fn blocks_of_matrices_cover_the_convolution() {
    let Some(adapter) = Adapter::open() else {
        assert!(common::mixed_gpu().is_none());
        return common::skip("no adapter with 16-bit floats was found");
    };
    let mut seen = HashMap::new();
    for (mut case, units, subgroup) in cases() {
        case.inputs.iter_mut().flat_map(|(_, data)| data).for_each(|value| *value = to_half(*value));
        let shapes: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
        let op = case.op.prepare(&shapes).unwrap();
        let kernel = op.gpu(None, Some(Mixed { cooperative: Some(units) }));
        let launch = &kernel.launches[0];
        assert!(launch.shader.name.starts_with("mixed/cooperative"), "{:?}", case.op);
        for &(name, value) in &launch.constants {
            *seen.entry((name, value as usize)).or_insert(0) += 1;
        }
        let actual = adapter.run(&kernel, &case.inputs, op.output.elements(), subgroup);
        let name = format!("emulated matrices {units:?}, subgroups of {subgroup}");
        case.compare(&name, &exact(&case, |value| value), &actual);
    }
    let wanted = [("ROWS", 1), ("ROWS", 2), ("COLUMNS", 2), ("COLUMNS", 4), ("TAP_ROWS", 1), ("TAP_ROWS", 3)];
    for chosen in wanted.into_iter().chain([1, 2, 4].map(|down| ("DOWN", down))) {
        assert!(seen.contains_key(&chosen), "no kernel with {chosen:?}");
    }
    assert!(seen.keys().any(|&(name, value)| name == "PARTS" && value > 1), "no sum in parts");
}
