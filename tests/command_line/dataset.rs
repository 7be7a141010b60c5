//! `dataset check` and `clean`, the cache, and folds.

use super::*;

/// Files below the cache of a folder.
fn cached(folder: &Path) -> usize {
    let Ok(folders) = fs::read_dir(folder.join(".cache/genre-recognizer/songs")) else { return 0 };
    folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn check_prints_tables_and_json_with_exit_codes() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    songs(&root.join("music"));
    let ran = run(root, "dataset check music --shortest 0.5").ends(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[1].starts_with("  genre   songs  hours  artists"), "{}", ran.out);
    for (line, genre) in lines[2..].iter().zip(GENRES) {
        assert!(line.starts_with(&format!("  {genre}")) && line.contains("8 × 5"), "{line}");
    }
    assert!(
        ran.out.contains("15 songs, 0.00 h\n") && ran.out.contains("artist of 15 of 15 songs is not known")
    );
    assert!(!ran.out.contains("to mend"));
    assert_eq!(cached(root), 15);

    let odd = odd_files(&root.join("music/noise"));
    for flags in ["", "--no-cache"] {
        let ran = run(root, &format!("dataset check music --shortest 0.5 {flags}")).ends(1);
        assert!(ran.out.contains("7 problems:"), "{}", ran.out);
        for (name, says) in odd {
            let line = ran.out.lines().find(|line| line.starts_with(&format!("  music/noise/{name}: ")));
            assert!(line.is_some_and(|line| line.contains(says)), "{name}: {}", ran.out);
        }
    }
    let ran = run(root, "dataset check music --shortest 0.5 --format json").ends(1);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&report["songs"], &report["needs_attention"]), (&18.into(), &true.into()));
    assert_eq!(report["problems"].as_array().unwrap().len(), 7);
    assert_eq!(report["genres"][1]["genre"], "noise");
    assert_eq!(report["genres"][1]["problems"], 7);
    // Headers alone.
    let ran = run(root, "dataset check music --quick --format json").ends(1);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(report["problems"].as_array().unwrap().len() >= 4, "{report}");

    run(root, "dataset check none").refused(&["none", "no such folder"]);
    let says = "this is a file; name the folder that has a subfolder";
    run(root, "dataset check music/noise/wav.mp3").refused(&["music/noise/wav.mp3: ", says, "predict"]);
    run(root, "train --dataset music/noise/wav.mp3").refused(&[says]);
    run(root, "evaluate --folds 2 --dataset music/noise/wav.mp3").refused(&[says]);
    run(root, "dataset check --format xml music").refused(&["xml"]);
    fs::create_dir(root.join("empty")).unwrap();
    run(root, "dataset check empty").refused(&["no genre folders"]);
}

