//! Paths as text that is exact.
//!
//! On Unix a file's name is any bytes. Those that are UTF-8 stay as they are; every byte that belongs to no character
//! becomes `\xHH`, two hexadecimal digits, and where a name holds such an escape literally, its backslash becomes `\x5C`. So
//! different paths have different texts, and [`path`] gives the path back. Elsewhere names are Unicode.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serializer};

/// The text of a path, or of a part of one.
pub fn text(path: impl AsRef<OsStr>) -> String {
    let path = path.as_ref();
    if !cfg!(unix) {
        return path.to_string_lossy().into_owned();
    }
    let mut text = String::new();
    let mut rest = path.as_encoded_bytes();
    while !rest.is_empty() {
        let (valid, after) = match std::str::from_utf8(rest) {
            Ok(valid) => (valid, &rest[rest.len()..]),
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                // Valid up to there, so nothing is lost.
                (std::str::from_utf8(valid).unwrap_or_default(), after)
            }
        };
        for (at, c) in valid.char_indices() {
            match escape(&valid.as_bytes()[at..]) {
                Some(_) => text.push_str("\\x5C"),
                None => text.push(c),
            }
        }
        rest = match after.split_first() {
            Some((byte, after)) => {
                text += &format!("\\x{byte:02X}");
                after
            }
            None => after,
        };
    }
    text
}

/// The path of a text that [`text`] gave.
#[cfg(unix)]
pub fn path(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = escape(rest).map_or((first, after), |byte| (byte, &rest[4..]));
        bytes.push(byte);
        rest = after;
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// The path of a text that [`text`] gave.
#[cfg(not(unix))]
pub fn path(text: &str) -> PathBuf {
    text.into()
}

/// The byte of the escape that `bytes` begins with.
fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = *bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(16 * digit(high)? + digit(low)?).ok()
}

/// A path as messages show it: exact, and on one line, since control characters, which could break lines or steer a
/// terminal, become escapes too.
pub fn shown(path: &Path) -> String {
    shown_text(&text(path))
}

/// As [`shown`], of a path's [`text`], or of a name that came from one, such as a genre's.
pub fn shown_text(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| shown += &format!("\\x{byte:02X}")),
            false => shown.push(c),
        }
    }
    shown
}

/// A path as it is typed into a POSIX shell: bare where every character may be, else in quotes, and where a byte has no
/// character that could be typed, through `printf`.
#[cfg(any(test, feature = "cli"))]
pub fn quoted(path: &Path) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c) || cfg!(windows) && c == '\\';
    match path.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let octal = |byte: &u8| match byte {
                b'%' => "%%".to_owned(),
                b'\\' => r"\\".to_owned(),
                b'\'' => r"'\''".to_owned(),
                b' '..=b'~' => char::from(*byte).to_string(),
                byte => format!("\\{byte:03o}"),
            };
            let format: String = path.as_os_str().as_encoded_bytes().iter().map(octal).collect();
            format!("\"$(printf -- '{format}')\"")
        }
    }
}

/// For `#[serde(with = "paths")]`: a path as its text.
///
/// # Errors
/// Whatever the serialiser says.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(path))
}

/// As [`serialize`], the other way round.
///
/// # Errors
/// Whatever the deserialiser says.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Ok(path(&String::deserialize(deserializer)?))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> PathBuf {
        std::ffi::OsString::from_vec(bytes.to_vec()).into()
    }

    proptest! {
        /// Bytes among which escapes, halves of them and broken characters are frequent.
        #[test]
        fn text_is_exact(bytes in prop::collection::vec(prop::sample::select(&b"a\\x5CcE9\xe9\x80\xc3\xa9\xff/\n"[..]), 0..24)) {
            let path = of(&bytes);
            let text = text(&path);
            prop_assert_eq!(super::path(&text), path.clone());
            // Text that needs no escape is the name itself.
            if let Some(plain) = path.to_str().filter(|plain| !plain.contains("\\x")) {
                prop_assert_eq!(&text, plain);
            }
            prop_assert!(!shown(&path).contains(char::is_control));
        }

        #[test]
        fn a_shell_reads_what_is_quoted(bytes in prop::collection::vec(1u8..=255, 1..12)) {
            // A shell drops line breaks from the end of what a command prints.
            prop_assume!(bytes.last() != Some(&b'\n'));
            let command = format!("printf %s {}", quoted(&of(&bytes)));
            let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            prop_assert_eq!(std::ffi::OsStr::from_bytes(&output.stdout), of(&bytes), "{}", command);
        }
    }

    #[test]
    fn escapes_are_those_of_bytes() {
        for (bytes, wanted) in [
            (&b"rock/a.mp3"[..], "rock/a.mp3"),
            (b"\x91.mp3", r"\x91.mp3"),
            (b"caf\xe9/\xff\xfe", r"caf\xE9/\xFF\xFE"),
            (br"\x91.mp3", r"\x5Cx91.mp3"),
            (br"a\xz\x9", r"a\xz\x9"),
            ("é\u{301}".as_bytes(), "é\u{301}"),
        ] {
            assert_eq!(text(of(bytes)), wanted);
            assert_eq!(path(wanted), of(bytes));
        }
        assert_eq!(shown(&of(b"a\n\x1b[2J\xe9")), r"a\x0A\x1B[2J\xE9");
        assert_eq!(shown_text(&text(of(b"a\n\xe9"))), r"a\x0A\xE9");
        assert_eq!(quoted(&of(b"it's")), r"'it'\''s'");
        assert_eq!(quoted(&of(b"\x91 100%.mp3")), r#""$(printf -- '\221 100%%.mp3')""#);
        assert_eq!(quoted(Path::new("")), "''");
    }
}
