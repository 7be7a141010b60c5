// Sums over axes, times a constant.
//
//   y[k0, k1, k2] = FACTOR · Σ over r0, r1 of x[k0, r0, k1, r1, k2]
//
// Shapes: x [K0, R0, K1, R1, K2]; y of OUTPUTS = K0·K1·K2 elements.
// each:   256 threads, each a sum of its own, by blocks of 64 terms; grid(ceil(OUTPUTS / 256)).
// chunks: 256 threads sum CHUNK of the R0·R1 terms of one output; grid(OUTPUTS·CHUNKS). The first thread's result is an
//         output where CHUNKS is 1, else one of its CHUNKS partial sums.
// total:  one workgroup an output adds its partial sums; grid(OUTPUTS).
// Workgroup memory: one partial sum a thread and 16 more (1.1 KiB).
// Determinism: terms are added in an order that depends on the sizes alone.

override OUTPUTS: u32;
override K1: u32;
override K2: u32;
override R0: u32;
override R1: u32;
override CHUNK: u32;
override CHUNKS: u32;
override FACTOR: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

// Where term t of output o is.
fn index(o: u32, t: u32) -> u32 {
    let row = o / K2;
    return (((row / K1 * R0 + t / R1) * K1 + row % K1) * R1 + t % R1) * K2 + o % K2;
}

@compute @workgroup_size(256)
fn each(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let o = (group.x + group.y * groups.x) * 256u + thread;
    if o >= OUTPUTS {
        return;
    }
    var sum = 0.0;
    for (var begin = 0u; begin < R0 * R1; begin += 64u) {
        var block = 0.0;
        for (var t = begin; t < min(begin + 64u, R0 * R1); t++) {
            block += x[index(o, t)];
        }
        sum += block;
    }
    y[o] = FACTOR * sum;
}

var<workgroup> sums: array<f32, 256>;
var<workgroup> sixteen: array<f32, 16>;

// The sum of all threads' values, in the first: 16 of them add 16 neighbours, the first adds those.
fn all_threads(thread: u32, value: f32) -> f32 {
    sums[thread] = value;
    workgroupBarrier();
    if thread < 16u {
        var sum = 0.0;
        for (var i = 0u; i < 16u; i++) {
            sum += sums[16u * thread + i];
        }
        sixteen[thread] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    if thread == 0u {
        for (var i = 0u; i < 16u; i++) {
            sum += sixteen[i];
        }
    }
    return sum;
}

@compute @workgroup_size(256)
fn chunks(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = group.x + group.y * groups.x;
    if number >= OUTPUTS * CHUNKS {
        return;
    }
    let begin = number % CHUNKS * CHUNK;
    var sum = 0.0;
    for (var t = begin + thread; t < min(begin + CHUNK, R0 * R1); t += 256u) {
        sum += x[index(number / CHUNKS, t)];
    }
    sum = all_threads(thread, sum);
    if thread == 0u {
        y[number] = FACTOR * sum;
    }
}

@group(0) @binding(0) var<storage, read_write> partials: array<f32>;   // [OUTPUTS, CHUNKS]

@compute @workgroup_size(256)
fn total(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let o = group.x + group.y * groups.x;
    if o >= OUTPUTS {
        return;
    }
    var sum = 0.0;
    for (var i = thread; i < CHUNKS; i += 256u) {
        sum += partials[o * CHUNKS + i];
    }
    sum = all_threads(thread, sum);
    if thread == 0u {
        y[o] = FACTOR * sum;
    }
}
