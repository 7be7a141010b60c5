// Batch normalisation over x [N, C, ...]: statistics, application with epilogue, gradients, running statistics.
//
// formulas       mean = Σx / COUNT;  variance = Σ(x − mean)² / COUNT
//                y = leaky(scale·(x − mean)·inverse + shift + residual),  inverse = 1/√(variance + EPSILON)
//                dscale = Σ dz·x̂;  dshift = Σ dz;  x̂ = (x − mean)·inverse;  dz = dy·(y > 0 ? 1 : SLOPE), or dy
//                dx = scale·inverse·(dz − THROUGH·(dshift + x̂·dscale)),  THROUGH = 1/count of the whole batch, or 0
//                merged: mean = mean₀ + SHARE·d;  variance = (1 − SHARE)·variance₀ + SHARE·variance₁ + SHARE·(1 − SHARE)·d²,
//                d = mean₁ − mean₀
//                running += MOMENTUM·(batch − running), the batch's variance times UNBIASED
// shapes         tensors [N, C, ...] with SIZE elements a plane (n, c) and COUNT = N·SIZE a channel;
//                statistics (mean, variance), scale and shift, and sums (dscale, dshift): [2, C]
// workgroup      256 invocations
// dispatch       reductions: C·CHUNKS workgroups, each for one chunk of one channel, then C workgroups that merge the
//                chunks; everything else ⌈C·COUNT / 256⌉ workgroups, one element an invocation. All grids are folded
//                into y where they are too many for x.
// shared memory  256 pairs for the tree of a reduction (2 KiB)
// precision      statistics by the corrected two-pass method (Chan, Golub and LeVeque 1983): a chunk's sum, then its
//                deviations from the rounded mean, whose own mean corrects both results; chunks are merged about the
//                first chunk's mean. x² is never summed. The mean is taken off before scaling: folded into the shift
//                it would cancel where it is large.
// determinism    an invocation sums its elements in order, the tree is fixed, and so are the chunks
//
// With SLOPE = 1 there is no activation. The variants in place do not bind the input that lies in the output: one
// buffer cannot be bound twice with different access in one dispatch.

override C: u32;
override SIZE: u32;
override COUNT: u32;
override CHUNKS: u32 = 1u;
override SLOPE: f32 = 1.0;
override THROUGH: f32 = 0.0;
override SHARE: f32 = 0.5;
override EPSILON: f32 = 1e-5;
override MOMENTUM: f32 = 0.0;
override UNBIASED: f32 = 1.0;

const WORKGROUP = 256u;

var<workgroup> tree: array<vec2<f32>, WORKGROUP>;

// The sum of every invocation's pair, in every invocation.
fn total(value: vec2<f32>, local: u32) -> vec2<f32> {
    tree[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            tree[local] += tree[local + half];
        }
        workgroupBarrier();
    }
    let sum = tree[0];
    workgroupBarrier(); // the tree may be used again
    return sum;
}

// The place of element j, 0 ≤ j < COUNT, of channel c.
fn place(c: u32, j: u32) -> u32 {
    return (j / SIZE * C + c) * SIZE + j % SIZE;
}

// The channel of element i of the tensor.
fn channel(i: u32) -> u32 {
    return i / SIZE % C;
}

fn chunk_length() -> u32 {
    return (COUNT + CHUNKS - 1u) / CHUNKS;
}

// Where chunk k of a channel ends.
fn chunk_end(k: u32) -> u32 {
    return min(COUNT, (k + 1u) * chunk_length());
}

fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}

fn inverse_deviation(variance: f32) -> f32 {
    return 1.0 / sqrt(variance + EPSILON);
}

// ---- Statistics

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, C, ...]
@group(0) @binding(1) var<storage, read_write> statistics_partials: array<vec2<f32>>; // mean, Σ(x − mean)²: [C, CHUNKS]

@group(0) @binding(0) var<storage, read_write> merged_partials: array<vec2<f32>>; // the same
@group(0) @binding(1) var<storage, read_write> statistics_out: array<f32>; // [2, C]

@compute @workgroup_size(WORKGROUP)
fn statistics(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = group_index(group, groups);
    if index >= C * CHUNKS {
        return;
    }
    let c = index / CHUNKS;
    let first = index % CHUNKS * chunk_length();
    let end = chunk_end(index % CHUNKS);
    let count = f32(end - first);
    var sum = 0.0;
    for (var j = first + local; j < end; j += WORKGROUP) {
        sum += x[place(c, j)];
    }
    let centre = total(vec2(sum, 0.0), local).x / count;
    var deviations = vec2(0.0);
    for (var j = first + local; j < end; j += WORKGROUP) {
        let d = x[place(c, j)] - centre;
        deviations += vec2(d, d * d);
    }
    deviations = total(deviations, local);
    if local == 0u {
        let rest = deviations.x / count;
        statistics_partials[index] = vec2(centre + rest, deviations.y - deviations.x * rest);
    }
}

