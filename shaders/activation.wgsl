// Leaky ReLU; with slope 0, ReLU.
//
// formula        y = x where x > 0, else SLOPE·x;  dx = dy where y > 0, else SLOPE·dy
// shapes         all tensors alike, flat: COUNT elements
// workgroup      256 invocations, one element each, or four where COUNT is a multiple of 4
// dispatch       ⌈COUNT / 256⌉ or ⌈COUNT / 1024⌉ workgroups, folded into y where they are too many for x
// shared memory  none
// determinism    every element is written by one invocation; no sums
//
// The variants in place do not bind the input that lies in the output: one buffer cannot be bound twice with different
// access in one dispatch.

override COUNT: u32;
override SLOPE: f32;

// Value, of LANES elements, is what one invocation computes; shaders/lanes/ declares both.

const WORKGROUP = 256u;

@group(0) @binding(0) var<storage, read> a: array<Value>; // forward: x [COUNT]; backward: y [COUNT]

@group(0) @binding(1) var<storage, read_write> y: array<Value>; // [COUNT]
@group(0) @binding(0) var<storage, read_write> y_in_place: array<Value>; // x before, y after [COUNT]

@group(0) @binding(1) var<storage, read> dy: array<Value>; // [COUNT]
@group(0) @binding(2) var<storage, read_write> dx: array<Value>; // [COUNT]
@group(0) @binding(1) var<storage, read_write> dx_in_place: array<Value>; // dy before, dx after [COUNT]

// v, or SLOPE·v where `sign` is not positive.
fn leaky(v: Value, sign: Value) -> Value {
    return v * select(Value(SLOPE), Value(1.0), sign > Value(0.0));
}

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
    if i < COUNT / LANES {
        y[i] = leaky(a[i], a[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = element(group, groups, local);
    if i < COUNT / LANES {
        y_in_place[i] = leaky(y_in_place[i], y_in_place[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = element(group, groups, local);
    if i < COUNT / LANES {
        dx[i] = leaky(dy[i], a[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = element(group, groups, local);
    if i < COUNT / LANES {
        dx_in_place[i] = leaky(dx_in_place[i], a[i]);
    }
}
