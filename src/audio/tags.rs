//! Artist and title from tags of every kind.

use symphonia::core::meta::{Metadata, MetadataContainer, MetadataRevision, RawValue, StandardTag};

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

/// What was found, the best of each so far. Less is better: the kind of tag, then whether the container is ID3v1, whose
/// names are cut after 30 bytes.
#[derive(Debug, Default)]
pub(super) struct Tags {
    artist: Option<((u8, bool), String)>,
    title: Option<((u8, bool), String)>,
    /// iTunes' "iTunSMPB".
    pub gapless: Option<String>,
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

    fn revision(&mut self, revision: &MetadataRevision) {
        let brief = revision.info.short_name == "id3v1";
        self.container(&revision.media, brief);
        for track in &revision.per_track {
            self.container(&track.metadata, brief);
        }
    }

    fn container(&mut self, container: &MetadataContainer, brief: bool) {
        for tag in &container.tags {
            let (slot, rank, value) = match &tag.std {
                Some(StandardTag::Artist(name)) => (&mut self.artist, 0, name),
                Some(StandardTag::Performer(name)) => (&mut self.artist, 1, name),
                Some(StandardTag::Ensemble(name)) => (&mut self.artist, 2, name),
                Some(StandardTag::AlbumArtist(name)) => (&mut self.artist, 3, name),
                Some(StandardTag::TrackTitle(name)) => (&mut self.title, 0, name),
                _ => {
                    if let (true, RawValue::String(value)) =
                        (tag.raw.key.ends_with("iTunSMPB"), &tag.raw.value)
                    {
                        self.gapless = Some(value.to_string());
                    }
                    continue;
                }
            };
            let name = tidy(value);
            let nobody = rank_is_artist(&tag.std) && NOBODY.contains(&name.to_lowercase().as_str());
            if !name.is_empty() && !nobody && slot.as_ref().is_none_or(|(best, _)| (rank, brief) < *best) {
                *slot = Some(((rank, brief), name));
            }
        }
    }

    pub(super) fn artist(&self) -> Option<String> {
        self.artist.as_ref().map(|(_, name)| name.clone())
    }

    pub(super) fn title(&self) -> Option<String> {
        self.title.as_ref().map(|(_, name)| name.clone())
    }
}

fn rank_is_artist(tag: &Option<StandardTag>) -> bool {
    !matches!(tag, Some(StandardTag::TrackTitle(_)))
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

    fn tags(of: &[(StandardTag, bool)]) -> (Option<String>, Option<String>) {
        let mut tags = Tags::default();
        for (tag, brief) in of {
            let tag = Tag::new_std(RawTag::new("", ""), tag.clone());
            tags.container(&MetadataContainer { tags: vec![tag], visuals: vec![] }, *brief);
        }
        (tags.artist(), tags.title())
    }

    #[test]
    fn the_best_name_is_kept() {
        let artist = |name: &str| StandardTag::Artist(Arc::new(name.to_owned()));
        let album = |name: &str| StandardTag::AlbumArtist(Arc::new(name.to_owned()));
        let title = |name: &str| StandardTag::TrackTitle(Arc::new(name.to_owned()));
        let found =
            tags(&[(album("Band"), false), (artist("Singer"), false), (title(" A \t song\n"), false)]);
        assert_eq!(found, (Some("Singer".to_owned()), Some("A song".to_owned())));
        // The full name, though ID3v1 comes first; the first of two.
        let found =
            tags(&[(artist("Cut of"), true), (artist("Cut off here"), false), (artist("Other"), false)]);
        assert_eq!(found.0.as_deref(), Some("Cut off here"));
        for nobody in
            ["", "  ", "VA", "va", "Various Artists", "VARIOUS  artists", "<Unknown>", "Unknown Artist\0"]
        {
            assert_eq!(tags(&[(artist(nobody), false)]).0, None, "{nobody:?}");
            assert_eq!(tags(&[(artist(nobody), false), (album("Band"), false)]).0.as_deref(), Some("Band"));
        }
        assert_eq!(tags(&[(title("Unknown"), false)]).1.as_deref(), Some("Unknown"));
        assert_eq!(tidy("a\u{202e}b\u{7}\u{0}c"), "a b c");
        assert_eq!(tidy(&"é".repeat(999)).chars().count(), LONGEST);
    }
}
