// The weight gradient of convolutions of one tap, with stride 1 and no padding: a product over positions.
//
//   dw[k, c] = Σ_{n, p} dy[n, k, p] · x[n, c, p]
//
// Shapes: x [N, IN_C, POINTS]; dy [N, OUT_C, POINTS]; dw [OUT_C, IN_C]. All positions of all samples stand in one row.
//
// Tile: a workgroup has the weights from SIDE_C input channels to SIDE_K output channels (16, 32 or 64). A stage holds
//   STAGE positions of both in workgroup memory, 4·STAGE·(SIDE_K + SIDE_C) bytes, channels of a position as vectors.
//   A thread has ROWS·COLUMNS weights (4 or 8 each) in registers: two, three or four vectors serve 16, 32 or 64
//   multiply-adds. SLICES slices of SLICE threads take every SLICES-th position of a stage; their sums are added at the
//   end, one slice after another.
// Dispatch: grid(PARTS · ceil(OUT_C / SIDE_K) · ceil(IN_C / SIDE_C)). Parts are ranges of PART_STAGES stages, which
//   `weight_grad_sum` of conv2d.wgsl adds.
//
// Determinism: every sum has one order, by stages, by slices and by parts; no atomics.

override N: u32;
override POINTS: u32;
override IN_C: u32;
override OUT_C: u32;
override SIDE_K: u32;
override SIDE_C: u32;
override ROWS: u32;
override COLUMNS: u32;
override STAGE: u32;             // a power of two, at most WIDTH
override SLICES: u32;
override PARTS: u32;
override PART_STAGES: u32;

// Threads of a slice along output and input channels.
override TEAM_K: u32 = SIDE_K / ROWS;
override TEAM_C: u32 = SIDE_C / COLUMNS;
override SLICE: u32 = TEAM_K * TEAM_C;
override WIDTH: u32 = SLICES * SLICE;
// Vectors of a position.
override QUADS_K: u32 = SIDE_K / 4u;
override QUADS_C: u32 = SIDE_C / 4u;
// Where x begins in `staged`.
override OF_X: u32 = STAGE * QUADS_K;
override MEMORY: u32;            // vectors of `staged`

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;  // with PARTS > 1 [PARTS, OUT_C, IN_C]

// A stage: dy [STAGE, QUADS_K] and x [STAGE, QUADS_C]. Behind the last stage the sums: [SIDE_K·SIDE_C / 4 / SLICE, SLICE].
var<workgroup> staged: array<vec4f, MEMORY>;

// Where vector `quad` of a position's `quads` stands. Eight positions beside each other begin in the same bank, or every
// second does: their vectors change places, so that those of one number lie in different banks.
fn place(position: u32, quad: u32, quads: u32) -> u32 {
    let number = select(position, position / 2u, quads == 4u);
    return position * quads + (quad ^ (number % min(quads, 8u)));
}

// Four channels of a position that `begin` is channel 0 of, from `channel` on. What lies behind the last channel is that
// of another, and its sums are not stored; a position behind the last counts as zero.
fn load_dy(begin: u32, channel: u32, live: bool) -> vec4f {
    let at = begin + channel * POINTS;
    let whole = OUT_C % SIDE_K == 0u;
    let values = vec4f(
        dy[select(begin, at, whole || channel < OUT_C)],
        dy[select(begin, at + POINTS, whole || channel + 1u < OUT_C)],
        dy[select(begin, at + 2u * POINTS, whole || channel + 2u < OUT_C)],
        dy[select(begin, at + 3u * POINTS, whole || channel + 3u < OUT_C)],
    );
    return select(vec4f(), values, live);
}

fn load_x(begin: u32, channel: u32, live: bool) -> vec4f {
    let at = begin + channel * POINTS;
    let whole = IN_C % SIDE_C == 0u;
    let values = vec4f(
        x[select(begin, at, whole || channel < IN_C)],
        x[select(begin, at + POINTS, whole || channel + 1u < IN_C)],
        x[select(begin, at + 2u * POINTS, whole || channel + 2u < IN_C)],
        x[select(begin, at + 3u * POINTS, whole || channel + 3u < IN_C)],
    );
    return select(vec4f(), values, live);
}

// Every thread has one position of the stage, and every WIDTH / STAGE-th vector of it.
fn fill_stage(stage: u32, k: u32, c: u32, thread: u32) {
    let position = thread % STAGE;
    let first = thread / STAGE;
    let step = WIDTH / STAGE;
    let number = stage * STAGE + position;
    let live = N * POINTS % STAGE == 0u || number < N * POINTS;
    let n = select(0u, number / POINTS, live);
    let point = number % POINTS;
    let of_dy = n * OUT_C * POINTS + point;
    let of_x = n * IN_C * POINTS + point;
    // Turns are counted, so that compilers unroll them and loads overlap.
    for (var turn = 0u; turn < QUADS_K / step; turn++) {
        let quad = first + turn * step;
        staged[place(position, quad, QUADS_K)] = load_dy(of_dy, k + 4u * quad, live);
    }
    for (var turn = 0u; turn < QUADS_C / step; turn++) {
        let quad = first + turn * step;
        staged[OF_X + place(position, quad, QUADS_C)] = load_x(of_x, c + 4u * quad, live);
    }
}

