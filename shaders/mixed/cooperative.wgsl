// Convolutions of 3×3 taps with stride 1, and their gradients, on matrix units: SIDE×SIDE matrices of f16, whose products
// are added to one of f32 by a subgroup of threads together. SIDE and the types of the matrices stand in cooperative_8.wgsl
// and cooperative_16.wgsl, which stand before this file in one module (src/ops/conv2d/gpu_mixed_window.rs).
//
//   convolve     y[n, o, p, q]  = Σ_{i, r, s} w[o, i, r, s] · x[n, i, p + r − PAD_H, q + s − PAD_W]
//   weight_grad  dw[o, i, r, s] = Σ_{n, p, q} dy[n, o, p, q] · x[n, i, p + r − PAD_H, q + s − PAD_W]
//
// convolve is the forward pass with FLIP = 0, and the gradient to the input with FLIP = 1: x is dy then, y is dx, and the
// taps are those of w[i, o, 2 − r, 2 − s].
//
// Shapes: x [N, IN_C, IN_H, IN_W]; y, dy [N, OUT_C, OUT_H, OUT_W]; w, dw [OUT_C, IN_C, 3, 3], flipped
// [IN_C, OUT_C, 3, 3].
//
// Positions: the batch is one line of PLANE positions a sample, WIDE a row: PAD_H rows of zeros and PAD_W columns of zeros
// before every image and row, which serve as what is behind the one before as well. Tap (r, s) of position f reads position
// f + r·WIDE + s. So all nine taps are one matrix [position, channel] in workgroup memory, read from another row on. Positions
// beyond the output's are computed and dropped; in weight_grad their dy is zero.
//
// convolve: a workgroup computes ROWS·SIDE·DOWN output channels at POSITIONS = COLUMNS·SIDE·(4 / DOWN) positions: four squares
//   of ROWS×COLUMNS matrices, every one by a subgroup. A stage holds SIDE input channels of the image and TAP_ROWS rows of
//   their taps. Dispatch: grid(ceil(OUT_C / rows of a workgroup) · ceil(N·PLANE / POSITIONS)).
// weight_grad: a workgroup has the weights from SIDE input channels to SIDE·DOWN output channels; four subgroups are DOWN
//   squares of nine matrices, one for each tap, times 4 / DOWN slices of a stage's POSITIONS, which are added at the end.
//   Dispatch: grid(PARTS · ceil(OUT_C / SIDE·DOWN) · ceil(IN_C / SIDE)). Parts are ranges of PART_STAGES stages, which
//   `weight_grad_sum` of conv2d.wgsl adds.
// Workgroup: 4·SUBGROUP threads, so that there are four subgroups even where all have the largest size that the adapter has,
// and SLOTS, 4·SUBGROUP by its smallest size, where all have that one. Those beyond four compute a square again and drop it: no
// operation on matrices may depend on which subgroup a thread is in.
// Workgroup memory: rows of SIDE channels are 16 bytes longer than they need be, so that their beginnings lie in different
// banks; at most 32 KiB, which every adapter with matrix units has.
//
// Numbers: memory is f32. Both operands are rounded to f16 on their way into workgroup memory, products of two f16 are exact
// in f32, and sums are f32. What is too large for f16 becomes infinite, so that the result is not finite.
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
override SUBGROUP: u32 = 32u;
override SLOTS: u32 = 4u;
override POSITIONS: u32;
override ROWS: u32 = 1u;
override COLUMNS: u32 = 2u;
override DOWN: u32 = 1u;
override TAP_ROWS: u32 = 1u;
override PARTS: u32 = 1u;
override PART_STAGES: u32 = 1u;

override WIDE: u32 = IN_W + PAD_W;
override PLANE: u32 = (IN_H + PAD_H) * WIDE;
// Output channels of a workgroup.
override DEEP: u32 = ROWS * SIDE * DOWN;
// Positions of the image that a stage reads.
override REACH: u32 = POSITIONS + 2u * WIDE + 2u;
// Vectors from one output channel's gradient to the next position's.
override GRADIENT_STRIDE: u32 = SIDE * DOWN / 4u + 2u;
// Vectors from one tap's weights to the next's.
override TAP_STRIDE: u32 = DEEP * STRIDE + 2u;

const MATRIX: u32 = SIDE * SIDE;
const TAPS: u32 = 9u;
// Vectors of SIDE channels, and from those of one position or output channel to the next's.
const QUADS: u32 = SIDE / 4u;
const STRIDE: u32 = QUADS + 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> second: array<f32>;        // w, of weight_grad dy
@group(0) @binding(2) var<storage, read_write> output: array<f32>;  // y or dw; with PARTS > 1 [PARTS, dw]

