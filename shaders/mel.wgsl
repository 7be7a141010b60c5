// Banded matrix on the frequency axis: y[s, h, t] = Σ_f m[h, f] · x[s, f, t], over the columns f where row h is not zero.
//
// Shapes: x [S, COLUMNS, T] (S signals: batch times channels), y [S, ROWS, T]. The gradient is the same kernel with the
// transposed matrix's bands.
// Workgroup: 256 threads, one element each, neighbours along t, so that reads of x are contiguous.
// Dispatch: grid(ceil(LEN / 256)), LEN = S·ROWS·T.
// Determinism: one thread adds a band's columns in their order.

override LEN: u32;
override ROWS: u32;
override COLUMNS: u32;
override FRAMES: u32;  // T

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [S, COLUMNS, T]
@group(0) @binding(1) var<storage, read> bands: array<vec3f>;  // first column, columns, first weight; vec3 stride 4 [ROWS, 4]
@group(0) @binding(2) var<storage, read> weights: array<f32>;  // the bands' elements, row after row
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [S, ROWS, T]

@compute @workgroup_size(256)
fn banded(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        let t = i % FRAMES;
        let row = i / FRAMES % ROWS;
        let signal = i / FRAMES / ROWS;
        let band = vec3u(bands[row]);
        let first = (signal * COLUMNS + band.x) * FRAMES + t;
        var sum = 0.0;
        for (var j = 0u; j < band.y; j += 1u) {
            sum += weights[band.z + j] * x[first + j * FRAMES];
        }
        y[i] = sum;
    }
}