// The weights from four input channels to four output channels: element i is those of input channel i.
alias Square = array<vec4f, 4>;

fn add_products(sum: ptr<function, Square>, k: vec4f, c: vec4f) {
    (*sum)[0] = fma(k, vec4f(c.x), (*sum)[0]);
    (*sum)[1] = fma(k, vec4f(c.y), (*sum)[1]);
    (*sum)[2] = fma(k, vec4f(c.z), (*sum)[2]);
    (*sum)[3] = fma(k, vec4f(c.w), (*sum)[3]);
}

// Puts square `number` of a thread, whose first vector stands at `at`, or adds it to what others have put.
fn put(at: u32, number: u32, sum: Square, is_first: bool) {
    let i = at + 4u * number * SLICE;
    staged[i] = select(staged[i], vec4f(), is_first) + sum[0];
    staged[i + SLICE] = select(staged[i + SLICE], vec4f(), is_first) + sum[1];
    staged[i + 2u * SLICE] = select(staged[i + 2u * SLICE], vec4f(), is_first) + sum[2];
    staged[i + 3u * SLICE] = select(staged[i + 3u * SLICE], vec4f(), is_first) + sum[3];
}

// The number of a thread's first square of the upper input channels.
override UPPER: u32 = ROWS / 4u;

@compute @workgroup_size(WIDTH)
fn weight_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let tiles_k = (OUT_C + SIDE_K - 1u) / SIDE_K;
    let tiles_c = (IN_C + SIDE_C - 1u) / SIDE_C;
    // Workgroups of the same positions follow each other, because they read the same stages.
    let number = group.x + group.y * groups.x;
    let first_c = number % tiles_c * SIDE_C;
    let first_k = number / tiles_c % tiles_k * SIDE_K;
    let part = number / (tiles_c * tiles_k);
    if part >= PARTS {
        return;
    }
    let end = min((part + 1u) * PART_STAGES, (N * POINTS + STAGE - 1u) / STAGE);
    let lane = thread % SLICE;
    let slice = thread / SLICE;
    let own_c = lane % TEAM_C;
    let own_k = lane / TEAM_C;
    // Of output channels below and above the middle of the tile, by input channels below and above.
    var low_low = Square();
    var high_low = Square();
    var low_high = Square();
    var high_high = Square();
    for (var stage = part * PART_STAGES; stage < end; stage++) {
        workgroupBarrier();
        fill_stage(stage, first_k, first_c, thread);
        workgroupBarrier();
        for (var position = slice; position < STAGE; position += SLICES) {
            let k = staged[place(position, own_k, QUADS_K)];
            let c = staged[OF_X + place(position, own_c, QUADS_C)];
            add_products(&low_low, k, c);
            if ROWS > 4u {
                let k_high = staged[place(position, own_k + TEAM_K, QUADS_K)];
                add_products(&high_low, k_high, c);
                if COLUMNS > 4u {
                    let c_high = staged[OF_X + place(position, own_c + TEAM_C, QUADS_C)];
                    add_products(&low_high, k, c_high);
                    add_products(&high_high, k_high, c_high);
                }
            } else if COLUMNS > 4u {
                let c_high = staged[OF_X + place(position, own_c + TEAM_C, QUADS_C)];
                add_products(&low_high, k, c_high);
            }
        }
    }
    // One after another. Compilers do not know that there is a workgroup, and do not write the turns out.
    for (var turn = 0u; turn < SLICES * min(groups.x, 1u); turn++) {
        workgroupBarrier();
        if slice == turn {
            put(lane, 0u, low_low, turn == 0u);
            if ROWS > 4u {
                put(lane, 1u, high_low, turn == 0u);
            }
            if COLUMNS > 4u {
                put(lane, UPPER, low_high, turn == 0u);
            }
            if ROWS > 4u && COLUMNS > 4u {
                put(lane, 3u, high_high, turn == 0u);
            }
        }
    }
    workgroupBarrier();
    // Neighbouring threads write neighbouring weights.
    for (var i = thread; i < SIDE_K * SIDE_C; i += WIDTH) {
        let k = i / SIDE_C;
        let c = i % SIDE_C;
        let square = k / 4u / TEAM_K + UPPER * (c / 4u / TEAM_C);
        let at = (4u * square + c % 4u) * SLICE + k / 4u % TEAM_K * TEAM_C + c / 4u % TEAM_C;
        if first_k + k < OUT_C && first_c + c < IN_C {
            dw[(part * OUT_C + first_k + k) * IN_C + first_c + c] = staged[at][k % 4u];
        }
    }
}
