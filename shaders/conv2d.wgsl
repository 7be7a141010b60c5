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
// A workgroup computes ROWS rows (4, 8 or 16) of COLUMNS·WIDTH columns. Each of its WIDTH threads has all those rows of
// COLUMNS columns (1, 2 or 4), WIDTH apart, in registers. A is staged in workgroup memory, vectors along the rows: all
// threads read the same place at once, which memory broadcasts. A load of B serves ROWS multiplications.
//   forward, input_grad   B comes straight from the image, neighbouring threads reading neighbours. Where a tap reads
//                         is found once for CHANNELS channels. A stage is CHANNELS channels by TAPS taps:
//                         4·ROWS·CHANNELS·TAPS bytes.
//   weight_grad           B is a part of the image in workgroup memory, padding included, so that a thread reads at
//                         its tap's place plus the position's. A stage is PATCH_P×PATCH_Q positions of a sample:
//                         4·ROWS·PATCH_P·PATCH_Q bytes of dy and 4·PLANES·PLANE of x.
// Dispatch: grid(GROUPS · parts · ceil(rows / ROWS) · ceil(columns / COLUMNS·WIDTH)); weight_grad has PARTS parts, ranges
// of PART_STAGES stages each, whose sums weight_grad_sum adds: grid(ceil(K·GROUP_C·R·S / 32)). Others have one part.
//
// Products of very few rows (depthwise convolution) leave such tiles empty, so they have direct kernels: forward and
// input_grad one thread an element, grid(ceil(elements / 256)); weight_grad one workgroup of 256 threads a weight,
// grid(weights). The rules are in src/ops/conv2d/gpu.rs.
//
// Determinism: every sum has one order, by stages, by threads and by parts; no atomics.

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
override WIDTH: u32 = 64u;
override ROWS: u32 = 4u;
override COLUMNS: u32 = 1u;
// forward, input_grad
override CHANNELS: u32 = 1u;
override TAPS: u32 = 1u;
// weight_grad
override PATCH_P: u32 = 1u;
override PATCH_Q: u32 = 1u;
override PLANES: u32 = 1u; // channels of the part of x
override PLANE: u32 = 1u;  // elements of one of them
override PARTS: u32 = 1u;
override PART_STAGES: u32 = 1u;

@group(0) @binding(0) var<storage, read> first: array<f32>;       // x, in input_grad w
@group(0) @binding(1) var<storage, read> second: array<f32>;      // forward w, else dy
@group(0) @binding(2) var<storage, read_write> output: array<f32>; // y, dx or dw; with PARTS > 1 [PARTS, dw]

// weight_grad_sum
@group(0) @binding(0) var<storage, read_write> parts: array<f32>; // [PARTS, K, GROUP_C, R, S]
@group(0) @binding(1) var<storage, read_write> total: array<f32>; // dw [K, GROUP_C, R, S]

var<workgroup> weights: array<vec4f, CHANNELS * TAPS * ROWS / 4u>;     // [CHANNELS, TAPS, ROWS / 4]
var<workgroup> gradients: array<vec4f, PATCH_P * PATCH_Q * ROWS / 4u>; // [PATCH_P, PATCH_Q, ROWS / 4]
var<workgroup> region: array<f32, PLANES * PLANE>;
var<workgroup> sums: array<f32, 256>;

fn weight_index(k: u32, c: u32, tap: u32) -> u32 {
    return (k * GROUP_C + c) * R * S + tap;
}

// ---- Tiles

// A column of A, or a thread's sums of one column: element i holds rows 4·i to 4·i + 3.
alias Rows = array<vec4f, 4>;

fn add_product(sum: ptr<function, Rows>, a: Rows, b: f32) {
    (*sum)[0] += a[0] * b;
    if ROWS > 4u {
        (*sum)[1] += a[1] * b;
    }
    if ROWS > 8u {
        (*sum)[2] += a[2] * b;
        (*sum)[3] += a[3] * b;
    }
}

