//! What is accepted, checked before anything of that size is allocated.

use std::ops::RangeInclusive;

/// Longest song, in seconds.
pub const SECONDS: u64 = 2 * 3600;
/// Most channels in a file.
pub const CHANNELS: usize = 64;
/// Sample rates in Hz.
pub const RATES: RangeInclusive<u32> = 1_000..=768_000;
/// Most samples of one file over all channels (4 GiB as f32).
#[cfg(any(test, feature = "internals"))]
pub const SAMPLES: usize = 1 << 30;
/// Most samples of one channel in a packet, which decoders allocate at once.
pub const PACKET: u64 = 1 << 18;
/// Largest absolute sample, where full scale is 1: beyond what any integer format would give, unscaled.
pub const LARGEST: f32 = 1e10;
/// A song whose samples all lie within ± this around one value (two steps of 16-bit PCM, −84 dBFS) is silent:
/// nothing but dither or a constant offset is in it.
pub const SILENCE: f32 = 1.0 / 16384.0;
