// The product of product.wgsl on matrix units: SIDE×SIDE matrices of f16, whose products are added to one of f32 by a
// subgroup of threads together. SIDE and the types of the matrices stand in cooperative_8.wgsl and cooperative_16.wgsl.
//
// A workgroup computes a block of four squares, ACROSS of them side by side (2 or 4), every one by a subgroup, which
// holds it as 2×2 matrices: 2·SIDE rows and columns. Workgroup memory holds DEPTH terms of both sides, rows of A and
// terms of B 16 bytes longer than they need be, so that their beginnings lie in different banks; and one matrix of sums
// for each subgroup, on its way to memory: 2·ROWS·(DEPTH + 8) + 2·DEPTH·(COLUMNS + 8) + 4·SLOTS·SIDE·SIDE bytes.
// Workgroup: 4·SUBGROUP threads, so that there are four subgroups even where all have the largest size that the adapter
// has, and SLOTS, 4·SUBGROUP by its smallest size, where all have that one. Those beyond four compute a square again
// and drop it: no operation on matrices may depend on which subgroup a thread is in.
// Dispatch: grid(GROUPS · PARTS · ceil(rows / ROWS) · ceil(columns / COLUMNS)).

override ACROSS: u32 = 2u;
override DEPTH: u32 = 32u;
override SUBGROUP: u32 = 32u;
override SLOTS: u32 = 4u;
override ROWS: u32 = 64u;    // of a block: 8·SIDE/ACROSS
override COLUMNS: u32 = 64u; // 2·SIDE·ACROSS

const MATRIX: u32 = SIDE * SIDE;

var<workgroup> tile_a: array<f16, ROWS * (DEPTH + 8u)>;
var<workgroup> tile_b: array<f16, DEPTH * (COLUMNS + 8u)>;
var<workgroup> sums: array<f32, SLOTS * MATRIX>;

// Writes the matrix that every square has at (row, column) of its own.
fn store_squares(thread: u32, group: u32, part: u32, first_row: u32, first_column: u32, row: u32, column: u32) {
    for (var i = thread; i < 4u * MATRIX; i += 4u * SUBGROUP) {
        let square = i / MATRIX;
        let down = first_row + square / ACROSS * 2u * SIDE + row + i % MATRIX / SIDE;
        let across = first_column + square % ACROSS * 2u * SIDE + column + i % SIDE;
        store(group, part, down, across, sums[i]);
    }
}

@compute @workgroup_size(4 * SUBGROUP)
fn product(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let number = workgroup.x + workgroup.y * workgroups.x;
    let across = (product_columns() + COLUMNS - 1u) / COLUMNS;
    let down = (product_rows() + ROWS - 1u) / ROWS;
    let rest = number / (across * down);
    let group = rest / PARTS;
    let part = rest % PARTS;
    if group >= GROUPS {
        return;
    }
    let first_row = number / across % down * ROWS;
    let first_column = number % across * COLUMNS;
    let begin = select(0u, part * PART_TERMS, KIND == WEIGHT_GRAD);
    let end = select(product_terms(), min(product_terms(), begin + PART_TERMS), KIND == WEIGHT_GRAD);
    let stride_a = DEPTH + 8u;
    let stride_b = COLUMNS + 8u;
    // Where the subgroup's square begins in the tiles.
    let square = subgroup % 4u;
    let row = square / ACROSS * 2u * SIDE;
    let column = square % ACROSS * 2u * SIDE;
    var sum00 = Sum();
    var sum01 = Sum();
    var sum10 = Sum();
    var sum11 = Sum();
    for (var start = begin; start < end; start += DEPTH) {
        // Neighbouring threads take neighbouring terms: of all three As, and of the B of WEIGHT_GRAD, those lie side by
        // side in memory; of the other Bs neighbouring columns do.
        for (var i = thread; i < ROWS * DEPTH; i += 4u * SUBGROUP) {
            tile_a[i / DEPTH * stride_a + i % DEPTH] = load_a(group, first_row + i / DEPTH, start + i % DEPTH, end);
        }
        for (var i = thread; i < DEPTH * COLUMNS; i += 4u * SUBGROUP) {
            let t = select(i / COLUMNS, i % DEPTH, KIND == WEIGHT_GRAD);
            let j = select(i % COLUMNS, i / DEPTH, KIND == WEIGHT_GRAD);
            tile_b[t * stride_b + j] = load_b(group, start + t, first_column + j, end);
        }
        workgroupBarrier();
        for (var term = 0u; term < DEPTH; term += SIDE) {
            let a0 = coopLoadT<Left>(&tile_a[row * stride_a + term], stride_a);
            let a1 = coopLoadT<Left>(&tile_a[(row + SIDE) * stride_a + term], stride_a);
            let b0 = coopLoadT<Right>(&tile_b[term * stride_b + column], stride_b);
            let b1 = coopLoadT<Right>(&tile_b[term * stride_b + column + SIDE], stride_b);
            sum00 = coopMultiplyAdd(a0, b0, sum00);
            sum01 = coopMultiplyAdd(a0, b1, sum01);
            sum10 = coopMultiplyAdd(a1, b0, sum10);
            sum11 = coopMultiplyAdd(a1, b1, sum11);
        }
        workgroupBarrier();
    }
    coopStoreT(sum00, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_squares(thread, group, part, first_row, first_column, 0u, 0u);
    workgroupBarrier();
    coopStoreT(sum01, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_squares(thread, group, part, first_row, first_column, 0u, SIDE);
    workgroupBarrier();
    coopStoreT(sum10, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_squares(thread, group, part, first_row, first_column, SIDE, 0u);
    workgroupBarrier();
    coopStoreT(sum11, &sums[subgroup * MATRIX], SIDE);
    workgroupBarrier();
    store_squares(thread, group, part, first_row, first_column, SIDE, SIDE);
}
