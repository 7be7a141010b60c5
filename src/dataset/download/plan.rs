//! What is wanted from where.

use std::collections::HashSet;
use std::path::Path;

use super::address::Address;
use super::error::DownloadError;
use super::name;
use super::records::{Known, Records};
use super::sources::Addresses;

/// What is wanted of one genre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The genre, and its folder's name.
    pub genre: String,
    /// How many songs; `None` for all that the addresses name.
    pub wanted: Option<usize>,
    /// Where to look for them, in this order.
    pub addresses: Vec<Address>,
}

/// What is wanted, genre by genre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The genres, in the order in which they are worked on.
    pub targets: Vec<Target>,
}

/// What a download of one target would come to, as far as that can be told without asking anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Songs wanted; where all that the addresses name are, an address that may be a list counts as one.
    pub wanted: usize,
    /// Those that are there.
    pub there: usize,
    /// Those that would be fetched.
    pub fetch: usize,
    /// Those that would be passed over: removed since, another genre's, or the same song twice.
    pub passed: usize,
}

impl Plan {
    /// The first `top` songs of each genre, from the sources in `only` (all where it is empty).
    ///
    /// # Errors
    /// [`DownloadError::Genre`] for a genre that cannot be a folder's name, or has the same one as another.
    pub fn top(
        genres: &[String],
        top: usize,
        addresses: &Addresses,
        only: &[String],
    ) -> Result<Self, DownloadError> {
        let mut folders = HashSet::new();
        let target = |genre: &String| {
            let fail = |reason| DownloadError::Genre { name: genre.clone(), reason };
            name::check_genre(genre).map_err(fail)?;
            if !folders.insert(name::folder(genre)) {
                return Err(fail(name::SAME_FOLDER));
            }
            Ok(Target { genre: genre.clone(), wanted: Some(top), addresses: addresses.of(genre, only) })
        };
        Ok(Self { targets: genres.iter().map(target).collect::<Result<_, _>>()? })
    }

    /// What a download into the dataset at `root` would come to, target by target.
    ///
    /// # Errors
    /// [`DownloadError`] where the dataset's records cannot be read.
    pub fn outlook(&self, root: &Path) -> Result<Vec<Outlook>, DownloadError> {
        let records = Records::open(root)?;
        Ok(self.targets.iter().map(|target| target.outlook(&records)).collect())
    }
}

impl Target {
    fn outlook(&self, records: &Records) -> Outlook {
        if let Some(wanted) = self.wanted {
            let there = records.there(&self.genre);
            return Outlook { wanted, there, fetch: wanted.saturating_sub(there), passed: 0 };
        }
        let mut outlook = Outlook { wanted: self.addresses.len(), ..Outlook::default() };
        let mut met = HashSet::new();
        for address in &self.addresses {
            match records.knows(None, &address.text) {
                Known::New => outlook.fetch += 1,
                Known::There(genre, path) if genre == self.genre && met.insert(path.clone()) => {
                    outlook.there += 1
                }
                _ => outlook.passed += 1,
            }
        }
        outlook
    }
}
