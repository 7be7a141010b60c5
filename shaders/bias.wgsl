// A bias for every channel, and its gradient.
//
//   bias        y[n, c, i] = x[n, c, i] + b[c]
//   bias_grad   db[c]      = Σ over n, i of dy[n, c, i]
//
// Shapes: x, y, dy [N, C, SIZE]; b, db [C].
// Workgroup: 256 threads. bias: one element a thread, grid(ceil(N·C·SIZE / 256)). bias_grad: one workgroup sums one
// chunk of CHUNK of the N·SIZE elements of a channel, grid(C·CHUNKS); bias_grad_total: one workgroup a channel sums the
// CHUNKS partial sums, grid(C).
// Workgroup memory: one partial sum a thread and 16 more (1.1 KiB).
// Determinism: a thread sums every 256th element in order, and these are added in order; the chunks' sums likewise.

override N: u32;
override C: u32;
override SIZE: u32;
override CHUNKS: u32 = 1;
override CHUNK: u32 = 1;

@group(0) @binding(0) var<storage, read> x: array<f32>;         // [N, C, SIZE]
@group(0) @binding(1) var<storage, read> b: array<f32>;         // [C]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // [N, C, SIZE]

@compute @workgroup_size(256)
fn bias(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < N * C * SIZE {
        y[i] = x[i] + b[(i / SIZE) % C];
    }
}

// x lies in y's memory.
@group(0) @binding(0) var<storage, read> b_only: array<f32>;       // [C]
@group(0) @binding(1) var<storage, read_write> x_y: array<f32>;    // [N, C, SIZE]

@compute @workgroup_size(256)
fn bias_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < N * C * SIZE {
        x_y[i] += b_only[(i / SIZE) % C];
    }
}

var<workgroup> sums: array<f32, 256>;
var<workgroup> sixteen: array<f32, 16>;

// The sum of all threads' values, in the first: 16 of them add 16 neighbours, the first adds those. Barriers cost more
// than additions.
fn total(thread: u32, value: f32) -> f32 {
    sums[thread] = value;
    workgroupBarrier();
    if thread < 16u {
        var sum = f32();
        for (var i = 0u; i < 16u; i++) {
            sum += sums[16u * thread + i];
        }
        sixteen[thread] = sum;
    }
    workgroupBarrier();
    var sum = f32();
    if thread == 0u {
        for (var i = 0u; i < 16u; i++) {
            sum += sixteen[i];
        }
    }
    return sum;
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;                // [N, C, SIZE]
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;    // [C, CHUNKS]

@compute @workgroup_size(256)
fn bias_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = group.x + group.y * groups.x;
    if number >= C * CHUNKS {
        return;
    }
    let c = number / CHUNKS;
    let begin = (number % CHUNKS) * CHUNK;
    let end = min(begin + CHUNK, N * SIZE);
    var sum = 0.0;
    for (var i = begin + thread; i < end; i += 256u) {
        let n = i / SIZE;
        sum += dy[(n * C + c) * SIZE + i % SIZE];
    }
    sum = total(thread, sum);
    if thread == 0u {
        partials[number] = sum;
    }
}

@group(0) @binding(0) var<storage, read_write> chunk_sums: array<f32>;   // [C, CHUNKS]
@group(0) @binding(1) var<storage, read_write> db: array<f32>;           // [C]

@compute @workgroup_size(256)
fn bias_grad_total(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let c = group.x + group.y * groups.x;
    if c >= C {
        return;
    }
    var sum = 0.0;
    for (var i = thread; i < CHUNKS; i += 256u) {
        sum += chunk_sums[c * CHUNKS + i];
    }
    sum = total(thread, sum);
    if thread == 0u {
        db[c] = sum;
    }
}
