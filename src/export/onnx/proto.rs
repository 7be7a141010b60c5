//! Protocol Buffers' wire format, as far as ONNX needs it: messages are written field by field.

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// An integer, an enum or a truth value.
    #[must_use]
    pub fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
        self
    }

    /// A `float`.
    #[must_use]
    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A string, or bytes.
    #[must_use]
    pub fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A message in this one.
    #[must_use]
    pub fn message(self, field: u64, value: Self) -> Self {
        self.bytes(field, value.0)
    }

    /// A field for each of many values.
    #[must_use]
    pub fn each<T>(self, values: impl IntoIterator<Item = T>, write: impl Fn(Self, T) -> Self) -> Self {
        values.into_iter().fold(self, write)
    }

    /// The fields of another message behind those of this one.
    #[must_use]
    pub fn append(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// 7 bits a byte, the lowest first.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::wire::{Value, fields};

    #[test]
    fn what_is_written_is_read() {
        let inner = Message::default().int(1, 300).int(2, -1);
        let written = Message::default()
            .bytes(1, "hi")
            .float(2, 0.5)
            .message(16, inner)
            .each([7, 8], |m, i| m.int(3, i));
        let bytes = written.into_bytes();
        let read: Vec<_> = fields(&bytes).collect::<Option<_>>().unwrap();
        let inner = [0x08, 0xAC, 0x02, 0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        let wanted = [
            (1, Value::Bytes(b"hi")),
            (2, Value::Fixed32(0.5f32.to_bits())),
            (16, Value::Bytes(&inner)),
            (3, Value::Varint(7)),
            (3, Value::Varint(8)),
        ];
        assert_eq!(read, wanted);
    }
}
