//! CRC-32C (Castagnoli's polynomial), as LevelDB's tables and TensorFlow's checkpoints store it.

/// The remainders of all bytes, by the reflected polynomial.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ (0x82F6_3B78 * (remainder & 1));
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

/// Whether `stored` is the checksum of the bytes, in LevelDB's masked form: rotated and shifted, so that a checksum of
/// bytes that hold checksums is a good one.
pub fn matches(bytes: &[u8], stored: u32) -> bool {
    masked(bytes) == stored
}

/// The checksum in that form.
pub fn masked(bytes: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)];
    let crc = !bytes.iter().fold(u32::MAX, step);
    crc.rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_values() {
        let unmasked = |bytes: &[u8]| masked(bytes).wrapping_sub(0xA282_EAD8).rotate_left(15);
        // RFC 3720, B.4, and the check value of the polynomial's catalogue.
        assert_eq!(unmasked(&[0; 32]), 0x8A91_36AA);
        assert_eq!(unmasked(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(unmasked(&(0..32).collect::<Vec<u8>>()), 0x46DD_794E);
        assert_eq!(unmasked(b"123456789"), 0xE306_9283);
        assert!(matches(b"123456789", masked(b"123456789")));
        assert!(!matches(b"123456788", masked(b"123456789")));
    }
}
