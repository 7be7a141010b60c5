// The global gradient norm, and optimizers that update all parameters in one dispatch.
//
//   squares, norm   out = [√Σ g², how many g are not finite], the sum over the finite ones
//   sgd             g' = clip(g) + decay·θ;  v' = MOMENTUM·v + g';  θ' = θ − rate·v'
//   adam            m' = BETA1·m + (1 − BETA1)·g';  s' = BETA2·s + (1 − BETA2)·g'²;
//                   θ' = θ − rate·(m'/correction1) / (√(s'/correction2) + EPSILON);
//                   DECOUPLED: g' = clip(g) and θ is first multiplied by 1 − rate·decay; else g' = clip(g) + decay·θ
//   rate            multiplied by BASE_RATE for parameters that are not fresh
//   clip(g)         g·unscale·min(MAX_NORM/(norm·unscale + 10⁻⁶), 1), or g·unscale where not CLIPS
//   Where the norm counts gradients that are not finite, the state stays as it is.
//
// Shapes: gradients [LEN]; norm [2]; scalars [4]: rate, correction1 = 1 − β₁ᵗ, correction2 = 1 − β₂ᵗ, unscale;
// state [2, LEN] (θ, v) or [3, LEN] (θ, m, s); partials [CHUNKS, 2].
// Workgroup: 256 threads. squares: one workgroup a chunk of CHUNK gradients, grid(CHUNKS); norm: one workgroup;
// updates: one parameter a thread, grid(ceil(LEN / 256)), or four where LEN, DECAYED and FRESH_… are multiples of 4,
// grid(ceil(LEN / 1024)).
// Workgroup memory: two numbers a thread and 32 more (2.1 KiB).
// Determinism: a thread sums every 256th element in order, and these are added in order; the chunks' sums likewise.

override LEN: u32;

// Value, of LANES elements, is what one invocation computes; shaders/lanes/ declares both.

var<workgroup> sums: array<vec2f, 256>;
var<workgroup> sixteen: array<vec2f, 16>;

// The sum of all threads' values, in the first: 16 of them add 16 neighbours, the first adds those. Barriers cost more
// than additions.
fn total(thread: u32, value: vec2f) -> vec2f {
    sums[thread] = value;
    workgroupBarrier();
    if thread < 16u {
        var sum = vec2f();
        for (var i = 0u; i < 16u; i++) {
            sum += sums[16u * thread + i];
        }
        sixteen[thread] = sum;
    }
    workgroupBarrier();
    var sum = vec2f();
    if thread == 0u {
        for (var i = 0u; i < 16u; i++) {
            sum += sixteen[i];
        }
    }
    return sum;
}

// ---- norm ----

override CHUNK: u32 = 1;
override CHUNKS: u32 = 1;

// By its bits: an implementation may assume that values are finite.
fn is_finite(bits: u32) -> bool {
    return (bits & 0x7f800000u) != 0x7f800000u;
}

@group(0) @binding(0) var<storage, read> gradient_bits: array<u32>;      // [LEN], f32 as bits
@group(0) @binding(1) var<storage, read_write> partials: array<vec2f>;   // [CHUNKS]: sum of squares, count

@compute @workgroup_size(256)
fn squares(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let chunk = group.x + group.y * groups.x;
    if chunk >= CHUNKS {
        return;
    }
    let end = min((chunk + 1u) * CHUNK, LEN);
    var sum = vec2f();
    for (var i = chunk * CHUNK + thread; i < end; i += 256u) {
        let bits = gradient_bits[i];
        if is_finite(bits) {
            let g = bitcast<f32>(bits);
            sum.x += g * g;
        } else {
            sum.y += 1.0;
        }
    }
    sum = total(thread, sum);
    if thread == 0u {
        partials[chunk] = sum;
    }
}

@group(0) @binding(0) var<storage, read_write> chunk_sums: array<vec2f>;   // [CHUNKS]
@group(0) @binding(1) var<storage, read_write> norm_out: array<f32>;       // [2]

@compute @workgroup_size(256)
fn norm(@builtin(local_invocation_index) thread: u32) {
    var sum = vec2f();
    for (var chunk = thread; chunk < CHUNKS; chunk += 256u) {
        sum += chunk_sums[chunk];
    }
    sum = total(thread, sum);
    if thread == 0u {
        norm_out[0] = sqrt(sum.x);
        norm_out[1] = sum.y;
    }
}

// ---- updates ----

