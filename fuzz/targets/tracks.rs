//! A `tracks.csv` gives paths that stay in the dataset, or an error of one line that names a line of the file.
#![no_main]

use std::path::{Component, Path};

use fuzz::Limited;
use genre_recognizer::dataset::{DatasetError, parse_tracks};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Limited = Limited::new(64 << 20);

fuzz_target!(|bytes: &[u8]| {
    let breaks = bytes.iter().filter(|b| matches!(b, b'\n' | b'\r')).count() as u64;
    let is_line = |line| (1..=breaks + 1).contains(&line);
    let file = Path::new("tracks.csv");
    let result = parse_tracks(bytes, file);
    match &result {
        Ok(tracks) => {
            let mut lines: Vec<u64> = tracks.values().map(|track| track.line).collect();
            assert!(lines.iter().all(|&line| line > 1 && is_line(line)), "{tracks:?}");
            lines.sort_unstable();
            lines.dedup();
            assert_eq!(lines.len(), tracks.len(), "two songs in one line: {tracks:?}");
            for (path, track) in tracks {
                let normal = |part: Component| matches!(part, Component::Normal(_));
                assert!(!path.is_empty() && Path::new(path).components().all(normal), "{path:?}");
                let parts: Vec<&str> = path.split('/').collect();
                assert!(!parts.contains(&"") && !parts.contains(&".") && !path.contains('\\'), "{path:?}");
                let drive = matches!(parts[0].as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic());
                assert!(!drive, "{path:?}");
                assert!([&track.genre, &track.artist].iter().all(|cell| cell.as_deref() != Some("")));
            }
        }
        Err(error @ DatasetError::Tracks { line, .. }) => {
            assert!(is_line(*line), "{error}");
            assert!(!error.to_string().contains(char::is_control), "{:?}", error.to_string());
        }
        Err(error) => panic!("{error}"),
    }
    match (result, parse_tracks(bytes, file)) {
        (Ok(a), Ok(b)) => assert_eq!(a, b),
        (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
        (a, b) => panic!("{a:?}, then {b:?}"),
    }
});
