//! Networks that begin with another, and models of others' networks.

use super::*;

/// Songs, and a model that was trained on them from nothing.
fn trained() -> TempDir {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    run(folder.path(), &format!("train --dataset music --epochs 2 --run first {TINY}")).ends(0);
    fs::copy(folder.path().join("first/best.safetensors"), folder.path().join("base.safetensors")).unwrap();
    folder
}

#[test]
fn a_training_begins_with_a_model() {
    let folder = trained();
    let root = folder.path();
    let flags = "--dataset music --device cpu --validation 0.25";
    let ran = run(root, &format!("train {flags} --from base.safetensors --run second")).ends(0);
    assert!(ran.out.contains("song accuracy"), "{}", ran.out);
    let history = fs::read_to_string(root.join("second/history.csv")).unwrap();
    assert_eq!(history.lines().count(), 2, "{history}");
    let info = run(root, "info --model second/best.safetensors").ends(0);
    assert!(info.out.contains("began with: music (3 labels, digest "), "{}", info.out);
    run(root, &format!("train {flags} --from base.safetensors --freeze --run third")).ends(0);
    let bytes = |run: &str| fs::read(root.join(run).join("best.safetensors")).unwrap();
    assert!(bytes("second") == bytes("third"), "the last layer alone is the default");
    run(root, &format!("train {flags} --from base.safetensors --epochs 1 --base-rate 0.5 --run fourth"))
        .ends(0);
    assert!(fs::read_to_string(root.join("fourth/config.toml")).unwrap().contains("rate = 0.5"));

    let ran = run(root, "evaluate --folds 2 --dataset music --device cpu --from base.safetensors").ends(0);
    assert!(ran.out.contains("after 0 epochs"), "{}", ran.out);

    // Real songs begin with the included model; flags of a network of one's own, and `none`, are from nothing.
    for (genre, name) in GENRES.iter().enumerate() {
        for i in 0..3 {
            wav(&root.join("long").join(name).join(format!("{i}.wav")), &sound(genre, i, 4.0));
        }
    }
    let ran = run(root, "train --dataset long --device cpu --validation 0.3 --run fifth").ends(0);
    assert!(ran.err.contains("beginning with the included model (--from none"), "{}", ran.err);
    run(root, "train --dataset long --device cpu --validation 0.3 --from included --run eighth").ends(0);
    assert!(bytes("fifth") == bytes("eighth"));
    let ran = run(root, &format!("train --dataset music --epochs 1 --run sixth {TINY}")).ends(0);
    assert!(!ran.err.contains("beginning with"), "{}", ran.err);
    let ran = run(root, &format!("train {flags} --epochs 1 --from none --frames-per-song 1 --run seventh"));
    assert!(!ran.err.contains("beginning with"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn a_base_that_moved_is_named_again() {
    let folder = trained();
    let root = folder.path();
    let flags = "--dataset music --device cpu --validation 0.25 --epochs 2 --frames-per-song 2000 --run run";
    let train = format!("train {flags} --from base.safetensors");
    interrupted(&mut program(root, &train), "last layer: ").ends(130);
    fs::rename(root.join("base.safetensors"), root.join("moved.safetensors")).unwrap();
    let resume = "train --resume --run run --device cpu";
    run(root, resume).refused(&["base.safetensors", "where it is now"]);
    run(root, &format!("{resume} --from first/checkpoint.safetensors")).refused(&["checkpoint.safetensors"]);
    let other = "train --dataset music --epochs 1 --seed 5 --run other";
    run(root, &format!("{other} {TINY}")).ends(0);
    run(root, &format!("{resume} --from other/best.safetensors")).refused(&["not what this run began with"]);
    interrupted(&mut program(root, &format!("{resume} --from moved.safetensors")), "network: ").ends(130);
}

#[test]
fn what_a_training_cannot_begin_with_is_refused() {
    let folder = trained();
    let root = folder.path();
    let refused = |flags: &str, words: &[&str]| {
        run(root, &format!("train --dataset music --device cpu {flags}")).refused(words);
    };
    refused("--from missing.safetensors", &["missing.safetensors"]);
    refused("--from music", &["music", "it is a folder"]);
    refused("--from base.safetensors --n-fft 256", &["base.safetensors", "n_fft was 128, now it is 256"]);
    refused("--from base.safetensors --base-rate 2", &["base.rate is 2"]);
    refused("--from none --freeze", &["--freeze", "--from"]);
    refused("--preset medium --base-rate 0.5", &["--base-rate", "--from"]);
    // Nothing of it would come to pass, without a word.
    refused("--from base.safetensors --base-rate 0.5 --mixup 0.2", &["--base-rate, --mixup", "--epochs"]);
    refused("--from included --no-augmentation", &["--no-augmentation", "--epochs"]);
    refused("--freeze --learning-rate 1e-4", &["--learning-rate", "in place of --freeze"]);
    refused("--dropout 0.5 --keep last --balance sampling", &["--dropout", "--keep", "--balance sampling"]);
    // Said before a song is read.
    refused("--from included --blocks 2 --run run", &["included", "filters was", "leave its"]);
    assert!(!root.join("run").exists());
    fs::write(root.join("rate.toml"), "[training]\nepochs = 1\nframes_per_song = 1\n").unwrap();
    let ran = run(root, "train --dataset music --device cpu --config rate.toml --run nothing").ends(0);
    assert!(ran.err.contains("training from nothing") && ran.err.contains("[base]"), "{}", ran.err);
    let folds = run(root, "evaluate --folds 2 --dataset music --from base.safetensors --clip 1");
    folds.refused(&["--clip", "--epochs"]);
    // The included model's frames are longer than these songs, which it hears repeated.
    run(root, "train --dataset music --device cpu --freeze --run short").ends(0);
    refused("--from none --epochs 0", &["--epochs is 0"]);
    refused("--from none --preset medium --epochs 0", &["--epochs is 0"]);
    refused("--from base.safetensors --preset large", &["base.safetensors", "--preset", "--from none"]);
    let ran = run(root, "train --dataset music --from base.safetensors --freeze --epochs 2").ends(2);
    assert!(ran.err.contains("cannot be used with"), "{}", ran.err);
    run(root, "train --resume --run first --freeze").refused(&["first"]);
    run(root, "evaluate --model base.safetensors --dataset music --freeze").refused(&["--folds"]);
}

#[test]
fn networks_of_others_become_models() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("tiny.whl"), include_bytes!("../golden/musicnn_tiny.whl")).unwrap();
    let ran = run(root, "import tiny.whl").ends(0);
    assert!(ran.out.contains("licence ISC") && ran.out.contains("50 tags: rock, pop, "), "{}", ran.out);
    let song: Vec<f32> = sound(2, 1, 4.0);
    wav(&root.join("tone.wav"), &song);
    let ran =
        run(root, "predict --device cpu --model MSD_musicnn.safetensors --format json tone.wav").ends(0);
    let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let guesses = verdict[0]["genres"].as_array().unwrap();
    // Tags do not share a sum of 1.
    assert!(guesses.len() == 3 && verdict[0]["unsure"] == false, "{verdict}");
    run(root, "import tiny.whl").refused(&["MSD_musicnn.safetensors", "--output"]);
    run(root, "import tiny.whl --whole --output whole.safetensors").ends(0);
    run(root, "import tiny.whl --network MTT_musicnn").refused(&["MTT_musicnn", "MSD_musicnn"]);
    run(root, "import missing.whl").refused(&["missing.whl"]);
    run(root, "import tone.wav").refused(&["tone.wav", "pip download"]);
    let info = run(root, "info --model MSD_musicnn.safetensors").ends(0);
    assert!(info.out.contains("weights of others: MSD_musicnn of musicnn 0.1.0"), "{}", info.out);

    // Judged tag by tag, on songs that may have several; the folder's name is a song's tag where `tracks.csv` has none.
    let mut table = String::from("path,tags\n");
    for (genre, name) in ["rock", "pop"].iter().enumerate() {
        for i in 0..3 {
            wav(&root.join("tagged").join(name).join(format!("{i}.wav")), &sound(genre, i, 4.0));
        }
        table += &format!("{name}/0.wav,Jazz;{name};unheard of\n");
    }
    fs::write(root.join("tagged/tracks.csv"), table).unwrap();
    let judge = |flags: &str| {
        let model = "evaluate --device cpu --model MSD_musicnn.safetensors --dataset tagged";
        run(root, &format!("{model} {flags}")).ends(0)
    };
    let ran = judge("--format json");
    let judged: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let tags: Vec<(&str, u64)> = judged["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (tag["tag"].as_str().unwrap(), tag["songs"].as_u64().unwrap()))
        .collect();
    assert_eq!(tags, [("rock", 3), ("pop", 3), ("jazz", 2)]);
    assert_eq!(judged["unknown"], serde_json::json!(["unheard of"]));
    let (rock, pop) = (&judged["tags"][0]["roc_auc"], &judged["tags"][1]["roc_auc"]);
    assert!(rock.as_f64().is_some_and(|auc| (0.0..=1.0).contains(&auc)) && pop.is_f64(), "{judged}");
    let table = judge("").out;
    assert!(
        table.contains("6 songs, 3 tags") && table.contains("not known to the model: unheard of"),
        "{table}"
    );
    assert_eq!(judge("--format csv").out.lines().count(), 4);
}

/// A teacher of another rate, on songs in any layout.
#[cfg(unix)]
#[test]
fn a_network_learns_from_a_teacher() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("tiny.whl"), include_bytes!("../golden/musicnn_tiny.whl")).unwrap();
    run(root, "import tiny.whl").ends(0);
    songs(&root.join("music"));
    wav(&root.join("music/loose.wav"), &sound(1, 9, 4.0));
    fs::write(root.join("music/noise/LICENCE.txt"), "CC0, made by a program\n").unwrap();
    let teach = format!("train --dataset music --teacher MSD_musicnn.safetensors --cache cache {TINY}");
    let ran = run(root, &format!("{teach} --epochs 3 --run taught")).ends(0);
    assert!(ran.out.contains("% of the variance of the teacher's embedding"), "{}", ran.out);
    assert!(ran.out.contains("try it: "), "{}", ran.out);
    assert!(ran.err.contains("music: 12 songs to train on, 4 to validate"), "{}", ran.err);
    assert!(ran.err.contains("epoch   3/3: loss ") && ran.err.contains(", explained "), "{}", ran.err);
    let metrics = fs::read_to_string(root.join("taught/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert!(metrics["agreement"]["explained"].is_f64() && metrics["validation"].is_null(), "{metrics}");
    let report = fs::read_to_string(root.join("taught/report.html")).unwrap();
    assert!(report.contains("Explained variance") && !report.contains("Song accuracy"));
    let info = run(root, "info --model taught/best.safetensors").ends(0).out;
    assert!(info.contains("taught by: MSD_musicnn (50 labels, digest "), "{info}");
    assert!(info.contains("licence ISC)") && !info.contains("weights of others"), "{info}");
    assert!(info.contains("heard: noise (") && info.contains("CC0, made by a program"), "{info}");

    // A model of tags like any other.
    let predict = "predict --device cpu --model taught/best.safetensors --format json music/loose.wav";
    let verdict: serde_json::Value = serde_json::from_str(&run(root, predict).ends(0).out).unwrap();
    assert_eq!(verdict[0]["genres"].as_array().unwrap().len(), 3, "{verdict}");
    let judged = "evaluate --device cpu --model taught/best.safetensors --dataset music";
    run(root, judged).refused(&["tag"]);
    let flags = "--dataset music --device cpu --validation 0.25 --from taught/best.safetensors";
    let ran = run(root, &format!("train {flags} --run genres")).ends(0);
    assert!(ran.out.contains("song accuracy"), "{}", ran.out);
    let info = run(root, "info --model genres/best.safetensors").ends(0).out;
    assert!(
        info.contains("began with: music (50 labels") && info.contains("taught by: MSD_musicnn"),
        "{info}"
    );

    // Stopped, and gone on with where the teacher has moved.
    let long = format!("{teach} --epochs 90 --frames-per-song 100 --run long");
    interrupted(&mut program(root, &long), "epoch   1/90").ends(130);
    fs::rename(root.join("MSD_musicnn.safetensors"), root.join("moved.safetensors")).unwrap();
    let resume = "train --resume --run long --device cpu --cache cache";
    run(root, resume).refused(&["MSD_musicnn.safetensors", "cannot teach"]);
    run(root, &format!("{resume} --teacher taught/best.safetensors"))
        .refused(&["not whom this run learns from"]);
    interrupted(&mut program(root, &format!("{resume} --teacher moved.safetensors")), "network: ").ends(130);

    let refused = |flags: &str, words: &[&str]| {
        run(root, &format!("train --dataset music {TINY} {flags}")).refused(words);
    };
    refused("--teacher moved.safetensors --from taught/best.safetensors", &["--teacher", "--from"]);
    refused("--teacher moved.safetensors --folds 3 --fold 1", &["--teacher", "cannot be used with"]);
    refused("--teacher moved.safetensors --labels tags", &["--teacher", "--labels"]);
    refused("--teacher moved.safetensors --mixup 0.3", &["--mixup is 0.3"]);
    refused("--teacher genres/best.safetensors", &["its labels are genres"]);
    refused("--teacher moved.safetensors --teacher moved.safetensors", &["named twice"]);
    refused("--teacher missing.safetensors", &["missing.safetensors"]);
    run(root, "train --dataset nowhere --teacher moved.safetensors").refused(&["nowhere", "--dataset"]);
}