override CLIPS: bool = false;
override MAX_NORM: f32 = 0.0;
override WEIGHT_DECAY: f32 = 0.0;
override DECAYED: u32 = 0;        // the first DECAYED parameters decay
override BASE_RATE: f32 = 1.0;    // the rate's factor where parameters are not fresh
override FRESH: u32 = 0;          // fresh are FRESH..FRESH_END and FRESH_REST..LEN
override FRESH_END: u32 = 0;
override FRESH_REST: u32 = 0;
override MOMENTUM: f32 = 0.0;
override BETA1: f32 = 0.0;
override BETA2: f32 = 0.0;
override EPSILON: f32 = 0.0;
override DECOUPLED: bool = false;

fn clip(g: Value, norm: f32, unscale: f32) -> Value {
    return g * select(unscale, min(MAX_NORM / (norm * unscale + 1e-6), 1.0) * unscale, CLIPS);
}

fn decay(i: u32) -> f32 {
    return select(0.0, WEIGHT_DECAY, i < DECAYED / LANES);
}

fn pace(i: u32) -> f32 {
    let fresh = (i >= FRESH / LANES && i < FRESH_END / LANES) || i >= FRESH_REST / LANES;
    return select(BASE_RATE, 1.0, fresh);
}

// What a step makes of a parameter and its momentum.
struct Sgd {
    theta: Value,
    v: Value,
}

fn sgd_step(i: u32, old: Sgd, g: Value, norm: f32, scalars: vec4f) -> Sgd {
    let v = MOMENTUM * old.v + (clip(g, norm, scalars.w) + decay(i) * old.theta);
    return Sgd(old.theta - pace(i) * scalars.x * v, v);
}

// What a step makes of a parameter and its moments.
struct Adam {
    theta: Value,
    m: Value,
    s: Value,
}

fn adam_step(i: u32, old: Adam, gradient: Value, norm: f32, scalars: vec4f) -> Adam {
    var g = clip(gradient, norm, scalars.w);
    let rate = pace(i) * scalars.x;
    var theta = old.theta;
    if DECOUPLED {
        theta *= 1.0 - rate * decay(i);
    } else {
        g += decay(i) * theta;
    }
    let m = BETA1 * old.m + (1.0 - BETA1) * g;
    let s = BETA2 * old.s + (1.0 - BETA2) * g * g;
    let step = rate * (m / scalars.y) / (sqrt(s / scalars.z) + EPSILON);
    return Adam(theta - step, m, s);
}

// Values of one row of the state.
fn row() -> u32 {
    return LEN / LANES;
}

@group(0) @binding(0) var<storage, read> state: array<Value>;               // [2 or 3, LEN]
@group(0) @binding(1) var<storage, read> gradients: array<Value>;           // [LEN]
@group(0) @binding(2) var<storage, read> global_norm: array<f32>;         // [2]
@group(0) @binding(3) var<storage, read> scalars: array<vec4f>;            // [1]: 4 numbers
@group(0) @binding(4) var<storage, read_write> new_state: array<Value>;     // [2 or 3, LEN]

@compute @workgroup_size(256)
fn sgd(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i >= row() {
        return;
    }
    var next = Sgd(state[i], state[row() + i]);
    if global_norm[1] == 0.0 {
        next = sgd_step(i, next, gradients[i], global_norm[0], scalars[0]);
    }
    new_state[i] = next.theta;
    new_state[row() + i] = next.v;
}

@compute @workgroup_size(256)
fn adam(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i >= row() {
        return;
    }
    var next = Adam(state[i], state[row() + i], state[2u * row() + i]);
    if global_norm[1] == 0.0 {
        next = adam_step(i, next, gradients[i], global_norm[0], scalars[0]);
    }
    new_state[i] = next.theta;
    new_state[row() + i] = next.m;
    new_state[2u * row() + i] = next.s;
}

// The old state lies in the new one's memory.
@group(0) @binding(0) var<storage, read> own_gradients: array<Value>;      // [LEN]
@group(0) @binding(1) var<storage, read> own_norm: array<f32>;           // [2]
@group(0) @binding(2) var<storage, read> own_schedule: array<vec4f>;       // [1]: 4 numbers
@group(0) @binding(3) var<storage, read_write> own_state: array<Value>;    // [2 or 3, LEN]

@compute @workgroup_size(256)
fn sgd_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i >= row() || own_norm[1] != 0.0 {
        return;
    }
    let old = Sgd(own_state[i], own_state[row() + i]);
    let next = sgd_step(i, old, own_gradients[i], own_norm[0], own_schedule[0]);
    own_state[i] = next.theta;
    own_state[row() + i] = next.v;
}

@compute @workgroup_size(256)
fn adam_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i >= row() || own_norm[1] != 0.0 {
        return;
    }
    let old = Adam(own_state[i], own_state[row() + i], own_state[2u * row() + i]);
    let next = adam_step(i, old, own_gradients[i], own_norm[0], own_schedule[0]);
    own_state[i] = next.theta;
    own_state[row() + i] = next.m;
    own_state[2u * row() + i] = next.s;
}
