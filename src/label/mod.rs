//! A music library gets its genres, and nothing is lost: a plan says what would be written, applying it writes the genre
//! into copies that are verified before they take the files' places, and a journal undoes it.

mod apply;
mod decide;
mod error;
mod excerpt;
mod foreign;
mod hear;
mod index;
mod journal;
mod learn;
mod library;
mod merge;
mod plan;
mod replace;
mod shard;
mod spool;
pub mod tags;
mod taxonomy;
mod undo;

pub use apply::{Apply, Mode, Outcome, Tally, apply};
pub use decide::{Contradiction, Deciding};
pub use error::LabelError;
pub use hear::{Hearing, Progress, facts, hear, stamp};
pub use index::{FileFacts, Heard, Index, Moment, Stamp};
pub use journal::{Damage, Entry, Journal, JournalHeader};
pub use learn::{Learnt, learn, link, vacant};
pub use library::{Found, Songs, find};
pub use merge::{Merged, merge};
pub use plan::{Chosen, Head, Line, Plan, Shard, Standing, Standings, Tagged, Writer};
pub use replace::Keeping;
pub use shard::from_environment;
pub use taxonomy::{Meaning, Taxonomy};
pub use undo::{Undone, undo};

/// A digest of 128 bits as 32 hexadecimal digits.
fn hex128(digest: u128) -> String {
    format!("{digest:032x}")
}
