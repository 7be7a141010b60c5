//! A list of genres has no blank names and none twice, and reads the same once it was read.
#![no_main]

use genre_recognizer::dataset::parse_genres;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let names = parse_genres(text);
    for (i, name) in names.iter().enumerate() {
        assert!(!name.trim().is_empty() && !name.contains(['\n', '\r']), "{name:?} is no name");
        assert!(!names[..i].contains(name), "{name:?} is there twice");
    }
    assert_eq!(parse_genres(&names.join("\n")), names);
});
