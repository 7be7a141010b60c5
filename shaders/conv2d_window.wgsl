// Convolutions of 3×3 taps with stride 1, and their gradients, by windows that slide over an image in workgroup memory.
//
//   convolve     y[n, o, p, q]  = Σ_{i, r, s} w[o, i, r, s] · x[n, i, p + r − PAD_H, q + s − PAD_W]
//   weight_grad  dw[o, i, r, s] = Σ_{n, p, q} dy[n, o, p, q] · x[n, i, p + r − PAD_H, q + s − PAD_W]
//
// convolve is the forward pass with FLIP = 0, and the gradient to the input with FLIP = 1: x is dy then, y is dx, and
// the taps are those of w[i, o, 2 − r, 2 − s].
//
// Shapes: x [N, IN_C, IN_H, IN_W]; y, dy [N, OUT_C, OUT_H, OUT_W]; w, dw [OUT_C, IN_C, 3, 3], flipped
// [IN_C, OUT_C, 3, 3].
//
// convolve: a workgroup computes BLOCKS blocks of ROWS output channels (4 or 8) at TILE_P×TILE_Q positions of SAMPLES
//   samples; a thread computes one block at DOWN positions below each other (4 or 8). DOWN + 2 elements of a column of
//   the image serve 3·DOWN·ROWS multiply-adds. A stage holds CHANNELS input channels in
//   4·CHANNELS·(SAMPLES·PLANE + 9·ROWS·BLOCKS) bytes. Dispatch:
//   grid(ceil(OUT_C / (ROWS·BLOCKS)) · ceil(N / SAMPLES) · ceil(OUT_H / TILE_P) · ceil(OUT_W / TILE_Q)).
// weight_grad: a team of 32 threads has the weights from 16 input channels to 16 output channels, a thread those from
//   one to eight: 72 sums in registers. It slides along rows of dy: three new elements of the image and eight of dy
//   serve 72 multiply-adds. A workgroup has TEAMS_C·TEAMS_K teams beside each other, so that what is staged serves
//   several, and SLICES slices of them, which take every SLICES-th row of a stage, TILE_P×TILE_Q positions of a sample;
//   slices' sums are added at the end. A stage takes 4·max(16·TEAMS_C·PLANE, 2304) + 64·TEAMS_K·TILE_P·TILE_Q bytes.
//   Dispatch: grid(PARTS · ceil(OUT_C / (16·TEAMS_K)) · ceil(IN_C / (16·TEAMS_C))). Parts are ranges of PART_STAGES stages,
//   which `weight_grad_sum` of conv2d.wgsl adds.
//
// Determinism: every sum has one order, by stages, by slices and by parts; no atomics.

override N: u32;
override IN_C: u32;
override IN_H: u32;
override IN_W: u32;
override OUT_C: u32;
override OUT_H: u32;
override OUT_W: u32;
override PAD_H: u32;
override PAD_W: u32;
override FLIP: u32 = 0u;
override WIDTH: u32;             // threads of a workgroup
override TILE_P: u32;
override TILE_Q: u32;
override CHANNELS: u32 = 16u;
override SAMPLES: u32 = 1u;
override ROWS: u32 = 4u;
override DOWN: u32 = 4u;
override BLOCKS: u32 = 1u;
override TEAMS_C: u32 = 1u;
override TEAMS_K: u32 = 1u;
override SLICES: u32 = 1u;
override PARTS: u32 = 1u;
override PART_STAGES: u32 = 1u;
override IMAGE: u32;             // elements of `image`
override WEIGHTS: u32 = 1u;      // vectors of `weights`
override GRADIENTS: u32 = 1u;    // vectors of `gradients`

const TAPS = 9u;
// Channels of a team of weight_grad, in and out; and of its workgroup.
const SIDE = 16u;
override SIDE_C: u32 = SIDE * TEAMS_C;
override SIDE_K: u32 = SIDE * TEAMS_K;

