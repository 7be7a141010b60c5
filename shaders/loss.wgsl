// Softmax, softmax cross-entropy on soft labels, and binary cross-entropy.
//
//   softmax              y[k]  = e^x[k] / Σ_j e^x[j]
//   softmax_grad         dx[k] = y[k]·(dy[k] − Σ_j dy[j]·y[j])
//   cross_entropy_rows   loss of a row = −Σ_k t[k]·ln softmax(x)[k], t[k] = w[k]·((1 − SMOOTHING)·label[k] + SMOOTHING/K)
//   mean_of_rows         loss = Σ of the rows' losses / N
//   cross_entropy_grad   dx[k] = dloss/N · (softmax(x)[k]·Σ_j t[j] − t[k])
//   binary_cross_entropy_rows   loss of a row = Σ_k w[k]·(max(x[k], 0) − x[k]·label[k] + ln(1 + e^−|x[k]|)) / K
//   binary_cross_entropy_grad   dx[k] = dloss/(N·K) · w[k]·(1/(1 + e^−x[k]) − label[k])
//
// Shapes: logits x, labels, y, dy, dx [N, K]; class weights w [K]; loss, dloss [1]; losses [N].
// Workgroup: 64 threads a row, each takes every 64th class, grid(N); mean_of_rows: one workgroup.
// Workgroup memory: one number a thread (256 B).
// Determinism: a thread sums in order, then a tree.

override N: u32;
override K: u32;
override SMOOTHING: f32;

var<workgroup> shared_values: array<f32, 64>;

// The sum of all threads' values, in every thread.
fn total(thread: u32, value: f32) -> f32 {
    workgroupBarrier();
    shared_values[thread] = value;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width /= 2u) {
        if thread < width {
            shared_values[thread] += shared_values[thread + width];
        }
        workgroupBarrier();
    }
    return shared_values[0];
}

// The largest of all threads' values, in every thread.
fn largest(thread: u32, value: f32) -> f32 {
    workgroupBarrier();
    shared_values[thread] = value;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width /= 2u) {
        if thread < width {
            shared_values[thread] = max(shared_values[thread], shared_values[thread + width]);
        }
        workgroupBarrier();
    }
    return shared_values[0];
}

// ln(1 + x) for x ≥ 0, also where x is so small that 1 + x would lose it: 2·artanh(x / (2 + x)) by its series.
fn log1p(x: f32) -> f32 {
    if x > 0.5 {
        return log(1.0 + x);
    }
    let z = x / (2.0 + x);
    let z2 = z * z;
    return 2.0 * z * (1.0 + z2 * (1.0 / 3.0 + z2 * (1.0 / 5.0 + z2 * (1.0 / 7.0 + z2 * (1.0 / 9.0 + z2 / 11.0)))));
}

@group(0) @binding(0) var<storage, read> x: array<f32>;   // [N, K]

// Of one row: the largest logit, and ln Σ e^(x − largest).
struct LogSum {
    largest: f32,
    log_sum: f32,
}

fn log_sum(row: u32, thread: u32) -> LogSum {
    var top = -3.40282e38;
    for (var k = thread; k < K; k += 64u) {
        top = max(top, x[row * K + k]);
    }
    top = largest(thread, top);
    // Terms that equal the largest are counted apart from the rest, so that 1 + rest keeps a small rest.
    var rest = 0.0;
    var tops = 0.0;
    for (var k = thread; k < K; k += 64u) {
        let value = x[row * K + k];
        if value == top {
            tops += 1.0;
        } else {
            rest += exp(value - top);
        }
    }
    tops = total(thread, tops);
    rest = total(thread, rest);
    return LogSum(top, log1p((tops - 1.0) + rest));
}

@group(0) @binding(1) var<storage, read_write> probabilities: array<f32>;   // y [N, K]

