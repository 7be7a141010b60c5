//! Whole pages: well-formed, harmless, and sensible whatever is missing. With REPORT_PAGES set to a folder, they are
//! written there, to be looked at.

use super::*;
use crate::dataset::genres;
use crate::rng::Rng;
use crate::score::{Bin, Calibration, Decision, Epoch, Evaluation, GenreFigures, GenreScore};

/// The names of `n` genres.
fn names(n: usize) -> Vec<String> {
    genres().into_iter().chain((0..n).map(|i| format!("genre number {i}"))).take(n).collect()
}

/// Something like music: a beat, harmonics that move, noise.
fn spectrogram(rng: &mut Rng, columns: usize) -> Spectrogram {
    let rows = 128;
    let (beat, pitch) = (8 + rng.below(20), 10.0 + rng.range(0.0, 20.0));
    let mut values = vec![0f32; rows * columns];
    for column in 0..columns {
        let note = pitch + 6.0 * ((column / (4 * beat)) as f32 * 2.1).sin();
        for row in 0..rows {
            let tone: f32 = (1..6)
                .map(|k| (-(row as f32 - note - 14.0 * (k as f32).ln() * 1.6).powi(2)).exp() / k as f32)
                .sum();
            let hit = (-((column % beat) as f32) / 3.0).exp() * (0.4 + row as f32 / 200.0);
            values[row * columns + column] =
                (1e-4 + tone + 0.3 * hit).ln() - row as f32 / 40.0 + 0.3 * rng.normal();
        }
    }
    Spectrogram {
        image: Image { rows, columns, values },
        frequencies: Frequencies::Mel { low: 30.0, high: 16_000.0 },
    }
}

fn timeline(rng: &mut Rng, genres: usize, seconds: usize, genre: usize, sure: f32) -> Timeline {
    let moment = |i: usize, rng: &mut Rng| {
        let won = rng.range(0.0, 1.0) < sure;
        let genre = if won { genre } else { rng.below(genres) };
        Moment { start: i as f64, genre, probability: f64::from(rng.range(0.3, 1.0)) }
    };
    Timeline { frame_seconds: 1.0, moments: (0..seconds).map(|i| moment(i, rng)).collect() }
}

fn confusion(rng: &mut Rng, n: usize, each: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; n]; n];
    for (i, row) in counts.iter_mut().enumerate() {
        let skill = rng.range(0.3, 0.95);
        for _ in 0..each {
            let near = (i + 1 + rng.below(3)) % n;
            let said = if rng.range(0.0, 1.0) < skill {
                i
            } else if rng.range(0.0, 1.0) < 0.6 {
                near
            } else {
                rng.below(n)
            };
            row[said] += 1;
        }
    }
    counts
}

