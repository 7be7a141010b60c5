// Two-dimensional convolution in groups, and its gradients, as implicit matrix products.
//
//   forward      y[n, k, p, q]  = Σ_{c, r, s} w[k, c, r, s] · x[n, c, p·STRIDE_H + r − PAD_H, q·STRIDE_W + s − PAD_W]
//   input_grad   dx[n, c, h, w] = Σ_{k, r, s} w[k, c, r, s] · dy[n, k, p, q]   over (p, q) that read (h, w)
//   weight_grad  dw[k, c, r, s] = Σ_{n, p, q} dy[n, k, p, q] · x[n, c, ...]
//
// Shapes: x, dx [N, C, H, W]; w, dw [K, GROUP_C, R, S]; y, dy [N, K, P, Q]; C = GROUPS·GROUP_C, K = GROUPS·GROUP_K.
//
// Every group is a product A·B with
//                  rows       columns      terms of the sum
//   forward        k          (n, p, q)    (c, r, s)
//   input_grad     c          (n, h, w)    (k, r, s)
//   weight_grad    k          (c, r, s)    (n, p, q)
// A workgroup of TX·TY threads computes a tile of 4·TY rows and 4·TX columns, every thread 4×4 of it in registers.
// Workgroup memory holds DEPTH terms of both sides, vectors along rows and columns: 16·DEPTH·(TX + TY) bytes. Nothing
// is ever laid out in global memory: B is gathered from the image while it is loaded.
// Dispatch: grid(GROUPS · parts · ceil(rows / 4·TY) · ceil(columns / 4·TX)); weight_grad has PARTS parts, ranges of
// PART_TERMS terms each, whose sums weight_grad_sum adds: grid(ceil(K·GROUP_C·R·S / 256)). Others have one part.
//
// Products of very few rows (depthwise convolution) leave such tiles empty, so they have direct kernels: forward and
// input_grad one thread an element, grid(ceil(elements / 256)); weight_grad one workgroup of 256 threads a weight,
// grid(weights). The rule is in src/ops/conv2d/gpu.rs.
//
// Determinism: every sum has one order, by terms, by threads (as a tree) and by parts; no atomics.

override N: u32;
override H: u32;
override W: u32;
override GROUPS: u32;
override GROUP_C: u32;
override GROUP_K: u32;
override R: u32;
override S: u32;
override P: u32;
override Q: u32;
override STRIDE_H: u32;
override STRIDE_W: u32;
override PAD_H: u32;
override PAD_W: u32;
override TX: u32 = 8u;
override TY: u32 = 8u;
override PARTS: u32 = 1u;
override PART_TERMS: u32 = 1u;

const DEPTH: u32 = 16u;

@group(0) @binding(0) var<storage, read> first: array<f32>;       // x, in input_grad w
@group(0) @binding(1) var<storage, read> second: array<f32>;      // forward w, else dy
@group(0) @binding(2) var<storage, read_write> output: array<f32>; // y, dx or dw; with PARTS > 1 [PARTS, dw]

// weight_grad_sum
@group(0) @binding(0) var<storage, read_write> parts: array<f32>; // [PARTS, K, GROUP_C, R, S]
@group(0) @binding(1) var<storage, read_write> total: array<f32>; // dw [K, GROUP_C, R, S]

var<workgroup> tile_a: array<vec4f, DEPTH * TY>;
var<workgroup> tile_b: array<vec4f, DEPTH * TX>;
var<workgroup> sums: array<f32, 256>;

const FORWARD: u32 = 0u;
const INPUT_GRAD: u32 = 1u;
const WEIGHT_GRAD: u32 = 2u;

fn weight_index(k: u32, c: u32, tap: u32) -> u32 {
    return (k * GROUP_C + c) * R * S + tap;
}

// Loads have no branches: outside they read the first element and drop it.
//
// x at channel c of sample n, where output (p, q) reads it by tap (r, s); zero in the padding.
fn image(n: u32, c: u32, p: u32, q: u32, r: u32, s: u32) -> f32 {
    // Before the image these wrap around and are too large as well.
    let h = p * STRIDE_H + r - PAD_H;
    let w = q * STRIDE_W + s - PAD_W;
    let inside = h < H && w < W;
    let index = ((n * GROUPS * GROUP_C + c) * H + h) * W + w;
    return select(0.0, first[select(0u, index, inside)], inside);
}

