use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dataset::{self, Dataset, DatasetError, Split};

/// What the folds of a cross-validation are. As text: a number, or `csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Folds {
    /// So many, dealt by genre and artist; anew for every seed.
    Dealt(usize),
    /// Those of `tracks.csv`.
    Given,
}

impl Folds {
    /// A split a fold, which validates on it: (the fold's number, split).
    ///
    /// # Errors
    /// As [`dataset::folds`] and [`dataset::folds_given`].
    pub fn splits(self, dataset: &Dataset, seed: u64) -> Result<Vec<(u32, Split)>, DatasetError> {
        match self {
            Self::Dealt(count) => Ok((0..).zip(dataset::folds(dataset, count, seed)?).collect()),
            Self::Given => dataset::folds_given(dataset),
        }
    }
}

impl fmt::Display for Folds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dealt(count) => write!(f, "{count}"),
            Self::Given => f.write_str("csv"),
        }
    }
}

impl FromStr for Folds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let dealt = || text.parse().ok().filter(|&count| count >= 2).map(Self::Dealt);
        if text == "csv" { Some(Self::Given) } else { dealt() }
            .ok_or_else(|| "2 or more are possible, or csv for the folds of tracks.csv".to_string())
    }
}

impl From<Folds> for String {
    fn from(folds: Folds) -> Self {
        folds.to_string()
    }
}

impl TryFrom<String> for Folds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_a_number_or_a_word() {
        for (text, folds) in [("2", Folds::Dealt(2)), ("10", Folds::Dealt(10)), ("csv", Folds::Given)] {
            assert_eq!(text.parse(), Ok(folds));
            assert_eq!(folds.to_string(), text);
            assert_eq!(serde_json::from_str::<Folds>(&format!("\"{text}\"")).unwrap(), folds);
        }
        for text in ["", "0", "1", "-3", "2.5", "CSV", "five"] {
            assert!(text.parse::<Folds>().is_err_and(|error| error.contains("tracks.csv")), "{text}");
        }
    }
}