@compute @workgroup_size(64)
fn softmax(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if row >= N {
        return;
    }
    var top = -3.40282e38;
    for (var k = thread; k < K; k += 64u) {
        top = max(top, x[row * K + k]);
    }
    top = largest(thread, top);
    var sum = 0.0;
    for (var k = thread; k < K; k += 64u) {
        sum += exp(x[row * K + k] - top);
    }
    sum = total(thread, sum);
    for (var k = thread; k < K; k += 64u) {
        probabilities[row * K + k] = exp(x[row * K + k] - top) / sum;
    }
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;                       // [N, K]
@group(0) @binding(2) var<storage, read_write> softmax_gradient: array<f32>;   // dx [N, K]

// x holds the softmax's output y.
@compute @workgroup_size(64)
fn softmax_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if row >= N {
        return;
    }
    var sum = 0.0;
    for (var k = thread; k < K; k += 64u) {
        sum += x[row * K + k] * dy[row * K + k];
    }
    sum = total(thread, sum);
    for (var k = thread; k < K; k += 64u) {
        softmax_gradient[row * K + k] = x[row * K + k] * (dy[row * K + k] - sum);
    }
}

@group(0) @binding(1) var<storage, read> labels: array<f32>;          // [N, K]
@group(0) @binding(2) var<storage, read> class_weights: array<f32>;   // [K]

fn target_of(row: u32, k: u32) -> f32 {
    return class_weights[k] * ((1.0 - SMOOTHING) * labels[row * K + k] + SMOOTHING / f32(K));
}

@group(0) @binding(3) var<storage, read_write> losses: array<f32>;   // [N]

@compute @workgroup_size(64)
fn cross_entropy_rows(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if row >= N {
        return;
    }
    let sums = log_sum(row, thread);
    var loss = 0.0;
    for (var k = thread; k < K; k += 64u) {
        loss += target_of(row, k) * (sums.log_sum - (x[row * K + k] - sums.largest));
    }
    loss = total(thread, loss);
    if thread == 0u {
        losses[row] = loss;
    }
}

@group(0) @binding(0) var<storage, read_write> row_losses: array<f32>;   // [N]
@group(0) @binding(1) var<storage, read_write> mean_loss: array<f32>;    // [1]

@compute @workgroup_size(64)
fn mean_of_rows(@builtin(local_invocation_index) thread: u32) {
    var sum = 0.0;
    for (var row = thread; row < N; row += 64u) {
        sum += row_losses[row];
    }
    sum = total(thread, sum);
    if thread == 0u {
        mean_loss[0] = sum / f32(N);
    }
}

@group(0) @binding(3) var<storage, read> loss_gradient: array<f32>;           // dloss [1]
@group(0) @binding(4) var<storage, read_write> logit_gradient: array<f32>;    // dx [N, K]

@compute @workgroup_size(64)
fn cross_entropy_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if row >= N {
        return;
    }
    let sums = log_sum(row, thread);
    var weight = 0.0;
    for (var k = thread; k < K; k += 64u) {
        weight += target_of(row, k);
    }
    weight = total(thread, weight);
    let factor = loss_gradient[0] / f32(N);
    for (var k = thread; k < K; k += 64u) {
        let probability = exp(x[row * K + k] - sums.largest - sums.log_sum);
        logit_gradient[row * K + k] = factor * (probability * weight - target_of(row, k));
    }
}

// What the label misses of the likelier answer is exact where the label is 0 or 1.
fn missed(logit: f32, label: f32) -> f32 {
    return select(1.0 - label, label, logit < 0.0);
}

@compute @workgroup_size(64)
fn binary_cross_entropy_rows(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if row >= N {
        return;
    }
    var loss = 0.0;
    for (var k = thread; k < K; k += 64u) {
        let logit = x[row * K + k];
        let size = abs(logit);
        loss += class_weights[k] * (size * missed(logit, labels[row * K + k]) + log1p(exp(-size)));
    }
    loss = total(thread, loss);
    if thread == 0u {
        losses[row] = loss / f32(K);
    }
}

@compute @workgroup_size(64)
fn binary_cross_entropy_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = group.x + group.y * groups.x;
    if row >= N {
        return;
    }
    let factor = loss_gradient[0] / (f32(N) * f32(K));
    for (var k = thread; k < K; k += 64u) {
        let logit = x[row * K + k];
        let label = labels[row * K + k];
        // The probability of the less likely answer keeps what 1 − label would lose.
        let e = exp(-abs(logit));
        let unlikely = e / (1.0 + e);
        let slope = select((1.0 - label) - unlikely, unlikely - label, logit < 0.0);
        logit_gradient[row * K + k] = factor * class_weights[k] * slope;
    }
}