// An odd number of elements, so that the same place of neighbouring channels lies in different banks.
override PLANE: u32 = ((TILE_P + 2u) * (TILE_Q + 2u)) | 1u;
override IMAGE_W: u32 = TILE_Q + 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> second: array<f32>;        // w, of weight_grad dy
@group(0) @binding(2) var<storage, read_write> output: array<f32>;  // y or dw; with PARTS > 1 [PARTS, dw]

var<workgroup> image: array<f32, IMAGE>;           // [CHANNELS, SAMPLES, PLANE]
var<workgroup> weights: array<vec4f, WEIGHTS>;     // [CHANNELS, TAPS, BLOCKS, ROWS / 4]
var<workgroup> gradients: array<vec4f, GRADIENTS>; // [TILE_P, TILE_Q, SIDE_K / 4]

// What the windows of a tile that begins at (p, q) read, padding included.
fn stage_image(sample: u32, channel: u32, p: u32, q: u32, thread: u32) {
    for (var i = thread; i < CHANNELS * SAMPLES * PLANE; i += WIDTH) {
        let plane = i / PLANE;
        let at = i % PLANE;
        let n = sample + plane % SAMPLES;
        let c = channel + plane / SAMPLES;
        // Before the image these wrap around and are too large as well.
        let h = p + at / IMAGE_W - PAD_H;
        let w = q + at % IMAGE_W - PAD_W;
        let inside = n < N && c < IN_C && h < IN_H && w < IN_W;
        let index = ((n * IN_C + c) * IN_H + h) * IN_W + w;
        image[i] = select(0.0, x[select(0u, index, inside)], inside);
    }
}

// ---- Forward, and to the input

// Element i holds output channels 4·i to 4·i + 3 of a thread's block.
alias Rows = array<vec4f, 2>;

fn add_product(sum: ptr<function, Rows>, a: Rows, b: f32) {
    (*sum)[0] = fma(a[0], vec4f(b), (*sum)[0]);
    if ROWS > 4u {
        (*sum)[1] = fma(a[1], vec4f(b), (*sum)[1]);
    }
}

fn load_weight(row: u32, channel: u32, tap: u32) -> f32 {
    let inside = row < OUT_C && channel < IN_C;
    let straight = (row * IN_C + channel) * TAPS + tap;
    let flipped = (channel * OUT_C + row) * TAPS + TAPS - 1u - tap;
    let index = select(straight, flipped, FLIP == 1u);
    return select(0.0, second[select(0u, index, inside)], inside);
}

fn stage_weights(row: u32, channel: u32, thread: u32) {
    let quads = BLOCKS * ROWS / 4u;
    for (var i = thread; i < CHANNELS * TAPS * quads; i += WIDTH) {
        // Neighbouring threads read neighbouring taps and channels.
        let term = i % (CHANNELS * TAPS);
        let quad = i / (CHANNELS * TAPS);
        let c = channel + term / TAPS;
        let tap = term % TAPS;
        let first = row + 4u * quad;
        weights[term * quads + quad] = vec4f(
            load_weight(first, c, tap),
            load_weight(first + 1u, c, tap),
            load_weight(first + 2u, c, tap),
            load_weight(first + 3u, c, tap),
        );
    }
}

fn weights_at(i: u32) -> Rows {
    var rows = Rows();
    rows[0] = weights[i];
    if ROWS > 4u {
        rows[1] = weights[i + 1u];
    }
    return rows;
}

fn store(n: u32, row: u32, p: u32, q: u32, sum: Rows) {
    if n >= N || p >= OUT_H || q >= OUT_W {
        return;
    }
    let index = ((n * OUT_C + row) * OUT_H + p) * OUT_W + q;
    store_four(index, row, sum[0]);
    if ROWS > 4u {
        store_four(index + 4u * OUT_H * OUT_W, row + 4u, sum[1]);
    }
}