// dy at channel k of sample n, at the output that reads (h, w) by tap (r, s); zero where there is none.
fn gradient(n: u32, k: u32, h: u32, w: u32, r: u32, s: u32) -> f32 {
    let top = h + PAD_H;
    let left = w + PAD_W;
    let p = (top - r) / STRIDE_H;
    let q = (left - s) / STRIDE_W;
    let hit = p * STRIDE_H + r == top && q * STRIDE_W + s == left;
    let inside = top >= r && left >= s && hit && p < P && q < Q;
    let index = ((n * GROUPS * GROUP_K + k) * P + p) * Q + q;
    return select(0.0, second[select(0u, index, inside)], inside);
}

fn product_rows(kind: u32) -> u32 {
    if kind == INPUT_GRAD {
        return GROUP_C;
    }
    return GROUP_K;
}

fn product_columns(kind: u32) -> u32 {
    switch kind {
        case FORWARD: { return N * P * Q; }
        case INPUT_GRAD: { return N * H * W; }
        default: { return GROUP_C * R * S; }
    }
}

fn product_terms(kind: u32) -> u32 {
    switch kind {
        case FORWARD: { return GROUP_C * R * S; }
        case INPUT_GRAD: { return GROUP_K * R * S; }
        default: { return N * P * Q; }
    }
}

// Zero where `inside` is false: behind the last row or term.
fn load_a(kind: u32, group: u32, row: u32, term: u32, inside: bool) -> f32 {
    switch kind {
        case FORWARD: {
            let index = (group * GROUP_K + row) * GROUP_C * R * S + term;
            return select(0.0, second[select(0u, index, inside)], inside);
        }
        case INPUT_GRAD: {
            let index = weight_index(group * GROUP_K + term / (R * S), row, term % (R * S));
            return select(0.0, first[select(0u, index, inside)], inside);
        }
        default: {
            let n = term / (P * Q);
            let index = ((n * GROUPS + group) * GROUP_K + row) * P * Q + term % (P * Q);
            return select(0.0, second[select(0u, index, inside)], inside);
        }
    }
}

fn load_b(kind: u32, group: u32, term: u32, column: u32) -> f32 {
    if kind == INPUT_GRAD {
        let n = column / (H * W);
        let k = group * GROUP_K + term / (R * S);
        return gradient(n, k, column / W % H, column % W, term / S % R, term % S);
    }
    // Forward and weight gradient read the same matrix, one transposed.
    let position = select(term, column, kind == FORWARD);
    let tap = select(column, term, kind == FORWARD);
    let n = position / (P * Q);
    let c = group * GROUP_C + tap / (R * S);
    return image(n, c, position / Q % P, position % Q, tap / S % R, tap % S);
}

// What a workgroup works on.
struct Tile {
    group: u32,
    part: u32,
    // The first row and column.
    row: u32,
    column: u32,
}

fn find_tile(kind: u32, number: u32) -> Tile {
    let across = (product_columns(kind) + 4u * TX - 1u) / (4u * TX);
    let down = (product_rows(kind) + 4u * TY - 1u) / (4u * TY);
    let rest = number / (across * down);
    return Tile(rest / PARTS, rest % PARTS, number / across % down * 4u * TY, number % across * 4u * TX);
}

// The thread's 4×4 sums: element i holds row i. All threads of the workgroup must call it.
fn product(kind: u32, tile: Tile, thread: u32) -> array<vec4f, 4> {
    let rows = product_rows(kind);
    let columns = product_columns(kind);
    var begin = 0u;
    var end = product_terms(kind);
    if kind == WEIGHT_GRAD {
        begin = tile.part * PART_TERMS;
        end = min(end, begin + PART_TERMS);
    }
    let tx = thread % TX;
    let ty = thread / TX;
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    for (var start = begin; start < end; start += DEPTH) {
        for (var i = thread; i < DEPTH * TY; i += TX * TY) {
            let term = start + i / TY;
            let row = tile.row + i % TY * 4u;
            var values = vec4f();
            for (var j = 0u; j < 4u; j++) {
                values[j] = load_a(kind, tile.group, row + j, term, term < end && row + j < rows);
            }
            tile_a[i] = values;
        }
        for (var i = thread; i < DEPTH * TX; i += TX * TY) {
            let term = start + i / TX;
            let column = tile.column + i % TX * 4u;
            var values = vec4f();
            for (var j = 0u; j < 4u; j++) {
                let inside = term < end && column + j < columns;
                let value = load_b(kind, tile.group, min(term, end - 1u), min(column + j, columns - 1u));
                values[j] = select(0.0, value, inside);
            }
            tile_b[i] = values;
        }
        workgroupBarrier();
        // Terms behind the last are zeros, up to DEPTH. Four at a time, because whole unrolling takes long to compile.
        let depth = min(DEPTH, end - start);
        for (var term = 0u; term < depth; term += 4u) {
            for (var i = 0u; i < 4u; i++) {
                let a = tile_a[(term + i) * TY + ty];
                let b = tile_b[(term + i) * TX + tx];
                sum0 += a.x * b;
                sum1 += a.y * b;
                sum2 += a.z * b;
                sum3 += a.w * b;
            }
        }
        workgroupBarrier();
    }
    return array<vec4f, 4>(sum0, sum1, sum2, sum3);
}