#[test]
fn decoded_songs_are_kept_and_cleaned() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    songs(&root.join("music"));
    songs(&root.join("more"));
    let train = |flags: &str| run(root, &format!("train --epochs 1 {TINY} {flags}")).ends(0);
    let metrics = |run: &str| {
        let text = fs::read_to_string(root.join("runs").join(run).join("metrics.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        (json["validation"].clone(), fs::read(root.join("runs").join(run).join("best.safetensors")).unwrap())
    };
    train("--dataset music --no-cache");
    assert_eq!(cached(root), 0);
    train("--dataset music");
    assert_eq!(cached(root), 15);
    train("--dataset music");
    train("--dataset music --cache kept");
    assert_eq!(cached(root), 15);
    // It makes no difference to what comes out.
    let first = metrics("music-1");
    assert!((2..=4).all(|n| metrics(&format!("music-{n}")) == first));
    train("--dataset more");
    assert_eq!(cached(root), 30);

    let ran = run(root, "dataset clean --dataset more").ends(0);
    assert!(ran.out.starts_with("15 decoded songs (0.3 MB) removed from "), "{}", ran.out);
    assert_eq!(cached(root), 15);
    run(root, "dataset clean --cache kept").ends(0);
    let ran = run(root, "dataset clean").ends(0);
    assert!(ran.out.starts_with("15 decoded songs"), "{}", ran.out);
    assert_eq!(cached(root), 0);
    let ran = run(root, "dataset clean").ends(0);
    assert!(ran.out.starts_with("0 decoded songs"), "{}", ran.out);
    assert!(run(root, "dataset clean --dataset nowhere").ends(0).out.starts_with("0 decoded songs"));
    run(root, "train --no-cache --cache kept").refused(&["--no-cache", "--cache"]);
    // Where it cannot be written: memory, and a line that says so.
    fs::write(root.join("a file"), b"").unwrap();
    let ran = Ran::new(
        program(root, &format!("train --epochs 1 {TINY} --dataset music --cache"))
            .arg("a file")
            .output()
            .unwrap(),
    );
    let ran = ran.ends(0);
    assert!(ran.err.contains("decoded songs cannot be kept (a file/"), "{}", ran.err);
}

#[test]
fn a_fold_validates() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    songs(&root.join("music"));
    let split = |run: &str| fs::read_to_string(root.join("runs").join(run).join("split.csv")).unwrap();
    let validation = |run: &str| -> Vec<String> {
        let text = split(run);
        let rows = text.lines().filter(|line| line.ends_with(",validation"));
        rows.map(|row| row.split(',').next().unwrap().to_owned()).collect()
    };
    let train = |flags: &str| format!("train --dataset music --epochs 1 {TINY} {flags}");
    let mut all: Vec<String> = Vec::new();
    for fold in 0..5 {
        run(root, &train(&format!("--folds 5 --fold {fold}"))).ends(0);
        all.extend(validation(&format!("music-{}", fold + 1)));
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 15);
    assert_eq!(split("music-1").lines().next(), Some("path,genre,artist,split"));
    assert_eq!(split("music-1").lines().count(), 16);

    run(root, &train("--folds 5 --fold 5")).refused(&["--fold is 5", "0, 1, 2, 3, 4"]);
    run(root, &train("--folds 1 --fold 0")).refused(&["--folds", "2 or more"]);
    assert!(run(root, &train("--folds 5")).ends(2).err.contains("--fold <NUMBER>"));
    run(root, &train("--fold 0")).refused(&["no fold is given for clicks/song 0.wav", "--folds 5"]);
    let mut table = "path,fold,artist\n".to_string();
    for name in GENRES {
        (0..5).for_each(|i| table += &format!("{name}/song {i}.wav,{},\"{name}, {i}\"\n", i % 3));
    }
    fs::write(root.join("music/tracks.csv"), table).unwrap();
    run(root, &train("--fold 2")).ends(0);
    assert_eq!(validation("music-6"), ["clicks/song 2.wav", "noise/song 2.wav", "tone/song 2.wav"]);
    assert!(split("music-6").contains("clicks/song 2.wav,clicks,\"clicks, 2\",validation"));
    run(root, &train("--fold 3")).refused(&["--fold is 3", "0, 1, 2"]);
}

#[test]
fn quiet_frames_are_dropped_and_frames_may_overlap() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    // Half a second of music, half of silence.
    for (genre, name) in GENRES.iter().enumerate() {
        for i in 0..5 {
            let mut samples = sound(genre, i, 1.0);
            samples[4_000..].iter_mut().for_each(|s| *s *= 1e-3);
            wav(&root.join("music").join(name).join(format!("{i}.wav")), &samples);
        }
    }
    let frames = |flags: &str| {
        run(root, &format!("train --dataset music --epochs 1 {TINY} {flags}")).ends(0);
        let ran = run(root, "predict music/tone/0.wav --timeline --format csv").ends(0);
        ran.out.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(frames(""), ["0.000", "0.250", "0.500", "0.750"]);
    assert_eq!(frames("--drop-below -40"), ["0.000", "0.250"]);
    assert_eq!(frames("--frame-step 0.2"), ["0.000", "0.200", "0.400", "0.600"]);
    // Where all would go, all stay.
    assert_eq!(frames("--drop-below -0.001 --normalise rms").len(), 4);
    for (flags, word) in
        [("--drop-below 3", "3 dBFS"), ("--frame-step 0", "0 s"), ("--normalise loud", "loud")]
    {
        run(root, &format!("train --dataset music {TINY} {flags}")).refused(&[word]);
    }
}
