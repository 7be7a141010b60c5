//! Songs that may be fetched.

use super::answer::Answer;

/// A song to be tried.
pub(super) struct Candidate {
    pub address: String,
    pub key: Option<String>,
    pub title: Option<String>,
    pub artist: Option<String>,
    pub licence: Option<String>,
    pub seconds: Option<f64>,
    pub plays: u64,
    /// Whether it came out of a list: then it must be a song, not another list.
    pub listed: bool,
}

impl Candidate {
    /// A song of which only the address is known.
    pub fn of(address: &str) -> Self {
        let address = address.to_owned();
        Self {
            address,
            key: None,
            title: None,
            artist: None,
            licence: None,
            seconds: None,
            plays: 0,
            listed: false,
        }
    }

    /// An entry of the list `asked`.
    pub fn entry(answer: &Answer, asked: &str) -> Option<Self> {
        Some(Self {
            address: answer.address(asked)?,
            key: answer.key(),
            title: answer.title(),
            artist: answer.artist(),
            licence: answer.licence(),
            seconds: answer.seconds(),
            plays: answer.plays(),
            listed: true,
        })
    }
}
