//! Enough of a FLAC encoder (RFC 9639) for a file to decode: 16 bits, fixed linear prediction of order 2, one Rice
//! parameter a subframe. What decoders spend their time on, residuals and prediction, is there.

/// Samples a channel of every frame; the length of a song is a multiple of it.
pub const BLOCK: usize = 4096;
const ORDER: usize = 2;

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits used in the last byte; 0 where all are.
    used: u32,
}

impl Bits {
    /// Appends the low `count` bits of `value`, the highest first.
    fn put(&mut self, value: u64, count: u32) {
        for bit in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }
}

/// A cyclic redundancy check of `width` bits (8 or 16), highest bit first.
fn crc(bytes: &[u8], width: u32, polynomial: u32) -> u64 {
    let top = 1 << (width - 1);
    let shifted = |crc: u32| if crc & top != 0 { crc << 1 ^ polynomial } else { crc << 1 };
    let step =
        |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte) << (width - 8), |crc, _| shifted(crc));
    u64::from(bytes.iter().fold(0, step) & (top << 1).wrapping_sub(1))
}

/// Encodes planar samples in [−1, 1], rounded as [`genre_recognizer::audio::write_wav`] rounds them.
pub fn encode(rate: u32, planes: &[&[f32]]) -> Vec<u8> {
    let planes: Vec<Vec<i32>> = planes
        .iter()
        .map(|plane| plane.iter().map(|s| (s.clamp(-1.0, 1.0) * 32767.0).round() as i32).collect())
        .collect();
    let samples = planes[0].len();
    let mut out = Bits { bytes: b"fLaC".to_vec(), used: 0 };
    out.put(0x80, 8); // the last metadata block: STREAMINFO
    out.put(34, 24);
    out.put(BLOCK as u64, 16);
    out.put(BLOCK as u64, 16);
    out.put(0, 48); // sizes of frames: unknown
    out.put(u64::from(rate), 20);
    out.put(planes.len() as u64 - 1, 3);
    out.put(15, 5);
    out.put(samples as u64, 36);
    out.put(0, 64); // MD5: unknown
    out.put(0, 64);
    for number in 0..samples / BLOCK {
        let blocks = planes.iter().map(|plane| &plane[number * BLOCK..][..BLOCK]);
        out.bytes.extend(frame(number as u64, planes.len(), blocks));
    }
    out.bytes
}

fn frame<'a>(number: u64, channels: usize, blocks: impl Iterator<Item = &'a [i32]>) -> Vec<u8> {
    let mut out = Bits::default();
    out.put(0xFFF8, 16); // sync, blocks of one size
    out.put(0b1100, 4); // of 4096 samples
    out.put(0, 4); // rate: see STREAMINFO
    out.put(channels as u64 - 1, 4);
    out.put(0b1000, 4); // 16 bits
    if number < 0x80 {
        out.put(number, 8); // numbers are coded like characters in UTF-8
    } else {
        out.put(0xC0 | number >> 6, 8);
        out.put(0x80 | number & 0x3F, 8);
    }
    let check = crc(&out.bytes, 8, 0x07);
    out.put(check, 8);
    for block in blocks {
        subframe(&mut out, block);
    }
    out.put(0, (8 - out.used) % 8);
    let check = crc(&out.bytes, 16, 0x8005);
    out.put(check, 16);
    out.bytes
}

fn subframe(out: &mut Bits, block: &[i32]) {
    out.put((0b1000 | ORDER as u64) << 1, 8);
    for &sample in &block[..ORDER] {
        out.put(sample as u64, 16);
    }
    let residual = |w: &[i32]| w[2] - 2 * w[1] + w[0];
    let folded: Vec<u64> =
        block.windows(ORDER + 1).map(residual).map(|r| u64::from((r << 1 ^ r >> 31) as u32)).collect();
    let mean = folded.iter().sum::<u64>() / folded.len() as u64;
    let rice = mean.max(1).ilog2().min(14);
    out.put(0, 6); // parameters of 4 bits, one partition
    out.put(u64::from(rice), 4);
    for value in folded {
        (0..value >> rice).for_each(|_| out.put(0, 1));
        out.put(1, 1);
        out.put(value, rice);
    }
}
