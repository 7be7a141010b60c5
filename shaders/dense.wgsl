// The matrix product c = A·B in the three forms that a dense layer needs.
//
//   plain        c[i, j] = Σ_l a[i, l] · b[l, j]      a [M, K], b [K, N]
//   transpose_b  c[i, j] = Σ_l a[i, l] · b[j, l]      a [M, K], b [N, K]
//   transpose_a  c[i, j] = Σ_l a[l, i] · b[l, j]      a [K, M], b [K, N]
//
// Shape: c [M, N]. A workgroup of TX·TY threads computes a tile of 4·TY rows and 4·TX columns, every thread 4×4 of it
// in registers. Workgroup memory holds DEPTH terms of both sides, vectors along rows and columns:
// 16·DEPTH·(TX + TY) bytes. Dispatch: grid(ceil(M / 4·TY) · ceil(N / 4·TX)); TX and TY by the rule in
// src/ops/dense/gpu.rs.
// Determinism: every sum goes through its terms in order; no atomics.

override M: u32;
override N: u32;
override K: u32;
override TX: u32 = 8u;
override TY: u32 = 8u;

const DEPTH: u32 = 16u;
const PLAIN: u32 = 0u;
const TRANSPOSE_B: u32 = 1u;
const TRANSPOSE_A: u32 = 2u;

@group(0) @binding(0) var<storage, read> a: array<f32>;       // [M, K] or [K, M]
@group(0) @binding(1) var<storage, read> b: array<f32>;       // [K, N] or [N, K]
@group(0) @binding(2) var<storage, read_write> c: array<f32>; // [M, N]

var<workgroup> tile_a: array<vec4f, DEPTH * TY>;
var<workgroup> tile_b: array<vec4f, DEPTH * TX>;

// Without branches: outside it reads the first element and drops it.
fn load_a(form: u32, row: u32, term: u32) -> f32 {
    let inside = row < M && term < K;
    let index = select(row * K + term, term * M + row, form == TRANSPOSE_A);
    return select(0.0, a[select(0u, index, inside)], inside);
}

fn load_b(form: u32, term: u32, column: u32) -> f32 {
    let inside = column < N && term < K;
    let index = select(term * N + column, column * K + term, form == TRANSPOSE_B);
    return select(0.0, b[select(0u, index, inside)], inside);
}

fn run_tile(form: u32, number: u32, thread: u32) {
    let across = (N + 4u * TX - 1u) / (4u * TX);
    let first_row = number / across * 4u * TY;
    let first_column = number % across * 4u * TX;
    if first_row >= M {
        return;
    }
    let tx = thread % TX;
    let ty = thread / TX;
    var sums = array<vec4f, 4>();
    for (var start = 0u; start < K; start += DEPTH) {
        for (var i = thread; i < DEPTH * TY; i += TX * TY) {
            let term = start + i / TY;
            let row = first_row + i % TY * 4u;
            tile_a[i] = vec4f(
                load_a(form, row, term),
                load_a(form, row + 1u, term),
                load_a(form, row + 2u, term),
                load_a(form, row + 3u, term),
            );
        }
        for (var i = thread; i < DEPTH * TX; i += TX * TY) {
            let term = start + i / TX;
            let column = first_column + i % TX * 4u;
            tile_b[i] = vec4f(
                load_b(form, term, column),
                load_b(form, term, column + 1u),
                load_b(form, term, column + 2u),
                load_b(form, term, column + 3u),
            );
        }
        workgroupBarrier();
        // Terms behind the last are zeros, up to DEPTH. Four at a time, because whole unrolling takes long to compile.
        let depth = min(DEPTH, K - start);
        for (var term = 0u; term < depth; term += 4u) {
            for (var i = 0u; i < 4u; i++) {
                let left = tile_a[(term + i) * TY + ty];
                let right = tile_b[(term + i) * TX + tx];
                sums[0] += left.x * right;
                sums[1] += left.y * right;
                sums[2] += left.z * right;
                sums[3] += left.w * right;
            }
        }
        workgroupBarrier();
    }
    let row = first_row + ty * 4u;
    let column = first_column + tx * 4u;
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            if row + i < M && column + j < N {
                c[(row + i) * N + column + j] = sums[i][j];
            }
        }
    }
}

@compute @workgroup_size(TX * TY)
fn plain(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(PLAIN, group.x + group.y * groups.x, thread);
}

@compute @workgroup_size(TX * TY)
fn transpose_b(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(TRANSPOSE_B, group.x + group.y * groups.x, thread);
}

@compute @workgroup_size(TX * TY)
fn transpose_a(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(TRANSPOSE_A, group.x + group.y * groups.x, thread);
}
