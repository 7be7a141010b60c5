//! `evaluate`, and what `predict` says of songs that it is not sure of.

use genre_recognizer::score::{Decision, wilson};
use genre_recognizer::train::read_cross_validation;

use super::*;

#[test]
fn predict_says_when_it_is_unsure() {
    let folder = trained().path();
    let predict = |flags: &str| {
        run(folder, &format!("predict --device cpu --model runs/music-1/best.safetensors {flags} music/tone"))
    };
    // Nothing is as certain as that.
    let ran = predict("--unsure-below 1 --top-k 2").ends(0);
    for line in ran.out.lines() {
        assert!(line.contains(".wav: unsure (tone ") && line.ends_with(" %)"), "{line}");
    }
    assert!(!predict("--unsure-below 0").ends(0).out.contains("unsure"));
    let json = |flags: &str| -> serde_json::Value {
        serde_json::from_str(&predict(&format!("--format json {flags}")).ends(0).out).unwrap()
    };
    assert_eq!(json("--unsure-below 1")[0]["unsure"], true);
    assert_eq!(json("--unsure-below 0")[0]["unsure"], false);
    let ran = predict("--format csv --top-k 1 --unsure-below 1").ends(0);
    assert!(ran.out.starts_with("path,seconds,genre1,probability1,unsure,declared,loss\n"), "{}", ran.out);
    assert!(ran.out.lines().skip(1).all(|row| row.ends_with(",true,,")), "{}", ran.out);
    for wrong in ["1.5", "-0.1", "NaN", "often"] {
        predict(&format!("--unsure-below={wrong}")).refused(&["--unsure-below", "0 to 1"]);
    }
}

const MODEL: &str = "--device cpu --model runs/music-1/best.safetensors";

