// Masks over the rows and columns of images.
//
//   y[n, c, h, w] = x[n, c, h, w]·rows[n, h]·columns[n, w]
//
// Shapes: x, y [N, C, H, W] of LEN elements; rows [N, H]; columns [N, W].
// Workgroup: 256 threads, one element each, so that neighbours read and write neighbours; dispatch:
// grid(ceil(LEN / 256)). The divisions are by constants of the pipeline.
// Determinism: no element depends on another.
//
// The gradient to x is the same on dy.

override LEN: u32;
override C: u32;
override H: u32;
override W: u32;

// Where the row factor and the column factor of element i lie.
fn places(i: u32) -> vec2u {
    let row = i / W;
    let n = row / (C * H);
    return vec2u(n * H + row % H, n * W + i % W);
}

@group(0) @binding(0) var<storage, read> x: array<f32>;         // [N, C, H, W]
@group(0) @binding(1) var<storage, read> rows: array<f32>;      // [N, H]
@group(0) @binding(2) var<storage, read> columns: array<f32>;   // [N, W]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [N, C, H, W]

@compute @workgroup_size(256)
fn mask(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        let at = places(i);
        y[i] = x[i] * (rows[at.x] * columns[at.y]);
    }
}

// x lies in y's memory.
@group(0) @binding(0) var<storage, read> rows_only: array<f32>;      // [N, H]
@group(0) @binding(1) var<storage, read> columns_only: array<f32>;   // [N, W]
@group(0) @binding(2) var<storage, read_write> x_y: array<f32>;      // [N, C, H, W]

@compute @workgroup_size(256)
fn mask_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        let at = places(i);
        x_y[i] *= rows_only[at.x] * columns_only[at.y];
    }
}
