// Arithmetic with broadcasting, scaling, repeating, and functions of one element.
//
//   binary, broadcast   y = a + b (OPERATION 0), a − b (1), a·b (2)
//   scale, expand       y = FACTOR·a
//   unary               y = a² (OPERATION 0), 1/(1 + e⁻ᵃ) (1)
//
// Shapes: y of LEN elements; of binary, scale and unary all tensors alike. Of broadcast and expand, y is [D0, D1, D2, D3],
// and from one element of a or b along an axis to the next it is A0..A3 or B0..B3 elements: 0 where it is repeated.
// Workgroup: 256 threads, one Value each; grid(ceil(LEN / (256·LANES))). broadcast and expand are for single elements.
// Determinism: no element depends on another.
//
// Entry points in place do not bind a, which lies in y's memory and has y's shape.

override LEN: u32;
override OPERATION: u32 = 0u;
override FACTOR: f32 = 1.0;

override D0: u32 = 1u;
override D1: u32 = 1u;
override D2: u32 = 1u;
override D3: u32 = 1u;
override A0: u32 = 0u;
override A1: u32 = 0u;
override A2: u32 = 0u;
override A3: u32 = 0u;
override B0: u32 = 0u;
override B1: u32 = 0u;
override B2: u32 = 0u;
override B3: u32 = 0u;

@group(0) @binding(0) var<storage, read> a: array<Value>;
@group(0) @binding(1) var<storage, read> b: array<Value>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;
// Of one input.
@group(0) @binding(1) var<storage, read_write> y_of_a: array<Value>;
// In place.
@group(0) @binding(0) var<storage, read> b_only: array<Value>;
@group(0) @binding(1) var<storage, read_write> y_of_b: array<Value>;
@group(0) @binding(0) var<storage, read_write> y_only: array<Value>;

fn element(group: vec3u, groups: vec3u, thread: u32) -> u32 {
    return (group.x + group.y * groups.x) * 256u + thread;
}

fn combine(left: Value, right: Value) -> Value {
    switch OPERATION {
        case 0u: { return left + right; }
        case 1u: { return left - right; }
        default: { return left * right; }
    }
}

// The sigmoid comes from e^−|x|, which does not overflow.
fn apply(x: Value) -> Value {
    if OPERATION == 0u {
        return x * x;
    }
    let e = exp(-abs(x));
    return select(Value(1.0), e, x < Value(0.0)) / (Value(1.0) + e);
}

// Where a's or b's element for element i of y is.
fn index(i: u32, s0: u32, s1: u32, s2: u32, s3: u32) -> u32 {
    let row = i / D3;
    let plane = row / D2;
    return plane / D1 * s0 + plane % D1 * s1 + row % D2 * s2 + i % D3 * s3;
}

fn index_a(i: u32) -> u32 {
    return index(i, A0, A1, A2, A3);
}

fn index_b(i: u32) -> u32 {
    return index(i, B0, B1, B2, B3);
}

@compute @workgroup_size(256)
fn binary(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN / LANES {
        y[i] = combine(a[i], b[i]);
    }
}

@compute @workgroup_size(256)
fn binary_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN / LANES {
        y_of_b[i] = combine(y_of_b[i], b_only[i]);
    }
}

@compute @workgroup_size(256)
fn broadcast(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN {
        y[i] = combine(a[index_a(i)], b[index_b(i)]);
    }
}

@compute @workgroup_size(256)
fn broadcast_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN {
        y_of_b[i] = combine(y_of_b[i], b_only[index_b(i)]);
    }
}

@compute @workgroup_size(256)
fn scale(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN / LANES {
        y_of_a[i] = FACTOR * a[i];
    }
}

@compute @workgroup_size(256)
fn scale_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN / LANES {
        y_only[i] *= FACTOR;
    }
}

@compute @workgroup_size(256)
fn expand(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN {
        y_of_a[i] = FACTOR * a[index_a(i)];
    }
}

@compute @workgroup_size(256)
fn unary(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN / LANES {
        y_of_a[i] = apply(a[i]);
    }
}

@compute @workgroup_size(256)
fn unary_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < LEN / LANES {
        y_only[i] = apply(y_only[i]);
    }
}
