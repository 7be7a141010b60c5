// Power spectrogram: y[f, t] = |Σ_i w[i] · x[t·HOP + i − PAD] · e^(−2πi·f·i/n)|², and its gradient to x.
// log_mel: ln(Σ_f m[h, f] · y[f, t] + FLOOR) over the columns f where row h of the mel filters is not zero, the logarithm
// where LOGARITHM is 1; the power stays in workgroup memory.
//
// Shapes: x [S, L] (S signals: batch times channels), y and dy [S, F, T], features [S, ROWS, T], n = 2·POINTS,
// F = POINTS + 1; w is a periodic Hann window. What lies outside 0..L is reflected; the edge is not repeated.
// Tile: a workgroup takes GROUP_FRAMES STFT frames, THREADS threads each: one where n ≥ 512, else as many as fill 64 threads.
// Dispatch: power, log_mel, frame_gradient: grid(ceil(S·T / GROUP_FRAMES)); overlap_add: grid(ceil(S·L / 256)).
// Workgroup memory: POINTS complex numbers a frame, 16 KiB at n = 4096. A frame is transformed as POINTS complex
// numbers x[2j] + i·x[2j+1], in place: radix 4 by decimation in frequency, to bit-reversed order, with a last stage of
// radix 2 where POINTS is no power of four. The inverse runs the same stages backwards from that order.
// Unpacking: with W = e^(−2πi/n), E = (Z[k] + Z̄[m−k])/2 and P = Wᵏ·(Z[k] − Z̄[m−k])/2i, X[k] = E + P and
// X[m−k] = conj(E − P), m = POINTS, Z[m] = Z[0]; the halves are in the window's table. For the gradient see
// src/ops/stft/cpu.rs.
// Determinism: frames are independent; overlap_add adds what falls on a sample in the order of frames, without atomics.

override SAMPLES: u32;             // L
override FRAMES: u32;              // T
override SIGNALS: u32;             // S
override HOP: u32;
override PAD: u32;
override POINTS: u32;
override LOG_POINTS: u32;
override THREADS: u32;
override GROUP_FRAMES: u32;
override ROWS: u32 = 0u;           // H, of log_mel
override LOGARITHM: u32 = 0u;
override FLOOR: f32 = 0.0;
override GROUP_POINTS: u32 = POINTS * GROUP_FRAMES;
override GROUP_THREADS: u32 = THREADS * GROUP_FRAMES;

@group(0) @binding(0) var<storage, read> audio: array<f32>;       // x [S, L]
@group(0) @binding(1) var<storage, read> window: array<f32>;      // w/2 [n]
@group(0) @binding(2) var<storage, read> twiddles: array<vec2f>;     // e^(−2πi·k/n) [n]

var<workgroup> z: array<vec2f, GROUP_POINTS>;

// The part of a workgroup that works on one frame.
struct Team {
    signal: u32,
    t: u32,
    // Where the frame's points begin in z.
    base: u32,
    // The thread's number in the team.
    lane: u32,
    // Whether the frame exists; a team without one works on the last frame and writes nothing.
    live: bool,
}

fn team_of(group: vec3u, groups: vec3u, thread: u32) -> Team {
    let slot = thread / THREADS;
    let frame = (group.x + group.y * groups.x) * GROUP_FRAMES + slot;
    let real_frame = min(frame, SIGNALS * FRAMES - 1u);
    return Team(
        real_frame / FRAMES,
        real_frame % FRAMES,
        slot * POINTS,
        thread % THREADS,
        frame < SIGNALS * FRAMES,
    );
}