/// A report as a training of `n` genres and so many epochs leaves it.
fn sample(n: usize, epochs: usize) -> Report {
    let rng = &mut Rng::new(n as u64);
    let genres = names(n);
    let noise = |rng: &mut Rng| f64::from(0.03 * rng.normal());
    let epoch = |i: usize, rng: &mut Rng| {
        let part = i as f64 / epochs as f64;
        let skill = 1.0 - (-3.0 * part).exp();
        Epoch {
            epoch: i,
            step: 10 * i as u64,
            learning_rate: 3e-3 * (std::f32::consts::PI * part as f32).sin().max(1e-4),
            train_loss: 2.2 - 1.9 * skill + noise(rng),
            train_accuracy: (0.2 + 0.75 * skill + noise(rng)).min(1.0),
            validation_loss: Some(2.2 - 1.3 * skill + 0.3 * part * part + 2.0 * noise(rng)),
            validation_frame_accuracy: Some(0.2 + 0.5 * skill + noise(rng)),
            validation_song_accuracy: Some((0.2 + 0.6 * skill + 2.0 * noise(rng)).min(1.0)),
        }
    };
    let history: Vec<Epoch> = (1..=epochs).map(|i| epoch(i, rng)).collect();
    let accuracy = |epoch: &Epoch| epoch.validation_song_accuracy.unwrap_or(0.0);
    let best = history.iter().max_by(|a, b| accuracy(a).total_cmp(&accuracy(b)));
    let best_epoch = best.map(|best| best.epoch);
    let song_confusion = confusion(rng, n, 20);
    let score = |i: usize| {
        let said: usize = song_confusion.iter().map(|row| row[i]).sum();
        let (right, songs) = (song_confusion[i][i] as f64, song_confusion[i].iter().sum::<usize>());
        let precision = (said > 0).then(|| right / said as f64);
        let recall = Some(right / songs as f64);
        let f1 = Some(2.0 * right / (said + songs) as f64);
        let score = GenreScore { songs, recognised_as: said, precision, recall, f1 };
        GenreFigures { genre: genres[i].clone(), score }
    };
    let bin = |i: usize| {
        let low = f64::from(i as u32) / 10.0;
        Bin { low, high: low + 0.1, confidence: low + 0.06, accuracy: (low - 0.04).max(0.02), songs: i * i }
    };
    let mistake = |i: usize| Mistake {
        file: format!(
            "{}/Artist {i} - A song with quite a long name, live in the studio (remastered).flac",
            genres[i % n]
        ),
        genre: i % n,
        said: (i + 1) % n,
        probability: 0.99 - 0.02 * i as f64,
        of_genre: 0.005,
    };
    let figure = |why: &str, said: usize, sure: f32, rng: &mut Rng| SongFigure {
        file: format!("{}/Some band - some song.mp3", genres[0]),
        why: why.into(),
        seconds: 29.4,
        genre: 0,
        said,
        probability: f64::from(sure),
        timeline: timeline(rng, n, 29, said, sure),
        spectrogram: Some(spectrogram(rng, 800)),
    };
    let songs = vec![
        figure("right and confident", 0, 0.97, rng),
        figure("wrong and confident", 1, 0.9, rng),
        figure("least sure", 0, 0.35, rng),
    ];
    let wrong = song_confusion.iter().enumerate().map(|(i, row)| row.iter().sum::<usize>() - row[i]).sum();
    Report {
        name: "magnatune4-3".into(),
        unfinished: None,
        taught: false,
        effort: Effort { epochs, planned: epochs, seconds: 754.0, resumed: false, frames_per_second: 263.4 },
        history,
        best_epoch,
        validation: Some(Validation {
            training_songs: song_confusion.iter().map(|row| 4 * row.iter().sum::<usize>()).collect(),
            evaluation: Evaluation {
                songs: 20 * n,
                frames: 600 * n,
                song_accuracy: 0.725,
                song_interval: [0.651, 0.788],
                frame_accuracy: 0.612,
                macro_f1: 0.718,
                unsure_share: 0.113,
                decision: Decision { temperature: 1.31, ..Decision::default() },
                frame_confusion: confusion(rng, n, 1200),
                per_genre: (0..n).map(score).collect(),
                confusion: song_confusion,
                calibration: Calibration {
                    bins: (0..10).map(bin).collect(),
                    ece: 0.074,
                    ..Calibration::default()
                },
                ..Evaluation::default()
            },
            mistakes: (0..12).map(mistake).collect(),
            wrong,
        }),
        songs,
        configuration:
            "dataset = \"/music\"\n\n[training]\nepochs = 20\nbatch = 32\nlearning_rate = 0.003\n\n[model]\n\
                        features = \"log-mel\"\nfilters = [16, 32, 64, 128]\n"
                .into(),
        dataset: vec![
            Fact::new("Folder", "magnatune4"),
            Fact::new("Songs", "192 to train on, 48 to validate"),
        ],
        machine: vec![
            Fact::new("Device", "CPU: 2 threads, AVX-512"),
            Fact::new("System", "linux, x86_64"),
            Fact::new("Version", "0.1.0"),
        ],
        genres,
    }
}