struct Tile {
    group: u32,
    part: u32,
    // The first row and column.
    row: u32,
    column: u32,
}

// Tiles of the same columns follow each other, because they read the same part of the image.
fn find_tile(rows: u32, columns: u32, number: u32) -> Tile {
    let down = (rows + ROWS - 1u) / ROWS;
    let across = (columns + COLUMNS * WIDTH - 1u) / (COLUMNS * WIDTH);
    let rest = number / (down * across);
    return Tile(rest % GROUPS, rest / GROUPS, number % down * ROWS, number / down % across * COLUMNS * WIDTH);
}

// ---- Forward and input_grad

const FORWARD: bool = true;
const INPUT_GRAD: bool = false;

// A column's position: where channel 0 of the sample begins in the tensor that is read, and row and column of the
// position, shifted so that the first tap reads there (forward) or less the tap (input_grad).
struct Position {
    base: u32,
    row: u32,
    column: u32,
}

fn position(forward: bool, group: u32, column: u32) -> Position {
    if forward {
        let n = column / (P * Q);
        // Before the image these wrap around and are too large as well.
        let row = column / Q % P * STRIDE_H - PAD_H;
        return Position((n * GROUPS + group) * GROUP_C * H * W, row, column % Q * STRIDE_W - PAD_W);
    }
    let n = column / (H * W);
    return Position((n * GROUPS + group) * GROUP_K * P * Q, column / W % H + PAD_H, column % W + PAD_W);
}

// Where tap (r, s) of a position reads in channel 0; the second is 0 where it reads zero, and then the place is 0.
fn place(forward: bool, at: Position, r: u32, s: u32) -> vec2u {
    var inside: bool;
    var index: u32;
    if forward {
        let h = at.row + r;
        let w = at.column + s;
        inside = h < H && w < W;
        index = at.base + h * W + w;
    } else {
        let p = (at.row - r) / STRIDE_H;
        let q = (at.column - s) / STRIDE_W;
        inside = p < P && q < Q && p * STRIDE_H == at.row - r && q * STRIDE_W == at.column - s;
        index = at.base + p * Q + q;
    }
    return vec2u(select(0u, index, inside), u32(inside));
}

// Without a branch: outside it reads what is there and drops it.
fn load(forward: bool, at: vec2u, channel: u32) -> f32 {
    if forward {
        return select(0.0, first[at.x + channel * H * W], at.y == 1u);
    }
    return select(0.0, second[at.x + channel * P * Q], at.y == 1u);
}

fn load_weight(forward: bool, group: u32, row: u32, channel: u32, tap: u32) -> f32 {
    if forward {
        let inside = row < GROUP_K && channel < GROUP_C && tap < R * S;
        let index = weight_index(group * GROUP_K + row, channel, tap);
        return select(0.0, second[select(0u, index, inside)], inside);
    }
    let inside = row < GROUP_C && channel < GROUP_K && tap < R * S;
    let index = weight_index(group * GROUP_K + channel, row, tap);
    return select(0.0, first[select(0u, index, inside)], inside);
}

fn weights_at(term: u32) -> Rows {
    let i = term * (ROWS / 4u);
    var rows = Rows();
    rows[0] = weights[i];
    if ROWS > 4u {
        rows[1] = weights[i + 1u];
    }
    if ROWS > 8u {
        rows[2] = weights[i + 2u];
        rows[3] = weights[i + 3u];
    }
    return rows;
}

fn stage_weights(forward: bool, tile: Tile, channel: u32, first_tap: u32, thread: u32) {
    for (var i = thread; i < CHANNELS * TAPS * ROWS / 4u; i += WIDTH) {
        let term = i % (CHANNELS * TAPS);
        let quad = i / (CHANNELS * TAPS);
        let row = tile.row + 4u * quad;
        let c = channel + term / TAPS;
        let tap = first_tap + term % TAPS;
        weights[term * (ROWS / 4u) + quad] = vec4f(
            load_weight(forward, tile.group, row, c, tap),
            load_weight(forward, tile.group, row + 1u, c, tap),
            load_weight(forward, tile.group, row + 2u, c, tap),
            load_weight(forward, tile.group, row + 3u, c, tap),
        );
    }
}

