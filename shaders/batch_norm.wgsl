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
// workgroup      reductions WIDTH invocations (64 or 256), few_* 64, everything else 256
// dispatch       reductions: C·CHUNKS workgroups, each for one chunk of one channel, then, where there are several
//                chunks, C workgroups that merge them; few_*, for few elements a channel: ⌈C / 64⌉, one channel an
//                invocation; everything else ⌈C·COUNT / 256⌉ workgroups, one element an invocation, or ⌈C·COUNT / 1024⌉,
//                four, where SIZE is a multiple of 4. All grids are folded into y where they are too many for x.
// shared memory  a triple an invocation and 16 more (4.3 KiB)
// precision      statistics in one sweep: every invocation follows mean and Σ(x − mean)² of its elements' distances from
//                the chunk's first (Welford 1962); these, and the chunks', are merged pairwise (Chan, Golub and LeVeque
//                1983). x² is never summed. few_* take the distances from the mean itself. The mean is taken off before
//                scaling: folded into the shift it would cancel where it is large.
// determinism    an invocation takes its elements in order, and what invocations and chunks have is merged in order
//
// With SLOPE = 1 there is no activation. The variants in place do not bind the input that lies in the output: one
// buffer cannot be bound twice with different access in one dispatch.

override C: u32;
override SIZE: u32;
override COUNT: u32;
override CHUNKS: u32 = 1u;
override CHUNK: u32 = 1u; // elements of one
override WIDTH: u32 = 64u;
override SLOPE: f32 = 1.0;
override THROUGH: f32 = 0.0;
override SHARE: f32 = 0.5;
override EPSILON: f32 = 0.0;
override MOMENTUM: f32 = 0.0;
override UNBIASED: f32 = 1.0;

// Value, of LANES elements, is what one invocation computes; shaders/lanes/ declares both.

const WORKGROUP = 256u;

const FEW = 64u;
const SIXTEEN = 16u;

var<workgroup> pairs: array<vec2<f32>, WIDTH>;
var<workgroup> pair_sums: array<vec2<f32>, SIXTEEN>;
var<workgroup> moments: array<vec3<f32>, WIDTH>;
var<workgroup> moment_sums: array<vec3<f32>, SIXTEEN>;

// The sum of every invocation's pair, in the first: 16 of them add neighbours, the first adds those. Barriers cost more
// than additions.
fn total(value: vec2<f32>, local: u32) -> vec2<f32> {
    pairs[local] = value;
    workgroupBarrier();
    if local < SIXTEEN {
        var sum = vec2(0.0);
        for (var i = 0u; i < WIDTH / SIXTEEN; i++) {
            sum += pairs[local * (WIDTH / SIXTEEN) + i];
        }
        pair_sums[local] = sum;
    }
    workgroupBarrier();
    var sum = vec2(0.0);
    if local == 0u {
        for (var i = 0u; i < SIXTEEN; i++) {
            sum += pair_sums[i];
        }
    }
    return sum;
}

// Of elements: how many, their mean, Σ(x − mean)².
fn merge(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
    let count = a.x + b.x;
    let share = b.x / max(count, 1.0);
    let d = b.y - a.y;
    return vec3(count, a.y + d * share, a.z + b.z + d * d * a.x * share);
}

// All invocations' elements together, in the first.
fn merge_all(value: vec3<f32>, local: u32) -> vec3<f32> {
    moments[local] = value;
    workgroupBarrier();
    if local < SIXTEEN {
        var sum = moments[local * (WIDTH / SIXTEEN)];
        for (var i = 1u; i < WIDTH / SIXTEEN; i++) {
            sum = merge(sum, moments[local * (WIDTH / SIXTEEN) + i]);
        }
        moment_sums[local] = sum;
    }
    workgroupBarrier();
    var sum = vec3(0.0);
    if local == 0u {
        sum = moment_sums[0];
        for (var i = 1u; i < SIXTEEN; i++) {
            sum = merge(sum, moment_sums[i]);
        }
    }
    return sum;
}

