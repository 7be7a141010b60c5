//! Addresses that yt-dlp may be given.

use super::name::is_invisible;

/// Where songs are: a page, a list or a file on the web, or one of yt-dlp's searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As yt-dlp takes it.
    pub text: String,
    /// The source it comes from, such as "charts"; "manifest".
    pub source: String,
    /// Known to be a list of songs, not one song.
    pub list: bool,
    /// Whether the most played songs of the list come first.
    pub by_plays: bool,
}

/// The longest address. Browsers stop at about this length.
const LONGEST: usize = 2_000;

/// Refuses what is not an `http` or `https` address.
pub(super) fn check_web(text: &str) -> Result<(), &'static str> {
    check_text(text)?;
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    match rest.and_then(|rest| rest.chars().next()) {
        Some(first) if !matches!(first, '/' | '?' | '#' | ':') => Ok(()),
        _ => Err("an address begins with https:// or http:// and a host"),
    }
}

/// Refuses what is neither a web address nor a search of yt-dlp's, such as `scsearch50:deep house`.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if is_search(text) { check_text(text) } else { check_web(text) }
}

/// A word that ends in "search", a number of results, a colon and what to search for.
fn is_search(text: &str) -> bool {
    let Some((prefix, words)) = text.split_once(':') else { return false };
    let site = prefix.trim_end_matches(|c: char| c.is_ascii_digit());
    site.ends_with("search") && site.bytes().all(|b| b.is_ascii_lowercase()) && !words.trim().is_empty()
}

fn check_text(text: &str) -> Result<(), &'static str> {
    if text.len() > LONGEST {
        return Err("the address is longer than 2000 bytes");
    }
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err("the address has invisible characters in it");
    }
    Ok(())
}

/// The address without what yt-dlp attaches to entries of lists for its own use.
pub(super) fn plain(text: &str) -> &str {
    text.split("#__youtubedl_smuggle").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_and_searches() {
        for good in ["https://a.example/x?y=1", "HTTP://a", "scsearch50:deep house", "ytsearch:x"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("https://a/{}", "x".repeat(3_000));
        for bad in [
            "",
            "-",
            "--exec=id",
            "file:///etc/passwd",
            "ftp://a/b",
            "https://",
            "https:///x",
            "a.example/x",
            "x\n",
            "https://a/\0",
            "search",
            "scsearch5:",
            "SCSEARCH5:x",
            "rtmp://x",
            "data:audio/wav,",
            " https://a",
            "https://a\n--exec id",
            "https://a/\u{202e}x",
            &long,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check_web("scsearch5:x").is_err());
    }

    #[test]
    fn attachments_are_cut_off() {
        assert_eq!(plain("http://a/b#__youtubedl_smuggle=%7B%7D"), "http://a/b");
        assert_eq!(plain("http://a/b#c"), "http://a/b#c");
    }
}
