//! Sums whose order is fixed and whose rounding errors do not pile up.

const LANES: usize = 32;

/// The sum in [`LANES`] strands; inside [`crate::simd::vectorised`] they become vectors.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    sum_of(x, |x| x)
}

/// `Σ f(x)`, as [`sum`].
#[inline(always)]
pub(crate) fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    if x.len() < LANES {
        return x.iter().map(|&x| f(x)).sum();
    }
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut strands = [0.0f32; LANES];
    for chunk in chunks {
        for (strand, &x) in strands.iter_mut().zip(chunk) {
            *strand += f(x);
        }
    }
    for (strand, &x) in strands.iter_mut().zip(rest) {
        *strand += f(x);
    }
    // Pairwise.
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            strands[i] += strands[i + width];
        }
        width /= 2;
    }
    strands[0]
}