// The place of element j, 0 ≤ j < COUNT, of channel c.
fn place(c: u32, j: u32) -> u32 {
    return (j / SIZE * C + c) * SIZE + j % SIZE;
}

// An element of a channel: its place, and its number in the plane.
struct Element {
    at: u32,
    i: u32,
}

fn element(c: u32, j: u32) -> Element {
    return Element(place(c, j), j % SIZE);
}

// The element WIDTH behind, found without a division.
fn next(element: Element) -> Element {
    let i = element.i + WIDTH % SIZE;
    let at = element.at + WIDTH / SIZE * C * SIZE + WIDTH % SIZE;
    if i >= SIZE {
        return Element(at + (C - 1u) * SIZE, i - SIZE);
    }
    return Element(at, i);
}

// The channel of value i of the tensor.
fn channel(i: u32) -> u32 {
    return i / (SIZE / LANES) % C;
}

// Where chunk k of a channel ends.
fn chunk_end(k: u32) -> u32 {
    return min(COUNT, (k + 1u) * CHUNK);
}

fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}

fn inverse_deviation(variance: f32) -> f32 {
    return 1.0 / sqrt(variance + EPSILON);
}

// ---- Statistics

@group(0) @binding(0) var<storage, read> x: array<f32>; // [N, C, ...]
// Means, then Σ(x − mean)²: [2, C, CHUNKS]. One chunk is the whole channel, and these the statistics: variances then.
@group(0) @binding(1) var<storage, read_write> statistics_partials: array<f32>;

@group(0) @binding(0) var<storage, read_write> merged_partials: array<f32>; // the same
@group(0) @binding(1) var<storage, read_write> statistics_out: array<f32>; // [2, C]

@compute @workgroup_size(WIDTH)
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
    let first = index % CHUNKS * CHUNK;
    let end = chunk_end(index % CHUNKS);
    let base = x[place(c, first)];
    var own = vec3(0.0);
    var here = element(c, first + local);
    for (var j = first + local; j < end; j += WIDTH) {
        let value = x[here.at] - base;
        let d = value - own.y;
        own.x += 1.0;
        own.y += d / own.x;
        own.z += d * (value - own.y);
        here = next(here);
    }
    let all = merge_all(own, local);
    if local == 0u {
        statistics_partials[index] = base + all.y;
        statistics_partials[C * CHUNKS + index] = all.z / select(1.0, f32(COUNT), CHUNKS == 1u);
    }
}

@compute @workgroup_size(WIDTH)
fn merge_statistics(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups);
    if c >= C {
        return;
    }
    // About the first chunk's mean, so that differences of large means are exact.
    let base = merged_partials[c * CHUNKS];
    var own = vec3(0.0);
    for (var k = local; k < CHUNKS; k += WIDTH) {
        let count = f32(chunk_end(k) - k * CHUNK);
        let mean = merged_partials[c * CHUNKS + k] - base;
        own = merge(own, vec3(count, mean, merged_partials[(C + c) * CHUNKS + k]));
    }
    let all = merge_all(own, local);
    if local == 0u {
        statistics_out[c] = base + all.y;
        statistics_out[C + c] = all.z / f32(COUNT);
    }
}

@compute @workgroup_size(FEW)
fn few_statistics(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups) * FEW + local;
    if c >= C {
        return;
    }
    var sum = 0.0;
    for (var j = 0u; j < COUNT; j++) {
        sum += x[place(c, j)];
    }
    let centre = sum / f32(COUNT);
    var deviations = vec2(0.0);
    for (var j = 0u; j < COUNT; j++) {
        let d = x[place(c, j)] - centre;
        deviations += vec2(d, d * d);
    }
    // The mean is rounded; what is left of it corrects both.
    let rest = deviations.x / f32(COUNT);
    statistics_partials[c] = centre + rest;
    statistics_partials[C + c] = deviations.y / f32(COUNT) - rest * rest;
}