var<workgroup> image: array<vec4<f16>, REACH * STRIDE>;                     // [REACH, SIDE]
var<workgroup> weights: array<vec4<f16>, TAP_ROWS * 3u * TAP_STRIDE>;       // [TAP_ROWS, 3, DEEP, SIDE]
var<workgroup> gradients: array<vec4<f16>, POSITIONS * GRADIENT_STRIDE>;    // [POSITIONS, SIDE·DOWN]
var<workgroup> sums: array<f32, SLOTS * MATRIX>;

// The values in f16. From 65520 on that is infinity when rounded to nearest; an adapter that rounds towards zero would make a
// wrong finite value of it.
fn half(values: vec4f) -> vec4<f16> {
    let infinity = bitcast<vec4f>((bitcast<vec4u>(values) & vec4u(0x80000000u)) | vec4u(0x7f800000u));
    return vec4<f16>(select(values, infinity, abs(values) >= vec4f(65520.0)));
}

// Sample, row and column of a position; in the image's terms PAD_H and PAD_W too large.
fn place(position: u32) -> vec3u {
    let rest = position % PLANE;
    return vec3u(position / PLANE, rest / WIDE, rest % WIDE);
}

// x at channel `channel` of an image that begins at `base`; zero outside.
fn load_image(base: u32, channel: u32, inside: bool) -> f32 {
    let there = inside && channel < IN_C;
    return select(0.0, x[select(0u, base + channel * IN_H * IN_W, there)], there);
}

// The image from position `first` on, SIDE channels of it.
fn stage_image(first: u32, channel: u32, thread: u32) {
    for (var i = thread; i < REACH; i += 4u * SUBGROUP) {
        let at = place(first + i);
        // Before the image these wrap around and are too large as well.
        let h = at.y - PAD_H;
        let w = at.z - PAD_W;
        let inside = at.x < N && h < IN_H && w < IN_W;
        let base = at.x * IN_C * IN_H * IN_W + h * IN_W + w;
        for (var quad = 0u; quad < QUADS; quad++) {
            let c = channel + 4u * quad;
            image[i * STRIDE + quad] = half(vec4f(
                load_image(base, c, inside),
                load_image(base, c + 1u, inside),
                load_image(base, c + 2u, inside),
                load_image(base, c + 3u, inside),
            ));
        }
    }
}

// ---- Forward, and to the input

fn load_weight(row: u32, channel: u32, tap: u32) -> f32 {
    let inside = row < OUT_C && channel < IN_C;
    let straight = (row * IN_C + channel) * TAPS + tap;
    let flipped = (channel * OUT_C + row) * TAPS + TAPS - 1u - tap;
    let index = select(straight, flipped, FLIP == 1u);
    return select(0.0, second[select(0u, index, inside)], inside);
}

fn stage_weights(row: u32, channel: u32, tap_row: u32, thread: u32) {
    let taps = 3u * TAP_ROWS;
    for (var i = thread; i < taps * DEEP * QUADS; i += 4u * SUBGROUP) {
        // Neighbouring threads read neighbouring taps, then what lies next in memory.
        let tap = i % taps;
        let rest = i / taps;
        let quad = select(rest % QUADS, rest / DEEP, FLIP == 1u);
        let o = select(rest / QUADS, rest % DEEP, FLIP == 1u);
        let c = channel + 4u * quad;
        let t = 3u * tap_row + tap;
        weights[tap * TAP_STRIDE + o * STRIDE + quad] = half(vec4f(
            load_weight(row + o, c, t),
            load_weight(row + o, c + 1u, t),
            load_weight(row + o, c + 2u, t),
            load_weight(row + o, c + 3u, t),
        ));
    }
}

// Writes the matrix that every square has at (down, across) of its own.
fn store_squares(first: u32, row: u32, down: u32, across: u32, thread: u32) {
    let square = thread / SUBGROUP;
    let lane = thread % SUBGROUP;
    let at = place(first + (square / DOWN * COLUMNS + across) * SIDE + lane % SIDE);
    if at.x >= N || at.y >= OUT_H || at.z >= OUT_W {
        return;
    }
    let begin = row + (square % DOWN * ROWS + down) * SIDE;
    for (var o = lane / SIDE; o < SIDE; o += SUBGROUP / SIDE) {
        if begin + o < OUT_C {
            let index = ((at.x * OUT_C + begin + o) * OUT_H + at.y) * OUT_W + at.z;
            output[index] = sums[square * MATRIX + o * SIDE + lane % SIDE];
        }
    }
}

