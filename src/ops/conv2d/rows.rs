//! Copies of short rows. Feature maps become as narrow as 5 columns, where a call of memcpy takes longer than
//! its work; copies of a fixed length do not. They may write past the end of a row, so rows must be written
//! in order.

/// Copies the first `len` elements; of those behind them in `to`, up to 15 may change.
#[inline(always)]
pub fn copy(to: &mut [f32], from: &[f32], len: usize) {
    let copied = match len {
        0..=8 => copy_chunk::<8>(to, from),
        9..=16 => copy_chunk::<16>(to, from),
        17..=32 => copy_chunk::<16>(to, from) && copy_chunk::<16>(&mut to[len - 16..], &from[len - 16..]),
        33..=64 => copy_chunk::<32>(to, from) && copy_chunk::<32>(&mut to[len - 32..], &from[len - 32..]),
        _ => false,
    };
    if !copied {
        to[..len].copy_from_slice(&from[..len]);
    }
}

/// Zeros the first `len` elements; of those behind them, up to 3 may change.
#[inline(always)]
pub fn zero(to: &mut [f32], len: usize) {
    match to.first_chunk_mut::<4>() {
        _ if len == 0 => {}
        Some(to) if len <= 4 => *to = [0.0; 4],
        _ => to[..len].fill(0.0),
    }
}

#[inline(always)]
fn copy_chunk<const N: usize>(to: &mut [f32], from: &[f32]) -> bool {
    match (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        (Some(to), Some(from)) => {
            *to = *from;
            true
        }
        _ => false,
    }
}
