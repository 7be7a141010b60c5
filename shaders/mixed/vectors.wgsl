// The product of product.wgsl with vectors of f16, for adapters without matrix units.
//
// A workgroup of TX·TY threads computes a tile of 4·TY rows and 4·TX columns, every thread 4×4 of it in registers.
// Workgroup memory holds DEPTH terms of both sides, vectors along rows and columns: 8·DEPTH·(TX + TY) bytes, half of
// what f32 takes. They are widened to f32 before they are multiplied, which makes products exact.
// Dispatch: grid(GROUPS · PARTS · ceil(rows / 4·TY) · ceil(columns / 4·TX)).

override TX: u32 = 8u;
override TY: u32 = 8u;

const DEPTH: u32 = 16u;

var<workgroup> tile_a: array<vec4<f16>, DEPTH * TY>;
var<workgroup> tile_b: array<vec4<f16>, DEPTH * TX>;

@compute @workgroup_size(TX * TY)
fn product(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = workgroup.x + workgroup.y * workgroups.x;
    let across = (product_columns() + 4u * TX - 1u) / (4u * TX);
    let down = (product_rows() + 4u * TY - 1u) / (4u * TY);
    let rest = number / (across * down);
    let group = rest / PARTS;
    let part = rest % PARTS;
    if group >= GROUPS {
        return;
    }
    let first_row = number / across % down * 4u * TY;
    let first_column = number % across * 4u * TX;
    let begin = select(0u, part * PART_TERMS, KIND == WEIGHT_GRAD);
    let end = select(product_terms(), min(product_terms(), begin + PART_TERMS), KIND == WEIGHT_GRAD);
    let tx = thread % TX;
    let ty = thread / TX;
    var sums = array<vec4f, 4>();
    for (var start = begin; start < end; start += DEPTH) {
        for (var i = thread; i < DEPTH * TY; i += TX * TY) {
            let term = start + i / TY;
            let row = first_row + i % TY * 4u;
            var values = vec4<f16>();
            for (var j = 0u; j < 4u; j++) {
                values[j] = load_a(group, row + j, term, end);
            }
            tile_a[i] = values;
        }
        for (var i = thread; i < DEPTH * TX; i += TX * TY) {
            let term = start + i / TX;
            let column = first_column + i % TX * 4u;
            var values = vec4<f16>();
            for (var j = 0u; j < 4u; j++) {
                values[j] = load_b(group, term, column + j, end);
            }
            tile_b[i] = values;
        }
        workgroupBarrier();
        // Terms behind the last are zeros, up to DEPTH. Four at a time, because whole unrolling takes long to compile.
        let depth = min(DEPTH, end - start);
        for (var term = 0u; term < depth; term += 4u) {
            for (var i = 0u; i < 4u; i++) {
                let a = vec4f(tile_a[(term + i) * TY + ty]);
                let b = vec4f(tile_b[(term + i) * TX + tx]);
                sums[0] += a.x * b;
                sums[1] += a.y * b;
                sums[2] += a.z * b;
                sums[3] += a.w * b;
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            store(group, part, first_row + ty * 4u + i, first_column + tx * 4u + j, sums[i][j]);
        }
    }
}