fn store_four(index: u32, row: u32, values: vec4f) {
    let positions = OUT_H * OUT_W;
    if row < OUT_C {
        output[index] = values.x;
    }
    if row + 1u < OUT_C {
        output[index + positions] = values.y;
    }
    if row + 2u < OUT_C {
        output[index + 2u * positions] = values.z;
    }
    if row + 3u < OUT_C {
        output[index + 3u * positions] = values.w;
    }
}

@compute @workgroup_size(WIDTH)
fn convolve(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let across = (OUT_W + TILE_Q - 1u) / TILE_Q;
    let down = (OUT_H + TILE_P - 1u) / TILE_P;
    let deep = (OUT_C + ROWS * BLOCKS - 1u) / (ROWS * BLOCKS);
    // Workgroups of the same positions follow each other, because they read the same part of the image.
    let number = group.x + group.y * groups.x;
    let row = number % deep * ROWS * BLOCKS;
    let q = number / deep % across * TILE_Q;
    let p = number / (deep * across) % down * TILE_P;
    let sample = number / (deep * across * down) * SAMPLES;
    if sample >= N {
        return;
    }
    // The thread's part; those behind the last compute a part that is not stored.
    let positions = SAMPLES * (TILE_P / DOWN) * TILE_Q;
    let block = thread / positions;
    let own = thread % positions;
    let own_q = own % TILE_Q;
    let own_p = own / TILE_Q % (TILE_P / DOWN) * DOWN;
    let own_sample = own / (TILE_Q * (TILE_P / DOWN));
    let quads = BLOCKS * ROWS / 4u;
    let first_weight = min(block, BLOCKS - 1u) * (ROWS / 4u);
    let corner = own_sample * PLANE + own_p * IMAGE_W + own_q;
    var sum0 = Rows();
    var sum1 = Rows();
    var sum2 = Rows();
    var sum3 = Rows();
    var sum4 = Rows();
    var sum5 = Rows();
    var sum6 = Rows();
    var sum7 = Rows();
    for (var channel = 0u; channel < IN_C; channel += CHANNELS) {
        workgroupBarrier();
        stage_image(sample, channel, p, q, thread);
        stage_weights(row, channel, thread);
        workgroupBarrier();
        for (var c = 0u; c < CHANNELS; c++) {
            let here = c * SAMPLES * PLANE + corner;
            let there = c * TAPS * quads + first_weight;
            for (var s = 0u; s < 3u; s++) {
                let x0 = image[here + s];
                let x1 = image[here + s + IMAGE_W];
                let x2 = image[here + s + 2u * IMAGE_W];
                let x3 = image[here + s + 3u * IMAGE_W];
                let x4 = image[here + s + 4u * IMAGE_W];
                let x5 = image[here + s + 5u * IMAGE_W];
                var x6 = 0.0;
                var x7 = 0.0;
                var x8 = 0.0;
                var x9 = 0.0;
                if DOWN > 4u {
                    x6 = image[here + s + 6u * IMAGE_W];
                    x7 = image[here + s + 7u * IMAGE_W];
                    x8 = image[here + s + 8u * IMAGE_W];
                    x9 = image[here + s + 9u * IMAGE_W];
                }
                let top = weights_at(there + s * quads);
                add_product(&sum0, top, x0);
                add_product(&sum1, top, x1);
                add_product(&sum2, top, x2);
                add_product(&sum3, top, x3);
                if DOWN > 4u {
                    add_product(&sum4, top, x4);
                    add_product(&sum5, top, x5);
                    add_product(&sum6, top, x6);
                    add_product(&sum7, top, x7);
                }
                let middle = weights_at(there + (3u + s) * quads);
                add_product(&sum0, middle, x1);
                add_product(&sum1, middle, x2);
                add_product(&sum2, middle, x3);
                add_product(&sum3, middle, x4);
                if DOWN > 4u {
                    add_product(&sum4, middle, x5);
                    add_product(&sum5, middle, x6);
                    add_product(&sum6, middle, x7);
                    add_product(&sum7, middle, x8);
                }
                let bottom = weights_at(there + (6u + s) * quads);
                add_product(&sum0, bottom, x2);
                add_product(&sum1, bottom, x3);
                add_product(&sum2, bottom, x4);
                add_product(&sum3, bottom, x5);
                if DOWN > 4u {
                    add_product(&sum4, bottom, x6);
                    add_product(&sum5, bottom, x7);
                    add_product(&sum6, bottom, x8);
                    add_product(&sum7, bottom, x9);
                }
            }
        }
    }
    if block < BLOCKS {
        let n = sample + own_sample;
        let first = row + block * ROWS;
        store(n, first, p + own_p, q + own_q, sum0);
        store(n, first, p + own_p + 1u, q + own_q, sum1);
        store(n, first, p + own_p + 2u, q + own_q, sum2);
        store(n, first, p + own_p + 3u, q + own_q, sum3);
        if DOWN > 4u {
            store(n, first, p + own_p + 4u, q + own_q, sum4);
            store(n, first, p + own_p + 5u, q + own_q, sum5);
            store(n, first, p + own_p + 6u, q + own_q, sum6);
            store(n, first, p + own_p + 7u, q + own_q, sum7);
        }
    }
}