fn sample_explanation(seconds: usize) -> Explanation {
    let rng = &mut Rng::new(seconds as u64);
    let spectrogram = spectrogram(rng, 30 * seconds);
    let image = &spectrogram.image;
    let values = image.values.iter().map(|v| 0.002 * (v + 1.0).max(0.0) * rng.normal()).collect();
    Explanation {
        file: "Some band - some song.mp3".into(),
        model: "a model trained on magnatune4 (192 songs, 20 epochs)".into(),
        seconds: seconds as f64 + 0.4,
        genres: names(30),
        genre: 3,
        unsure: false,
        probabilities: (0..30).map(|i| if i == 3 { 0.71 } else { 0.01 }).collect(),
        timeline: timeline(rng, 30, seconds, 3, 0.75),
        gradient: Image { rows: image.rows, columns: image.columns, values },
        spectrogram,
    }
}

/// The page, where it can be looked at.
fn keep(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("REPORT_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), page).unwrap();
    }
}

/// Elements that have no end tag.
const VOID: [&str; 4] = ["meta", "img", "br", "hr"];

/// Fails unless every element is closed in its place, attributes are quoted, and nothing is loaded or run; gives the text
/// between the tags.
fn check(page: &str) -> String {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let mut open: Vec<String> = Vec::new();
    let mut text = String::new();
    while let Some(start) = rest.find('<') {
        text += &rest[..start];
        assert!(!rest[..start].contains('>'), "a stray > in {:?}", &rest[..start]);
        rest = &rest[start + 1..];
        if let Some(name) = rest.strip_prefix('/') {
            let end = name.find('>').expect("an end tag that ends");
            assert_eq!(open.pop().as_deref(), Some(&name[..end]), "an end tag in its place");
            rest = &name[end + 1..];
            continue;
        }
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(!name.is_empty(), "a stray < before {:?}", rest.chars().take(40).collect::<String>());
        assert!(!["script", "link", "iframe", "object", "base", "form"].contains(&name.as_str()), "{name}");
        rest = &rest[name.len()..];
        while let Some(attribute) = rest.strip_prefix(' ') {
            let end = attribute.find(['=', '>', ' ']).expect("an attribute that ends");
            let key = &attribute[..end];
            assert!(!key.is_empty() && !key.starts_with("on"), "attribute {key:?} of {name}");
            assert_eq!(&attribute[end..end + 2], "=\"", "a value of {key} in {name}");
            let value = &attribute[end + 2..];
            let close = value.find('"').expect("a value that ends");
            let value = &value[..close];
            assert!(!value.contains('<'), "{key} of {name}: {value:?}");
            match key {
                "src" => assert!(value.starts_with("data:image/png;base64,"), "{value:?}"),
                "href" => assert!(value.starts_with('#'), "{value:?}"),
                "d" | "style" | "x" | "y" | "viewBox" => {
                    assert!(!value.contains("NaN") && !value.contains("inf"), "{key} of {name}: {value:?}");
                }
                _ => {}
            }
            rest = &attribute[end + 2 + close + 1..];
        }
        rest = rest
            .strip_prefix('>')
            .unwrap_or_else(|| panic!("a tag of {name} that ends, not {:?}", &rest[..1]));
        if name == "style" {
            let end = rest.find("</style>").expect("a style that ends");
            assert!(!rest[..end].contains("url(") && !rest[..end].contains("@import"));
            rest = &rest[end..];
        }
        if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    assert!(rest.trim().is_empty());
    text
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let wrong = |body: &str| std::panic::catch_unwind(|| check(&format!("<!DOCTYPE html>{body}"))).is_err();
    assert!(!wrong("<p class=\"a\">text<br></p>"));
    for body in [
        "<p>",
        "<b><i></b></i>",
        "<p>a > b</p>",
        "<p a=b></p>",
        "<img src=\"http://x\">",
        "<script></script>",
        "<p onclick=\"x\"></p>",
        "<svg><path d=\"MNaN,1\"></path></svg>",
        "text <",
    ] {
        assert!(wrong(body), "{body}");
    }
}

#[test]
fn reports_of_any_number_of_genres_are_whole() {
    for (genres, epochs) in [(2, 2), (5, 20), (12, 60), (30, 20), (50, 5_000), (200, 3)] {
        let report = sample(genres, epochs);
        let page = html(&report);
        keep(&format!("report-{genres}"), &page);
        let text = check(&page);
        for genre in &report.genres {
            assert!(genres > 60 || text.contains(genre.as_str()), "{genre}");
        }
        for figure in [
            "72.5\u{a0}%",
            "65.1\u{a0}% to 78.8\u{a0}% (95\u{a0}%)",
            "71.8\u{a0}%",
            "11.3\u{a0}%",
            "12\u{a0}min 34\u{a0}s",
            "263",
            "best: ",
            "1.310",
            "7.4\u{a0}%",
            "features = &quot;log-mel&quot;",
            "AVX-512",
        ] {
            assert!(text.contains(figure), "{genres} genres: {figure}");
        }
        // A song's picture is about 100 kB, a matrix's cell 100 bytes.
        assert!(page.len() < 2_000_000, "{genres} genres: {} bytes", page.len());
    }
}

#[test]
fn counts_stand_in_their_cells() {
    let mut report = sample(2, 3);
    if let Some(validation) = &mut report.validation {
        validation.evaluation.confusion = vec![vec![17, 3], vec![0, 41]];
    }
    let page = html(&report);
    assert!(
        page.contains("title=\"alternativerock, said ambient: 3 of 20, 15.0\u{a0}%\">3<small>15\u{a0}%"),
        "{page}"
    );
    assert!(page.contains(
        "<td class=\"right\" style=\"--s:1.00\" title=\"ambient, said ambient: 41 of 41, 100.0\u{a0}%\">41"
    ));
}

#[test]
fn what_is_missing_is_said() {
    let page = html(&Report::default());
    keep("report-empty", &page);
    let text = check(&page);
    for said in [
        "No epoch has ended yet.",
        "No validation songs were judged",
        "No song was looked at.",
        "No configuration was noted.",
        "Nothing was noted.",
    ] {
        assert!(text.contains(said), "{said}");
    }
    assert!(!page.contains("<svg"), "an empty frame");

    let mut report = sample(3, 1);
    report.unfinished = Some("stopped in epoch 2 of 20".into());
    if let Some(validation) = &mut report.validation {
        validation.mistakes.clear();
        validation.wrong = 0;
        let evaluation = &mut validation.evaluation;
        evaluation.confusion = vec![vec![5, 0, 0], vec![0, 6, 0], vec![0, 0, 0]];
        evaluation.frame_confusion.clear();
        evaluation.calibration = Calibration::default();
        evaluation.decision.unsure_below = None;
        evaluation.per_genre[2].score = GenreScore::default();
    }
    report.songs[0].spectrogram = None;
    report.songs[1].timeline.moments.clear();
    let page = html(&report);
    keep("report-sparse", &page);
    let text = check(&page);
    for said in [
        "Not finished: stopped in epoch 2 of 20.",
        "One epoch makes no curve",
        "No mistakes: every validation song",
        "No song was confused.",
        "No frame was counted.",
        "No verdict was counted, so there is nothing to compare probabilities with.",
        "no threshold",
        "No spectrogram.",
        "No frame was recognised.",
    ] {
        assert!(text.contains(said), "{said}");
    }
}

#[test]
fn names_do_no_harm() {
    let hostile = "<script>alert(1)</script>\"'&\u{202e}gpj\u{2066}\u{1b}[31m\u{0}\u{feff}]]>-->\r<img src=x onerror=\"x\">";
    let mut report = sample(4, 3);
    report.name = hostile.into();
    report.unfinished = Some(hostile.into());
    report.configuration = hostile.into();
    report.genres.iter_mut().for_each(|genre| *genre = hostile.into());
    report.dataset = vec![Fact::new(hostile, hostile)];
    report.machine = report.dataset.clone();
    for song in &mut report.songs {
        (song.file, song.why) = (hostile.into(), hostile.into());
    }
    if let Some(validation) = &mut report.validation {
        validation.mistakes.iter_mut().for_each(|mistake| mistake.file = hostile.into());
    }
    let mut why = sample_explanation(5);
    (why.file, why.model) = (hostile.into(), hostile.into());
    why.genres.iter_mut().for_each(|genre| *genre = hostile.into());
    for page in [html(&report), explanation(&why)] {
        keep("report-hostile", &page);
        check(&page);
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;\u{fffd}gpj\u{fffd}\u{fffd}[31m")
        );
        assert!(!page.contains(|c: char| c.is_control() && c != '\n'));
        assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{feff}']));
    }
}

#[test]
fn what_is_no_number_is_not_printed() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut report = sample(3, 4);
        report.effort.seconds = bad;
        report.effort.frames_per_second = bad;
        for (i, epoch) in report.history.iter_mut().enumerate() {
            epoch.train_loss = bad;
            epoch.learning_rate = bad as f32;
            // One line passes over a value, three have none.
            epoch.validation_loss = Some(if i == 1 { bad } else { 1.0 });
            epoch.validation_song_accuracy = Some(bad);
        }
        if let Some(v) = &mut report.validation {
            let e = &mut v.evaluation;
            (e.song_accuracy, e.frame_accuracy, e.macro_f1, e.unsure_share) = (bad, bad, bad, bad);
            (e.song_interval, e.decision.temperature) = ([bad; 2], bad as f32);
            let score = &mut e.per_genre[0].score;
            (score.precision, score.recall, score.f1) = (Some(bad), Some(bad), Some(bad));
            e.calibration.ece = bad;
            e.calibration.bins[3].accuracy = bad;
            e.calibration.bins[4].low = bad;
            v.mistakes[0].probability = bad;
        }
        report.songs[0].probability = bad;
        report.songs[0].seconds = bad;
        report.songs[1].timeline.moments[2].probability = bad;
        report.songs[1].timeline.moments[3].start = bad;
        report.songs[2].timeline.frame_seconds = bad;
        for figure in &mut report.songs {
            if let Some(s) = &mut figure.spectrogram {
                s.image.values[..1_000].fill(bad as f32);
            }
        }
        let mut why = sample_explanation(6);
        why.probabilities[0] = bad;
        why.probabilities[3] = bad;
        why.gradient.values.fill(bad as f32);
        for page in [html(&report), explanation(&why)] {
            keep("report-nan", &page);
            let text = check(&page);
            assert!(!text.contains("NaN") && !text.contains("inf\u{a0}") && !text.contains("inf "), "{bad}");
            assert!(!page.contains("\"NaN") && !page.contains(":NaN") && !page.contains(",NaN"), "{bad}");
        }
        assert!(check(&explanation(&why)).contains("No gradient."));
    }
}

