/// Packs a matrix of `rows` rows and `depth` columns, whose elements `at(row, column)` gives, into panels of
/// `height` rows: panel after panel, column after column, its `height` elements one after another; rows that
/// are missing in the last panel are the default. `packed` holds `rows.next_multiple_of(height) · depth`
/// elements.
pub fn pack_rows<T: Copy + Default>(
    packed: &mut [T],
    height: usize,
    rows: usize,
    depth: usize,
    at: impl Fn(usize, usize) -> T,
) {
    for (p, panel) in packed.chunks_exact_mut((height * depth).max(1)).enumerate() {
        for (t, column) in panel.chunks_exact_mut(height).enumerate() {
            for (i, to) in column.iter_mut().enumerate() {
                let row = p * height + i;
                *to = if row < rows { at(row, t) } else { T::default() };
            }
        }
    }
}
