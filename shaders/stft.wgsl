// Power spectrogram: y[f, t] = |Σ_i w[i] · x[t·HOP + i − PAD] · e^(−2πi·f·i/n)|², and its gradient to x.
// log_mel: ln(Σ_f m[h, f] · y[f, t] + FLOOR) over the columns f where row h of the mel filters is not zero, the logarithm
// where LOGARITHM is 1; the power stays in workgroup memory.
//
// Shapes: x [S, L] (S signals: batch times channels), y and dy [S, F, T], features [S, ROWS, T], n = 2·POINTS,
// F = POINTS + 1; w is a periodic Hann window. What lies outside 0..L is reflected; the edge is not repeated.
// Tile: a workgroup of 128 threads takes GROUP_FRAMES STFT frames, THREADS = POINTS / 16 threads each.
// Dispatch: power, log_mel, frame_gradient: grid(ceil(S·T / GROUP_FRAMES)); overlap_add: grid(ceil(S·L / 256)).
// Workgroup memory: 2048 complex numbers, real parts before imaginary ones, 16 KiB.
//
// Transform: a frame is transformed as m = POINTS complex numbers z[j] = x[2j] + i·x[2j+1], 16 of them in each thread's
// registers, in passes of radix 16, 16 and LAST, where m = 16·LAST for m < 256 (GROUPS = 1, no second pass), else
// m = 256·LAST (GROUPS = 16). With m = 16·q, thread j takes z[j + q·i]; its sixteen results k, times e^(−2πi·j·k/m), are a
// position each of sixteen transforms of length q, whose result l is Z[k + 16·l]. The last pass takes several short
// transforms in a thread. Between passes the numbers change threads through workgroup memory.
// Places there are chosen so that 32 neighbouring threads find theirs in different banks: the low bits of a position are
// exchanged (^) by the number of its row.
// Spectrum of the frame: with W = e^(−2πi/n), E = (Z[k] + Z̄[m−k])/2 and P = Wᵏ·(Z[k] − Z̄[m−k])/2i, X[k] = E + P and
// X[m−k] = conj(E − P), Z[m] = Z[0]; the halves are in the window's table. For the gradient see src/ops/stft/cpu.rs; its
// inverse transform is the conjugate of the transform of conjugates.
// Arrays of registers are indexed by literals alone, so that no compiler puts them into memory.
// Determinism: frames are independent; overlap_add adds what falls on a sample in the order of frames, without atomics.

override SAMPLES: u32;             // L
override FRAMES: u32;              // T
override SIGNALS: u32;             // S
override HOP: u32;
override PAD: u32;
override POINTS: u32;
override THREADS: u32;
override GROUPS: u32;
override LAST: u32;
override GROUP_FRAMES: u32;
override ROWS: u32 = 0u;           // H, of log_mel
override LOGARITHM: u32 = 0u;
override FLOOR: f32 = 0.0;
override GROUP_POINTS: u32 = POINTS * GROUP_FRAMES;
override GROUP_THREADS: u32 = THREADS * GROUP_FRAMES;

@group(0) @binding(0) var<storage, read> audio: array<f32>;       // x [S, L]
@group(0) @binding(1) var<storage, read> window: array<vec2f>;    // w/2 [n/2, 2]
// e^(−2πi·k/n) [n]; behind them e^(−2πi·j·k/m) [15, THREADS], k from 1 on.
@group(0) @binding(2) var<storage, read> twiddles: array<vec2f>;

var<workgroup> z: array<f32, 2u * GROUP_POINTS>;

// The part of a workgroup that works on one frame.
struct Team {
    signal: u32,
    t: u32,
    // The frame's number in the workgroup, and where its points begin in z.
    slot: u32,
    base: u32,
    // The thread's number in the team; which transform it has of those of the last pass's threads, and its number there.
    lane: u32,
    group: u32,
    unit: u32,
    // Whether the frame exists; a team without one works on the last frame and writes nothing.
    live: bool,
}

