//! Names that are safe, whatever a remote side says.

use std::path::Path;

use crate::audio::EXTENSIONS;
use crate::dataset::DEMO;
pub(super) use crate::files::stem;

/// Most characters of a remote text in tables and messages.
const TEXT: usize = 300;

/// Names that Windows keeps for devices.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Refuses a genre whose name cannot be that of a folder directly under the dataset, on any system.
pub(super) fn check_genre(name: &str) -> Result<(), &'static str> {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let device = DEVICES.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit()));
    let mut parts = name.split(['/', '\\']);
    if name.is_empty() {
        Err("it is empty")
    } else if name.starts_with(['/', '\\']) || parts.any(|part| part.trim() == "..") {
        Err("it leads out of the dataset's folder")
    } else if name.starts_with('.') {
        Err("folders that begin with a dot are hidden")
    } else if name.contains(|c: char| c.is_control() || is_invisible(c) || "/\\:<>\"|?*".contains(c)) {
        Err("it has one of / \\ : < > \" | ? * or an invisible character in it")
    } else if name.trim() != name || name.ends_with('.') {
        Err("it begins or ends with a space, or ends with a dot")
    } else if name.len() > 100 {
        Err("it is longer than 100 bytes")
    } else if folder(name) == DEMO {
        Err("the folder \"demo\" is that of the synthesised songs")
    } else if device {
        Err("Windows keeps it for a device")
    } else {
        Ok(())
    }
}

/// What tells a genre's folder from others on every system: macOS and Windows take capitals for small letters.
pub(super) fn folder(genre: &str) -> String {
    genre.to_lowercase()
}

/// Why a genre is refused whose [`folder`] another has.
pub(super) const SAME_FOLDER: &str = "it differs only in capitals from another genre, and on macOS and Windows the two \
                                      are one folder; write both the same way";

/// The extension for a file with these first bytes; else that which it has, where that is one of audio.
pub(super) fn extension(head: &[u8], path: &Path) -> Option<&'static str> {
    const SIGNATURES: [(usize, &[u8], &str); 9] = [
        (8, b"WAVE", "wav"),
        (0, b"OggS", "ogg"),
        (0, b"fLaC", "flac"),
        (4, b"ftyp", "m4a"),
        (0, b"FORM", "aiff"),
        (0, b"\x1a\x45\xdf\xa3", "mka"),
        (0, b"ID3", "mp3"),
        (0, b"\xff\xf1", "aac"),
        (0, b"\xff\xf9", "aac"),
    ];
    let known =
        |&&(at, bytes, _): &&(usize, &[u8], &str)| head.get(at..).is_some_and(|h| h.starts_with(bytes));
    if let Some((_, _, extension)) = SIGNATURES.iter().find(known) {
        return Some(extension);
    }
    let given = path.extension()?.to_str()?;
    EXTENSIONS.iter().copied().find(|e| e.eq_ignore_ascii_case(given))
}

/// A remote text for a table or a message: one line, nothing that steers a terminal or turns the direction of writing,
/// not endless, and not a formula to a spreadsheet.
pub(super) fn clean(text: &str) -> String {
    let visible = text.chars().filter(|&c| !is_invisible(c));
    let words: String = visible.map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    let mut line = words.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(TEXT) {
        line.truncate(end);
        line.push('…');
    }
    if line.starts_with(['=', '+', '-', '@']) {
        line.insert(0, '\'');
    }
    line
}

/// Characters without a shape that change how others look: joiners, marks and overrides of the direction of writing.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_titles() {
        for title in [
            "../../etc/passwd",
            "..\\..\\x",
            "\0",
            "-rf /",
            "CON",
            "con.wav",
            "a\u{202e}vaw.exe",
            ".hidden",
            "",
            "~",
            "$(id)",
            "aux",
            "\u{1b}[2Jx",
            "日本語",
            "a/b\\c:d*e?f\"g<h>i|j",
        ] {
            assert_safe(&stem(title, "k"));
        }
        assert!(stem("../../etc/passwd", "k").starts_with("etc-passwd-"));
        assert_eq!(stem(&"x".repeat(10_000), "k").len(), 77);
        assert_ne!(stem("a", "k"), stem("a", "l"));
        assert_eq!(stem("日本語", "k").len(), 16);
    }

    #[track_caller]
    fn assert_safe(stem: &str) {
        assert!(stem.len() <= 77 && stem.len() >= 16, "{stem}");
        assert!(stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{stem}");
        assert!(stem.starts_with(|c: char| c.is_ascii_alphanumeric()), "{stem}");
        assert_eq!(check_genre(stem), Ok(()), "{stem}");
        let components: Vec<_> = Path::new(stem).components().collect();
        assert!(matches!(components[..], [Component::Normal(_)]), "{stem}");
    }

    #[test]
    fn genres_are_folders() {
        for good in ["rock", "hip hop", "drum & bass", "60s", "R&B", "música", "-x", "r.b"] {
            assert_eq!(check_genre(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/",
            "a\\b",
            ".git",
            "c:",
            "a\0",
            "a\nb",
            "demo",
            "Demo",
            "CON",
            "nul.x",
            "com1",
            "lpt9.txt",
            " a",
            "a ",
            "a.",
            "a\u{202e}b",
            "a*",
        ] {
            assert!(check_genre(bad).is_err(), "{bad}");
        }
        for outside in ["..", "../evil", "a/../../b", "..\\x", "/etc", "\\\\host"] {
            assert_eq!(check_genre(outside), Err("it leads out of the dataset's folder"), "{outside}");
        }
        assert_eq!(check_genre(".git"), Err("folders that begin with a dot are hidden"));
    }

    #[test]
    fn texts() {
        assert_eq!(clean(" a\n\tb\u{202e}c\u{1b}[2J "), "a bc [2J");
        assert_eq!(clean("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(clean(&"é".repeat(1_000)).chars().count(), TEXT + 1);
    }

    #[test]
    fn extensions_by_bytes() {
        assert_eq!(extension(b"RIFF\0\0\0\0WAVE", Path::new("song.mp3")), Some("wav"));
        assert_eq!(extension(b"\xff\xfb\x90", Path::new("song.MP3")), Some("mp3"));
        assert_eq!(extension(b"\xff\xfb\x90", Path::new("song.exe")), None);
    }

    proptest! {
        #[test]
        fn any_title_gives_a_safe_name(title in any::<String>(), key in any::<String>()) {
            assert_safe(&stem(&title, &key));
        }

        #[test]
        fn any_accepted_genre_stays_inside(name in any::<String>()) {
            if check_genre(&name).is_ok() {
                let components: Vec<_> = Path::new(&name).components().collect();
                prop_assert!(matches!(components[..], [Component::Normal(part)] if part == name.as_str()));
            }
        }

        #[test]
        fn any_text_becomes_one_line(text in any::<String>()) {
            let line = clean(&text);
            prop_assert!(!line.contains(char::is_control) && line.chars().count() <= TEXT + 2);
        }
    }
}
