// The three convolutions in mixed precision as implicit matrix products: what both kernels share. It stands before
// vectors.wgsl or cooperative.wgsl in one module (src/ops/conv2d/gpu_mixed.rs); neither is a module without it. (Before,
// because naga wants the constants that have names declared before the first array whose length depends on one.)
//
//   FORWARD      y[n, k, p, q]  = Σ_{c, r, s} w[k, c, r, s] · x[n, c, p·STRIDE_H + r − PAD_H, q·STRIDE_W + s − PAD_W]
//   INPUT_GRAD   dx[n, c, h, w] = Σ_{k, r, s} w[k, c, r, s] · dy[n, k, p, q]   over (p, q) that read (h, w)
//   WEIGHT_GRAD  dw[k, c, r, s] = Σ_{n, p, q} dy[n, k, p, q] · x[n, c, ...]
//
// Shapes: x, dx [N, C, H, W]; w, dw [K, GROUP_C, R, S]; y, dy [N, K, P, Q]; C = GROUPS·GROUP_C, K = GROUPS·GROUP_K.
// Products of matrices are convolutions of images of one element by kernels of one (src/ops/dense/gpu_mixed.rs).
//
// Every group is a product A·B with
//                  rows       columns      terms of the sum
//   FORWARD        k          (n, p, q)    (c, r, s)
//   INPUT_GRAD     c          (n, h, w)    (k, r, s)
//   WEIGHT_GRAD    k          (c, r, s)    (n, p, q)
// WEIGHT_GRAD has PARTS parts, ranges of PART_TERMS terms each, whose sums weight_grad_sum adds:
// grid(ceil(K·GROUP_C·R·S / 256)). The others have one.
//
// Numbers: memory is f32. Both operands are rounded to f16 on their way into workgroup memory, products of two f16 are
// exact in f32, and sums are f32. What is too large for f16 becomes infinite, so that the result is not finite.
// Determinism: every sum has one order, by terms and by parts; no atomics.

enable f16;

override KIND: u32;
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
override PARTS: u32 = 1u;
override PART_TERMS: u32 = 1u;

const FORWARD: u32 = 0u;
const INPUT_GRAD: u32 = 1u;
const WEIGHT_GRAD: u32 = 2u;

@group(0) @binding(0) var<storage, read> first: array<f32>;        // x, in INPUT_GRAD w
@group(0) @binding(1) var<storage, read> second: array<f32>;       // FORWARD w, else dy
@group(0) @binding(2) var<storage, read_write> output: array<f32>; // y, dx or dw; with PARTS > 1 [PARTS, dw]

// weight_grad_sum
@group(0) @binding(0) var<storage, read_write> parts: array<f32>;  // [PARTS, K, GROUP_C, R, S]
@group(0) @binding(1) var<storage, read_write> total: array<f32>;  // dw [K, GROUP_C, R, S]

// The value in f16. From 65520 on that is infinity when rounded to nearest; an adapter that rounds towards zero would
// make a wrong finite value of it.
fn half(value: f32) -> f16 {
    let infinity = bitcast<f32>((bitcast<u32>(value) & 0x80000000u) | 0x7f800000u);
    return f16(select(value, infinity, abs(value) >= 65520.0));
}

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

fn product_rows() -> u32 {
    return select(GROUP_K, GROUP_C, KIND == INPUT_GRAD);
}

fn product_columns() -> u32 {
    switch KIND {
        case FORWARD: { return N * P * Q; }
        case INPUT_GRAD: { return N * H * W; }
        default: { return GROUP_C * R * S; }
    }
}

fn product_terms() -> u32 {
    switch KIND {
        case FORWARD: { return GROUP_C * R * S; }
        case INPUT_GRAD: { return GROUP_K * R * S; }
        default: { return N * P * Q; }
    }
}

// A at a row and a term; zero where the row or the term, of which `end` is the first that does not count, is outside.
fn load_a(group: u32, row: u32, term: u32, end: u32) -> f16 {
    let inside = row < product_rows() && term < end;
    switch KIND {
        case FORWARD: {
            let index = (group * GROUP_K + row) * GROUP_C * R * S + term;
            return half(select(0.0, second[select(0u, index, inside)], inside));
        }
        case INPUT_GRAD: {
            let index = weight_index(group * GROUP_K + term / (R * S), row, term % (R * S));
            return half(select(0.0, first[select(0u, index, inside)], inside));
        }
        default: {
            let n = term / (P * Q);
            let index = ((n * GROUPS + group) * GROUP_K + row) * P * Q + term % (P * Q);
            return half(select(0.0, second[select(0u, index, inside)], inside));
        }
    }
}

// B at a term and a column; zero outside.
fn load_b(group: u32, term: u32, column: u32, end: u32) -> f16 {
    let inside = term < end && column < product_columns();
    let t = select(0u, term, inside);
    let j = select(0u, column, inside);
    if KIND == INPUT_GRAD {
        let n = j / (H * W);
        let k = group * GROUP_K + t / (R * S);
        return half(select(0.0, gradient(n, k, j / W % H, j % W, t / S % R, t % S), inside));
    }
    // Forward and weight gradient read the same matrix, one transposed.
    let position = select(t, j, KIND == FORWARD);
    let tap = select(j, t, KIND == FORWARD);
    let n = position / (P * Q);
    let c = group * GROUP_C + tap / (R * S);
    return half(select(0.0, image(n, c, position / Q % P, position % Q, tap / S % R, tap % S), inside));
}

// Writes an element of the product, unless it is outside.
fn store(group: u32, part: u32, row: u32, column: u32, value: f32) {
    if row >= product_rows() || column >= product_columns() {
        return;
    }
    switch KIND {
        case FORWARD: {
            let n = column / (P * Q);
            output[((n * GROUPS + group) * GROUP_K + row) * P * Q + column % (P * Q)] = value;
        }
        case INPUT_GRAD: {
            let n = column / (H * W);
            output[((n * GROUPS + group) * GROUP_C + row) * H * W + column % (H * W)] = value;
        }
        default: {
            let k = (part * GROUPS + group) * GROUP_K + row;
            output[k * GROUP_C * R * S + column] = value;
        }
    }
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
