//! The kernel on matrix units, without any: in a copy of its shader the matrices are computed by the first
//! thread of each subgroup, element by element, and everything else stays as it is. So an adapter that has
//! 16-bit floats alone, a software one too, shows that blocks, squares, strides, parts and borders are right.
//! What is not shown is what a driver makes of the matrices.

use std::collections::HashMap;

use genre_recognizer::graph::{GraphOp, Shape};
use genre_recognizer::ops::kernel::{Binding, Cooperative, GpuKernel, Launch, Mixed};
use wgpu::util::DeviceExt;

use super::harness::{Case, common};
use super::mixed::{convolutions, exact, products, to_half};

/// What stands for the matrices: of the operands where they lie in workgroup memory, of sums which of four
/// they are.
const MATRICES: &str = "
alias Left = vec2u;
alias Right = vec2u;

var<private> lane: u32;
var<private> held: array<f32, 4u * MATRIX>;

fn multiply_add(a: Left, b: Right, c: u32) -> u32 {
    if lane == 0u {
        for (var i = 0u; i < MATRIX; i++) {
            for (var k = 0u; k < SIDE; k++) {
                let left = f32(tile_a[a.x + i / SIDE * a.y + k]);
                held[c * MATRIX + i] += left * f32(tile_b[b.x + k * b.y + i % SIDE]);
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
    for (sum, number) in [("sum00", "0u"), ("sum01", "1u"), ("sum10", "2u"), ("sum11", "3u")] {
        replace(&format!("var {sum} = Sum();"), &format!("var {sum} = {number};"));
    }
    replace("coopLoadT<Left>(&tile_a[", "Left(");
    replace("coopLoadT<Right>(&tile_b[", "Right(");
    replace("], stride_a);", ", stride_a);");
    replace("], stride_b);", ", stride_b);");
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
                && compute.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        })?;
        let descriptor =
            wgpu::DeviceDescriptor { required_features: wgpu::Features::SHADER_F16, ..Default::default() };
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

/// Sides of 8 and 16, blocks of two by two squares and of four in a row, subgroups that are as large as they
/// may be and half of that.
fn cases() -> Vec<(Case, Cooperative, usize)> {
    let units = |side, subgroup| Cooperative { side, subgroup };
    let one = [1, 1];
    let sized = [
        (convolutions([2, 1, 17, 33], [13, 11], [3, 3], one, one, 21), units(16, [32, 32]), 32),
        (convolutions([1, 2, 5, 70], [5, 7], [3, 3], [2, 1], [1, 2], 22), units(16, [32, 64]), 32),
        (convolutions([2, 1, 9, 21], [7, 9], [3, 3], one, [0, 0], 23), units(8, [32, 32]), 32),
        (products([35, 67, 17], 24), units(16, [32, 64]), 64),
        (products([5, 19, 1031], 25), units(8, [32, 32]), 32),
    ];
    let each = |(cases, units, size): (Vec<Case>, Cooperative, usize)| {
        cases.into_iter().map(move |case| (case, units, size))
    };
    sized.into_iter().flat_map(each).collect()
}

#[test]
fn blocks_of_matrices_cover_the_product() {
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
        let across = kernel.launches[0].constants.iter().find(|(name, _)| *name == "ACROSS").unwrap().1;
        *seen.entry((units.side, across as usize, kernel.launches.len() > 1)).or_insert(0) += 1;
        let actual = adapter.run(&kernel, &case.inputs, op.output.elements(), subgroup);
        let name = format!("emulated matrices {units:?}, subgroups of {subgroup}");
        case.compare(&name, &exact(&case, |value| value), &actual);
    }
    for side in [8, 16] {
        for across in [2, 4] {
            assert!(seen.keys().any(|key| (key.0, key.1) == (side, across)), "{side}, {across}: {seen:?}");
        }
        assert!(seen.keys().any(|key| key.0 == side && key.2), "no sum in parts: {seen:?}");
    }
}