fn store(forward: bool, tile: Tile, column: u32, sum: Rows) {
    let positions = select(H * W, P * Q, forward);
    let rows = select(GROUP_C, GROUP_K, forward);
    if column >= N * positions {
        return;
    }
    let n = column / positions;
    let index = ((n * GROUPS + tile.group) * rows + tile.row) * positions + column % positions;
    var values = sum;
    for (var i = 0u; i < ROWS; i++) {
        if tile.row + i < rows {
            output[index + i * positions] = values[i / 4u][i % 4u];
        }
    }
}

fn run_tile(forward: bool, number: u32, thread: u32) {
    let columns = N * select(H * W, P * Q, forward);
    let channels = select(GROUP_K, GROUP_C, forward);
    let tile = find_tile(select(GROUP_C, GROUP_K, forward), columns, number);
    if tile.part > 0u {
        return;
    }
    let column = tile.column + thread;
    // Columns behind the last compute it again.
    let at0 = position(forward, tile.group, min(column, columns - 1u));
    let at1 = position(forward, tile.group, min(column + WIDTH, columns - 1u));
    let at2 = position(forward, tile.group, min(column + 2u * WIDTH, columns - 1u));
    let at3 = position(forward, tile.group, min(column + 3u * WIDTH, columns - 1u));
    var sum0 = Rows();
    var sum1 = Rows();
    var sum2 = Rows();
    var sum3 = Rows();
    for (var channel = 0u; channel < channels; channel += CHANNELS) {
        let end = min(CHANNELS, channels - channel);
        for (var first_tap = 0u; first_tap < R * S; first_tap += TAPS) {
            workgroupBarrier();
            stage_weights(forward, tile, channel, first_tap, thread);
            workgroupBarrier();
            for (var tap = 0u; tap < min(TAPS, R * S - first_tap); tap++) {
                let r = (first_tap + tap) / S;
                let s = (first_tap + tap) % S;
                let place0 = place(forward, at0, r, s);
                let place1 = place(forward, at1, r, s);
                let place2 = place(forward, at2, r, s);
                let place3 = place(forward, at3, r, s);
                for (var c = 0u; c < end; c++) {
                    let a = weights_at(c * TAPS + tap);
                    add_product(&sum0, a, load(forward, place0, channel + c));
                    if COLUMNS > 1u {
                        add_product(&sum1, a, load(forward, place1, channel + c));
                    }
                    if COLUMNS > 2u {
                        add_product(&sum2, a, load(forward, place2, channel + c));
                        add_product(&sum3, a, load(forward, place3, channel + c));
                    }
                }
            }
        }
    }
    store(forward, tile, column, sum0);
    if COLUMNS > 1u {
        store(forward, tile, column + WIDTH, sum1);
    }
    if COLUMNS > 2u {
        store(forward, tile, column + 2u * WIDTH, sum2);
        store(forward, tile, column + 3u * WIDTH, sum3);
    }
}

@compute @workgroup_size(WIDTH)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(FORWARD, group.x + group.y * groups.x, thread);
}

@compute @workgroup_size(WIDTH)
fn input_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    run_tile(INPUT_GRAD, group.x + group.y * groups.x, thread);
}

// ---- Weight gradient

// Element (c, h, w) of sample n, zero outside; before the image h and w wrap around.
fn load_image(n: u32, c: u32, h: u32, w: u32) -> f32 {
    let inside = h < H && w < W;
    let index = ((n * GROUPS * GROUP_C + c) * H + h) * W + w;
    return select(0.0, first[select(0u, index, inside)], inside);
}

