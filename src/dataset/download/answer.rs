//! What yt-dlp says: lines of JSON on stdout, messages on stderr. Whatever is unknown in them is passed over.

use serde::Deserialize;
use serde_json::Value;

use super::address::{check_web, plain};
use super::name::clean;

/// The fields that yt-dlp is asked for, as a template of its `--print`.
pub(super) const FIELDS: &str = "%(.{_type,id,url,webpage_url,extractor_key,playlist_index,title,track,duration,view_count,\
                                 artists,artist,creator,uploader,channel,license})j";

/// Extractors for any page: their ids are file names, which many addresses have in common.
const ANY_PAGE: [&str; 2] = ["Generic", "HTML5MediaEmbed"];

/// A line about a song, an entry of a list, or a list. Every field is what the remote side makes it, so none is
/// relied on to be there or to be of its type.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Answer {
    _type: Value,
    id: Value,
    url: Value,
    webpage_url: Value,
    extractor_key: Value,
    playlist_index: Value,
    title: Value,
    track: Value,
    duration: Value,
    view_count: Value,
    artists: Value,
    artist: Value,
    creator: Value,
    uploader: Value,
    channel: Value,
    license: Value,
}

/// The lines of an output that are answers.
pub(super) fn answers(output: &[u8]) -> impl Iterator<Item = Answer> {
    let objects = output.split(|&b| b == b'\n').filter(|line| line.starts_with(b"{"));
    objects.filter_map(|line| serde_json::from_str(&String::from_utf8_lossy(line)).ok())
}

impl Answer {
    pub fn is_list(&self) -> bool {
        matches!(text(&self._type).as_deref(), Some("playlist" | "multi_video"))
    }

    /// Which song this is, the same from whatever address it is reached: "soundcloud 123", as yt-dlp's archives have it.
    pub fn key(&self) -> Option<String> {
        let (site, id) = (text(&self.extractor_key)?, text(&self.id)?);
        (!ANY_PAGE.contains(&site.as_str())).then(|| clean(&format!("{} {id}", site.to_lowercase())))
    }

    /// The address to fetch an entry of the list `asked` by.
    pub fn address(&self, asked: &str) -> Option<String> {
        let (page, url) = (text(&self.webpage_url), text(&self.url));
        // Songs that are embedded in the page asked for have its address; only their files tell them apart.
        let embedded = !self.playlist_index.is_null() && page.as_deref() == Some(asked);
        let address = if embedded { url } else { page.or(url) }?;
        let address = plain(&address);
        check_web(address).is_ok().then(|| address.to_owned())
    }

    /// The page of a song, for people.
    pub fn page(&self) -> Option<String> {
        text(&self.webpage_url).map(|page| plain(&page).to_owned()).filter(|page| check_web(page).is_ok())
    }

    pub fn title(&self) -> Option<String> {
        text(&self.track)
            .or_else(|| text(&self.title))
            .map(|title| clean(&title))
            .filter(|title| !title.is_empty())
    }

    /// Who made it, as far as the site knows; else who put it there.
    pub fn artist(&self) -> Option<String> {
        let list =
            self.artists.as_array().into_iter().flatten().filter_map(text).collect::<Vec<_>>().join("; ");
        let single = [&self.artist, &self.creator, &self.uploader, &self.channel].into_iter().find_map(text);
        let artist = if list.is_empty() { single? } else { list };
        Some(clean(&artist)).filter(|artist| !artist.is_empty())
    }

    pub fn licence(&self) -> Option<String> {
        text(&self.license).map(|licence| clean(&licence))
    }

    pub fn seconds(&self) -> Option<f64> {
        self.duration.as_f64()
    }

    pub fn plays(&self) -> u64 {
        self.view_count.as_u64().unwrap_or(0)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether the messages say that the disk is full.
pub(super) fn disk_is_full(messages: &[u8]) -> bool {
    let text = String::from_utf8_lossy(messages);
    text.contains("No space left on device")
        || text.contains("[Errno 28]")
        || text.contains("Disk quota exceeded")
}

/// Why there is no song, from yt-dlp's messages: the first of its errors.
pub(super) fn reason(messages: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(messages);
    let error = text.lines().find_map(|line| line.split_once("ERROR: "))?.1;
    let error = error.split(" (caused by ").next().unwrap_or(error);
    let error = error.split("; please report this issue").next().unwrap_or(error);
    Some(clean(error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(json: &str) -> Answer {
        answers(json.as_bytes()).next().unwrap()
    }

    #[test]
    fn fields_of_any_type() {
        let answer = one(
            r#"{"id": 12, "extractor_key": "Soundcloud", "title": ["x"], "duration": "9", "view_count": -1, "new": {}}"#,
        );
        assert_eq!(answer.key().as_deref(), Some("soundcloud 12"));
        assert_eq!((answer.title(), answer.seconds(), answer.plays()), (None, None, 0));
        assert_eq!(one(r#"{"extractor_key": "Generic", "id": "song"}"#).key(), None);
        assert_eq!(one("{}"), Answer::default());
        let artists = one(r#"{"artists": ["A", 5, null, "B"], "artist": "no", "uploader": "no"}"#);
        assert_eq!(artists.artist().as_deref(), Some("A; 5; B"));
        assert_eq!(one(r#"{"artists": [], "uploader": "U"}"#).artist().as_deref(), Some("U"));
    }

    #[test]
    fn lines_that_are_no_answers() {
        let output = b"\xff\xfe\nNA\n{\"id\": \"\xff\"}\n{\"id\": \"cut off\n[1]\n";
        let ids: Vec<_> = answers(output).map(|answer| answer.id).collect();
        assert_eq!(ids, [Value::from("\u{fffd}")]);
    }

    #[test]
    fn addresses_of_entries() {
        let page = "http://h/page";
        let embedded =
            one(r#"{"url": "http://h/a.wav", "webpage_url": "http://h/page", "playlist_index": 1}"#);
        assert_eq!(embedded.address(page).as_deref(), Some("http://h/a.wav"));
        let song = one(r#"{"url": "http://cdn/x?sig=1", "webpage_url": "http://h/page"}"#);
        assert_eq!(song.address(page).as_deref(), Some(page));
        for bad in
            [r#"{"url": "file:///etc/passwd"}"#, r#"{"url": "--exec=id"}"#, r#"{"url": "scsearch5:x"}"#, "{}"]
        {
            assert_eq!(one(bad).address(page), None, "{bad}");
        }
    }

    #[test]
    fn reasons() {
        let messages = b"[x] y\nERROR: [generic] zz: HTTP Error 404: Not Found (caused by <x>)\nERROR: other";
        assert_eq!(reason(messages).as_deref(), Some("[generic] zz: HTTP Error 404: Not Found"));
        assert_eq!(reason(b"nothing"), None);
        assert!(disk_is_full(b"ERROR: unable to write data: [Errno 28] No space left on device"));
    }

    proptest! {
        #[test]
        fn any_output(bytes in any::<Vec<u8>>(), text in "[{}\",:a-z0-9\n]*") {
            for output in [bytes.as_slice(), text.as_bytes()] {
                for answer in answers(output) {
                    let _ = (answer.key(), answer.address("x"), answer.title(), answer.artist());
                }
                let _ = reason(output);
            }
        }
    }
}