#[test]
fn genres_out_of_range_do_no_harm() {
    let mut report = sample(3, 3);
    report.genres.truncate(1);
    for song in &mut report.songs {
        song.said = 99;
    }
    check(&html(&report));
    let mut why = sample_explanation(3);
    why.genre = 99;
    why.timeline.moments[0].genre = 99;
    check(&explanation(&why));
    why.genres.clear();
    check(&explanation(&why));
}

#[test]
fn an_explanation_is_bounded_whatever_the_song() {
    let short = explanation(&sample_explanation(30));
    keep("explanation", &short);
    let text = check(&short);
    for said in ["country", "71.0\u{a0}%", "0:30", "raise it", "lower it", "20 genres"] {
        assert!(text.contains(said), "{said}");
    }
    // Three hours of frames, pictures as wide as anybody would make them.
    let rng = &mut Rng::new(3);
    let mut long = sample_explanation(400);
    long.seconds = 10_800.0;
    long.timeline = timeline(rng, 30, 10_800, 3, 0.6);
    let page = explanation(&long);
    keep("explanation-long", &page);
    check(&page);
    assert!(page.len() < 1_200_000, "{} bytes", page.len());
}

#[test]
fn a_report_survives_serialisation() {
    let report = sample(3, 4);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}

#[test]
fn a_network_that_is_taught_has_no_accuracies() {
    let mut report = sample(3, 5);
    (report.taught, report.validation) = (true, None);
    report.songs.clear();
    report.history.iter_mut().for_each(|epoch| epoch.validation_song_accuracy = None);
    let page = html(&report);
    for word in ["Song accuracy", "Macro F1", "Confusion", "Calibration", "validation songs</text>"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("Explained variance") && page.contains("Configuration"));
}