fn load_gradient(n: u32, group: u32, row: u32, p: u32, q: u32) -> f32 {
    let inside = row < GROUP_K && p < P && q < Q;
    let index = (((n * GROUPS + group) * GROUP_K + row) * P + p) * Q + q;
    return select(0.0, second[select(0u, index, inside)], inside);
}

fn gradients_at(position: u32) -> Rows {
    let i = position * (ROWS / 4u);
    var rows = Rows();
    rows[0] = gradients[i];
    if ROWS > 4u {
        rows[1] = gradients[i + 1u];
    }
    if ROWS > 8u {
        rows[2] = gradients[i + 2u];
        rows[3] = gradients[i + 3u];
    }
    return rows;
}

// dy at the patch's positions from (p, q) on, and what x they read of the tile's channels.
fn stage_patch(tile: Tile, n: u32, p: u32, q: u32, thread: u32) {
    for (var i = thread; i < PATCH_P * PATCH_Q * ROWS / 4u; i += WIDTH) {
        let position = i % (PATCH_P * PATCH_Q);
        let quad = i / (PATCH_P * PATCH_Q);
        let row = tile.row + 4u * quad;
        let at = vec2u(p + position / PATCH_Q, q + position % PATCH_Q);
        gradients[position * (ROWS / 4u) + quad] = vec4f(
            load_gradient(n, tile.group, row, at.x, at.y),
            load_gradient(n, tile.group, row + 1u, at.x, at.y),
            load_gradient(n, tile.group, row + 2u, at.x, at.y),
            load_gradient(n, tile.group, row + 3u, at.x, at.y),
        );
    }
    let width = (PATCH_Q - 1u) * STRIDE_W + S;
    let first_channel = tile.column / (R * S);
    for (var i = thread; i < PLANES * PLANE; i += WIDTH) {
        // Behind the last channel there is nothing that is used.
        let c = tile.group * GROUP_C + min(first_channel + i / PLANE, GROUP_C - 1u);
        let h = p * STRIDE_H - PAD_H + i % PLANE / width;
        let w = q * STRIDE_W - PAD_W + i % PLANE % width;
        region[i] = load_image(n, c, h, w);
    }
}

// Where a column's tap reads in the patch for its first position.
fn patch_start(tile: Tile, column: u32) -> u32 {
    let c = column / (R * S) - tile.column / (R * S);
    let width = (PATCH_Q - 1u) * STRIDE_W + S;
    return c * PLANE + column / S % R * width + column % S;
}

fn store_weights(tile: Tile, column: u32, sum: Rows) {
    let columns = GROUP_C * R * S;
    if column >= columns {
        return;
    }
    let index = ((tile.part * GROUPS + tile.group) * GROUP_K + tile.row) * columns + column;
    var values = sum;
    for (var i = 0u; i < ROWS; i++) {
        if tile.row + i < GROUP_K {
            output[index + i * columns] = values[i / 4u][i % 4u];
        }
    }
}

@compute @workgroup_size(WIDTH)
fn weight_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let columns = GROUP_C * R * S;
    let tile = find_tile(GROUP_K, columns, group.x + group.y * groups.x);
    if tile.part >= PARTS {
        return;
    }
    let column = tile.column + thread;
    let start0 = patch_start(tile, min(column, columns - 1u));
    let start1 = patch_start(tile, min(column + WIDTH, columns - 1u));
    let start2 = patch_start(tile, min(column + 2u * WIDTH, columns - 1u));
    let start3 = patch_start(tile, min(column + 3u * WIDTH, columns - 1u));
    let width = (PATCH_Q - 1u) * STRIDE_W + S;
    let down = (P + PATCH_P - 1u) / PATCH_P;
    let across = (Q + PATCH_Q - 1u) / PATCH_Q;
    let end = min((tile.part + 1u) * PART_STAGES, N * down * across);
    var sum0 = Rows();
    var sum1 = Rows();
    var sum2 = Rows();
    var sum3 = Rows();
    for (var stage = tile.part * PART_STAGES; stage < end; stage++) {
        let p = stage / across % down * PATCH_P;
        let q = stage % across * PATCH_Q;
        workgroupBarrier();
        stage_patch(tile, stage / (down * across), p, q, thread);
        workgroupBarrier();
        for (var i = 0u; i < min(PATCH_P, P - p); i++) {
            for (var j = 0u; j < min(PATCH_Q, Q - q); j++) {
                let a = gradients_at(i * PATCH_Q + j);
                let b = i * STRIDE_H * width + j * STRIDE_W;
                add_product(&sum0, a, region[start0 + b]);
                if COLUMNS > 1u {
                    add_product(&sum1, a, region[start1 + b]);
                }
                if COLUMNS > 2u {
                    add_product(&sum2, a, region[start2 + b]);
                    add_product(&sum3, a, region[start3 + b]);
                }
            }
        }
    }
    store_weights(tile, column, sum0);
    if COLUMNS > 1u {
        store_weights(tile, column + WIDTH, sum1);
    }
    if COLUMNS > 2u {
        store_weights(tile, column + 2u * WIDTH, sum2);
        store_weights(tile, column + 3u * WIDTH, sum3);
    }
}