@compute @workgroup_size(4 * SUBGROUP)
fn convolve(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let deep = (OUT_C + DEEP - 1u) / DEEP;
    // Workgroups of the same positions follow each other, because they read the same part of the image.
    let number = group.x + group.y * groups.x;
    let row = number % deep * DEEP;
    let first = number / deep * POSITIONS;
    if first >= N * PLANE {
        return;
    }
    let square = subgroup % 4u;
    let own_weights = square % DOWN * ROWS * SIDE * STRIDE;
    let own_image = square / DOWN * COLUMNS * SIDE * STRIDE;
    // The second row and the later columns, where there are any.
    let next_row = select(0u, SIDE * STRIDE, ROWS > 1u);
    let later = select(0u, 2u * SIDE * STRIDE, COLUMNS > 2u);
    var sum00 = Sum();
    var sum01 = Sum();
    var sum02 = Sum();
    var sum03 = Sum();
    var sum10 = Sum();
    var sum11 = Sum();
    var sum12 = Sum();
    var sum13 = Sum();
    for (var channel = 0u; channel < IN_C; channel += SIDE) {
        workgroupBarrier();
        stage_image(first, channel, thread);
        for (var tap_row = 0u; tap_row < 3u; tap_row += TAP_ROWS) {
            if tap_row > 0u {
                workgroupBarrier();
            }
            stage_weights(row, channel, tap_row, thread);
            workgroupBarrier();
            for (var tap = 0u; tap < 3u * TAP_ROWS; tap++) {
                let a = tap * TAP_STRIDE + own_weights;
                let b = ((tap_row + tap / 3u) * WIDE + tap % 3u) * STRIDE + own_image;
                let a0 = coopLoadT<Left>(&weights[a], STRIDE);
                let a1 = coopLoadT<Left>(&weights[a + next_row], STRIDE);
                let b0 = coopLoad<Right>(&image[b], STRIDE);
                let b1 = coopLoad<Right>(&image[b + SIDE * STRIDE], STRIDE);
                let b2 = coopLoad<Right>(&image[b + later], STRIDE);
                let b3 = coopLoad<Right>(&image[b + later + SIDE * STRIDE], STRIDE);
                sum00 = coopMultiplyAdd(a0, b0, sum00);
                sum01 = coopMultiplyAdd(a0, b1, sum01);
                if COLUMNS > 2u {
                    sum02 = coopMultiplyAdd(a0, b2, sum02);
                    sum03 = coopMultiplyAdd(a0, b3, sum03);
                }
                if ROWS > 1u {
                    sum10 = coopMultiplyAdd(a1, b0, sum10);
                    sum11 = coopMultiplyAdd(a1, b1, sum11);
                    if COLUMNS > 2u {
                        sum12 = coopMultiplyAdd(a1, b2, sum12);
                        sum13 = coopMultiplyAdd(a1, b3, sum13);
                    }
                }
            }
        }
    }
    coopStoreT(sum00, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_squares(first, row, 0u, 0u, thread);
    workgroupBarrier();
    coopStoreT(sum01, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_squares(first, row, 0u, 1u, thread);
    workgroupBarrier();
    if COLUMNS > 2u {
        coopStoreT(sum02, &sums[subgroup * MATRIX], SIDE);
        workgroupBarrier();
        store_squares(first, row, 0u, 2u, thread);
        workgroupBarrier();
        coopStoreT(sum03, &sums[subgroup * MATRIX], SIDE);
        workgroupBarrier();
        store_squares(first, row, 0u, 3u, thread);
        workgroupBarrier();
    }
    if ROWS > 1u {
        coopStoreT(sum10, &sums[subgroup * MATRIX], SIDE);
        workgroupBarrier();
        store_squares(first, row, 1u, 0u, thread);
        workgroupBarrier();
        coopStoreT(sum11, &sums[subgroup * MATRIX], SIDE);
        workgroupBarrier();
        store_squares(first, row, 1u, 1u, thread);
        workgroupBarrier();
        if COLUMNS > 2u {
            coopStoreT(sum12, &sums[subgroup * MATRIX], SIDE);
            workgroupBarrier();
            store_squares(first, row, 1u, 2u, thread);
            workgroupBarrier();
            coopStoreT(sum13, &sums[subgroup * MATRIX], SIDE);
            workgroupBarrier();
            store_squares(first, row, 1u, 3u, thread);
            workgroupBarrier();
        }
    }
}

// ---- Weight gradient

fn load_gradient(base: u32, row: u32, inside: bool) -> f32 {
    let there = inside && row < OUT_C;
    return select(0.0, second[select(0u, base + row * OUT_H * OUT_W, there)], there);
}

// dy from position `first` on, SIDE·DOWN channels of it.
fn stage_gradients(first: u32, row: u32, thread: u32) {
    for (var i = thread; i < POSITIONS; i += 4u * SUBGROUP) {
        let at = place(first + i);
        let inside = at.x < N && at.y < OUT_H && at.z < OUT_W;
        let base = (at.x * OUT_C * OUT_H + at.y) * OUT_W + at.z;
        for (var quad = 0u; quad < SIDE * DOWN / 4u; quad++) {
            let o = row + 4u * quad;
            gradients[i * GRADIENT_STRIDE + quad] = half(vec4f(
                load_gradient(base, o, inside),
                load_gradient(base, o + 1u, inside),
                load_gradient(base, o + 2u, inside),
                load_gradient(base, o + 3u, inside),
            ));
        }
    }
}

// Adds the slices' sums of one tap and writes them.
fn store_weights(part: u32, row: u32, channel: u32, tap: u32, thread: u32) {
    for (var i = thread; i < DOWN * MATRIX; i += 4u * SUBGROUP) {
        var sum = sums[i];
        for (var slice = 1u; slice < 4u / DOWN; slice++) {
            sum += sums[slice * DOWN * MATRIX + i];
        }
        let o = row + i / SIDE;
        let c = channel + i % SIDE;
        if o < OUT_C && c < IN_C {
            output[((part * OUT_C + o) * IN_C + c) * TAPS + tap] = sum;
        }
    }
}

@compute @workgroup_size(4 * SUBGROUP)
fn weight_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let number = group.x + group.y * groups.x;
    let across = (IN_C + SIDE - 1u) / SIDE;
    let deep = (OUT_C + SIDE * DOWN - 1u) / (SIDE * DOWN);
    let part = number / (across * deep);
    if part >= PARTS {
        return;
    }
    let channel = number % across * SIDE;
    let row = number / across % deep * SIDE * DOWN;
    let end = min((part + 1u) * PART_STAGES, (N * PLANE + POSITIONS - 1u) / POSITIONS);
    let square = subgroup % 4u;
    let slice = square / DOWN;
    let own_row = square % DOWN * QUADS;
    var sum0 = Sum();
    var sum1 = Sum();
    var sum2 = Sum();
    var sum3 = Sum();
    var sum4 = Sum();
    var sum5 = Sum();
    var sum6 = Sum();
    var sum7 = Sum();
    var sum8 = Sum();
    for (var stage = part * PART_STAGES; stage < end; stage++) {
        workgroupBarrier();
        stage_image(stage * POSITIONS, channel, thread);
        stage_gradients(stage * POSITIONS, row, thread);
        workgroupBarrier();
        for (var i = 0u; i < POSITIONS / (SIDE * 4u / DOWN); i++) {
            let position = (i * (4u / DOWN) + slice) * SIDE;
            let a = coopLoad<Left>(&gradients[position * GRADIENT_STRIDE + own_row], GRADIENT_STRIDE);
            let top = position * STRIDE;
            let middle = (position + WIDE) * STRIDE;
            let bottom = (position + 2u * WIDE) * STRIDE;
            let b0 = coopLoadT<Right>(&image[top], STRIDE);
            sum0 = coopMultiplyAdd(a, b0, sum0);
            let b1 = coopLoadT<Right>(&image[top + STRIDE], STRIDE);
            sum1 = coopMultiplyAdd(a, b1, sum1);
            let b2 = coopLoadT<Right>(&image[top + 2u * STRIDE], STRIDE);
            sum2 = coopMultiplyAdd(a, b2, sum2);
            let b3 = coopLoadT<Right>(&image[middle], STRIDE);
            sum3 = coopMultiplyAdd(a, b3, sum3);
            let b4 = coopLoadT<Right>(&image[middle + STRIDE], STRIDE);
            sum4 = coopMultiplyAdd(a, b4, sum4);
            let b5 = coopLoadT<Right>(&image[middle + 2u * STRIDE], STRIDE);
            sum5 = coopMultiplyAdd(a, b5, sum5);
            let b6 = coopLoadT<Right>(&image[bottom], STRIDE);
            sum6 = coopMultiplyAdd(a, b6, sum6);
            let b7 = coopLoadT<Right>(&image[bottom + STRIDE], STRIDE);
            sum7 = coopMultiplyAdd(a, b7, sum7);
            let b8 = coopLoadT<Right>(&image[bottom + 2u * STRIDE], STRIDE);
            sum8 = coopMultiplyAdd(a, b8, sum8);
        }
    }
    coopStoreT(sum0, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 0u, thread);
    workgroupBarrier();
    coopStoreT(sum1, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 1u, thread);
    workgroupBarrier();
    coopStoreT(sum2, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 2u, thread);
    workgroupBarrier();
    coopStoreT(sum3, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 3u, thread);
    workgroupBarrier();
    coopStoreT(sum4, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 4u, thread);
    workgroupBarrier();
    coopStoreT(sum5, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 5u, thread);
    workgroupBarrier();
    coopStoreT(sum6, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 6u, thread);
    workgroupBarrier();
    coopStoreT(sum7, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 7u, thread);
    workgroupBarrier();
    coopStoreT(sum8, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_weights(part, row, channel, 8u, thread);
}