// ---- Gradients to scale and shift

@group(0) @binding(1) var<storage, read> stats: array<f32>; // [2, C]
@group(0) @binding(2) var<storage, read> sums_dy: array<f32>; // [N, C, ...]
// Σ dz·(x − mean), then Σ dz: [2, C, CHUNKS]. One chunk is the whole channel, and these the sums: Σ dz·x̂ then.
@group(0) @binding(3) var<storage, read_write> sums_partials: array<f32>;

@group(0) @binding(3) var<storage, read> sums_y: array<f32>; // [N, C, ...]
@group(0) @binding(4) var<storage, read_write> masked_partials: array<f32>; // as sums_partials

@group(0) @binding(0) var<storage, read> merge_stats: array<f32>; // [2, C]
@group(0) @binding(1) var<storage, read_write> merged_sums: array<f32>; // as sums_partials
@group(0) @binding(2) var<storage, read_write> sums_out: array<f32>; // [2, C]

fn product(at: u32, dz: f32, mean: f32) -> vec2<f32> {
    return vec2(dz * (x[at] - mean), dz);
}

fn masked(at: u32) -> f32 {
    return sums_dy[at] * select(SLOPE, 1.0, sums_y[at] > 0.0);
}

fn finished(sum: vec2<f32>, c: u32) -> vec2<f32> {
    return vec2(sum.x * select(1.0, inverse_deviation(stats[C + c]), CHUNKS == 1u), sum.y);
}

@compute @workgroup_size(WIDTH)
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
    let first = index % CHUNKS * CHUNK + local;
    var sum = vec2(0.0);
    var here = element(c, first);
    for (var j = first; j < chunk_end(index % CHUNKS); j += WIDTH) {
        sum += product(here.at, sums_dy[here.at], stats[c]);
        here = next(here);
    }
    sum = finished(total(sum, local), c);
    if local == 0u {
        sums_partials[index] = sum.x;
        sums_partials[C * CHUNKS + index] = sum.y;
    }
}

@compute @workgroup_size(WIDTH)
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
    let first = index % CHUNKS * CHUNK + local;
    var sum = vec2(0.0);
    var here = element(c, first);
    for (var j = first; j < chunk_end(index % CHUNKS); j += WIDTH) {
        sum += product(here.at, masked(here.at), stats[c]);
        here = next(here);
    }
    sum = finished(total(sum, local), c);
    if local == 0u {
        masked_partials[index] = sum.x;
        masked_partials[C * CHUNKS + index] = sum.y;
    }
}

@compute @workgroup_size(WIDTH)
fn merge_sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups);
    if c >= C {
        return;
    }
    var sum = vec2(0.0);
    for (var k = local; k < CHUNKS; k += WIDTH) {
        sum += vec2(merged_sums[c * CHUNKS + k], merged_sums[(C + c) * CHUNKS + k]);
    }
    sum = total(sum, local);
    if local == 0u {
        sums_out[c] = sum.x * inverse_deviation(merge_stats[C + c]);
        sums_out[C + c] = sum.y;
    }
}

@compute @workgroup_size(FEW)
fn few_sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups) * FEW + local;
    if c >= C {
        return;
    }
    var sum = vec2(0.0);
    for (var j = 0u; j < COUNT; j++) {
        let at = place(c, j);
        sum += product(at, sums_dy[at], stats[c]);
    }
    sum = finished(sum, c);
    sums_partials[c] = sum.x;
    sums_partials[C + c] = sum.y;
}

@compute @workgroup_size(FEW)
fn few_sums_masked(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = group_index(group, groups) * FEW + local;
    if c >= C {
        return;
    }
    var sum = vec2(0.0);
    for (var j = 0u; j < COUNT; j++) {
        let at = place(c, j);
        sum += product(at, masked(at), stats[c]);
    }
    sum = finished(sum, c);
    masked_partials[c] = sum.x;
    masked_partials[C + c] = sum.y;
}

