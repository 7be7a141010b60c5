// What an adapter can reach at most, by kernels that do nothing else.
//
//   multiply_add  every invocation runs ROUNDS rounds of 64 independent multiply-adds in registers
//   copy          sink[i] = source[i] for COUNT vectors of four, one an invocation
//   nothing       one invocation adds 1 to one element: what a launch costs that waits for the launch before it
//
// Workgroups of 256 invocations; grids are folded into y where they are too many for x.

override COUNT: u32 = 1u;
override ROUNDS: u32 = 1u;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sink: array<vec4f>;

@compute @workgroup_size(256)
fn multiply_add(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) local: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + local;
    // Not known at compile time, and such that sums stay finite.
    let factor = source[0];
    let term = source[1] + vec4f(f32(index));
    var sums: array<vec4f, 16>;
    for (var i = 0u; i < 16u; i++) {
        sums[i] = term * f32(i);
    }
    for (var round = 0u; round < ROUNDS; round++) {
        sums[0] = sums[0] * factor + term;
        sums[1] = sums[1] * factor + term;
        sums[2] = sums[2] * factor + term;
        sums[3] = sums[3] * factor + term;
        sums[4] = sums[4] * factor + term;
        sums[5] = sums[5] * factor + term;
        sums[6] = sums[6] * factor + term;
        sums[7] = sums[7] * factor + term;
        sums[8] = sums[8] * factor + term;
        sums[9] = sums[9] * factor + term;
        sums[10] = sums[10] * factor + term;
        sums[11] = sums[11] * factor + term;
        sums[12] = sums[12] * factor + term;
        sums[13] = sums[13] * factor + term;
        sums[14] = sums[14] * factor + term;
        sums[15] = sums[15] * factor + term;
    }
    var sum = vec4f();
    for (var i = 0u; i < 16u; i++) {
        sum += sums[i];
    }
    // Every invocation's result decides whether it writes, so that no part of the work can be left out.
    if sum.x + sum.y + sum.z + sum.w == 1.5 || index == 0u {
        sink[0] = sum;
    }
}

@compute @workgroup_size(256)
fn copy(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) local: u32,
) {
    let index = (group.x + group.y * groups.x) * 256u + local;
    if index < COUNT {
        sink[index] = source[index];
    }
}

@compute @workgroup_size(1)
fn nothing() {
    sink[0] += vec4f(1.0);
}
