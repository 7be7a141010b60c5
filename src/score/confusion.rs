use serde::{Deserialize, Serialize};

use super::share;

/// How often songs (or frames) of every genre were recognised as every genre.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Counts by genre (row) and recognised genre (column), G × G.
    pub counts: Vec<Vec<usize>>,
}

/// How well a genre is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GenreScore {
    /// Songs of the genre: TP + FN.
    pub songs: usize,
    /// Songs that were recognised as the genre: TP + FP.
    pub recognised_as: usize,
    /// TP / (TP + FP); none where no song was recognised as the genre.
    pub precision: Option<f64>,
    /// TP / (TP + FN); none where the genre has no song.
    pub recall: Option<f64>,
    /// The harmonic mean of the two, 2 TP / (2 TP + FP + FN); none where the genre has no song.
    pub f1: Option<f64>,
}

impl Confusion {
    /// Nothing counted yet, for `genres` genres.
    pub fn new(genres: usize) -> Self {
        Self { counts: vec![vec![0; genres]; genres] }
    }

    /// The confusion of (genre, recognised genre) pairs.
    pub fn of(genres: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut confusion = Self::new(genres);
        for (truth, recognised) in pairs {
            confusion.add(truth, recognised);
        }
        confusion
    }

    /// Counts one that is of genre `truth` and was recognised as `recognised`. One of a genre that is not counted here is
    /// passed over.
    pub fn add(&mut self, truth: usize, recognised: usize) {
        if let Some(count) = self.counts.get_mut(truth).and_then(|row| row.get_mut(recognised)) {
            *count += 1;
        }
    }

    /// Adds all that another one has counted.
    pub fn merge(&mut self, other: &Self) {
        let rows = self.counts.iter_mut().zip(&other.counts);
        for (count, more) in rows.flat_map(|(row, more)| row.iter_mut().zip(more)) {
            *count += more;
        }
    }

    /// All that were counted.
    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Those recognised as what they are.
    pub fn right(&self) -> usize {
        self.counts.iter().enumerate().filter_map(|(genre, row)| row.get(genre)).sum()
    }

    /// The share recognised as what they are; 0 where nothing was counted.
    pub fn accuracy(&self) -> f64 {
        share(self.right(), self.total())
    }

    /// The figures of every genre.
    pub fn genres(&self) -> Vec<GenreScore> {
        let mut columns = vec![0; self.counts.len()];
        for row in &self.counts {
            columns.iter_mut().zip(row).for_each(|(column, count)| *column += count);
        }
        let score = |(genre, row): (usize, &Vec<usize>)| {
            let (songs, recognised_as) = (row.iter().sum::<usize>(), columns[genre]);
            let right = row.get(genre).copied().unwrap_or(0);
            GenreScore {
                songs,
                recognised_as,
                precision: (recognised_as > 0).then(|| share(right, recognised_as)),
                recall: (songs > 0).then(|| share(right, songs)),
                f1: (songs > 0).then(|| share(2 * right, songs + recognised_as)),
            }
        };
        self.counts.iter().enumerate().map(score).collect()
    }

    /// The mean of the genres' F1. Genres without songs are left out: there is nothing of theirs to recognise, and a 0 for
    /// them would say something about the songs at hand, not about the recogniser. (Songs that are wrongly recognised as such
    /// a genre lower the recall of their own.) 0 where nothing was counted.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = self.genres().iter().filter_map(|genre| genre.f1).collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_of_a_known_matrix() {
        // Of 5 songs of genre 0 four are right and one is taken for 1; both of genre 1 are taken for 0; genre 2 has none.
        let pairs = [(0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (1, 0), (1, 0), (3, 3)];
        let confusion = Confusion::of(4, pairs);
        assert_eq!(confusion.counts[0], [4, 1, 0, 0]);
        assert_eq!((confusion.total(), confusion.right(), confusion.accuracy()), (8, 5, 0.625));
        let genres = confusion.genres();
        assert_eq!((genres[0].songs, genres[0].recognised_as), (5, 6));
        assert_eq!((genres[0].precision, genres[0].recall), (Some(4.0 / 6.0), Some(0.8)));
        // The harmonic mean of 2/3 and 4/5.
        assert!((genres[0].f1.unwrap() - 8.0 / 11.0).abs() < 1e-15);
        assert_eq!((genres[1].precision, genres[1].recall, genres[1].f1), (Some(0.0), Some(0.0), Some(0.0)));
        assert_eq!((genres[2].precision, genres[2].recall, genres[2].f1), (None, None, None));
        assert_eq!(genres[3].f1, Some(1.0));
        // Genre 2 is left out of the mean.
        assert!((confusion.macro_f1() - (8.0 / 11.0 + 0.0 + 1.0) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_genre_that_is_never_named_has_no_precision_but_an_f1() {
        let confusion = Confusion::of(2, [(0, 1), (1, 1)]);
        let genres = confusion.genres();
        assert_eq!((genres[0].precision, genres[0].recall, genres[0].f1), (None, Some(0.0), Some(0.0)));
    }

    #[test]
    fn nothing_counted_is_no_accuracy() {
        assert_eq!((Confusion::new(3).accuracy(), Confusion::new(3).macro_f1()), (0.0, 0.0));
        assert_eq!(Confusion::default().macro_f1(), 0.0);
        // What is out of range is not counted.
        assert_eq!(Confusion::of(2, [(2, 0), (0, 2)]).total(), 0);
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_parts_add_up(
            pairs in prop::collection::vec((0usize..4, 0usize..4), 0..60),
            cut in 0usize..60,
        ) {
            let whole = Confusion::of(4, pairs.iter().copied());
            prop_assert_eq!(&whole, &Confusion::of(4, pairs.iter().rev().copied()));
            let (a, b) = pairs.split_at(cut.min(pairs.len()));
            let mut merged = Confusion::of(4, a.iter().copied());
            merged.merge(&Confusion::of(4, b.iter().copied()));
            prop_assert_eq!(&whole, &merged);
            prop_assert_eq!(whole.total(), pairs.len());
            let scores = whole.genres();
            prop_assert_eq!(scores.iter().map(|s| s.songs).sum::<usize>(), pairs.len());
            prop_assert_eq!(scores.iter().map(|s| s.recognised_as).sum::<usize>(), pairs.len());
            for score in scores {
                if let (Some(p), Some(r), Some(f)) = (score.precision, score.recall, score.f1) {
                    let harmonic = if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 };
                    prop_assert!((f - harmonic).abs() < 1e-12);
                }
            }
        }

        /// The genres' numbers are only names.
        #[test]
        fn renaming_genres_keeps_the_figures(pairs in prop::collection::vec((0usize..4, 0usize..4), 1..60)) {
            let renamed = pairs.iter().map(|&(a, b)| (3 - a, 3 - b));
            let (one, other) = (Confusion::of(4, pairs.iter().copied()), Confusion::of(4, renamed));
            prop_assert_eq!(one.accuracy(), other.accuracy());
            prop_assert!((one.macro_f1() - other.macro_f1()).abs() < 1e-12);
        }
    }
}