// ---- Application: x at 0, stats at 1, unless in place

@group(0) @binding(0) var<storage, read> values: array<Value>; // x [N, C, ...]

@group(0) @binding(2) var<storage, read> affine: array<f32>; // scale and shift [2, C]
@group(0) @binding(3) var<storage, read_write> y3: array<Value>; // [N, C, ...]
@group(0) @binding(3) var<storage, read> residual3: array<Value>; // [N, C, ...]
@group(0) @binding(4) var<storage, read_write> y4: array<Value>; // [N, C, ...]

@group(0) @binding(0) var<storage, read> stats0: array<f32>; // [2, C]
@group(0) @binding(1) var<storage, read> affine1: array<f32>; // [2, C]
@group(0) @binding(2) var<storage, read_write> y2: array<Value>; // x before, y after [N, C, ...]
@group(0) @binding(2) var<storage, read> residual2: array<Value>; // [N, C, ...]

fn leaky(z: Value) -> Value {
    return z * select(Value(1.0), Value(SLOPE), z < Value(0.0));
}

fn normalise(x: Value, mean: f32, variance: f32, scale: f32, shift: f32) -> Value {
    return scale * inverse_deviation(variance) * (x - mean) + shift;
}

@compute @workgroup_size(WORKGROUP)
fn apply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT / LANES {
        let c = channel(i);
        let z = normalise(values[i], stats[c], stats[C + c], affine[c], affine[C + c]);
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
    if i < C * COUNT / LANES {
        let c = channel(i);
        let z = normalise(values[i], stats[c], stats[C + c], affine[c], affine[C + c]);
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
    if i < C * COUNT / LANES {
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
    if i < C * COUNT / LANES {
        let c = channel(i);
        let z = normalise(y3[i], stats0[c], stats0[C + c], affine1[c], affine1[C + c]);
        y3[i] = leaky(z + residual2[i]);
    }
}

// ---- Gradient to x: x at 0, stats at 1, scale and shift at 2

@group(0) @binding(3) var<storage, read> sums_in: array<f32>; // [2, C]
@group(0) @binding(4) var<storage, read> dy4: array<Value>; // [N, C, ...]
@group(0) @binding(5) var<storage, read_write> dx5: array<Value>; // [N, C, ...]
@group(0) @binding(5) var<storage, read> mask5: array<Value>; // y [N, C, ...]
@group(0) @binding(6) var<storage, read_write> dx6: array<Value>; // [N, C, ...]

@group(0) @binding(4) var<storage, read_write> dx4: array<Value>; // dy before, dx after [N, C, ...]
@group(0) @binding(4) var<storage, read> mask4: array<Value>; // y [N, C, ...]

// dy behind the leaky ReLU whose output is `mask`.
fn through_leaky(dy: Value, mask: Value) -> Value {
    return dy * select(Value(SLOPE), Value(1.0), mask > Value(0.0));
}

fn gradient(i: u32, dz: Value) -> Value {
    let c = channel(i);
    let inverse = inverse_deviation(stats[C + c]);
    let through = (values[i] - stats[c]) * inverse * sums_in[c] + sums_in[C + c];
    return affine[c] * inverse * (dz - THROUGH * through);
}

@compute @workgroup_size(WORKGROUP)
fn input_grad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT / LANES {
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
    if i < C * COUNT / LANES {
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
    if i < C * COUNT / LANES {
        dx6[i] = gradient(i, through_leaky(dy4[i], mask5[i]));
    }
}

@compute @workgroup_size(WORKGROUP)
fn input_grad_masked_in_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * WORKGROUP + local;
    if i < C * COUNT / LANES {
        dx5[i] = gradient(i, through_leaky(dx5[i], mask4[i]));
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
