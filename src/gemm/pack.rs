/// Packs a matrix of `rows` rows and `depth` columns, whose elements `at(row, column)` gives, into panels of `height`
/// rows: panel after panel, column after column, its `height` elements one after another; rows that are missing in
/// the last panel are zeros. `packed` holds `rows.next_multiple_of(height) · depth` elements.
pub fn pack_rows(
    packed: &mut [f32],
    height: usize,
    rows: usize,
    depth: usize,
    at: impl Fn(usize, usize) -> f32,
) {
    if depth == 0 {
        return;
    }
    for (p, panel) in packed.chunks_exact_mut(height * depth).enumerate() {
        for i in 0..height {
            let row = p * height + i;
            let column = panel[i..].iter_mut().step_by(height);
            for (t, to) in column.enumerate() {
                *to = if row < rows { at(row, t) } else { 0.0 };
            }
        }
    }
}