/// Flags of networks that are trained in no time, without those of validation.
fn network() -> String {
    TINY.replace("--validation 0.25", "--frames-per-song 4")
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The rows of a csv table, and its header.
fn table(text: &str) -> (Vec<String>, Vec<csv::StringRecord>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().iter().map(String::from).collect();
    (header, reader.records().map(Result::unwrap).collect())
}

const HEADER: [&str; 7] = ["fold", "seed", "path", "genre", "recognised", "probability", "unsure"];

#[test]
fn a_model_is_judged_on_its_dataset() {
    let folder = trained().path();
    // Without --dataset on what it was trained on, which is said.
    let ran = run(folder, &format!("evaluate {MODEL}")).ends(0);
    assert!(
        ran.err.contains("12 of these 15 songs are among those that the model was trained on"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("--split validation"), "{}", ran.err);
    for words in [
        "music: 15 songs (all)",
        "song accuracy",
        "95 % interval",
        "macro F1",
        "unsure",
        "precision",
        "confusion",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let ran = run(folder, &format!("evaluate {MODEL} --format json")).ends(0);
    let all = json(&ran.out);
    assert_eq!((&all["all"]["songs"], &all["trained_on"]), (&15.into(), &12.into()));
    assert_eq!(all["genres"], serde_json::json!(GENRES));
    assert_eq!(all["model"], "runs/music-1/best.safetensors");

    // The run's own figures come out again, to the last digit.
    let ran = run(folder, "evaluate --device cpu --split validation --format json").ends(0);
    assert!(
        ran.err.contains("model: runs/music-1/best.safetensors") && !ran.err.contains("among those"),
        "{}",
        ran.err
    );
    let metrics = json(&fs::read_to_string(folder.join("runs/music-1/metrics.json")).unwrap());
    assert_eq!(json(&ran.out)["validation"], metrics["validation"]);

    let ran = run(folder, &format!("evaluate {MODEL} --format csv")).ends(0);
    let (header, rows) = table(&ran.out);
    assert_eq!((header.as_slice(), rows.len()), (&HEADER.map(String::from)[..], 15));
    assert_eq!((&rows[0][0], &rows[0][2], &rows[0][3]), ("", "clicks/song 0.wav", "clicks"));
    let right = rows.iter().filter(|row| row[3] == row[4]).count();
    assert_eq!(all["all"]["song_accuracy"], right as f64 / 15.0);

    run(folder, &format!("evaluate {MODEL} --split test")).refused(&[
        "music",
        "used every song",
        "--dataset",
    ]);
    run(folder, &format!("evaluate {MODEL} --dataset nowhere")).refused(&["nowhere: no such folder"]);
}

#[test]
fn a_model_is_judged_on_other_songs() {
    let trained = trained();
    let folder = tempdir().unwrap();
    let model = trained.path().join("runs/music-1/best.safetensors");
    let evaluate = |flags: &str| {
        Ran::new(
            program(folder.path(), &format!("evaluate --device cpu {flags} --model"))
                .arg(&model)
                .output()
                .unwrap(),
        )
    };
    // Two songs that the model's run has, by their names, and three that it has not.
    for (genre, name) in
        [(0, "clicks/song 0"), (2, "tone/song 1"), (0, "clicks/new"), (2, "tone/new"), (2, "tone/newer")]
    {
        wav(
            &folder.path().join("songs").join(format!("{name}.wav")),
            &sound(genre, 40 + name.len() as u64, 1.0),
        );
    }
    let all = json(&evaluate("--dataset songs --format json").ends(0).out);
    assert_eq!(all["all"]["songs"], 5);
    // The model's genres, in its order, with or without songs here.
    assert_eq!(
        all["all"]["per_genre"][1],
        serde_json::json!({
            "genre": "noise", "songs": 0, "recognised_as": all["all"]["per_genre"][1]["recognised_as"],
            "precision": all["all"]["per_genre"][1]["precision"], "recall": null, "f1": null
        })
    );
    let test = json(&evaluate("--dataset songs --split test --format json").ends(0).out);
    assert_eq!((&test["test"]["songs"], &test["trained_on"]), (&3.into(), &0.into()));

    wav(&folder.path().join("songs/hum/a.wav"), &sound(2, 1, 1.0));
    wav(&folder.path().join("songs/hum/b.wav"), &sound(2, 2, 1.0));
    evaluate("--dataset songs").refused(&["no genre hum", "clicks, noise, tone", "--skip-unknown"]);
    let ran = evaluate("--dataset songs --skip-unknown --format json").ends(0);
    assert!(ran.err.contains("left out: 2 songs of hum"), "{}", ran.err);
    assert_eq!(json(&ran.out)["all"], all["all"]);

    // What cannot be read is passed over, and said.
    fs::write(folder.path().join("songs/tone/broken.wav"), "no sound").unwrap();
    let ran = evaluate("--dataset songs --skip-unknown").ends(0);
    assert!(
        ran.err.contains("skipped: songs/tone/broken.wav") && ran.out.contains("5 songs"),
        "{}{}",
        ran.err,
        ran.out
    );

    // Out of its run's folder, a model knows no split.
    fs::copy(&model, folder.path().join("model")).unwrap();
    let copied = |flags: &str| {
        run(folder.path(), &format!("evaluate --device cpu --model model --dataset songs {flags}"))
    };
    copied("--split validation").refused(&["split.csv", "--split validation"]);
    assert_eq!(
        json(&copied("--skip-unknown --format json").ends(0).out)["trained_on"],
        serde_json::Value::Null
    );
    fs::write(folder.path().join("split.csv"), "path;split\n").unwrap();
    copied("--skip-unknown").refused(&["split.csv, line 1", "no column \"path\""]);
}

#[test]
fn evaluate_refuses_what_does_not_go_together() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    for (flags, words) in [
        ("--epochs 3", &["--folds"][..]),
        ("--filters 4 --model x", &["--folds"]),
        ("--folds 1", &["2 or more", "tracks.csv"]),
        ("--folds many", &["2 or more"]),
        ("--folds 3 --model x", &["--model"]),
        ("--folds 3 --split all", &["--split"]),
        ("--folds 3 --skip-unknown", &["--skip-unknown"]),
        ("--seeds 1,2", &["--folds"]),
        ("--folds 3 --seeds 1,x", &["--seeds"]),
        ("--run here", &["--folds"]),
        ("--config x.toml", &["--folds"]),
        ("--folds 3 --fold 1", &["--fold"]),
        ("--folds 3 --validation 0.5", &["--validation"]),
        ("--folds 3 --epochs 0 --from none --dataset music", &["1 to 1000000"]),
        ("--folds 99 --from none --dataset music --device cpu", &["99 folds are not possible", "2 to 15"]),
        ("--folds csv --from none --dataset music --device cpu", &["no fold is given", "tracks.csv"]),
        ("--format xml", &["json"]),
    ] {
        let ran = run(folder.path(), &format!("evaluate {flags}"));
        assert!(matches!(ran.code, Some(1 | 2)) && ran.out.is_empty(), "{flags}: {:?} {}", ran.code, ran.out);
        for word in words {
            assert!(ran.err.contains(word), "{flags}: `{word}` is not in: {}", ran.err);
        }
    }
    assert!(!folder.path().join("runs").exists());
    run(folder.path(), "evaluate --dataset music").refused(&["the model knows no genre", "--model"]);
}

/// What a cross-validation wrote down, without what takes time.
fn figures(run: &Path) -> serde_json::Value {
    let mut figures = json(&fs::read_to_string(run.join("evaluation.json")).unwrap());
    for key in ["seconds", "run"] {
        figures.as_object_mut().unwrap().remove(key).unwrap();
    }
    figures
}

#[test]
fn folds_are_judged_by_networks_that_do_not_know_them() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    let command = format!("evaluate --folds 3 --dataset music --epochs 3 {}", network());
    let ran = run(folder.path(), &format!("{command} --seeds 1,2 --format json")).ends(0);
    assert!(
        ran.err.contains("music: 15 songs of 3 genres, 3 folds, 6 networks; runs in runs/music-folds-1\n"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("network 6/6: seed 2, fold 2: "), "{}", ran.err);
    let found = json(&ran.out);
    let pooled = &found["out_of_fold"];
    assert_eq!((&pooled["songs"], found["folds"].as_array().unwrap().len()), (&15.into(), 6));
    assert_eq!(found["cross_validation"]["song_accuracy"], pooled["song_accuracy"]);
    assert_eq!(
        (&found["cross_validation"]["folds"], &found["cross_validation"]["seeds"]),
        (&3.into(), &2.into())
    );
    let rules: Vec<&str> = found["aggregations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["aggregation"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["mean-log-probability", "mean-probability", "vote"]);
    assert_eq!(found["aggregations"][0]["song_accuracy"], pooled["song_accuracy"]);
    let seeds: Vec<f64> = found["seeds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seed| seed["song_accuracy"].as_f64().unwrap())
        .collect();
    let spread = &found["song_accuracy_over_seeds"];
    assert!((spread["mean"].as_f64().unwrap() - (seeds[0] + seeds[1]) / 2.0).abs() < 1e-12);
    assert!((spread["sd"].as_f64().unwrap() - (seeds[0] - seeds[1]).abs() / 2f64.sqrt()).abs() < 1e-12);
    // The interval counts songs, not judgements.
    let [low, high] = wilson(pooled["song_accuracy"].as_f64().unwrap(), 15);
    assert_eq!(pooled["song_interval"], serde_json::json!([low, high]));
    let run_folder = folder.path().join("runs/music-folds-1");
    assert_eq!(json(&fs::read_to_string(run_folder.join("evaluation.json")).unwrap()), found);
    let (cited, decision) = read_cross_validation(&run_folder).unwrap();
    assert_eq!((cited.songs, cited.interval), (15, [low, high]));
    assert_eq!(serde_json::from_value::<Decision>(pooled["decision"].clone()).unwrap(), decision);

    // The same command again trains nothing, and a further seed only its own.
    let ran = run(folder.path(), &format!("{command} --seeds 1,2 --format csv")).ends(0);
    assert_eq!(ran.err.matches("(judged before)").count(), 6, "{}", ran.err);
    assert!(ran.err.contains("runs/music-folds-1, which was begun before"), "{}", ran.err);
    let (header, rows) = table(&ran.out);
    assert_eq!((header.as_slice(), rows.len()), (&HEADER.map(String::from)[..], 30));
    let right = rows.iter().filter(|row| row[3] == row[4]).count();
    assert_eq!(pooled["song_accuracy"], right as f64 / 30.0);
    for seed in ["1", "2"] {
        let mut judged: Vec<&str> = rows.iter().filter(|row| &row[1] == seed).map(|row| &row[2]).collect();
        judged.sort_unstable();
        judged.dedup();
        assert_eq!(judged.len(), 15, "every song once");
    }
    let ran = run(folder.path(), &format!("{command} --seeds 2,3")).ends(0);
    assert_eq!(ran.err.matches("(judged before)").count(), 3, "{}", ran.err);
    for words in ["over 2 seeds: ", "15 songs, each judged 2 times", "from frames to song", "vote", "fold 2"]
    {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }

    // Each network knows the songs of the other folds, and is the one that was judged.
    for fold in ["0", "1", "2"] {
        let judged: Vec<&csv::StringRecord> =
            rows.iter().filter(|row| (&row[0], &row[1]) == (fold, "1")).collect();
        let run_folder = format!("runs/music-folds-1/seed-1-fold-{fold}");
        let split = fs::read_to_string(folder.path().join(&run_folder).join("split.csv")).unwrap();
        let (_, trained) = table(&split);
        assert_eq!(trained.len() + judged.len(), 15);
        assert!(judged.iter().all(|song| trained.iter().all(|known| known[0] != song[2])));
        let flags = "--device cpu --split test --format csv --model";
        let ran = run(folder.path(), &format!("evaluate {flags} {run_folder}/best.safetensors")).ends(0);
        let again: Vec<_> =
            table(&ran.out).1.iter().map(|row| (row[2].to_string(), row[4].to_string())).collect();
        let before: Vec<_> = judged.iter().map(|row| (row[2].to_string(), row[4].to_string())).collect();
        assert_eq!(again, before);
        let history = fs::read_to_string(folder.path().join(&run_folder).join("history.csv")).unwrap();
        assert_eq!(history.lines().count(), 4);
    }

    // Other settings are another cross-validation.
    let other = command.replace("--epochs 3", "--epochs 1");
    run(folder.path(), &format!("{other} --run runs/music-folds-1")).refused(&[
        "runs/music-folds-1",
        "config.training.epochs was 3, now it is 1",
        "--run",
    ]);
    let ran = run(folder.path(), &other).ends(0);
    assert!(ran.err.contains("runs in runs/music-folds-2\n"), "{}", ran.err);

    // What is damaged is named.
    let tested = folder.path().join("runs/music-folds-2/seed-1-fold-0/tested.json");
    let text = fs::read_to_string(&tested).unwrap();
    for damaged in [
        &text[..text.len() / 2],
        "{}",
        &text.replace("\"fold\":0", "\"fold\":1"),
        &text.replacen("wav", "ogg", 1),
    ] {
        fs::write(&tested, damaged).unwrap();
        run(folder.path(), &other).refused(&["seed-1-fold-0/tested.json", "damaged, or no fold's file"]);
    }
    fs::remove_file(&tested).unwrap();
    let before = figures(&folder.path().join("runs/music-folds-2"));
    let ran = run(folder.path(), &other).ends(0);
    assert_eq!(ran.err.matches("(judged before)").count(), 2, "{}", ran.err);
    assert_eq!(figures(&folder.path().join("runs/music-folds-2")), before);
    for (name, text) in [("a.json", "{}"), ("b.json", "x")] {
        fs::write(folder.path().join(name), text).unwrap();
        let error = read_cross_validation(&folder.path().join(name)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("no result of a cross-validation"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_cross_validation_goes_on() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    // The folds of a table, whose numbers are as they are.
    let rows = GENRES
        .iter()
        .flat_map(|genre| (0..5).map(move |i| format!("{genre}/song {i}.wav,{}\n", 4 + 3 * (i % 2))));
    let rows: String = rows.collect();
    fs::write(folder.path().join("music/tracks.csv"), format!("path,fold\n{rows}")).unwrap();
    let command = format!("evaluate --folds csv --seeds 5,6 --dataset music --epochs 12 {}", network());
    let whole = run(folder.path(), &format!("{command} --run whole --format csv")).ends(0);
    assert_eq!(table(&whole.out).1.iter().filter(|row| &row[0] == "7" && &row[1] == "6").count(), 6);

    let ran = interrupted(&mut program(folder.path(), &command), "network 1/4: seed 5, fold 4: ").ends(130);
    assert!(ran.err.contains("saved in runs/music-folds-1; the same command goes on"), "{}", ran.err);
    assert!(ran.out.is_empty() && !folder.path().join("runs/music-folds-1/evaluation.json").exists());
    // predict does not mistake a fold's network for a model.
    let ran = run(folder.path(), "predict music/tone");
    assert!(ran.err.contains("model: the included one ("), "{}", ran.err);

    let ran = run(folder.path(), &format!("{command} --format csv")).ends(0);
    let before = ran.err.matches("(judged before)").count();
    assert!((1..4).contains(&before), "{}", ran.err);
    assert_eq!(ran.out, whole.out);
    assert_eq!(figures(&folder.path().join("runs/music-folds-1")), figures(&folder.path().join("whole")));
}

#[test]
fn a_temperature_is_fitted_to_validation_songs() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    let train = format!("train --dataset music --epochs 2 --run run {} --validation 0.7", network());
    run(folder.path(), &train).ends(0);
    let validation =
        json(&fs::read_to_string(folder.path().join("run/metrics.json")).unwrap())["validation"].clone();
    assert_eq!(validation["songs"], 12);
    let temperature = validation["decision"]["temperature"].as_f64().unwrap();
    assert!(temperature != 1.0 && (0.04..=20.1).contains(&temperature), "{temperature}");
    let flags = "evaluate --device cpu --model run/best.safetensors --split validation --format json";
    assert_eq!(json(&run(folder.path(), flags).ends(0).out)["validation"], validation);
    let ran = run(folder.path(), "info --model run/best.safetensors").ends(0);
    let line = format!(
        "from frames to song: mean-log-probability, temperature {temperature:.2}, unsure below 50.0 %"
    );
    assert!(ran.out.contains(&line), "{line}: {}", ran.out);
}

#[test]
fn the_model_that_comes_with_the_program_is_taken_where_none_was_trained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/genres14.safetensors");
    assert!(fs::metadata(&path).unwrap().len() < 5_000_000);
    let card = genre_recognizer::model::Model::load(&path).unwrap().card;
    let figures = card.cross_validation.expect("it says how networks like it did");
    assert_eq!((figures.songs, card.provenance.training_songs), (859, 859));

    let folder = tempdir().unwrap();
    wav(&folder.path().join("tone.wav"), &sound(2, 1, 4.0));
    let ran = run(folder.path(), "predict --device cpu tone.wav").ends(0);
    assert!(ran.err.contains("model: the included one (blues, classical, "), "{}", ran.err);
    assert!(card.genres.iter().any(|genre| ran.out.contains(genre.as_str())), "{}", ran.out);
    run(folder.path(), "info --model included").ends(0);
    // It lies in no run's folder: what is here is not its split, nor its settings.
    for genre in ["blues", "rock"] {
        fs::create_dir_all(folder.path().join("music").join(genre)).unwrap();
        wav(&folder.path().join("music").join(genre).join("a.wav"), &sound(2, 1, 4.0));
    }
    for name in ["split.csv", "config.toml"] {
        fs::write(folder.path().join(name), "of something else\n").unwrap();
    }
    let evaluate = "evaluate --model included --dataset music --device cpu";
    assert!(run(folder.path(), evaluate).ends(0).out.contains("2 songs (all)"));
    run(folder.path(), &format!("{evaluate} --split test")).refused(&["without its run", "--split test"]);
}