@compute @workgroup_size(WORKGROUP)
fn merge_statistics(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups);
    if c >= C {
        return;
    }
    let base = merged_partials[c * CHUNKS].x;
    var count = 0.0;
    var partial = vec2(base, 0.0);
    if local < CHUNKS {
        count = f32(chunk_end(local) - local * chunk_length());
        partial = merged_partials[c * CHUNKS + local];
    }
    let offset = total(vec2(count * (partial.x - base), 0.0), local).x / f32(COUNT);
    let d = partial.x - base - offset;
    let squares = total(vec2(partial.y + count * d * d, 0.0), local).x;
    if local == 0u {
        statistics_out[c] = base + offset;
        statistics_out[C + c] = squares / f32(COUNT);
    }
}

// ---- Gradients to scale and shift

@group(0) @binding(1) var<storage, read> stats: array<f32>; // [2, C]
@group(0) @binding(2) var<storage, read> sums_dy: array<f32>; // [N, C, ...]
@group(0) @binding(3) var<storage, read_write> sums_partials: array<vec2<f32>>; // Σ dz·(x − mean), Σ dz: [C, CHUNKS]

@group(0) @binding(3) var<storage, read> sums_y: array<f32>; // [N, C, ...]
@group(0) @binding(4) var<storage, read_write> masked_partials: array<vec2<f32>>; // as sums_partials

@group(0) @binding(0) var<storage, read> merge_stats: array<f32>; // [2, C]
@group(0) @binding(1) var<storage, read_write> merged_sums: array<vec2<f32>>; // as sums_partials
@group(0) @binding(2) var<storage, read_write> sums_out: array<f32>; // [2, C]

@compute @workgroup_size(WORKGROUP)
fn sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = group_index(group, groups);
    if index >= C * CHUNKS {
        return;
    }
    let c = index / CHUNKS;
    let mean = stats[c];
    let end = chunk_end(index % CHUNKS);
    var sum = vec2(0.0);
    for (var j = index % CHUNKS * chunk_length() + local; j < end; j += WORKGROUP) {
        let i = place(c, j);
        let dz = sums_dy[i];
        sum += vec2(dz * (x[i] - mean), dz);
    }
    sum = total(sum, local);
    if local == 0u {
        sums_partials[index] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn sums_masked(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = group_index(group, groups);
    if index >= C * CHUNKS {
        return;
    }
    let c = index / CHUNKS;
    let mean = stats[c];
    let end = chunk_end(index % CHUNKS);
    var sum = vec2(0.0);
    for (var j = index % CHUNKS * chunk_length() + local; j < end; j += WORKGROUP) {
        let i = place(c, j);
        let dz = sums_dy[i] * select(SLOPE, 1.0, sums_y[i] > 0.0);
        sum += vec2(dz * (x[i] - mean), dz);
    }
    sum = total(sum, local);
    if local == 0u {
        masked_partials[index] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn merge_sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups);
    if c >= C {
        return;
    }
    var partial = vec2(0.0);
    if local < CHUNKS {
        partial = merged_sums[c * CHUNKS + local];
    }
    let sum = total(partial, local);
    if local == 0u {
        sums_out[c] = sum.x * inverse_deviation(merge_stats[C + c]);
        sums_out[C + c] = sum.y;
    }
}

// ---- Application: x at 0, stats at 1, unless in place

@group(0) @binding(2) var<storage, read> affine: array<f32>; // scale and shift [2, C]
@group(0) @binding(3) var<storage, read_write> y3: array<f32>; // [N, C, ...]
@group(0) @binding(3) var<storage, read> residual3: array<f32>; // [N, C, ...]
@group(0) @binding(4) var<storage, read_write> y4: array<f32>; // [N, C, ...]

@group(0) @binding(0) var<storage, read> stats0: array<f32>; // [2, C]
@group(0) @binding(1) var<storage, read> affine1: array<f32>; // [2, C]
@group(0) @binding(2) var<storage, read_write> y2: array<f32>; // x before, y after [N, C, ...]
@group(0) @binding(2) var<storage, read> residual2: array<f32>; // [N, C, ...]

fn leaky(z: f32) -> f32 {
    return z * select(1.0, SLOPE, z < 0.0);
}

fn normalise(x: f32, mean: f32, variance: f32, scale: f32, shift: f32) -> f32 {
    return scale * inverse_deviation(variance) * (x - mean) + shift;
}

@compute @workgroup_size(WORKGROUP)
fn apply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        let c = channel(i);
        let z = normalise(x[i], stats[c], stats[C + c], affine[c], affine[C + c]);
        y3[i] = leaky(z);
    }
}

