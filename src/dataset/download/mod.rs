//! Songs from the web into the folders of their genres, by the external program yt-dlp.
//!
//! One process of yt-dlp lists an address, and one fetches each song, into a hidden scratch folder inside the dataset.
//! What arrives is checked, named and moved by this program: nothing that a remote side says becomes a path or a word
//! of a shell. A song counts when it lies in its genre's folder and is recorded; whatever stops the program in
//! between, the next run finishes or forgets it.
//!
//! - [`Addresses`] (`dataset/soundcloud.toml`) or a manifest → [`Plan`]: what is wanted from where
//! - [`YtDlp`]: the program, found and tried
//! - [`download`]: plan → songs, `attribution.csv`, `tracks.csv`, and a [`Report`]

mod address;
mod answer;
mod candidate;
mod child;
mod error;
mod limits;
mod manifest;
mod name;
mod plan;
mod records;
mod report;
mod run;
mod scratch;
mod song;
mod sources;
mod table;
mod ytdlp;

pub use address::Address;
pub use error::DownloadError;
pub use limits::Limits;
pub use manifest::parse_manifest;
pub use plan::{Outlook, Plan, Target};
pub use report::{Failure, GenreReport, Report};
pub use run::{Event, download};
pub use sources::{Addresses, SOUNDCLOUD};
pub use ytdlp::YtDlp;