// A workgroup adds the parts of 32 weights: eight threads for each take every eighth part, and the first adds their sums.
@compute @workgroup_size(256)
fn weight_grad_sum(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let size = GROUPS * GROUP_K * GROUP_C * R * S;
    let index = (group.x + group.y * groups.x) * 32u + thread % 32u;
    var sum = 0.0;
    if index < size {
        for (var part = thread / 32u; part < PARTS; part += 8u) {
            sum += parts[part * size + index];
        }
    }
    sums[thread] = sum;
    workgroupBarrier();
    if thread < 32u && index < size {
        for (var i = 1u; i < 8u; i++) {
            sum += sums[32u * i + thread];
        }
        total[index] = sum;
    }
}

// ---- Direct kernels

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
                let h = p * STRIDE_H + r - PAD_H;
                let x = load_image(n, k / GROUP_K * GROUP_C + c, h, q * STRIDE_W + s - PAD_W);
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
    // Where a tap reads is found once for all output channels.
    let group_first = c / GROUP_C * GROUP_K;
    let own = c % GROUP_C;
    var sum = 0.0;
    // Only taps whose row is that of some output; before the first output p and q wrap around and are too large as well.
    for (var r = (h + PAD_H) % STRIDE_H; r < R; r += STRIDE_H) {
        let p = (h + PAD_H - r) / STRIDE_H;
        for (var s = (w + PAD_W) % STRIDE_W; s < S; s += STRIDE_W) {
            let q = (w + PAD_W - s) / STRIDE_W;
            if p >= P || q >= Q || h + PAD_H < r || w + PAD_W < s {
                continue;
            }
            var at = ((n * GROUPS * GROUP_K + group_first) * P + p) * Q + q;
            var weight = weight_index(group_first, own, r * S + s);
            for (var i = 0u; i < GROUP_K; i++) {
                sum += first[weight] * second[at];
                at += P * Q;
                weight += GROUP_C * R * S;
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
    let r = index / S % R;
    let s = index % S;
    var sum = 0.0;
    for (var position = thread; position < N * P * Q; position += 256u) {
        let n = position / (P * Q);
        let dy = second[(n * GROUPS * GROUP_K + k) * P * Q + position % (P * Q)];
        let h = position / Q % P * STRIDE_H + r - PAD_H;
        sum += dy * load_image(n, c, h, position % Q * STRIDE_W + s - PAD_W);
    }
    sums[thread] = sum;
    workgroupBarrier();
    // 16 threads add 16 neighbours, the first adds those.
    if thread < 16u {
        for (var i = 1u; i < 16u; i++) {
            sums[16u * thread] += sums[16u * thread + i];
        }
    }
    workgroupBarrier();
    if thread == 0u {
        sum = 0.0;
        for (var i = 0u; i < 16u; i++) {
            sum += sums[16u * i];
        }
        output[index] = sum;
    }
}
