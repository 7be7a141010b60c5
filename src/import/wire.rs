//! Protocol Buffers' wire format, as far as checkpoints use it. Whatever is read lies in the bytes given.

/// A number of 7 bits a byte, the lowest first, which is taken off the front of `bytes`. `None` where it does not end
/// or has more than 64 bits.
pub fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7F);
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

/// `len` bytes, which are taken off the front of `bytes`. `None` where there are fewer.
pub fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(front)
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer, an enum or a truth value.
    Varint(u64),
    /// `fixed32`, `sfixed32` or `float`.
    Fixed32(u32),
    /// `fixed64`, `sfixed64` or `double`.
    Fixed64(u64),
    /// A message, a string or packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of a message as they stand there: number and value, or `None` as the last where the message is
/// malformed.
pub fn fields(mut message: &[u8]) -> impl Iterator<Item = Option<(u64, Value<'_>)>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = field(&mut message);
        if field.is_none() {
            message = &[];
        }
        Some(field)
    })
}

fn field<'a>(message: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = varint(message)?;
    let value = match tag & 7 {
        0 => Value::Varint(varint(message)?),
        1 => Value::Fixed64(u64::from_le_bytes(take(message, 8)?.try_into().ok()?)),
        2 => {
            let len = varint(message)?;
            Value::Bytes(take(message, len)?)
        }
        5 => Value::Fixed32(u32::from_le_bytes(take(message, 4)?.try_into().ok()?)),
        // 3 and 4 are groups, which no message of a checkpoint has.
        _ => return None,
    };
    Some((tag >> 3, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_and_fit_into_64_bits() {
        let read = |bytes: &[u8]| {
            let mut rest = bytes;
            varint(&mut rest).map(|value| (value, rest.len()))
        };
        assert_eq!(read(&[0x05, 9]), Some((5, 1)));
        assert_eq!(read(&[0xAC, 0x02]), Some((300, 0)));
        let most = [[0xFF; 9].as_slice(), &[1]].concat();
        assert_eq!(read(&most), Some((u64::MAX, 0)));
        assert_eq!(read(&[[0xFF; 9].as_slice(), &[2]].concat()), None);
        assert_eq!(read(&[0x80; 11]), None);
        assert_eq!(read(&[0x80]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn fields_are_read_until_one_is_malformed() {
        let message = [
            [0x08, 0x96, 0x01].as_slice(),
            &[0x12, 2, b'h', b'i'],
            &[0x1D, 1, 0, 0, 0],
            &[0x21, 2, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        let wanted = [
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed32(1)),
            (4, Value::Fixed64(2)),
        ];
        assert_eq!(fields(&message).collect::<Option<Vec<_>>>().unwrap(), wanted);
        for malformed in [[0x12, 3, b'h', b'i'].as_slice(), &[0x0B], &[0x08], &[0x1D, 0, 0, 0], &[0x80]] {
            let bytes = [[0x08, 7].as_slice(), malformed].concat();
            let found: Vec<_> = fields(&bytes).collect();
            assert_eq!(found, [Some((1, Value::Varint(7))), None], "{malformed:?}");
        }
    }
}
