// Dropout with counter-based random numbers.
//
//   y[i] = x[i]·FACTOR where the upper 24 bits of mix((FIRST + i) ^ key) are at least THRESHOLD, else 0
//   key  = mix(LAYER ^ mix(step ^ mix(seed)))
//
// Shapes: x, y any one shape of LEN elements; rng_state [2]: seed and step, whole numbers below 2²⁴.
// Workgroup: 256 threads, one element each; dispatch: grid(ceil(LEN / 256)).
// Determinism: integer arithmetic only; the mask is the same on every device.

override LEN: u32;
override LAYER: u32;
override FIRST: u32 = 0u; // the place of element 0 in the layer
override THRESHOLD: u32;  // rate·2²⁴
override FACTOR: f32;     // 1 / (1 − rate)

// A bijective mix of 32 bits (C. Wellons' lowbias32).
fn mix32(value: u32) -> u32 {
    var x = value;
    x ^= x >> 16u;
    x *= 0x7feb352du;
    x ^= x >> 15u;
    x *= 0x846ca68bu;
    return x ^ (x >> 16u);
}

fn keeps(i: u32, seed: f32, step: f32) -> bool {
    let key = mix32(LAYER ^ mix32(u32(step) ^ mix32(u32(seed))));
    return (mix32((FIRST + i) ^ key) >> 8u) >= THRESHOLD;
}

@group(0) @binding(0) var<storage, read> x: array<f32>;         // [LEN]
@group(0) @binding(1) var<storage, read> rng_state: array<f32>;   // [2]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // [LEN]

@compute @workgroup_size(256)
fn dropout(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        y[i] = select(0.0, x[i] * FACTOR, keeps(i, rng_state[0], rng_state[1]));
    }
}

// x lies in y's memory.
@group(0) @binding(0) var<storage, read> rng_state_only: array<f32>;   // [2]
@group(0) @binding(1) var<storage, read_write> x_y: array<f32>;      // [LEN]

@compute @workgroup_size(256)
fn dropout_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        x_y[i] = select(0.0, x_y[i] * FACTOR, keeps(i, rng_state_only[0], rng_state_only[1]));
    }
}
