//! What came of a download.

use serde::Serialize;

/// A song or list that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its address.
    pub url: String,
    /// Its title, where that is known.
    pub title: Option<String>,
    /// Why.
    pub reason: String,
}

/// What came of one genre.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GenreReport {
    /// The genre.
    pub genre: String,
    /// Songs wanted.
    pub wanted: usize,
    /// Songs that were there already.
    pub there: usize,
    /// Songs that are new.
    pub new: usize,
    /// Songs that could not be had; where a genre is complete, others have taken their place.
    pub failures: Vec<Failure>,
    /// Lists that could not be had.
    pub lists: Vec<Failure>,
    /// Songs passed over because they were downloaded for another genre.
    pub elsewhere: usize,
    /// Songs passed over because they were downloaded before and have been removed since.
    pub removed: usize,
    /// Whether everything wanted is there.
    pub complete: bool,
}

/// What came of a download.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Genres, in the order of the plan.
    pub genres: Vec<GenreReport>,
    /// Whether it was stopped before the end.
    pub stopped: bool,
    /// What else the user should know, a line each.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether everything wanted is there.
    pub fn complete(&self) -> bool {
        !self.stopped && self.genres.iter().all(|genre| genre.complete)
    }
}
