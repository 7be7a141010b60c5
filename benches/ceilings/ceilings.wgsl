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
    var s0 = term * 0.0;
    var s1 = term * 1.0;
    var s2 = term * 2.0;
    var s3 = term * 3.0;
    var s4 = term * 4.0;
    var s5 = term * 5.0;
    var s6 = term * 6.0;
    var s7 = term * 7.0;
    var s8 = term * 8.0;
    var s9 = term * 9.0;
    var sa = term * 10.0;
    var sb = term * 11.0;
    var sc = term * 12.0;
    var sd = term * 13.0;
    var se = term * 14.0;
    var sf = term * 15.0;
    for (var round = 0u; round < ROUNDS; round++) {
        s0 = fma(s0, factor, term);
        s1 = fma(s1, factor, term);
        s2 = fma(s2, factor, term);
        s3 = fma(s3, factor, term);
        s4 = fma(s4, factor, term);
        s5 = fma(s5, factor, term);
        s6 = fma(s6, factor, term);
        s7 = fma(s7, factor, term);
        s8 = fma(s8, factor, term);
        s9 = fma(s9, factor, term);
        sa = fma(sa, factor, term);
        sb = fma(sb, factor, term);
        sc = fma(sc, factor, term);
        sd = fma(sd, factor, term);
        se = fma(se, factor, term);
        sf = fma(sf, factor, term);
    }
    let sum = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7
        + s8 + s9 + sa + sb + sc + sd + se + sf;
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