// ---- Weight gradient

fn load_gradient(n: u32, row: u32, p: u32, q: u32) -> f32 {
    let inside = row < OUT_C && p < OUT_H && q < OUT_W;
    let index = ((n * OUT_C + row) * OUT_H + p) * OUT_W + q;
    return select(0.0, second[select(0u, index, inside)], inside);
}

fn stage_gradients(n: u32, row: u32, p: u32, q: u32, thread: u32) {
    for (var i = thread; i < TILE_P * TILE_Q * SIDE_K / 4u; i += WIDTH) {
        let position = i % (TILE_P * TILE_Q);
        let quad = i / (TILE_P * TILE_Q);
        let first = row + 4u * quad;
        let at = vec2u(p + position / TILE_Q, q + position % TILE_Q);
        gradients[position * (SIDE_K / 4u) + quad] = vec4f(
            load_gradient(n, first, at.x, at.y),
            load_gradient(n, first + 1u, at.x, at.y),
            load_gradient(n, first + 2u, at.x, at.y),
            load_gradient(n, first + 3u, at.x, at.y),
        );
    }
}

// The sums of a thread for output channels `low` 0 to 3 and `high` 4 to 7 of its eight, by tap.
struct Sums {
    low: array<vec4f, 9>,
    high: array<vec4f, 9>,
}

fn put(i: u32, lane: u32, value: vec4f) {
    image[4u * i * 32u + lane] = value.x;
    image[(4u * i + 1u) * 32u + lane] = value.y;
    image[(4u * i + 2u) * 32u + lane] = value.z;
    image[(4u * i + 3u) * 32u + lane] = value.w;
}

fn take(i: u32, lane: u32) -> vec4f {
    return vec4f(
        image[4u * i * 32u + lane],
        image[(4u * i + 1u) * 32u + lane],
        image[(4u * i + 2u) * 32u + lane],
        image[(4u * i + 3u) * 32u + lane],
    );
}

// The sums of output channels from `row` on.
fn store_weights(part: u32, row: u32, c: u32, tap: u32, values: vec4f) {
    if c >= IN_C {
        return;
    }
    let step = IN_C * TAPS;
    let index = ((part * OUT_C + row) * IN_C + c) * TAPS + tap;
    if row < OUT_C {
        output[index] = values.x;
    }
    if row + 1u < OUT_C {
        output[index + step] = values.y;
    }
    if row + 2u < OUT_C {
        output[index + 2u * step] = values.z;
    }
    if row + 3u < OUT_C {
        output[index + 3u * step] = values.w;
    }
}

// What a workgroup computes: the first channels in and out, which part of the sum, and where its stages end.
struct WeightTile {
    channel: u32,
    row: u32,
    part: u32,
    end: u32,
}

