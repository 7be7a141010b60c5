//! The commands as their user meets them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use genre_recognizer::label::{Line, Plan};
use tempfile::{TempDir, tempdir};

use super::beets::songs;
use super::common::*;

pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

fn command(folder: &Path, arguments: &str) -> Command {
    program(folder, &format!("label {arguments}"))
}

/// The program, with any command.
pub fn program(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_genre-recognizer"));
    let model = model();
    command.current_dir(folder).env("XDG_CACHE_HOME", folder.join(".cache")).env("HOME", folder);
    command.args(arguments.split_whitespace().map(|word| match word {
        "MODEL" => model.to_str().unwrap(),
        word => word,
    }));
    command
}

pub fn ran(mut command: Command) -> Ran {
    let done = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

#[track_caller]
pub fn run(folder: &Path, arguments: &str, code: i32) -> Ran {
    let ran = ran(command(folder, arguments));
    assert_eq!(ran.code, Some(code), "{arguments}\n{}\n{}", ran.out, ran.err);
    ran
}

pub const NAMES: [&str; 8] = [
    "a/one.wav",
    "a/two.wav",
    "b/c/three.wav",
    "four.wav",
    "b/five.wav",
    "b/six.wav",
    "b/c/d/seven.wav",
    "eight.wav",
];
pub const HEAR: &str = "--model MODEL --device cpu --threshold 0.05";

pub fn music() -> TempDir {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"), &NAMES);
    folder
}

pub fn lines(plan: &Path) -> Vec<Line> {
    Plan::open(plan).unwrap().lines().unwrap().map(|line| line.unwrap().1).collect()
}

#[test]
fn a_library_is_planned_looked_at_labelled_audited_and_undone() {
    let folder = music();
    let at = folder.path();
    let root = at.join("music");
    fs::write(root.join("text.mp3"), "no music\n".repeat(50)).unwrap();
    let before = contents(&root);
    let planned = run(at, &format!("plan music {HEAR}"), 1);
    assert!(
        planned.err.contains("text.mp3") && planned.out.contains("1 cannot be labelled"),
        "{}",
        planned.err
    );
    assert!(planned.err.contains("9 songs read, 8 heard"), "{}", planned.err);
    assert!(contents(&root) == before);
    let first = fs::read(at.join("genres.plan")).unwrap();
    let all = lines(&at.join("genres.plan"));
    assert_eq!(all.len(), 9);
    let sure = all.iter().filter(|line| !line.genres.is_empty()).count();
    assert!(sure >= 4, "{all:?}");
    // What is known is not heard again, wherever it lies now.
    let again = run(at, &format!("plan music {HEAR}"), 1);
    assert!(
        !again.err.contains("heard") && fs::read(at.join("genres.plan")).unwrap() == first,
        "{}",
        again.err
    );
    fs::rename(root.join("four.wav"), root.join("b/vier.wav")).unwrap();
    let moved = run(at, &format!("plan music {HEAR} --out moved.plan"), 1);
    assert!(moved.err.contains("1 song read, 0 heard"), "{}", moved.err);
    fs::rename(root.join("b/vier.wav"), root.join("four.wav")).unwrap();

    let shown = run(at, "show genres.plan --page plan.html", 0).out;
    assert!(shown.contains("a/one.wav: no genre") && shown.lines().count() == 9, "{shown}");
    assert!(fs::read_to_string(at.join("plan.html")).unwrap().contains("b/c/d/seven.wav"));
    let csv = run(at, "show genres.plan --format csv", 0).out;
    assert!(csv.starts_with("path,tagged,") && csv.lines().count() == 10);
    let json = run(at, "show genres.plan --format json", 0).out;
    assert!(json.lines().all(|line| serde_json::from_str::<Line>(line).is_ok()));
    run(at, "show genres.plan --format m3u --playlists lists", 0);
    let listed: usize = contents(&at.join("lists"))
        .values()
        .map(|list| String::from_utf8_lossy(list).lines().filter(|line| Path::new(line).exists()).count())
        .sum();
    assert_eq!(listed, sure);

    let applied = run(at, "apply genres.plan", 1);
    assert!(applied.err.contains("cannot be labelled: text.mp3"), "{}", applied.err);
    assert!(applied.out.contains(&format!("{sure} files written")), "{}", applied.out);
    for line in &all {
        if line.trouble.is_none() {
            assert_eq!(genres(&root.join(&line.path)), line.genres);
        }
    }
    assert!(run(at, "apply genres.plan", 1).out.contains(&format!("{sure} written before")));
    // Nothing contradicts what was heard.
    assert_eq!(run(at, &format!("audit music {HEAR} --json"), 0).out, "");
    run(at, "undo genres.plan.journal", 0);
    let undone = contents(&root);
    for (name, bytes) in &before {
        assert!(undone[name] == *bytes, "{}", name.display());
    }
    let replan = run(at, &format!("plan music {HEAR} --out again.plan"), 1);
    assert!(replan.err.contains(" 0 heard"), "{}", replan.err);
}

#[test]
fn parts_are_heard_apart_and_joined() {
    let folder = music();
    let at = folder.path();
    run(at, &format!("plan music {HEAR} --out whole.plan"), 0);
    for id in ["4", "6"] {
        let mut command = command(at, &format!("plan music {HEAR} --shard auto --out {id}.plan"));
        command
            .env("SLURM_ARRAY_TASK_ID", id)
            .env("SLURM_ARRAY_TASK_MIN", "4")
            .env("SLURM_ARRAY_TASK_STEP", "2");
        command.env("SLURM_ARRAY_TASK_COUNT", "3");
        assert_eq!(ran(command).code, Some(0));
    }
    let missing = run(at, "merge 4.plan 6.plan", 1);
    assert!(missing.err.contains("part 3/3") && !at.join("genres.plan").exists(), "{}", missing.err);
    let mut command = command(at, &format!("plan music {HEAR} --shard auto --shards 3 --out 8.plan"));
    command.env("JOB_COMPLETION_INDEX", "2");
    assert_eq!(ran(command).code, Some(0));
    run(at, "merge 8.plan 4.plan 6.plan --out joined.plan", 0);
    assert_eq!(fs::read(at.join("joined.plan")).unwrap(), fs::read(at.join("whole.plan")).unwrap());
    let nobody = run(at, &format!("plan music {HEAR} --shard auto"), 2);
    assert!(nobody.err.contains("--shard 3/8"), "{}", nobody.err);
}

#[test]
fn a_killed_plan_goes_on_where_it_was() {
    let folder = music();
    let at = folder.path();
    run(at, &format!("plan music {HEAR} --out whole.plan --no-index"), 0);
    for after in [30, 60, 90, 120] {
        let mut child = command(at, &format!("plan music {HEAR} --out killed.plan"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let _ = child.kill();
        child.wait().unwrap();
    }
    run(at, &format!("plan music {HEAR} --out killed.plan"), 0);
    assert_eq!(fs::read(at.join("killed.plan")).unwrap(), fs::read(at.join("whole.plan")).unwrap());
}

#[test]
fn a_library_teaches_by_its_tags() {
    let folder = tempdir().unwrap();
    let (at, root) = (folder.path(), folder.path().join("music"));
    fs::create_dir(&root).unwrap();
    let tags = [
        Some("Rock"),
        Some("rock"),
        Some("Classic Rock"),
        Some("Hip-Hop/Rap"),
        Some("hip hop"),
        Some("Techno"),
        Some("Electronic\0House"),
        Some("Electronica"),
        Some("Rock\0Jazz"),
        Some("Other"),
        Some("Zydeco"),
        None,
    ];
    for (i, genre) in tags.iter().enumerate() {
        fs::write(root.join(format!("{i:02}.mp3")), song(i as u8, *genre)).unwrap();
    }
    let told = run(at, "learn music --least 2 --out set --json", 0).out;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["genres"], serde_json::json!({"Electronic": 3, "Hip-Hop": 2, "Rock": 3}));
    assert_eq!((told["silent"].as_u64(), told["several"].as_u64()), (Some(3), Some(1)));
    assert_eq!(told["unknown"], serde_json::json!({"Zydeco": 1}));
    assert_eq!(told["spellings"]["Hip-Hop/Rap"], serde_json::json!(["Hip-Hop", 1]));
    let set = genre_recognizer::scan(&at.join("set")).unwrap();
    assert_eq!(
        (set.genres, set.songs.len()),
        (vec!["Electronic".into(), "Hip-Hop".into(), "Rock".into()], 8)
    );
    let checked = run(at, "learn music --least 2", 0).out;
    assert!(checked.contains("Rock: 3 songs"), "{checked}");
    let again = run(at, "learn music --least 2 --out set", 1);
    assert!(again.err.contains("not empty"), "{}", again.err);
    assert!(run(at, "learn music", 0).out.contains("\"Zydeco\": 1"));
}

#[test]
fn training_reads_a_library_by_its_tags() {
    let folder = music();
    let (at, root) = (folder.path(), folder.path().join("music"));
    let plan = at.join("tags.plan");
    let mut writer = genre_recognizer::label::Writer::new(&plan, &head(&root)).unwrap();
    for (i, name) in NAMES.iter().enumerate() {
        let genre = ["Rock", "hip hop"][i % 2];
        writer.line(&super::common::line(&root, name, &[genre])).unwrap();
    }
    writer.finish().unwrap();
    run(at, "apply tags.plan", 0);
    let program = |arguments: &str| ran(program(at, arguments));
    let by_tags = "music --labels tags --least-songs 2";
    let checked = program(&format!("dataset check {by_tags} --quick"));
    assert!(checked.err.contains("Hip-Hop 4, Rock 4"), "{}", checked.err);
    assert!(checked.out.contains("Hip-Hop") && checked.out.contains("8 songs"), "{}", checked.out);
    let tiny = "--device cpu --sample-rate 8000 --frame-seconds 0.25 --n-fft 128 --hop 64 --mels 16 --high 4000 \
                --filters 4 --units 8 --epochs 1 --validation 0.25";
    let trained = program(&format!("train --dataset {by_tags} --run run {tiny}"));
    assert_eq!(trained.code, Some(0), "{}", trained.err);
    let judged = program(&format!(
        "evaluate --model run/best.safetensors --dataset {by_tags} --device cpu --split all"
    ));
    assert!(judged.code == Some(0) && judged.out.contains("Hip-Hop"), "{}\n{}", judged.out, judged.err);
    // In folders as they are, there are no genres to learn.
    assert_eq!(program("dataset check music --least-songs 3").code, Some(2));
}

/// What a summary counts, by its words; the first count is that of files that get a genre.
fn counts(text: &str) -> Vec<(String, usize)> {
    let line =
        text.lines().find(|line| line.contains(" would get a genre") || line.contains(" written")).unwrap();
    let line = line.strip_prefix("genres.plan: ").unwrap_or(line);
    let count = |part: &str| {
        let (count, words) = part.split_once(' ').unwrap();
        let words = if words.starts_with("file") { "get" } else { words };
        (words.to_owned(), count.parse().unwrap())
    };
    line.split(", ").map(count).collect()
}

#[test]
fn plan_pretence_and_apply_count_alike() {
    let folder = music();
    let (at, root) = (folder.path(), folder.path().join("music"));
    fs::write(root.join("text.mp3"), "no music\n".repeat(50)).unwrap();
    // Silence, which cannot be heard, without a genre and with one; and music with a genre.
    fs::write(root.join("silent.mp3"), song(1, None)).unwrap();
    fs::write(root.join("silent old.mp3"), song(2, Some("Old"))).unwrap();
    let mine = at.join("mine.plan");
    let mut writer = genre_recognizer::label::Writer::new(&mine, &head(&root)).unwrap();
    writer.line(&super::common::line(&root, NAMES[0], &["Mine"])).unwrap();
    writer.finish().unwrap();
    run(at, "apply mine.plan", 0);
    let planned = run(at, "plan music --model MODEL --device cpu --threshold 0.3", 1);
    let counted = counts(&planned.out);
    let of = |words: &str| counted.iter().find(|(known, _)| known == words).map_or(0, |(_, count)| *count);
    assert_eq!((of("keep the genre they have"), of("cannot be labelled")), (1, 3), "{}", planned.out);
    assert_eq!(of("get") + of("unsure"), NAMES.len() - 1, "{}", planned.out);
    let shown = run(at, "show genres.plan", 0).out;
    assert!(shown.contains("a/one.wav: Mine; keeps it"), "{shown}");
    run(at, "show genres.plan --page page.html", 0);
    let page = fs::read_to_string(at.join("page.html")).unwrap();
    assert!(page.contains("1 keep the genre they have") && page.contains("3 cannot be labelled"));
    let before = contents(&root);
    let pretended = run(at, "apply genres.plan --pretend", 1);
    assert!(contents(&root) == before && counts(&pretended.out) == counted, "{}", pretended.out);
    let applied = run(at, "apply genres.plan", 1);
    assert_eq!(counts(&applied.out), counted, "{}", applied.out);
    for ran in [&planned, &pretended, &applied] {
        assert_eq!(ran.err.matches("cannot be labelled: ").count(), 3, "{}", ran.err);
    }
    // A genre of one that cannot be heard is not replaced either, and it is counted as before.
    let replaced = run(at, "apply genres.plan --pretend --replace", 1);
    assert!(replaced.out.contains("3 cannot be labelled"), "{}", replaced.out);
}

#[test]
fn what_cannot_be_is_refused_with_its_cure() {
    let folder = music();
    let at = folder.path();
    for (arguments, cure) in [
        ("audit music --most 0", "leave --most out"),
        ("plan music --seconds 0", "leave --seconds out"),
        ("plan music --seconds nan", "leave --seconds out"),
        ("plan music --top 0", "1 to 20"),
        ("plan music --threshold 2", "0 (every song gets a genre) to 1"),
        ("plan music --threshold nan", "to 1"),
        ("plan music --threads 0", "leave --threads out"),
        ("plan music --shard 0/3", "counted from 1"),
        ("plan music --shard auto --shards 0", "--shard 3/8"),
        ("learn music --least 0", "1.."),
    ] {
        let refused = run(at, arguments, 2);
        assert!(refused.err.contains(cure), "{arguments}: {}", refused.err);
    }
    fs::create_dir(at.join("empty")).unwrap();
    for (arguments, words) in [
        ("plan music/four.wav", "it is a file; name the folder"),
        ("plan nowhere", "there is no such folder"),
        ("plan empty", "no song is below it"),
        ("learn empty", "no song is below it"),
        ("plan music --out no/folder.plan", "nothing can be written there"),
        ("plan music --out music", "something else is here"),
        ("apply nothing.plan", "no such plan"),
        ("undo music", "is a folder"),
    ] {
        let refused = run(at, arguments, 1);
        assert!(
            refused.err.contains(words) && !refused.err.contains("heard"),
            "{arguments}: {}",
            refused.err
        );
    }
    fs::write(at.join("file"), "").unwrap();
    let index = run(at, &format!("plan music {HEAR} --index file/index"), 1);
    assert!(index.err.contains("--no-index") && index.err.contains("what was heard"), "{}", index.err);
    let journal = run(at, "undo music/four.wav", 1);
    assert!(journal.err.contains("is no journal") && journal.err.contains("audio"), "{}", journal.err);
    let plan = run(at, "apply music/four.wav", 1);
    assert!(plan.err.contains("is no plan") && !at.join("music/four.wav.journal").exists(), "{}", plan.err);
}

#[test]
fn undo_names_damaged_lines_and_says_that_something_is_left() {
    let folder = music();
    let at = folder.path();
    run(at, &format!("plan music {HEAR}"), 0);
    run(at, "apply genres.plan --replace", 0);
    let journal = at.join("genres.plan.journal");
    let whole = fs::read_to_string(&journal).unwrap();
    let mut lines: Vec<&str> = whole.lines().collect();
    let all = lines.len() - 1;
    lines[2] = "{\"path\":";
    fs::write(&journal, lines.join("\n") + "\n").unwrap();
    let undone = run(at, "undo genres.plan.journal", 1);
    assert!(undone.err.contains("genres.plan.journal, line 3: "), "{}", undone.err);
    assert!(undone.out.contains("1 line of the journal damaged"), "{}", undone.out);
    assert!(undone.out.starts_with(&format!("{} files as before", all - 1)), "{}", undone.out);
}