fn output_index(kind: u32, tile: Tile, row: u32, column: u32) -> u32 {
    switch kind {
        case FORWARD: {
            let n = column / (P * Q);
            return ((n * GROUPS + tile.group) * GROUP_K + row) * P * Q + column % (P * Q);
        }
        case INPUT_GRAD: {
            let n = column / (H * W);
            return ((n * GROUPS + tile.group) * GROUP_C + row) * H * W + column % (H * W);
        }
        default: {
            let k = (tile.part * GROUPS + tile.group) * GROUP_K + row;
            return k * GROUP_C * R * S + column;
        }
    }
}

fn run_tile(kind: u32, number: u32, thread: u32) {
    let tile = find_tile(kind, number);
    if tile.group >= GROUPS {
        return;
    }
    var result = product(kind, tile, thread);
    let row = tile.row + thread / TX * 4u;
    let column = tile.column + thread % TX * 4u;
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            if row + i < product_rows(kind) && column + j < product_columns(kind) {
                output[output_index(kind, tile, row + i, column + j)] = result[i][j];
            }
        }
    }
}

@compute @workgroup_size(TX * TY)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(FORWARD, group.x + group.y * groups.x, thread);
}

@compute @workgroup_size(TX * TY)
fn input_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(INPUT_GRAD, group.x + group.y * groups.x, thread);
}

@compute @workgroup_size(TX * TY)
fn weight_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(WEIGHT_GRAD, group.x + group.y * groups.x, thread);
}

@compute @workgroup_size(256)
fn weight_grad_sum(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let weights = GROUPS * GROUP_K * GROUP_C * R * S;
    let index = (group.x + group.y * groups.x) * 256u + thread;
    if index >= weights {
        return;
    }
    var sum = 0.0;
    for (var part = 0u; part < PARTS; part++) {
        sum += parts[part * weights + index];
    }
    total[index] = sum;
}

@compute @workgroup_size(256)
fn forward_direct(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + thread;
    let channels = GROUPS * GROUP_K;
    if index >= N * channels * P * Q {
        return;
    }
    let n = index / (channels * P * Q);
    let k = index / (P * Q) % channels;
    let p = index / Q % P;
    let q = index % Q;
    var sum = 0.0;
    for (var c = 0u; c < GROUP_C; c++) {
        for (var r = 0u; r < R; r++) {
            for (var s = 0u; s < S; s++) {
                let x = image(n, k / GROUP_K * GROUP_C + c, p, q, r, s);
                sum += second[weight_index(k, c, r * S + s)] * x;
            }
        }
    }
    output[index] = sum;
}

@compute @workgroup_size(256)
fn input_grad_direct(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + thread;
    let channels = GROUPS * GROUP_C;
    if index >= N * channels * H * W {
        return;
    }
    let n = index / (channels * H * W);
    let c = index / (H * W) % channels;
    let h = index / W % H;
    let w = index % W;
    var sum = 0.0;
    for (var i = 0u; i < GROUP_K; i++) {
        let k = c / GROUP_C * GROUP_K + i;
        // Only taps whose row is that of some output.
        for (var r = (h + PAD_H) % STRIDE_H; r < R; r += STRIDE_H) {
            for (var s = (w + PAD_W) % STRIDE_W; s < S; s += STRIDE_W) {
                sum += first[weight_index(k, c % GROUP_C, r * S + s)] * gradient(n, k, h, w, r, s);
            }
        }
    }
    output[index] = sum;
}

@compute @workgroup_size(256)
fn weight_grad_direct(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = group.x + group.y * groups.x;
    let k = index / (GROUP_C * R * S);
    if k >= GROUPS * GROUP_K {
        return;
    }
    let c = k / GROUP_K * GROUP_C + index / (R * S) % GROUP_C;
    var sum = 0.0;
    for (var position = thread; position < N * P * Q; position += 256u) {
        let n = position / (P * Q);
        let dy = second[(n * GROUPS * GROUP_K + k) * P * Q + position % (P * Q)];
        sum += dy * image(n, c, position / Q % P, position % Q, index / S % R, index % S);
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if thread < half {
            sums[thread] += sums[thread + half];
        }
        workgroupBarrier();
    }
    if thread == 0u {
        output[index] = sums[0];
    }
}
