//! A wheel is refused with an error of one line, or gives networks; a checkpoint is refused, or gives tensors that
//! have their shapes.
//!
//! An input is a wheel, or, so that mutations do not all fail at checksums and places, what stands in the only block
//! of an index (with its length in two bytes before it), and the data.
#![no_main]

use std::path::Path;

use fuzz::Limited;
use genre_recognizer::import::bundle::Bundle;
use genre_recognizer::import::{Wheel, crc32c, musicnn};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Deflate makes a thousand times as much of its input at most, and three files of a network are held at once.
#[global_allocator]
static ALLOCATOR: Limited = Limited::new(256 << 20);

/// A table with one block, after LevelDB's description of its format.
fn table(block: &[u8]) -> Vec<u8> {
    let mut table = Vec::new();
    let mut push = |contents: &[u8]| {
        let start = table.len();
        table.extend_from_slice(contents);
        table.push(0);
        table.extend(crc32c::masked(&table[start..]).to_le_bytes());
        // Sizes and places below 2^21, as numbers of three bytes.
        [start, contents.len()].map(|n| [n as u8 | 0x80, (n >> 7) as u8 | 0x80, (n >> 14) as u8]).concat()
    };
    let end = [0, 0, 0, 0, 1, 0, 0, 0];
    let block = push(block);
    let properties = push(&end);
    let index = push(&[&[0, 1, 6, b'z'], &block[..], &end].concat());
    let mut footer = [properties, index].concat();
    footer.resize(40, 0);
    [table, footer, 0xDB47_7524_8B80_FB57_u64.to_le_bytes().to_vec()].concat()
}

fn checkpoint(index: &[u8], data: &[u8]) {
    let Ok(bundle) = Bundle::read(index, data) else {
        return;
    };
    for name in bundle.names() {
        if let Ok((shape, values)) = bundle.tensor(name) {
            assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
        }
    }
    let _ = musicnn::network(&bundle, 16, 50);
}

fuzz_target!(|input: &[u8]| -> Corpus {
    if input.starts_with(b"PK") {
        match Wheel::read(Path::new("wheel"), input.to_vec()) {
            Ok(wheel) => {
                for network in wheel.networks().into_iter().chain(["other"]) {
                    if let Err(error) = wheel.import(network) {
                        assert!(!error.to_string().contains(char::is_control), "{error:?}");
                    }
                }
                assert!(!wheel.others().concat().contains(char::is_control));
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
        }
        return Corpus::Keep;
    }
    let Some((len, rest)) = input.split_first_chunk() else {
        return Corpus::Reject;
    };
    let Some((block, data)) = rest.split_at_checked(u16::from_le_bytes(*len).into()) else {
        return Corpus::Reject;
    };
    checkpoint(&table(block), data);
    Corpus::Keep
});
