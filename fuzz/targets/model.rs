//! A model file is refused with an error, or gives a model that reads the same once it was written.
//!
//! An input is the file itself, or, so that mutations do not all fail at the lengths and quotes around them, a card, the
//! tensors' header entries and their data with a NUL after each of the first two.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fuzz::Limited;
use genre_recognizer::model::Model;
use libfuzzer_sys::{Corpus, fuzz_target};

#[global_allocator]
static ALLOCATOR: Limited = Limited::new(64 << 20);

/// Models are read from files; this folder is in memory.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| Path::new("/dev/shm").join(format!("fuzz-model-{}.safetensors", std::process::id())));

fn file(input: &[u8]) -> Option<Vec<u8>> {
    let mut parts = input.splitn(3, |&b| b == 0);
    let (Some(card), Some(entries), Some(data)) = (parts.next(), parts.next(), parts.next()) else {
        return Some(input.to_vec());
    };
    let card = serde_json::to_string(std::str::from_utf8(card).ok()?).ok()?;
    let metadata = format!(r#"{{"__metadata__":{{"genre-recognizer":{card}}}"#);
    let header = [metadata.as_bytes(), b",", entries, b"}"].concat();
    Some([&(header.len() as u64).to_le_bytes(), header.as_slice(), data].concat())
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(bytes) = file(input) else {
        return Corpus::Reject;
    };
    std::fs::write(&*FILE, bytes).expect("/dev/shm can be written to");
    match Model::load(&FILE) {
        Ok(model) => {
            model.save(&FILE).expect("what was read can be written");
            assert_eq!(Model::load(&FILE).expect("what was written can be read"), model);
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
    Corpus::Keep
});