fn team_of(first: u32, thread: u32) -> Team {
    let slot = thread / THREADS;
    let lane = thread % THREADS;
    let frame = first + slot;
    let real_frame = min(frame, SIGNALS * FRAMES - 1u);
    return Team(
        real_frame / FRAMES,
        real_frame % FRAMES,
        slot,
        slot * POINTS,
        lane,
        lane / LAST,
        lane % LAST,
        frame < SIGNALS * FRAMES,
    );
}

fn first_frame(group: vec3u, groups: vec3u) -> u32 {
    return (group.x + group.y * groups.x) * GROUP_FRAMES;
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

fn take(place: u32) -> vec2f {
    return vec2f(z[place], z[GROUP_POINTS + place]);
}

fn put(place: u32, value: vec2f) {
    z[place] = value.x;
    z[GROUP_POINTS + place] = value.y;
}

// The sample that stands at a position of the padded audio.
fn sample_at(signal: u32, position: u32) -> f32 {
    let p = i32(position) - i32(PAD);
    // Before the first and behind the last sample one of the two is the reflected place, elsewhere the first is smaller.
    return audio[signal * SAMPLES + u32(min(abs(p), 2 * (i32(SAMPLES) - 1) - p))];
}

// Point j of the frame.
fn point(team: Team, j: u32) -> vec2f {
    let position = team.t * HOP + 2u * j;
    return vec2f(sample_at(team.signal, position), sample_at(team.signal, position + 1u)) * window[j];
}

alias Points = array<vec2f, 16>;

// ---- Transforms in registers: element k is Σ_j v[j] · e^(−2πi·j·k/length)

struct Four {
    a: vec2f,
    b: vec2f,
    c: vec2f,
    d: vec2f,
}

fn four(a: vec2f, b: vec2f, c: vec2f, d: vec2f) -> Four {
    let even = a + c;
    let odd = b + d;
    let left = a - c;
    let right = times_i(b - d);
    return Four(even + odd, left - right, even - odd, left + right);
}

const ROOT: f32 = 0.70710678;    // √½
const COSINE: f32 = 0.92387953;  // cos(π/8)
const SINE: f32 = 0.38268343;    // sin(π/8)

// Times e^(−2πi/8), and its third power.
fn eighth(a: vec2f) -> vec2f {
    return ROOT * vec2f(a.x + a.y, a.y - a.x);
}

fn three_eighths(a: vec2f) -> vec2f {
    return ROOT * vec2f(a.y - a.x, -a.x - a.y);
}

struct Eight {
    low: Four,
    high: Four,
}

fn eight(even: Four, odd: Four) -> Eight {
    let b = eighth(odd.b);
    let c = -times_i(odd.c);
    let d = three_eighths(odd.d);
    return Eight(
        Four(even.a + odd.a, even.b + b, even.c + c, even.d + d),
        Four(even.a - odd.a, even.b - b, even.c - c, even.d - d),
    );
}

fn sixteen(v: ptr<function, Points>) {
    let r0 = four((*v)[0], (*v)[4], (*v)[8], (*v)[12]);
    let r1 = four((*v)[1], (*v)[5], (*v)[9], (*v)[13]);
    let r2 = four((*v)[2], (*v)[6], (*v)[10], (*v)[14]);
    let r3 = four((*v)[3], (*v)[7], (*v)[11], (*v)[15]);
    let s0 = four(r0.a, r1.a, r2.a, r3.a);
    let s1 = four(
        r0.b,
        multiply(r1.b, vec2f(COSINE, -SINE)),
        eighth(r2.b),
        multiply(r3.b, vec2f(SINE, -COSINE)),
    );
    let s2 = four(r0.c, eighth(r1.c), -times_i(r2.c), three_eighths(r3.c));
    let s3 = four(
        r0.d,
        multiply(r1.d, vec2f(SINE, -COSINE)),
        three_eighths(r2.d),
        multiply(r3.d, vec2f(-COSINE, SINE)),
    );
    (*v)[0] = s0.a;
    (*v)[1] = s1.a;
    (*v)[2] = s2.a;
    (*v)[3] = s3.a;
    (*v)[4] = s0.b;
    (*v)[5] = s1.b;
    (*v)[6] = s2.b;
    (*v)[7] = s3.b;
    (*v)[8] = s0.c;
    (*v)[9] = s1.c;
    (*v)[10] = s2.c;
    (*v)[11] = s3.c;
    (*v)[12] = s0.d;
    (*v)[13] = s1.d;
    (*v)[14] = s2.d;
    (*v)[15] = s3.d;
}

// Sixteen over LAST transforms, side by side.
fn last(v: ptr<function, Points>) {
    if LAST == 2u {
        let d0 = (*v)[0] - (*v)[1];
        (*v)[0] += (*v)[1];
        (*v)[1] = d0;
        let d2 = (*v)[2] - (*v)[3];
        (*v)[2] += (*v)[3];
        (*v)[3] = d2;
        let d4 = (*v)[4] - (*v)[5];
        (*v)[4] += (*v)[5];
        (*v)[5] = d4;
        let d6 = (*v)[6] - (*v)[7];
        (*v)[6] += (*v)[7];
        (*v)[7] = d6;
        let d8 = (*v)[8] - (*v)[9];
        (*v)[8] += (*v)[9];
        (*v)[9] = d8;
        let d10 = (*v)[10] - (*v)[11];
        (*v)[10] += (*v)[11];
        (*v)[11] = d10;
        let d12 = (*v)[12] - (*v)[13];
        (*v)[12] += (*v)[13];
        (*v)[13] = d12;
        let d14 = (*v)[14] - (*v)[15];
        (*v)[14] += (*v)[15];
        (*v)[15] = d14;
    }
    if LAST == 4u {
        let r0 = four((*v)[0], (*v)[1], (*v)[2], (*v)[3]);
        (*v)[0] = r0.a;
        (*v)[1] = r0.b;
        (*v)[2] = r0.c;
        (*v)[3] = r0.d;
        let r4 = four((*v)[4], (*v)[5], (*v)[6], (*v)[7]);
        (*v)[4] = r4.a;
        (*v)[5] = r4.b;
        (*v)[6] = r4.c;
        (*v)[7] = r4.d;
        let r8 = four((*v)[8], (*v)[9], (*v)[10], (*v)[11]);
        (*v)[8] = r8.a;
        (*v)[9] = r8.b;
        (*v)[10] = r8.c;
        (*v)[11] = r8.d;
        let r12 = four((*v)[12], (*v)[13], (*v)[14], (*v)[15]);
        (*v)[12] = r12.a;
        (*v)[13] = r12.b;
        (*v)[14] = r12.c;
        (*v)[15] = r12.d;
    }
    if LAST == 8u {
        let r0 = eight(
            four((*v)[0], (*v)[2], (*v)[4], (*v)[6]),
            four((*v)[1], (*v)[3], (*v)[5], (*v)[7]),
        );
        (*v)[0] = r0.low.a;
        (*v)[1] = r0.low.b;
        (*v)[2] = r0.low.c;
        (*v)[3] = r0.low.d;
        (*v)[4] = r0.high.a;
        (*v)[5] = r0.high.b;
        (*v)[6] = r0.high.c;
        (*v)[7] = r0.high.d;
        let r8 = eight(
            four((*v)[8], (*v)[10], (*v)[12], (*v)[14]),
            four((*v)[9], (*v)[11], (*v)[13], (*v)[15]),
        );
        (*v)[8] = r8.low.a;
        (*v)[9] = r8.low.b;
        (*v)[10] = r8.low.c;
        (*v)[11] = r8.low.d;
        (*v)[12] = r8.high.a;
        (*v)[13] = r8.high.b;
        (*v)[14] = r8.high.c;
        (*v)[15] = r8.high.d;
    }
}

// ---- A frame's transform

// Where result k of the first pass stands.
fn first_place(team: Team, k: u32) -> u32 {
    return team.base + k * THREADS + (team.lane ^ select(k % LAST, k * LAST, GROUPS == 16u));
}

// Where the second pass finds element k.
fn second_place(team: Team, k: u32) -> u32 {
    return team.base + LAST * (16u * team.group + (k ^ team.group)) + team.unit;
}

// Where result k of the second pass stands.
fn third_place(team: Team, k: u32) -> u32 {
    return team.base + LAST * (16u * team.group + (k ^ team.group)) + (team.unit ^ (k % LAST));
}

// Which of the transforms of a group the last pass's element r belongs to.
fn row(team: Team, r: u32) -> u32 {
    return team.unit + LAST * (r / LAST);
}

// Where the last pass finds element r.
fn last_place(team: Team, r: u32) -> u32 {
    return team.base + LAST * (16u * team.group + (row(team, r) ^ team.group)) + ((r % LAST) ^ team.unit);
}

// Where result r stands at the end: bins are neighbours.
fn bin(team: Team, r: u32) -> u32 {
    return team.base + team.group + GROUPS * (row(team, r) + 16u * (r % LAST));
}

fn turn(team: Team, k: u32, value: vec2f) -> vec2f {
    return multiply(value, twiddles[2u * POINTS + (k - 1u) * THREADS + team.lane]);
}

fn turn_again(team: Team, k: u32, value: vec2f) -> vec2f {
    return multiply(value, twiddles[32u * team.unit * k]);
}

// From v[i] = point lane + THREADS·i to bin k at team.base + k of z.
fn transform(team: Team, v: ptr<function, Points>) {
    sixteen(v);
    put(first_place(team, 0u), (*v)[0]);
    put(first_place(team, 1u), turn(team, 1u, (*v)[1]));
    put(first_place(team, 2u), turn(team, 2u, (*v)[2]));
    put(first_place(team, 3u), turn(team, 3u, (*v)[3]));
    put(first_place(team, 4u), turn(team, 4u, (*v)[4]));
    put(first_place(team, 5u), turn(team, 5u, (*v)[5]));
    put(first_place(team, 6u), turn(team, 6u, (*v)[6]));
    put(first_place(team, 7u), turn(team, 7u, (*v)[7]));
    put(first_place(team, 8u), turn(team, 8u, (*v)[8]));
    put(first_place(team, 9u), turn(team, 9u, (*v)[9]));
    put(first_place(team, 10u), turn(team, 10u, (*v)[10]));
    put(first_place(team, 11u), turn(team, 11u, (*v)[11]));
    put(first_place(team, 12u), turn(team, 12u, (*v)[12]));
    put(first_place(team, 13u), turn(team, 13u, (*v)[13]));
    put(first_place(team, 14u), turn(team, 14u, (*v)[14]));
    put(first_place(team, 15u), turn(team, 15u, (*v)[15]));
    workgroupBarrier();
    if GROUPS == 16u {
        (*v)[0] = take(second_place(team, 0u));
        (*v)[1] = take(second_place(team, 1u));
        (*v)[2] = take(second_place(team, 2u));
        (*v)[3] = take(second_place(team, 3u));
        (*v)[4] = take(second_place(team, 4u));
        (*v)[5] = take(second_place(team, 5u));
        (*v)[6] = take(second_place(team, 6u));
        (*v)[7] = take(second_place(team, 7u));
        (*v)[8] = take(second_place(team, 8u));
        (*v)[9] = take(second_place(team, 9u));
        (*v)[10] = take(second_place(team, 10u));
        (*v)[11] = take(second_place(team, 11u));
        (*v)[12] = take(second_place(team, 12u));
        (*v)[13] = take(second_place(team, 13u));
        (*v)[14] = take(second_place(team, 14u));
        (*v)[15] = take(second_place(team, 15u));
        sixteen(v);
        workgroupBarrier();
        if LAST > 1u {
            put(third_place(team, 0u), (*v)[0]);
            put(third_place(team, 1u), turn_again(team, 1u, (*v)[1]));
            put(third_place(team, 2u), turn_again(team, 2u, (*v)[2]));
            put(third_place(team, 3u), turn_again(team, 3u, (*v)[3]));
            put(third_place(team, 4u), turn_again(team, 4u, (*v)[4]));
            put(third_place(team, 5u), turn_again(team, 5u, (*v)[5]));
            put(third_place(team, 6u), turn_again(team, 6u, (*v)[6]));
            put(third_place(team, 7u), turn_again(team, 7u, (*v)[7]));
            put(third_place(team, 8u), turn_again(team, 8u, (*v)[8]));
            put(third_place(team, 9u), turn_again(team, 9u, (*v)[9]));
            put(third_place(team, 10u), turn_again(team, 10u, (*v)[10]));
            put(third_place(team, 11u), turn_again(team, 11u, (*v)[11]));
            put(third_place(team, 12u), turn_again(team, 12u, (*v)[12]));
            put(third_place(team, 13u), turn_again(team, 13u, (*v)[13]));
            put(third_place(team, 14u), turn_again(team, 14u, (*v)[14]));
            put(third_place(team, 15u), turn_again(team, 15u, (*v)[15]));
            workgroupBarrier();
        }
    }
    if LAST > 1u {
        (*v)[0] = take(last_place(team, 0u));
        (*v)[1] = take(last_place(team, 1u));
        (*v)[2] = take(last_place(team, 2u));
        (*v)[3] = take(last_place(team, 3u));
        (*v)[4] = take(last_place(team, 4u));
        (*v)[5] = take(last_place(team, 5u));
        (*v)[6] = take(last_place(team, 6u));
        (*v)[7] = take(last_place(team, 7u));
        (*v)[8] = take(last_place(team, 8u));
        (*v)[9] = take(last_place(team, 9u));
        (*v)[10] = take(last_place(team, 10u));
        (*v)[11] = take(last_place(team, 11u));
        (*v)[12] = take(last_place(team, 12u));
        (*v)[13] = take(last_place(team, 13u));
        (*v)[14] = take(last_place(team, 14u));
        (*v)[15] = take(last_place(team, 15u));
        last(v);
        workgroupBarrier();
    }
    put(bin(team, 0u), (*v)[0]);
    put(bin(team, 1u), (*v)[1]);
    put(bin(team, 2u), (*v)[2]);
    put(bin(team, 3u), (*v)[3]);
    put(bin(team, 4u), (*v)[4]);
    put(bin(team, 5u), (*v)[5]);
    put(bin(team, 6u), (*v)[6]);
    put(bin(team, 7u), (*v)[7]);
    put(bin(team, 8u), (*v)[8]);
    put(bin(team, 9u), (*v)[9]);
    put(bin(team, 10u), (*v)[10]);
    put(bin(team, 11u), (*v)[11]);
    put(bin(team, 12u), (*v)[12]);
    put(bin(team, 13u), (*v)[13]);
    put(bin(team, 14u), (*v)[14]);
    put(bin(team, 15u), (*v)[15]);
    workgroupBarrier();
}

// The points of a frame of the audio that a thread transforms.
fn points_of(team: Team) -> Points {
    var v = Points();
    v[0] = point(team, team.lane + 0u * THREADS);
    v[1] = point(team, team.lane + 1u * THREADS);
    v[2] = point(team, team.lane + 2u * THREADS);
    v[3] = point(team, team.lane + 3u * THREADS);
    v[4] = point(team, team.lane + 4u * THREADS);
    v[5] = point(team, team.lane + 5u * THREADS);
    v[6] = point(team, team.lane + 6u * THREADS);
    v[7] = point(team, team.lane + 7u * THREADS);
    v[8] = point(team, team.lane + 8u * THREADS);
    v[9] = point(team, team.lane + 9u * THREADS);
    v[10] = point(team, team.lane + 10u * THREADS);
    v[11] = point(team, team.lane + 11u * THREADS);
    v[12] = point(team, team.lane + 12u * THREADS);
    v[13] = point(team, team.lane + 13u * THREADS);
    v[14] = point(team, team.lane + 14u * THREADS);
    v[15] = point(team, team.lane + 15u * THREADS);
    return v;
}

struct Pair {
    // X[k]
    low: vec2f,
    // conj(X[m − k])
    high: vec2f,
}

fn bins(team: Team, k: u32) -> Pair {
    let a = take(team.base + k);
    let b = conj(take(team.base + (POINTS - k) % POINTS));
    // Times −i: divided by i.
    let minus = times_i(multiply(a - b, twiddles[k]));
    return Pair(a + b - minus, a + b + minus);
}

// Bins k and m − k of the power spectrum.
fn powers(team: Team, k: u32) -> vec2f {
    let pair = bins(team, k);
    return vec2f(dot(pair.low, pair.low), dot(pair.high, pair.high));
}

fn put_powers(team: Team, k: u32, power: vec2f) {
    let begin = team.slot * (POINTS + 1u);
    z[begin + k] = power.x;
    z[begin + POINTS - k] = power.y;
}

// The power spectra of a workgroup's frames, in place of their points: [GROUP_FRAMES, POINTS + 1].
fn power_spectra(team: Team) {
    var v = points_of(team);
    transform(team, &v);
    let k = team.lane;
    let p0 = powers(team, k);
    let p1 = powers(team, k + 1u * THREADS);
    let p2 = powers(team, k + 2u * THREADS);
    let p3 = powers(team, k + 3u * THREADS);
    let p4 = powers(team, k + 4u * THREADS);
    let p5 = powers(team, k + 5u * THREADS);
    let p6 = powers(team, k + 6u * THREADS);
    let p7 = powers(team, k + 7u * THREADS);
    var middle = vec2f();
    if k == 0u {
        middle = powers(team, POINTS / 2u);
    }
    workgroupBarrier();
    put_powers(team, k, p0);
    put_powers(team, k + 1u * THREADS, p1);
    put_powers(team, k + 2u * THREADS, p2);
    put_powers(team, k + 3u * THREADS, p3);
    put_powers(team, k + 4u * THREADS, p4);
    put_powers(team, k + 5u * THREADS, p5);
    put_powers(team, k + 6u * THREADS, p6);
    put_powers(team, k + 7u * THREADS, p7);
    if k == 0u {
        put_powers(team, POINTS / 2u, middle);
    }
    workgroupBarrier();
}

@group(0) @binding(3) var<storage, read_write> spectrogram: array<f32>;  // y [S, F, T]

@compute @workgroup_size(GROUP_THREADS)
fn power(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let first = first_frame(group, groups);
    power_spectra(team_of(first, thread));
    // Neighbouring threads write neighbouring frames.
    let slot = thread % GROUP_FRAMES;
    let frame = first + slot;
    if frame < SIGNALS * FRAMES {
        let base = frame / FRAMES * (POINTS + 1u) * FRAMES + frame % FRAMES;
        for (var k = thread / GROUP_FRAMES; k <= POINTS; k += THREADS) {
            spectrogram[base + k * FRAMES] = z[slot * (POINTS + 1u) + k];
        }
    }
}

@group(0) @binding(3) var<storage, read> bands: array<vec3f>;           // first column, columns, first weight [ROWS, 4]
@group(0) @binding(4) var<storage, read> weights: array<f32>;           // [ROWS / SLAB, longest band of a slab, SLAB]
@group(0) @binding(5) var<storage, read_write> features: array<f32>;    // [S, ROWS, T]

// Rows whose weights lie side by side, so that neighbouring threads read neighbours.
const SLAB: u32 = 16u;

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
    let first = first_frame(group, groups);
    power_spectra(team_of(first, thread));
    let slot = thread % GROUP_FRAMES;
    let frame = first + slot;
    if frame < SIGNALS * FRAMES {
        let base = frame / FRAMES * ROWS * FRAMES + frame % FRAMES;
        for (var row = thread / GROUP_FRAMES; row < ROWS; row += THREADS) {
            let band = vec3u(bands[row]);
            let begin = slot * (POINTS + 1u) + band.x;
            var sum = 0.0;
            for (var j = 0u; j < band.y; j += 1u) {
                sum += weights[band.z + j * SLAB] * z[begin + j];
            }
            if LOGARITHM == 1u {
                sum = natural(sum + FLOOR);
            }
            features[base + row * FRAMES] = sum;
        }
    }
}

