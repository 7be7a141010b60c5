// Rows of one tensor inside the rows of a longer one: concatenation, slices and zero padding along an axis.
//
//   place   y[row, OFFSET + i] = x[row, i]                          x [ROWS, SHORT], y [ROWS, LONG]; the rest of y stays
//   take    y[row, i] = x[row, OFFSET + i]                          x [ROWS, LONG], y [ROWS, SHORT]
//   pad     y[row, OFFSET + i] = x[row, i], and 0 elsewhere         x [ROWS, SHORT], y [ROWS, LONG]
//
// A row is everything from the axis on. Workgroup: 256 threads, one element of x (place) or y (take, pad) each;
// grid(ceil(elements / 256)).
// Determinism: no element depends on another.

override ROWS: u32;
override LONG: u32;
override SHORT: u32;
override OFFSET: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn element(group: vec3u, groups: vec3u, thread: u32) -> u32 {
    return (group.x + group.y * groups.x) * 256u + thread;
}

@compute @workgroup_size(256)
fn place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < ROWS * SHORT {
        y[i / SHORT * LONG + OFFSET + i % SHORT] = x[i];
    }
}

@compute @workgroup_size(256)
fn take(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < ROWS * SHORT {
        y[i] = x[i / SHORT * LONG + OFFSET + i % SHORT];
    }
}

@compute @workgroup_size(256)
fn pad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = element(group, groups, thread);
    if i < ROWS * LONG {
        let column = i % LONG;
        let inside = column >= OFFSET && column < OFFSET + SHORT;
        // What lies outside reads the row's first element, to stay within x.
        let value = x[i / LONG * SHORT + select(0u, column - OFFSET, inside)];
        y[i] = select(0.0, value, inside);
    }
}