fn multiply(a: vec2f, b: vec2f) -> vec2f {
    return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

fn conj(a: vec2f) -> vec2f {
    return vec2f(a.x, -a.y);
}

fn times_i(a: vec2f) -> vec2f {
    return vec2f(-a.y, a.x);
}

// The sample that stands at a position of the padded audio.
fn sample_at(signal: u32, position: u32) -> f32 {
    let last = i32(SAMPLES) - 1;
    let p = abs(i32(position) - i32(PAD));
    return audio[signal * SAMPLES + u32(select(p, 2 * last - p, p > last))];
}

fn load(team: Team) {
    let start = team.t * HOP;
    for (var j = team.lane; j < POINTS; j += THREADS) {
        z[team.base + j] = vec2f(
            sample_at(team.signal, start + 2u * j) * window[2u * j],
            sample_at(team.signal, start + 2u * j + 1u) * window[2u * j + 1u],
        );
    }
    workgroupBarrier();
}

// Radix 2 on blocks of two, where POINTS is no power of four; its own inverse up to scale.
fn last_stage(team: Team) {
    if (LOG_POINTS & 1u) == 1u {
        for (var i = team.lane; i < POINTS / 2u; i += THREADS) {
            let at = team.base + 2u * i;
            let a = z[at];
            let b = z[at + 1u];
            z[at] = a + b;
            z[at + 1u] = a - b;
        }
        workgroupBarrier();
    }
}

// Bin k lies at `place(k)` afterwards.
fn transform(team: Team) {
    for (var log_block = LOG_POINTS; log_block >= 2u; log_block -= 2u) {
        let quarter = 1u << (log_block - 2u);
        for (var i = team.lane; i < POINTS / 4u; i += THREADS) {
            let j = i & (quarter - 1u);
            let at = team.base + 4u * (i - j) + j;
            let step = j << (LOG_POINTS + 1u - log_block);
            let a = z[at];
            let b = z[at + quarter];
            let c = z[at + 2u * quarter];
            let d = z[at + 3u * quarter];
            let even = a + c;
            let odd = b + d;
            let left = a - c;
            let right = times_i(b - d);
            z[at] = even + odd;
            z[at + quarter] = multiply(even - odd, twiddles[2u * step]);
            z[at + 2u * quarter] = multiply(left - right, twiddles[step]);
            z[at + 3u * quarter] = multiply(left + right, twiddles[3u * step]);
        }
        workgroupBarrier();
    }
    last_stage(team);
}

// Not divided by POINTS; bin k is expected at `place(k)`.
fn inverse_transform(team: Team) {
    last_stage(team);
    for (var log_block = 2u + (LOG_POINTS & 1u); log_block <= LOG_POINTS; log_block += 2u) {
        let quarter = 1u << (log_block - 2u);
        for (var i = team.lane; i < POINTS / 4u; i += THREADS) {
            let j = i & (quarter - 1u);
            let at = team.base + 4u * (i - j) + j;
            let step = j << (LOG_POINTS + 1u - log_block);
            let y0 = z[at];
            let y2 = multiply(z[at + quarter], conj(twiddles[2u * step]));
            let y1 = multiply(z[at + 2u * quarter], conj(twiddles[step]));
            let y3 = multiply(z[at + 3u * quarter], conj(twiddles[3u * step]));
            let even = y0 + y2;
            let odd = y0 - y2;
            let left = y1 + y3;
            let right = times_i(y1 - y3);
            z[at] = even + left;
            z[at + quarter] = odd + right;
            z[at + 2u * quarter] = even - left;
            z[at + 3u * quarter] = odd - right;
        }
        workgroupBarrier();
    }
}

fn place(team: Team, k: u32) -> u32 {
    return team.base + (reverseBits(k) >> (32u - LOG_POINTS));
}

struct Pair {
    // X[k]
    low: vec2f,
    // conj(X[m − k])
    high: vec2f,
}

fn bins(team: Team, k: u32) -> Pair {
    let a = z[place(team, k)];
    let b = conj(z[place(team, (POINTS - k) % POINTS)]);
    // Times −i: divided by i.
    let minus = times_i(multiply(a - b, twiddles[k]));
    return Pair(a + b - minus, a + b + minus);
}

@group(0) @binding(3) var<storage, read_write> spectrogram: array<f32>;  // y [S, F, T]

@compute @workgroup_size(GROUP_THREADS)
fn power(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let team = team_of(group, groups, thread);
    load(team);
    transform(team);
    if team.live {
        let base = team.signal * (POINTS + 1u) * FRAMES + team.t;
        for (var k = team.lane; k <= POINTS / 2u; k += THREADS) {
            let pair = bins(team, k);
            spectrogram[base + k * FRAMES] = dot(pair.low, pair.low);
            spectrogram[base + (POINTS - k) * FRAMES] = dot(pair.high, pair.high);
        }
    }
}

@group(0) @binding(3) var<storage, read> bands: array<vec3f>;           // first column, columns, first weight [ROWS, 4]
@group(0) @binding(4) var<storage, read> weights: array<f32>;           // the bands' elements, row after row
@group(0) @binding(5) var<storage, read_write> features: array<f32>;    // [S, ROWS, T]

// The pairs of bins that a thread has at the most: POINTS / 2 + 1 over THREADS.
const PAIRS: u32 = 5u;

const HALF_ROOT: u32 = 0x3f3504f3u;    // √½
const SMALLEST: f32 = 1.17549435e-38;  // Numbers below count as this one: a GPU may take them for zero anyway.

// The logarithm, as in log.wgsl: e and f of x = 2ᵉ·(1 + f), with 1 + f in [√½, √2).
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

@compute @workgroup_size(GROUP_THREADS)
fn log_mel(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let team = team_of(group, groups, thread);
    load(team);
    transform(team);
    // The powers of bins k and m − k take the place of point k, so that neighbouring bins are neighbours.
    var powers: array<vec2f, PAIRS>;
    for (var i = 0u; i < PAIRS; i += 1u) {
        let k = team.lane + i * THREADS;
        if k <= POINTS / 2u {
            let pair = bins(team, k);
            powers[i] = vec2f(dot(pair.low, pair.low), dot(pair.high, pair.high));
        }
    }
    workgroupBarrier();
    for (var i = 0u; i < PAIRS; i += 1u) {
        let k = team.lane + i * THREADS;
        if k <= POINTS / 2u {
            z[team.base + k] = powers[i];
        }
    }
    workgroupBarrier();
    if team.live {
        for (var row = team.lane; row < ROWS; row += THREADS) {
            let band = vec3u(bands[row]);
            var sum = 0.0;
            for (var j = 0u; j < band.y; j += 1u) {
                let f = band.x + j;
                let pair = z[team.base + min(f, POINTS - f)];
                sum += weights[band.z + j] * select(pair.y, pair.x, f <= POINTS / 2u);
            }
            if LOGARITHM == 1u {
                sum = natural(sum + FLOOR);
            }
            features[(team.signal * ROWS + row) * FRAMES + team.t] = sum;
        }
    }
}

@group(0) @binding(3) var<storage, read> upstream: array<f32>;          // dy [S, F, T]
@group(0) @binding(4) var<storage, read_write> gradients: array<vec2f>;  // windowed frames [S, T, n]

@compute @workgroup_size(GROUP_THREADS)
fn frame_gradient(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let team = team_of(group, groups, thread);
    load(team);
    transform(team);
    let base = team.signal * (POINTS + 1u) * FRAMES + team.t;
    for (var k = team.lane; k <= POINTS / 2u; k += THREADS) {
        let pair = bins(team, k);
        let twice = select(1.0, 2.0, k == 0u);
        let u = twice * upstream[base + k * FRAMES] * pair.low;
        let v = twice * upstream[base + (POINTS - k) * FRAMES] * pair.high;
        let q = times_i(multiply(u - v, conj(twiddles[k])));
        z[place(team, (POINTS - k) % POINTS)] = conj(u + v - q);
        // Where both are one bin (0 or m/2), this is the value that counts.
        z[place(team, k)] = u + v + q;
    }
    workgroupBarrier();
    inverse_transform(team);
    if team.live {
        let row = (team.signal * FRAMES + team.t) * POINTS;
        for (var j = team.lane; j < POINTS; j += THREADS) {
            // The table holds half the window.
            let w = 2.0 * vec2f(window[2u * j], window[2u * j + 1u]);
            gradients[row + j] = w * z[team.base + j];
        }
    }
}

@group(0) @binding(0) var<storage, read_write> frames: array<f32>;    // windowed frames [S, T, n]
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;  // dx [S, L]

// The sum of all frames at a position of the padded audio.
fn overlap(signal: u32, position: u32) -> f32 {
    let n = 2u * POINTS;
    var t = 0u;
    if position >= n {
        t = (position - n) / HOP + 1u;
    }
    var sum = 0.0;
    for (; t < FRAMES && t * HOP <= position; t += 1u) {
        sum += frames[(signal * FRAMES + t) * n + position - t * HOP];
    }
    return sum;
}

@compute @workgroup_size(256)
fn overlap_add(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.x + group.y * groups.x) * 256u + thread;
    if i < SIGNALS * SAMPLES {
        let signal = i / SAMPLES;
        let p = i % SAMPLES;
        let from_end = SAMPLES - 1u - p;
        var sum = overlap(signal, PAD + p);
        // Reflected before the first sample, and behind the last.
        if p >= 1u && p <= PAD {
            sum += overlap(signal, PAD - p);
        }
        if from_end >= 1u && from_end <= PAD {
            sum += overlap(signal, PAD + SAMPLES - 1u + from_end);
        }
        gradient[i] = sum;
    }
}
