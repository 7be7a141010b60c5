// Leaky ReLU; with slope 0, ReLU.
//
// formula        y = x where x > 0, else SLOPE·x;  dx = dy where y > 0, else SLOPE·dy
// shapes         all tensors alike, flat: COUNT elements
// workgroup      256 invocations, one element each
// dispatch       ⌈COUNT / 256⌉ workgroups, folded into y where they are too many for x
// shared memory  none
// determinism    every element is written by one invocation; no sums
//
// The variants in place do not bind the input that lies in the output: one buffer cannot be bound twice with different
// access in one dispatch.

override COUNT: u32;
override SLOPE: f32;

const WORKGROUP = 256u;

@group(0) @binding(0) var<storage, read> a: array<f32>; // forward: x [COUNT]; backward: y [COUNT]

@group(0) @binding(1) var<storage, read_write> y: array<f32>; // [COUNT]
@group(0) @binding(0) var<storage, read_write> y_in_place: array<f32>; // x before, y after [COUNT]

@group(0) @binding(1) var<storage, read> dy: array<f32>; // [COUNT]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>; // [COUNT]
@group(0) @binding(1) var<storage, read_write> dx_in_place: array<f32>; // dy before, dx after [COUNT]

fn element(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.x + group.y * groups.x) * WORKGROUP + local;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = element(group, groups, local);
    if i < COUNT {
        y[i] = a[i] * select(SLOPE, 1.0, a[i] > 0.0);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = element(group, groups, local);
    if i < COUNT {
        let x = y_in_place[i];
        y_in_place[i] = x * select(SLOPE, 1.0, x > 0.0);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = element(group, groups, local);
    if i < COUNT {
        dx[i] = dy[i] * select(SLOPE, 1.0, a[i] > 0.0);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = element(group, groups, local);
    if i < COUNT {
        dx_in_place[i] = dx_in_place[i] * select(SLOPE, 1.0, a[i] > 0.0);
    }
}
