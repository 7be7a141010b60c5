// Max and average pooling, unpadded; windows at the edge may be cut off there.
//
//   max_pool           y[p, q]  = max over r < R, s < S of x[p·STRIDE_H + r, q·STRIDE_W + s]
//   max_pool_grad      dx[i, j] = Σ over windows (p, q) whose first maximum is (i, j) of dy[p, q]
//   max_pool_grad_side_by_side   the same where windows neither overlap nor leave gaps
//   average_pool       y[p, q]  = Σ over r, s of x[...] / (r·s of what lies inside)
//   average_pool_grad  dx[i, j] = Σ over windows (p, q) that hold (i, j) of dy[p, q] / (r·s inside)
//
// Shapes: x, dx [PLANES, H, W] with PLANES = N·C; y, dy [PLANES, P, Q]; window R×S. Windows may overlap.
// Workgroup: 256 threads, one element of the output each, dispatch: grid(ceil(elements / 256)); side_by_side: one
// window each, or what is left of one at the end of a row or column: grid(ceil(PLANES·ceil(H/R)·ceil(W/S) / 256)).
// Determinism: gradients are gathered by the element that receives them, windows in row-major order; no atomics.

override PLANES: u32;
override H: u32;
override W: u32;
override P: u32;
override Q: u32;
override R: u32;
override S: u32;
override STRIDE_H: u32;
override STRIDE_W: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;         // [PLANES, H, W]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;   // [PLANES, P, Q]

// What lies inside of a window: where it begins in x, its rows and its columns.
struct Inside {
    start: u32,
    rows: u32,
    columns: u32,
}

// Window (p, q) of a plane.
fn inside(plane: u32, p: u32, q: u32) -> Inside {
    let i = p * STRIDE_H;
    let j = q * STRIDE_W;
    return Inside((plane * H + i) * W + j, min(R, H - i), min(S, W - j));
}

// The window of element `index` of a pooled tensor.
fn window_of(index: u32) -> Inside {
    return inside(index / (P * Q), (index / Q) % P, index % Q);
}

@compute @workgroup_size(256)
fn max_pool(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + thread;
    if index >= PLANES * P * Q {
        return;
    }
    let window = window_of(index);
    var best = x[window.start];
    for (var r = 0u; r < window.rows; r++) {
        for (var s = 0u; s < window.columns; s++) {
            let value = x[window.start + r * W + s];
            if value > best {
                best = value;
            }
        }
    }
    y[index] = best;
}

@compute @workgroup_size(256)
fn average_pool(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + thread;
    if index >= PLANES * P * Q {
        return;
    }
    let window = window_of(index);
    var sum = 0.0;
    for (var r = 0u; r < window.rows; r++) {
        // Row by row, so that rounding errors of large windows stay small.
        var row = 0.0;
        for (var s = 0u; s < window.columns; s++) {
            row += x[window.start + r * W + s];
        }
        sum += row;
    }
    y[index] = sum / f32(window.rows * window.columns);
}

// The first of the windows along one axis that hold position `i`: the least p with p·stride + size > i.
fn first_window(i: u32, size: u32, stride: u32) -> u32 {
    return select(0u, (i - size) / stride + 1u, i >= size);
}

@group(0) @binding(1) var<storage, read> upstream: array<f32>;             // dy [PLANES, P, Q]
@group(0) @binding(2) var<storage, read_write> max_gradient: array<f32>;   // dx [PLANES, H, W]

// Whether x[index] is the first maximum of the window. Most elements are not, and most of those find a larger one soon.
fn is_first_max(index: u32, window: Inside) -> bool {
    let value = x[index];
    for (var r = 0u; r < window.rows; r++) {
        for (var s = 0u; s < window.columns; s++) {
            let other = window.start + r * W + s;
            if x[other] > value || (x[other] == value && other < index) {
                return false;
            }
        }
    }
    return true;
}

@compute @workgroup_size(256)
fn max_pool_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + thread;
    if index >= PLANES * H * W {
        return;
    }
    let j = index % W;
    let i = (index / W) % H;
    let plane = index / (H * W);
    let p_end = min(i / STRIDE_H + 1u, P);
    let q_end = min(j / STRIDE_W + 1u, Q);
    var sum = 0.0;
    for (var p = first_window(i, R, STRIDE_H); p < p_end; p++) {
        for (var q = first_window(j, S, STRIDE_W); q < q_end; q++) {
            if is_first_max(index, inside(plane, p, q)) {
                sum += upstream[(plane * P + p) * Q + q];
            }
        }
    }
    max_gradient[index] = sum;
}

// A window's elements get the whole of dy or nothing: x is read once, and neither x nor dy is searched for.
@compute @workgroup_size(256)
fn max_pool_grad_side_by_side(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + thread;
    let across = (W + S - 1u) / S;
    let down = (H + R - 1u) / R;
    if index >= PLANES * down * across {
        return;
    }
    let q = index % across;
    let p = index / across % down;
    let plane = index / (across * down);
    let window = inside(plane, p, q);
    // Behind the last window nothing is the maximum.
    var best = R * S;
    var gradient = 0.0;
    if p < P && q < Q {
        best = 0u;
        var maximum = x[window.start];
        for (var i = 1u; i < R * S; i++) {
            if i / S < window.rows && i % S < window.columns {
                let value = x[window.start + i / S * W + i % S];
                if value > maximum {
                    maximum = value;
                    best = i;
                }
            }
        }
        gradient = upstream[(plane * P + p) * Q + q];
    }
    for (var i = 0u; i < R * S; i++) {
        if i / S < window.rows && i % S < window.columns {
            max_gradient[window.start + i / S * W + i % S] = select(0.0, gradient, i == best);
        }
    }
}

@group(0) @binding(0) var<storage, read> shares: array<f32>;                   // dy [PLANES, P, Q]
@group(0) @binding(1) var<storage, read_write> average_gradient: array<f32>;   // dx [PLANES, H, W]

@compute @workgroup_size(256)
fn average_pool_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + thread;
    if index >= PLANES * H * W {
        return;
    }
    let j = index % W;
    let i = (index / W) % H;
    let plane = index / (H * W);
    let p_end = min(i / STRIDE_H + 1u, P);
    let q_end = min(j / STRIDE_W + 1u, Q);
    var sum = 0.0;
    for (var p = first_window(i, R, STRIDE_H); p < p_end; p++) {
        for (var q = first_window(j, S, STRIDE_W); q < q_end; q++) {
            let window = inside(plane, p, q);
            sum += shares[(plane * P + p) * Q + q] / f32(window.rows * window.columns);
        }
    }
    average_gradient[index] = sum;
}
