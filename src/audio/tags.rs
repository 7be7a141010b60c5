//! Artists and title from tags of every kind.

use symphonia::core::meta::{Metadata, MetadataContainer, MetadataRevision, RawValue, StandardTag, Tag};

/// Names that stand for nobody, in lower case.
const NOBODY: &[&str] = &[
    "-",
    "?",
    "[unknown]",
    "<unknown>",
    "artist",
    "artist unknown",
    "diverse interpreten",
    "n/a",
    "no artist",
    "none",
    "unknown",
    "unknown artist",
    "[unknown artist]",
    "<unknown artist>",
    "untitled artist",
    "v.a.",
    "v/a",
    "va",
    "various",
    "various artist",
    "various artists",
    "verschiedene",
];
/// Most characters of a name that are kept.
const LONGEST: usize = 200;
/// Most names of one song that are kept.
const MOST: usize = 32;

/// How good a name is; less is better: the kind of tag, then whether the container is ID3v1, whose names are cut after
/// 30 bytes.
type Rank = (u8, bool);

/// What was found, the best of each so far.
#[derive(Debug, Default)]
pub(super) struct Tags {
    artists: Names,
    title: Names,
    /// iTunes' "iTunSMPB".
    pub gapless: Option<String>,
}

/// The names of the best rank so far, in the order of the file, each once.
#[derive(Debug, Default)]
struct Names {
    rank: Option<Rank>,
    names: Vec<String>,
}

impl Names {
    fn add(&mut self, rank: Rank, name: String) {
        if self.rank.is_some_and(|best| rank > best) {
            return;
        }
        if self.rank != Some(rank) {
            self.names.clear();
            self.rank = Some(rank);
        }
        let new = name.to_lowercase();
        if self.names.len() < MOST && self.names.iter().all(|known| known.to_lowercase() != new) {
            self.names.push(name);
        }
    }
}

/// What a tag names.
enum Named {
    Artist(u8),
    Title,
}

/// What a tag of a name that formats use stands for.
fn called(key: &str) -> Option<Named> {
    match key.to_ascii_lowercase().as_str() {
        "tpe1" | "tp1" | "artist" | "\u{a9}art" | "iart" => Some(Named::Artist(0)),
        "performer" => Some(Named::Artist(1)),
        "ensemble" => Some(Named::Artist(2)),
        "tpe2" | "tp2" | "album artist" | "albumartist" | "album_artist" | "aart" => Some(Named::Artist(3)),
        "tit2" | "tt2" | "title" | "\u{a9}nam" | "inam" => Some(Named::Title),
        _ => None,
    }
}

/// What a tag of a standard kind, or else of a known name, stands for.
fn named(tag: &Tag) -> Option<Named> {
    match &tag.std {
        Some(StandardTag::Artist(_)) => return Some(Named::Artist(0)),
        Some(StandardTag::Performer(_)) => return Some(Named::Artist(1)),
        Some(StandardTag::Ensemble(_)) => return Some(Named::Artist(2)),
        Some(StandardTag::AlbumArtist(_)) => return Some(Named::Artist(3)),
        Some(StandardTag::TrackTitle(_)) => return Some(Named::Title),
        Some(_) => return None,
        None => {}
    }
    // Tags of several values have no standard kind.
    called(&tag.raw.key)
}

impl Tags {
    /// Reads everything that is there by now and takes it off the queue.
    pub(super) fn take(&mut self, queue: &mut Metadata<'_>) {
        loop {
            if let Some(revision) = queue.current() {
                self.revision(revision);
            }
            if queue.pop().is_none() {
                return;
            }
        }
    }

    pub(super) fn revision(&mut self, revision: &MetadataRevision) {
        let format = revision.info.short_name;
        self.container(&revision.media, format);
        for track in &revision.per_track {
            self.container(&track.metadata, format);
        }
    }

    fn container(&mut self, container: &MetadataContainer, format: &str) {
        let brief = format == "id3v1";
        for tag in &container.tags {
            let values = match &tag.raw.value {
                RawValue::String(value) => std::slice::from_ref(value.as_ref()),
                RawValue::StringList(values) => values.as_slice(),
                _ => continue,
            };
            if tag.raw.key.ends_with("iTunSMPB") {
                self.gapless = values.first().cloned();
            }
            let Some(named) = named(tag) else { continue };
            for value in values.iter().flat_map(|value| value.split('\0')) {
                match named {
                    Named::Title => self.add_title((0, brief), value),
                    Named::Artist(kind) if format == "id3v2" => {
                        slashed(value).iter().for_each(|value| self.add_artist((kind, brief), value));
                    }
                    Named::Artist(kind) => self.add_artist((kind, brief), value),
                }
            }
        }
    }

    fn add_artist(&mut self, rank: Rank, value: &str) {
        let name = tidy(value);
        if !name.is_empty() && !NOBODY.contains(&name.to_lowercase().as_str()) {
            self.artists.add(rank, name);
        }
    }

    fn add_title(&mut self, rank: Rank, value: &str) {
        let name = tidy(value);
        if !name.is_empty() {
            self.title.add(rank, name);
        }
    }

    /// A tag from elsewhere, by its name: several values are separated by zeros.
    pub(super) fn named(&mut self, key: &str, value: &str) {
        let Some(named) = called(key) else { return };
        for value in value.split('\0') {
            match named {
                Named::Artist(kind) => self.add_artist((kind, false), value),
                Named::Title => self.add_title((0, false), value),
            }
        }
    }

    /// An ID3v1 tag: a title and an artist of 30 bytes each.
    pub(super) fn id3v1(&mut self, tag: &[u8]) {
        let text = |range: std::ops::Range<usize>| {
            let bytes = tag.get(range).unwrap_or_default().split(|&byte| byte == 0).next();
            bytes.unwrap_or_default().iter().copied().map(char::from).collect::<String>()
        };
        self.add_title((0, true), &text(3..33));
        self.add_artist((0, true), &text(33..63));
    }

