//! Bytes decode to samples within the limits, or to an error of one line. Panics of decoders are errors of the program;
//! they are counted, and an input for each is kept.
#![no_main]

use fuzz::Limited;
use genre_recognizer::audio::{decode_bytes, limits};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Limited = Limited::new(512 << 20);

fuzz_target!(
    init: {
        // The program sets its panic hook when it decodes for the first time.
        let _ = decode_bytes(Vec::new());
        fuzz::note_panics();
    },
    |bytes: &[u8]| {
        match decode_bytes(bytes.to_vec()) {
            Ok(song) => {
                assert!(limits::RATES.contains(&song.rate), "{} Hz", song.rate);
                assert!((1..=limits::CHANNELS).contains(&song.channels.len()), "{} channels", song.channels.len());
                let length = song.channels[0].len();
                assert!(length > 0 && length as u64 <= limits::SECONDS * u64::from(song.rate), "{length} samples");
                assert!(song.channels.iter().all(|c| c.len() == length), "channels of unequal length");
            }
            Err(fault) => {
                let message = fault.to_string();
                assert!(!message.contains(char::is_control), "{message:?}");
            }
        }
        fuzz::keep_panic(bytes);
    }
);
