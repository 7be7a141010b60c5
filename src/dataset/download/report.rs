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
    /// Songs wanted. Where all that the addresses name are: a list that was not looked into counts as one, and this is
    /// the sum of `there`, `new`, `failures`, `elsewhere`, `twice`, `removed` and `untried`.
    pub wanted: usize,
    /// Songs that were there already.
    pub there: usize,
    /// Songs that are new.
    pub new: usize,
    /// Songs that could not be had; where a genre is complete, others have taken their place. With
    /// all wanted, lists that could not be had too.
    pub failures: Vec<Failure>,
    /// Lists that could not be had, where a number of songs is wanted and lists are only where to look for them.
    pub lists: Vec<Failure>,
    /// Songs passed over because they were downloaded for another genre.
    pub elsewhere: usize,
    /// Songs passed over because another address of this genre's has led to them.
    pub twice: usize,
    /// Songs passed over because they were downloaded before and have been removed since.
    pub removed: usize,
    /// Songs wanted that are not there because the download was stopped before it came to them.
    pub untried: usize,
    /// Whether everything wanted is there or, with all wanted, was passed over.
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

impl GenreReport {
    /// Songs that no attempt was made to fetch, or that proved to be known once fetched.
    pub fn passed(&self) -> usize {
        self.elsewhere + self.twice + self.removed
    }
}

impl Report {
    /// Whether every genre is complete.
    pub fn complete(&self) -> bool {
        !self.stopped && self.genres.iter().all(|genre| genre.complete)
    }
}