    /// Vorbis comments (Vorbis I, 5): a text, a number, and that many texts KEY=VALUE, each with its length before it.
    pub(super) fn comments(&mut self, mut bytes: &[u8]) {
        // The first text names the encoder; the number behind it is needed by nobody.
        let Some((_, rest)) = counted(bytes) else { return };
        bytes = rest.get(4..).unwrap_or_default();
        while let Some((text, rest)) = counted(bytes) {
            bytes = rest;
            // What is longer is no name.
            if let Some((key, value)) =
                String::from_utf8_lossy(&text[..text.len().min(1 << 12)]).split_once('=')
            {
                self.named(key, value);
            }
        }
    }

    /// Everything that was found elsewhere.
    pub(super) fn join(&mut self, other: Self) {
        for (mine, theirs) in [(&mut self.artists, other.artists), (&mut self.title, other.title)] {
            if let Some(rank) = theirs.rank {
                theirs.names.into_iter().for_each(|name| mine.add(rank, name));
            }
        }
        self.gapless = other.gapless.or(self.gapless.take());
    }

    /// Every performer that the best kind of tag lists.
    pub(super) fn artists(&self) -> Vec<String> {
        self.artists.names.clone()
    }

    pub(super) fn title(&self) -> Option<String> {
        self.title.names.first().cloned()
    }
}

/// A text with its length (u32, little endian) before it, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// The names that a text of ID3v2 lists: "/" separates them (ID3v2.3, 4.2.1), unless what is before or behind it is too
/// short for a name, as in AC/DC.
fn slashed(value: &str) -> Vec<&str> {
    let parts: Vec<&str> = value.split('/').collect();
    if parts.iter().all(|part| part.trim().chars().count() > 2) { parts } else { vec![value] }
}

/// One line without control characters, marks of direction or needless space, of at most [`LONGEST`] characters.
fn tidy(text: &str) -> String {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let seen: String = text.chars().map(|c| if unseen(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = seen.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use symphonia::core::meta::{RawTag, Tag};

    use super::*;

    fn read(format: &str, of: Vec<Tag>) -> (Vec<String>, Option<String>) {
        let mut tags = Tags::default();
        tags.container(&MetadataContainer { tags: of, visuals: vec![] }, format);
        (tags.artists(), tags.title())
    }

    fn standard(tag: fn(Arc<String>) -> StandardTag, name: &str) -> Tag {
        let name = Arc::new(name.to_owned());
        Tag::new_std(RawTag::new("", RawValue::String(name.clone())), tag(name))
    }

    fn list(key: &str, names: &[&str]) -> Tag {
        let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        Tag::new(RawTag::new(key, RawValue::from(names)))
    }

    #[test]
    fn the_best_names_are_kept() {
        use StandardTag::{AlbumArtist, Artist, TrackTitle};
        let found = read(
            "vorbis",
            vec![
                standard(AlbumArtist, "Band"),
                standard(Artist, "Singer"),
                standard(TrackTitle, " A \t song\n"),
                standard(TrackTitle, "Another"),
                standard(Artist, "Second"),
                standard(Artist, "SINGER"),
            ],
        );
        assert_eq!(found, (vec!["Singer".to_owned(), "Second".to_owned()], Some("A song".to_owned())));
        // The full name, though ID3v1 comes first.
        let mut tags = Tags::default();
        for (format, name) in [("id3v1", "Cut of"), ("apev2", "Cut off here"), ("id3v1", "Cut of")] {
            tags.container(
                &MetadataContainer { tags: vec![standard(Artist, name)], visuals: vec![] },
                format,
            );
        }
        assert_eq!(tags.artists(), ["Cut off here"]);
        for nobody in
            ["", "  ", "VA", "va", "Various Artists", "VARIOUS  artists", "<Unknown>", "Unknown Artist\0"]
        {
            assert_eq!(read("flac", vec![standard(Artist, nobody)]).0, [""; 0], "{nobody:?}");
            let found = read("flac", vec![standard(Artist, nobody), standard(AlbumArtist, "Band")]);
            assert_eq!(found.0, ["Band"]);
        }
        assert_eq!(read("flac", vec![standard(TrackTitle, "Unknown")]).1.as_deref(), Some("Unknown"));
        assert_eq!(tidy("a\u{202e}b\u{7}\u{0}c"), "a b c");
        assert_eq!(tidy(&"é".repeat(999)).chars().count(), LONGEST);
    }

    #[test]
    fn every_artist_of_a_list_counts() {
        for (format, key) in [("id3v2", "TPE1"), ("apev2", "Artist"), ("vorbis", "ARTIST"), ("id3v2", "TPE2")]
        {
            let found = read(format, vec![list(key, &["A One", "", "B Two", "Various Artists"])]);
            assert_eq!(found.0, ["A One", "B Two"], "{format} {key}");
        }
        assert_eq!(read("id3v2", vec![list("TIT2", &["First", "Second"])]).1.as_deref(), Some("First"));
        let artist = |name| vec![standard(StandardTag::Artist, name)];
        assert_eq!(read("mkv", artist("A One\0B Two")).0, ["A One", "B Two"]);
        // The separator of ID3v2.3, which other formats do not have.
        assert_eq!(read("id3v2", artist("A One/B Two/Three")).0, ["A One", "B Two", "Three"]);
        assert_eq!(read("id3v2", artist("AC/DC")).0, ["AC/DC"]);
        assert_eq!(read("vorbis", artist("A One/B Two")).0, ["A One/B Two"]);
    }
}
