//! Evaluations as text.

use serde::Serialize;

use crate::cli::{CliError, counted};
use crate::dataset::Dataset;
use crate::files::printable;
use crate::score::Evaluation;
use crate::train::Pooled;

/// Indented json.
pub fn json(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| CliError::Other(format!("writing json failed: {error}")))
}

/// A row a song, as csv. `network` gives seed and fold of a judgement by its number.
pub fn songs(
    evaluation: &Evaluation,
    dataset: &Dataset,
    network: impl Fn(usize) -> Option<(u64, u32)>,
) -> Result<String, CliError> {
    let fail = |error: String| CliError::Other(format!("writing csv failed: {error}"));
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = ["fold", "seed", "path", "genre", "recognised", "probability", "unsure"];
    table.write_record(header).map_err(|error| fail(error.to_string()))?;
    for (number, judged) in evaluation.songs_judged.iter().enumerate() {
        let (seed, fold) =
            network(number).map_or_else(Default::default, |(s, f)| (s.to_string(), f.to_string()));
        let probability = judged.probabilities.get(judged.recognised).copied().unwrap_or_default();
        let unsure = evaluation.decision.unsure(&judged.probabilities);
        let row = [
            &fold,
            &seed,
            &dataset.songs[judged.song].name,
            &dataset.genres[judged.truth],
            &dataset.genres[judged.recognised],
            &format!("{probability:.4}"),
            &unsure.to_string(),
        ];
        table.write_record(row).map_err(|error| fail(error.to_string()))?;
    }
    let bytes = table.into_inner().map_err(|error| fail(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| fail(error.to_string()))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn optional(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_string(), percent)
}

fn interval([low, high]: [f64; 2]) -> String {
    format!("95 % interval {:.1} to {:.1} %", 100.0 * low, 100.0 * high)
}

/// The figures, a table of the genres, and the songs' confusion.
pub fn evaluation(e: &Evaluation) -> String {
    let songs = counted(e.songs, "song");
    let judgements = e.songs_judged.len();
    let of = if judgements == e.songs {
        songs
    } else {
        format!("{songs}, each judged {} times", judgements / e.songs.max(1))
    };
    let mut text = String::new();
    let mut line = |name: &str, value: String, note: String| {
        text += &format!("{name:<15} {value:>7}  ({note})\n");
    };
    line("song accuracy", percent(e.song_accuracy), format!("{}; {of}", interval(e.song_interval)));
    line("frame accuracy", percent(e.frame_accuracy), counted(e.frames, "frame"));
    line("macro F1", percent(e.macro_f1), interval(e.macro_f1_interval));
    let others = e
        .sure_accuracy
        .map_or_else(String::new, |share| format!("; of the others {} are right", percent(share)));
    let below = match e.decision.unsure_below {
        Some(below) => format!("named with less than {}{others}", percent(below.into())),
        None => "the model calls none unsure".to_string(),
    };
    line("unsure songs", percent(e.unsure_share), below);
    let c = &e.calibration;
    let note = format!("{}; NLL {:.3}, Brier score {:.3}", decision(e), c.nll, c.brier);
    line("calibration", percent(c.ece), note);
    text += "\n";
    text += &genres(e);
    text += "\n";
    text + &confusion(e)
}

/// What the calibration error is of, in words.
fn decision(e: &Evaluation) -> String {
    format!(
        "expected error of the probabilities; {}, temperature {:.2}",
        e.decision.aggregation.name(),
        e.decision.temperature
    )
}

fn names(e: &Evaluation) -> (Vec<String>, usize) {
    let names: Vec<String> = e.per_genre.iter().map(|figures| printable(&figures.genre)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("genre".len());
    (names, width)
}

fn genres(e: &Evaluation) -> String {
    let (names, width) = names(e);
    let count = if e.songs_judged.len() == e.songs { "songs" } else { "judged" };
    let mut text =
        format!("{:<width$}  {count:>6}  {:>9}  {:>7}  {:>7}\n", "genre", "precision", "recall", "F1");
    for (name, figures) in names.iter().zip(&e.per_genre) {
        let score = &figures.score;
        text += &format!(
            "{name:<width$}  {:>6}  {:>9}  {:>7}  {:>7}\n",
            score.songs,
            optional(score.precision),
            optional(score.recall),
            optional(score.f1)
        );
    }
    text
}

/// More genres are shown by what is most often confused, since no matrix of them fits a screen.
const WIDEST: usize = 16;

/// So many confusions are shown then.
const MOST: usize = 20;

fn confusion(e: &Evaluation) -> String {
    let (names, width) = names(e);
    if names.len() > WIDEST {
        let pairs = e.confusion.iter().enumerate().flat_map(|(truth, row)| {
            row.iter()
                .enumerate()
                .filter(move |&(named, &n)| named != truth && n > 0)
                .map(move |(named, &n)| (n, truth, named))
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|&(n, truth, named)| (std::cmp::Reverse(n), truth, named));
        let mut text = "most often confused (songs of the genre, recognised as; json has the whole matrix)\n"
            .to_string();
        for (n, truth, named) in pairs.into_iter().take(MOST) {
            text += &format!("{n:>5}  {:<width$}  {}\n", names[truth], names[named]);
        }
        return text;
    }
    let cell = e.confusion.iter().flatten().max().map_or(1, |n| n.to_string().len()).max(3) + 1;
    let mut text =
        format!("confusion of songs (a row a genre; columns: recognised as)\n{:<1$}", "", width + 4);
    (1..=names.len()).for_each(|number| text += &format!("{number:>cell$}"));
    text += "\n";
    for (number, (name, row)) in (1..).zip(names.iter().zip(&e.confusion)) {
        text += &format!("{number:>2}  {name:<width$}");
        row.iter().for_each(|count| text += &format!("{count:>cell$}"));
        text += "\n";
    }
    text
}

/// The figures of folds, of seeds, of all of them, and of the rules.
pub fn folds(pooled: &Pooled, name: &str) -> String {
    let mut numbers: Vec<u32> = pooled.folds.iter().filter_map(|part| part.fold).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut text = format!(
        "{}: song accuracy by seed and fold, after {}\n",
        printable(name),
        counted(pooled.epochs, "epoch")
    );
    text += &format!("{:>6}", "seed");
    numbers.iter().for_each(|fold| text += &format!("{:>9}", format!("fold {fold}")));
    text += &format!("{:>9}{:>9}\n", "all", "frames");
    for seed in &pooled.seeds {
        text += &format!("{:>6}", seed.seed);
        for fold in &numbers {
            let part = pooled.folds.iter().find(|part| (part.seed, part.fold) == (seed.seed, Some(*fold)));
            text += &format!("{:>9}", optional(part.map(|part| part.song_accuracy)));
        }
        text += &format!("{:>9}{:>9}\n", percent(seed.song_accuracy), percent(seed.frame_accuracy));
    }
    let spread = &pooled.song_accuracy_over_seeds;
    if let Some(sd) = spread.sd {
        text += &format!(
            "over {}: {} ± {:.1} % (standard deviation)\n",
            counted(pooled.seeds.len(), "seed"),
            percent(spread.mean),
            100.0 * sd
        );
    }
    text += "\nall networks, each on songs that it was not trained on\n";
    text += &evaluation(&pooled.out_of_fold);
    text += &format!(
        "\n{:<22}{:>14}{:>10}{:>13}{:>8}{:>9}\n",
        "from frames to song", "song accuracy", "macro F1", "temperature", "NLL", "ECE"
    );
    for rule in &pooled.aggregations {
        text += &format!(
            "{:<22}{:>14}{:>10}{:>13.2}{:>8.3}{:>9}\n",
            rule.aggregation.name(),
            percent(rule.song_accuracy),
            percent(rule.macro_f1),
            rule.temperature,
            rule.nll,
            percent(rule.ece)
        );
    }
    text
}
