// ln: y = ln(x + FLOOR); ln_grad: dx = dy / (x + FLOOR), element by element.
// compress: y = log10(1 + GAIN·x); compress_grad: dx = GAIN/(ln 10·(1 + GAIN·x))·dy, element by element.
// decibel: d = 10·log10(max(x, AMIN)), y = max(d − max(d), −RANGE), the maximum over a sample; decibel_grad: its
// gradient, with what all values above the floor give up going to the sample's first maximum.
//
// Shapes: x, y, dx, dy one shape of LEN elements; for decibels SAMPLES samples of SIZE elements.
// Workgroup: 256 threads; ln and compress one element each, dispatch grid(ceil(LEN / 256)); decibels one sample a
// workgroup, dispatch grid(SAMPLES). A sample of a second of audio has some ten thousand elements, so a second launch
// would cost more.
// Workgroup memory: 256 maxima with their positions, 256 sums.
// Determinism: every thread's elements in their order, then a tree over threads.
//
// WGSL's own log may be off by 2⁻²¹ near 1 and by 3 units elsewhere, and 10·log10 needs more.

override LEN: u32 = 0u;
override SAMPLES: u32 = 0u;
override SIZE: u32 = 0u;
override FLOOR: f32 = 0.0;
override GAIN: f32 = 0.0;
override RANGE: f32 = 0.0;

const AMIN: f32 = 1e-10;
const DECIBELS: f32 = 4.342944819;     // 10 / ln 10
const LOG10_E: f32 = 0.4342944819;     // 1 / ln 10
const HALF_ROOT: u32 = 0x3f3504f3u;    // √½
const SMALLEST: f32 = 1.17549435e-38;  // Numbers below count as this one: a GPU may take them for zero anyway.

// e and f of x = 2ᵉ·(1 + f), with 1 + f in [√½, √2).
fn split(x: f32) -> vec2f {
    let offset = bitcast<u32>(x) - HALF_ROOT;
    return vec2(f32(bitcast<i32>(offset) >> 23u), bitcast<f32>((offset & 0x007fffffu) + HALF_ROOT) - 1.0);
}

// e·ln 2 + ln(1 + f); see src/ops/log/ln.rs.
fn join(exponent: f32, f: f32) -> f32 {
    let z = f * f;
    var p = 7.0376836e-2;
    p = p * f - 1.151461e-1;
    p = p * f + 1.1676999e-1;
    p = p * f - 1.2420141e-1;
    p = p * f + 1.4249323e-1;
    p = p * f - 1.6668058e-1;
    p = p * f + 2.0000715e-1;
    p = p * f - 2.4999994e-1;
    p = p * f + 3.3333331e-1;
    return f * z * p + exponent * -2.1219444e-4 - 0.5 * z + f + exponent * 0.6933594;
}

// ln x within 2 units in the last place.
fn natural(x: f32) -> f32 {
    let parts = split(max(x, SMALLEST));
    return join(parts.x, parts.y);
}

// log10(1 + GAIN·x), also where 1 + GAIN·x would lose x.
fn compressed(x: f32) -> f32 {
    let parts = split(max(1.0 + GAIN * x, SMALLEST));
    return LOG10_E * join(parts.x, select(parts.y, GAIN * x, parts.x == 0.0));
}

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [LEN]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [LEN]

@compute @workgroup_size(256)
fn ln(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        y[i] = natural(x[i] + FLOOR);
    }
}

// x lies in y's memory.
@group(0) @binding(0) var<storage, read_write> value: array<f32>;  // [LEN]

@compute @workgroup_size(256)
fn ln_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        value[i] = natural(value[i] + FLOOR);
    }
}

@compute @workgroup_size(256)
fn compress(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        y[i] = compressed(x[i]);
    }
}

@compute @workgroup_size(256)
fn compress_in_place(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        value[i] = compressed(value[i]);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [LEN]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [LEN]

@compute @workgroup_size(256)
fn ln_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        dx[i] = dy[i] / (x[i] + FLOOR);
    }
}

@compute @workgroup_size(256)
fn compress_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < LEN {
        dx[i] = GAIN * LOG10_E / (1.0 + GAIN * x[i]) * dy[i];
    }
}

fn decibels(power: f32) -> f32 {
    return DECIBELS * natural(max(power, AMIN));
}

// d(10·log10 max(x, AMIN))/dx
fn slope(power: f32) -> f32 {
    return select(0.0, DECIBELS / max(power, AMIN), power > AMIN);
}

var<workgroup> peaks: array<f32, 256>;
var<workgroup> positions: array<u32, 256>;
var<workgroup> sums: array<f32, 256>;

// The first maximum of the sample that begins at `start`, in peaks[0] and positions[0] (within the sample).
fn find_peak(start: u32, thread: u32) {
    var position = min(thread, SIZE - 1u);
    var peak = x[start + position];
    for (var i = thread + 256u; i < SIZE; i += 256u) {
        if x[start + i] > peak {
            peak = x[start + i];
            position = i;
        }
    }
    peaks[thread] = peak;
    positions[thread] = position;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if thread < half {
            let other = thread + half;
            let earlier = peaks[other] == peaks[thread] && positions[other] < positions[thread];
            if peaks[other] > peaks[thread] || earlier {
                peaks[thread] = peaks[other];
                positions[thread] = positions[other];
            }
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(256)
fn decibel(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let sample = group.x + group.y * groups.x;
    if sample >= SAMPLES {
        return;
    }
    let start = sample * SIZE;
    find_peak(start, thread);
    let reference = decibels(peaks[0]);
    for (var i = thread; i < SIZE; i += 256u) {
        y[start + i] = max(decibels(x[start + i]) - reference, -RANGE);
    }
}

@compute @workgroup_size(256)
fn decibel_grad(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let sample = group.x + group.y * groups.x;
    if sample >= SAMPLES {
        return;
    }
    let start = sample * SIZE;
    find_peak(start, thread);
    let reference = decibels(peaks[0]);
    var sum = 0.0;
    for (var i = thread; i < SIZE; i += 256u) {
        if decibels(x[start + i]) - reference > -RANGE {
            sum += dy[start + i];
        }
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if thread < half {
            sums[thread] += sums[thread + half];
        }
        workgroupBarrier();
    }
    for (var i = thread; i < SIZE; i += 256u) {
        let power = x[start + i];
        var back = select(0.0, dy[start + i], decibels(power) - reference > -RANGE);
        if i == positions[0] {
            back -= sums[0];
        }
        dx[start + i] = back * slope(power);
    }
}