fn weight_tile(number: u32) -> WeightTile {
    let tiles_c = (IN_C + SIDE_C - 1u) / SIDE_C;
    let tiles_k = (OUT_C + SIDE_K - 1u) / SIDE_K;
    let part = number / (tiles_c * tiles_k);
    let end = min((part + 1u) * PART_STAGES, N * stages_down() * stages_across());
    return WeightTile(number % tiles_c * SIDE_C, number / tiles_c % tiles_k * SIDE_K, part, end);
}

fn stages_across() -> u32 {
    return (OUT_W + TILE_Q - 1u) / TILE_Q;
}

fn stages_down() -> u32 {
    return (OUT_H + TILE_P - 1u) / TILE_P;
}

fn stage_tile(tile: WeightTile, stage: u32, thread: u32) {
    let q = stage % stages_across() * TILE_Q;
    let p = stage / stages_across() % stages_down() * TILE_P;
    let n = stage / (stages_across() * stages_down());
    workgroupBarrier();
    stage_image(n, tile.channel, p, q, thread);
    stage_gradients(n, tile.row, p, q, thread);
    workgroupBarrier();
}

@compute @workgroup_size(WIDTH)
fn weight_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let tile = weight_tile(group.x + group.y * groups.x);
    if tile.part >= PARTS {
        return;
    }
    let lane = thread % 32u;
    let team = thread / 32u % (TEAMS_C * TEAMS_K);
    let slice = thread / (32u * TEAMS_C * TEAMS_K);
    let c = team % TEAMS_C * SIDE + lane % SIDE;
    // Which eight of the workgroup's output channels the thread has.
    let eight = team / TEAMS_C * 2u + lane / SIDE;
    var sums = Sums();
    for (var stage = tile.part * PART_STAGES; stage < tile.end; stage++) {
        stage_tile(tile, stage, thread);
        for (var i = slice; i < TILE_P; i += SLICES) {
            let above = c * PLANE + i * IMAGE_W;
            let below = above + 2u * IMAGE_W;
            var top = vec2f(image[above], image[above + 1u]);
            var middle = vec2f(image[above + IMAGE_W], image[above + IMAGE_W + 1u]);
            var bottom = vec2f(image[below], image[below + 1u]);
            for (var j = 0u; j < TILE_Q; j++) {
                let x2 = image[above + j + 2u];
                let x5 = image[above + IMAGE_W + j + 2u];
                let x8 = image[below + j + 2u];
                let at = (i * TILE_Q + j) * (SIDE_K / 4u) + 2u * eight;
                let low = gradients[at];
                let high = gradients[at + 1u];
                sums.low[0] = fma(low, vec4f(top.x), sums.low[0]);
                sums.high[0] = fma(high, vec4f(top.x), sums.high[0]);
                sums.low[1] = fma(low, vec4f(top.y), sums.low[1]);
                sums.high[1] = fma(high, vec4f(top.y), sums.high[1]);
                sums.low[2] = fma(low, vec4f(x2), sums.low[2]);
                sums.high[2] = fma(high, vec4f(x2), sums.high[2]);
                sums.low[3] = fma(low, vec4f(middle.x), sums.low[3]);
                sums.high[3] = fma(high, vec4f(middle.x), sums.high[3]);
                sums.low[4] = fma(low, vec4f(middle.y), sums.low[4]);
                sums.high[4] = fma(high, vec4f(middle.y), sums.high[4]);
                sums.low[5] = fma(low, vec4f(x5), sums.low[5]);
                sums.high[5] = fma(high, vec4f(x5), sums.high[5]);
                sums.low[6] = fma(low, vec4f(bottom.x), sums.low[6]);
                sums.high[6] = fma(high, vec4f(bottom.x), sums.high[6]);
                sums.low[7] = fma(low, vec4f(bottom.y), sums.low[7]);
                sums.high[7] = fma(high, vec4f(bottom.y), sums.high[7]);
                sums.low[8] = fma(low, vec4f(x8), sums.low[8]);
                sums.high[8] = fma(high, vec4f(x8), sums.high[8]);
                top = vec2f(top.y, x2);
                middle = vec2f(middle.y, x5);
                bottom = vec2f(bottom.y, x8);
            }
        }
    }
    // The first slice adds the others' sums to its own, one team and slice after another.
    for (var turn = 0u; turn < (SLICES - 1u) * TEAMS_C * TEAMS_K; turn++) {
        let other = 1u + turn / (TEAMS_C * TEAMS_K);
        let its_turn = team == turn % (TEAMS_C * TEAMS_K);
        workgroupBarrier();
        if its_turn && slice == other {
            put(0u, lane, sums.low[0]);
            put(1u, lane, sums.high[0]);
            put(2u, lane, sums.low[1]);
            put(3u, lane, sums.high[1]);
            put(4u, lane, sums.low[2]);
            put(5u, lane, sums.high[2]);
            put(6u, lane, sums.low[3]);
            put(7u, lane, sums.high[3]);
            put(8u, lane, sums.low[4]);
            put(9u, lane, sums.high[4]);
            put(10u, lane, sums.low[5]);
            put(11u, lane, sums.high[5]);
            put(12u, lane, sums.low[6]);
            put(13u, lane, sums.high[6]);
            put(14u, lane, sums.low[7]);
            put(15u, lane, sums.high[7]);
            put(16u, lane, sums.low[8]);
            put(17u, lane, sums.high[8]);
        }
        workgroupBarrier();
        if its_turn && slice == 0u {
            sums.low[0] += take(0u, lane);
            sums.high[0] += take(1u, lane);
            sums.low[1] += take(2u, lane);
            sums.high[1] += take(3u, lane);
            sums.low[2] += take(4u, lane);
            sums.high[2] += take(5u, lane);
            sums.low[3] += take(6u, lane);
            sums.high[3] += take(7u, lane);
            sums.low[4] += take(8u, lane);
            sums.high[4] += take(9u, lane);
            sums.low[5] += take(10u, lane);
            sums.high[5] += take(11u, lane);
            sums.low[6] += take(12u, lane);
            sums.high[6] += take(13u, lane);
            sums.low[7] += take(14u, lane);
            sums.high[7] += take(15u, lane);
            sums.low[8] += take(16u, lane);
            sums.high[8] += take(17u, lane);
        }
    }
    if slice == 0u {
        let k = tile.row + 8u * eight;
        let channel = tile.channel + c;
        store_weights(tile.part, k, channel, 0u, sums.low[0]);
        store_weights(tile.part, k + 4u, channel, 0u, sums.high[0]);
        store_weights(tile.part, k, channel, 1u, sums.low[1]);
        store_weights(tile.part, k + 4u, channel, 1u, sums.high[1]);
        store_weights(tile.part, k, channel, 2u, sums.low[2]);
        store_weights(tile.part, k + 4u, channel, 2u, sums.high[2]);
        store_weights(tile.part, k, channel, 3u, sums.low[3]);
        store_weights(tile.part, k + 4u, channel, 3u, sums.high[3]);
        store_weights(tile.part, k, channel, 4u, sums.low[4]);
        store_weights(tile.part, k + 4u, channel, 4u, sums.high[4]);
        store_weights(tile.part, k, channel, 5u, sums.low[5]);
        store_weights(tile.part, k + 4u, channel, 5u, sums.high[5]);
        store_weights(tile.part, k, channel, 6u, sums.low[6]);
        store_weights(tile.part, k + 4u, channel, 6u, sums.high[6]);
        store_weights(tile.part, k, channel, 7u, sums.low[7]);
        store_weights(tile.part, k + 4u, channel, 7u, sums.high[7]);
        store_weights(tile.part, k, channel, 8u, sums.low[8]);
        store_weights(tile.part, k + 4u, channel, 8u, sums.high[8]);
    }
}