@compute @workgroup_size(WORKGROUP)
fn apply_residual(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        let c = channel(i);
        let z = normalise(x[i], stats[c], stats[C + c], affine[c], affine[C + c]);
        y4[i] = leaky(z + residual3[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn apply_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        let c = channel(i);
        let z = normalise(y2[i], stats0[c], stats0[C + c], affine1[c], affine1[C + c]);
        y2[i] = leaky(z);
    }
}

@compute @workgroup_size(WORKGROUP)
fn apply_residual_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        let c = channel(i);
        let z = normalise(y3[i], stats0[c], stats0[C + c], affine1[c], affine1[C + c]);
        y3[i] = leaky(z + residual2[i]);
    }
}

// ---- Gradient to x: x at 0, stats at 1, scale and shift at 2

@group(0) @binding(3) var<storage, read> sums_in: array<f32>; // [2, C]
@group(0) @binding(4) var<storage, read> dy4: array<f32>; // [N, C, ...]
@group(0) @binding(5) var<storage, read_write> dx5: array<f32>; // [N, C, ...]
@group(0) @binding(5) var<storage, read> mask5: array<f32>; // y [N, C, ...]
@group(0) @binding(6) var<storage, read_write> dx6: array<f32>; // [N, C, ...]

@group(0) @binding(4) var<storage, read_write> dx4: array<f32>; // dy before, dx after [N, C, ...]
@group(0) @binding(4) var<storage, read> mask4: array<f32>; // y [N, C, ...]

fn gradient(i: u32, dz: f32) -> f32 {
    let c = channel(i);
    let inverse = inverse_deviation(stats[C + c]);
    let through = (x[i] - stats[c]) * inverse * sums_in[c] + sums_in[C + c];
    return affine[c] * inverse * (dz - THROUGH * through);
}

@compute @workgroup_size(WORKGROUP)
fn input_grad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        dx5[i] = gradient(i, dy4[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn input_grad_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        dx4[i] = gradient(i, dx4[i]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn input_grad_masked(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        dx6[i] = gradient(i, dy4[i] * select(SLOPE, 1.0, mask5[i] > 0.0));
    }
}

@compute @workgroup_size(WORKGROUP)
fn input_grad_masked_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT {
        dx5[i] = gradient(i, dx5[i] * select(SLOPE, 1.0, mask4[i] > 0.0));
    }
}

// ---- Statistics of two parts of a batch

@group(0) @binding(0) var<storage, read> first_part: array<f32>; // [2, C]
@group(0) @binding(1) var<storage, read> second_part: array<f32>; // [2, C]
@group(0) @binding(2) var<storage, read_write> both_parts: array<f32>; // [2, C]

@compute @workgroup_size(WORKGROUP)
fn merge_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups) * WORKGROUP + local;
    if c < C {
        let d = second_part[c] - first_part[c];
        let within = (1.0 - SHARE) * first_part[C + c] + SHARE * second_part[C + c];
        both_parts[c] = first_part[c] + SHARE * d;
        both_parts[C + c] = within + SHARE * (1.0 - SHARE) * d * d;
    }
}

// ---- Running statistics

@group(0) @binding(0) var<storage, read> running_before: array<f32>; // [2, C]
@group(0) @binding(1) var<storage, read> batch1: array<f32>; // [2, C]
@group(0) @binding(2) var<storage, read_write> running2: array<f32>; // [2, C]

@group(0) @binding(0) var<storage, read> batch0: array<f32>; // [2, C]
@group(0) @binding(1) var<storage, read_write> running1: array<f32>; // [2, C]

fn moved(running: f32, batch: f32, i: u32) -> f32 {
    return running + MOMENTUM * (batch * select(UNBIASED, 1.0, i < C) - running);
}

@compute @workgroup_size(WORKGROUP)
fn running(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < 2u * C {
        running2[i] = moved(running_before[i], batch1[i], i);
    }
}

@compute @workgroup_size(WORKGROUP)
fn running_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < 2u * C {
        running1[i] = moved(running1[i], batch0[i], i);
    }
}