@group(0) @binding(3) var<storage, read> upstream: array<f32>;          // dy [S, F, T]
@group(0) @binding(4) var<storage, read_write> gradients: array<vec2f>;  // windowed frames [S, T, n]

// Puts the conjugate gradients to bins k and m − k of the transform in the place of the bins.
fn put_gradients(team: Team, k: u32) {
    let base = team.signal * (POINTS + 1u) * FRAMES + team.t;
    let pair = bins(team, k);
    let twice = select(1.0, 2.0, k == 0u);
    let u = twice * upstream[base + k * FRAMES] * pair.low;
    let v = twice * upstream[base + (POINTS - k) * FRAMES] * pair.high;
    let q = times_i(multiply(u - v, conj(twiddles[k])));
    put(team.base + (POINTS - k) % POINTS, u + v - q);
    // Where both are one bin (0 or m/2), this is the value that counts.
    put(team.base + k, conj(u + v + q));
}

@compute @workgroup_size(GROUP_THREADS)
fn frame_gradient(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let team = team_of(first_frame(group, groups), thread);
    var points = points_of(team);
    // A loop, so that the transform stands in the code once: compilers put functions in place of every call.
    for (var turn = 0u; turn < 2u; turn += 1u) {
        transform(team, &points);
        if turn == 0u {
            for (var k = team.lane; k <= POINTS / 2u; k += THREADS) {
                put_gradients(team, k);
            }
            workgroupBarrier();
            points[0] = take(team.base + team.lane + 0u * THREADS);
            points[1] = take(team.base + team.lane + 1u * THREADS);
            points[2] = take(team.base + team.lane + 2u * THREADS);
            points[3] = take(team.base + team.lane + 3u * THREADS);
            points[4] = take(team.base + team.lane + 4u * THREADS);
            points[5] = take(team.base + team.lane + 5u * THREADS);
            points[6] = take(team.base + team.lane + 6u * THREADS);
            points[7] = take(team.base + team.lane + 7u * THREADS);
            points[8] = take(team.base + team.lane + 8u * THREADS);
            points[9] = take(team.base + team.lane + 9u * THREADS);
            points[10] = take(team.base + team.lane + 10u * THREADS);
            points[11] = take(team.base + team.lane + 11u * THREADS);
            points[12] = take(team.base + team.lane + 12u * THREADS);
            points[13] = take(team.base + team.lane + 13u * THREADS);
            points[14] = take(team.base + team.lane + 14u * THREADS);
            points[15] = take(team.base + team.lane + 15u * THREADS);
            workgroupBarrier();
        }
    }
    if team.live {
        let row = (team.signal * FRAMES + team.t) * POINTS;
        for (var j = team.lane; j < POINTS; j += THREADS) {
            // The table holds half the window.
            gradients[row + j] = 2.0 * window[j] * conj(take(team.base + j));
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
