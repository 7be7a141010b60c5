// y = a + b, element by element.
//
// Shapes: a, b, y any one shape of LEN elements.
// Workgroup: 256 threads, one element each, grid(ceil(LEN / 256)); or four where LEN is a multiple of 4,
// grid(ceil(LEN / 1024)).
// Determinism: no element depends on another.

override LEN: u32;

// Value, of LANES elements, is what one invocation computes; shaders/lanes/ declares both.

@group(0) @binding(0) var<storage, read> a: array<Value>;        // [LEN]
@group(0) @binding(1) var<storage, read> b: array<Value>;        // [LEN]
@group(0) @binding(2) var<storage, read_write> y: array<Value>;  // [LEN]

@compute @workgroup_size(256)
fn add(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN / LANES {
        y[i] = a[i] + b[i];
    }
}

// a lies in y's memory.
@group(0) @binding(0) var<storage, read> term: array<Value>;       // [LEN]
@group(0) @binding(1) var<storage, read_write> sum: array<Value>;  // [LEN]

@compute @workgroup_size(256)
fn add_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN / LANES {
        sum[i] += term[i];
    }
}
