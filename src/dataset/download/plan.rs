//! What is wanted from where.

use std::path::Path;

use super::address::Address;
use super::error::DownloadError;
use super::name;
use super::records::Records;
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

impl Plan {
    /// The first `top` songs of each genre, from the sources in `only` (all where it is empty).
    ///
    /// # Errors
    /// [`DownloadError::Genre`] for a genre that cannot be a folder's name.
    pub fn top(
        genres: &[String],
        top: usize,
        addresses: &Addresses,
        only: &[String],
    ) -> Result<Self, DownloadError> {
        let target = |genre: &String| {
            name::check_genre(genre)
                .map_err(|reason| DownloadError::Genre { name: genre.clone(), reason })?;
            Ok(Target { genre: genre.clone(), wanted: Some(top), addresses: addresses.of(genre, only) })
        };
        Ok(Self { targets: genres.iter().map(target).collect::<Result<_, _>>()? })
    }

    /// How many songs that were downloaded for each target are in the dataset at `root`.
    ///
    /// # Errors
    /// [`DownloadError`] where the dataset's records cannot be read.
    pub fn there(&self, root: &Path) -> Result<Vec<usize>, DownloadError> {
        let records = Records::open(root)?;
        Ok(self.targets.iter().map(|target| records.there(&target.genre)).collect())
    }
}
