use serde::{Deserialize, Serialize};

/// How well a tag's probabilities rank the songs that have it before those that have it not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TagFigures {
    /// The tag.
    pub tag: String,
    /// Songs that have it.
    pub songs: usize,
    /// The share of pairs of a song with it and one without in which the first is the more probable one; of equals half
    /// counts (area under the ROC curve; Mann and Whitney 1947).
    pub roc_auc: f64,
    /// The mean, over the songs that have it, of the share of such songs among those that are at least as probable.
    pub average_precision: f64,
}

impl TagFigures {
    /// Of songs' probabilities of the tag, and whether they have it; none where all have it or none has.
    pub fn new(tag: &str, probabilities: &[f32], has: &[bool]) -> Option<Self> {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let songs = has.iter().filter(|&&has| has).count();
        let others = has.len() - songs;
        if songs == 0 || others == 0 {
            return None;
        }
        // Songs of one probability come together: their order says nothing.
        let (mut with, mut seen, mut pairs, mut precision) = (0usize, 0usize, 0.0, 0.0);
        for group in order.chunk_by(|&a, &b| probabilities[a] == probabilities[b]) {
            let here = group.iter().filter(|&&song| has[song]).count();
            let without = group.len() - here;
            pairs += without as f64 * (with as f64 + here as f64 / 2.0);
            with += here;
            seen += group.len();
            precision += here as f64 * with as f64 / seen as f64;
        }
        Some(Self {
            tag: tag.to_owned(),
            songs,
            roc_auc: pairs / (songs as f64 * others as f64),
            average_precision: precision / songs as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(probabilities: &[f32], has: &[u8]) -> (f64, f64) {
        let has: Vec<bool> = has.iter().map(|&has| has == 1).collect();
        let found = TagFigures::new("jazz", probabilities, &has).unwrap();
        (found.roc_auc, found.average_precision)
    }

    #[test]
    fn ranks_are_what_counts() {
        assert_eq!(figures(&[0.9, 0.8, 0.3, 0.1], &[1, 1, 0, 0]), (1.0, 1.0));
        assert_eq!(figures(&[0.9, 0.8, 0.3, 0.1], &[0, 0, 1, 1]).0, 0.0);
        // scikit-learn: roc_auc_score and average_precision_score.
        let (auc, precision) = figures(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]);
        assert!((auc - 0.75).abs() < 1e-12 && (precision - 0.833_333_333).abs() < 1e-9);
        // Of equals half counts, and they are at least as probable as each other.
        let (auc, precision) = figures(&[0.5, 0.5, 0.5, 0.5], &[1, 0, 0, 0]);
        assert!((auc - 0.5).abs() < 1e-12 && (precision - 0.25).abs() < 1e-12);
        assert_eq!(TagFigures::new("jazz", &[0.1, 0.2], &[true, true]), None);
        assert_eq!(TagFigures::new("jazz", &[0.1, 0.2], &[false, false]), None);
    }
}
