//! A table of the user's own: which address belongs to which genre.

use std::collections::HashMap;
use std::path::Path;

use super::address::{self, Address};
use super::error::DownloadError;
use super::name;
use super::plan::Target;

const ROW: &str = "a row is a genre and an address, such as rock,https://example.org/song.mp3";

/// Reads a manifest: rows of `genre,url`, with a header line of these names (other columns are ignored) or without
/// one. Blank lines and lines that begin with `#` are passed over. Genres come out in the order of their first row.
///
/// # Errors
/// [`DownloadError::Manifest`] with the line: an empty cell, a genre that cannot be a folder's name or
/// has the same one as another, an address that is
/// neither `http`, `https` nor a search of yt-dlp's, or one that was given before.
pub fn parse_manifest(bytes: &[u8], path: &Path) -> Result<Vec<Target>, DownloadError> {
    let mut columns = (0, 1);
    let mut begun = false;
    let mut targets: Vec<Target> = Vec::new();
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut folders: HashMap<String, (String, u64)> = HashMap::new();
    // A row is a line: cells that go on over several have no place here, and errors have their line.
    for (line, text) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        let fail = |reason: String| DownloadError::Manifest { path: path.to_owned(), line, reason };
        let text = std::str::from_utf8(text)
            .map_err(|_| fail("not UTF-8 text; save the file as UTF-8".to_owned()))?
            .trim_start_matches('\u{feff}');
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            continue;
        }
        let mut record = csv::StringRecord::new();
        csv::ReaderBuilder::new()
            .has_headers(false)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes())
            .read_record(&mut record)
            .map_err(|_| fail("cannot be read as comma-separated values".to_owned()))?;
        if !std::mem::replace(&mut begun, true) {
            let column = |name: &str| record.iter().position(|cell| cell.eq_ignore_ascii_case(name));
            if let (Some(genre), Some(url)) = (column("genre"), column("url")) {
                columns = (genre, url);
                continue;
            }
        }
        let cell = |i: usize| record.get(i).unwrap_or_default();
        let (genre, url) = (cell(columns.0), cell(columns.1));
        if genre.is_empty() || url.is_empty() {
            return Err(fail(ROW.to_owned()));
        }
        name::check_genre(genre).map_err(|why| {
            fail(format!("the genre \"{}\" cannot be a folder's name: {why}", genre.escape_debug()))
        })?;
        let (other, first) = folders.entry(name::folder(genre)).or_insert_with(|| (genre.to_owned(), line));
        if other != genre {
            let why = name::SAME_FOLDER;
            return Err(fail(format!("the genre \"{genre}\" is \"{other}\" in line {first}: {why}")));
        }
        address::check(url).map_err(|why| fail(format!("\"{}\": {why}", name::clean(url))))?;
        if let Some(first) = seen.insert(url.to_owned(), line) {
            return Err(fail(format!("{url} was listed before, in line {first}; remove one of them")));
        }
        let address =
            Address { text: url.to_owned(), source: "manifest".to_owned(), list: false, by_plays: false };
        match targets.iter_mut().find(|target| target.genre == genre) {
            Some(target) => target.addresses.push(address),
            None => targets.push(Target { genre: genre.to_owned(), wanted: None, addresses: vec![address] }),
        }
    }
    if targets.is_empty() {
        let reason = format!("no rows; {ROW}");
        return Err(DownloadError::Manifest { path: path.to_owned(), line: 1, reason });
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Vec<(String, Vec<String>)>, String> {
        let targets = parse_manifest(bytes, Path::new("m.csv")).map_err(|error| error.to_string())?;
        let texts = |target: Target| (target.genre, target.addresses.into_iter().map(|a| a.text).collect());
        Ok(targets.into_iter().map(texts).collect())
    }

    #[test]
    fn rows() {
        let expected = vec![
            ("rock".to_owned(), vec!["http://a/1".to_owned(), "http://a/3".to_owned()]),
            ("pop".to_owned(), vec!["http://a/2".to_owned()]),
        ];
        for text in [
            "rock,http://a/1\npop,http://a/2\nrock,http://a/3",
            "\u{feff}Genre,URL\r\nrock,http://a/1\r\n\r\n# a comment, with commas\r\npop, http://a/2 \r\nrock,http://a/3\r\n",
            "title,url,genre\nx,http://a/1,rock\n,http://a/2,pop\n\"a,b\",http://a/3,rock,more\n",
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn malformed_lines_are_named() {
        for (text, words) in [
            (&b"rock,http://a/1\n\nrock\n"[..], "line 3: a row is"),
            (b"genre,url\n,http://a/1", "line 2: a row is"),
            (b"rock,http://a/1\r\n../x,http://a/2", "line 2: the genre \"../x\""),
            (b"..,http://a/2", "line 1: the genre"),
            (
                b"Rock,http://a/1\n\nrock,http://a/2",
                "line 3: the genre \"rock\" is \"Rock\" in line 1: it differs",
            ),
            ("É,http://a/1\né,http://a/2".as_bytes(), "line 2: the genre"),
            (b"a/b,http://a/2", "line 1: the genre"),
            (b"rock,file:///etc/passwd", "line 1: \"file:///etc/passwd\": an address begins"),
            (b"rock,--exec=id", "line 1"),
            (b"rock,http://a/1\npop,http://a/1", "line 2: http://a/1 was listed before, in line 1"),
            (b"rock,http://a/\xff", "line 1: not UTF-8"),
            (b"\"rock,http://a", "line 1: a row is"),
            (b"genre,url\n", "no rows"),
            (b"", "no rows"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("m.csv, line ") && error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in any::<Vec<u8>>()) {
            for (genre, addresses) in parse(&bytes).unwrap_or_default() {
                prop_assert!(name::check_genre(&genre).is_ok());
                prop_assert!(addresses.iter().all(|a| address::check(a).is_ok()));
            }
        }
    }
}
