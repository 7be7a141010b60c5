//! The program as its user meets it: results, messages, exit codes, files.

mod bases;
mod dataset;
mod evaluate;
mod explain;
mod kill;
mod lock;
mod names;
mod pipes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use genre_recognizer::audio::write_wav;
use genre_recognizer::dataset::demo;
use genre_recognizer::rng::Rng;
use tempfile::{TempDir, tempdir};

const RATE: u32 = 8_000;
const GENRES: [&str; 3] = ["clicks", "noise", "tone"];
/// Flags of a network that trains in no time.
const TINY: &str = "--device cpu --sample-rate 8000 --frame-seconds 0.25 --n-fft 128 --hop 64 --mels 16 --high 4000 \
                    --filters 4,8 --units 16 --batch 6 --validation 0.25";

/// What a command came to.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn new(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        let ran = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!ran.err.contains(word), "{}", ran.err);
        }
        ran
    }

    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// Failed with one line that has all these words.
    #[track_caller]
    fn refused(self, words: &[&str]) -> Self {
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        let [line] = lines[..] else { panic!("one error wanted:\n{}", self.err) };
        assert!(matches!(self.code, Some(1 | 2)) && self.out.is_empty(), "{:?} {}", self.code, self.out);
        for word in words {
            assert!(line.contains(word), "`{word}` is not in: {line}");
        }
        // Only wrong command lines get a second line, on usage.
        assert!(self.code == Some(2) || self.err.trim_end().ends_with(line), "{}", self.err);
        self
    }
}

fn program(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_genre-recognizer"));
    command.current_dir(folder).args(arguments.split_whitespace());
    // Decoded songs are kept here, not in the user's own folder.
    command.env("XDG_CACHE_HOME", folder.join(".cache")).env("HOME", folder);
    // Mesa's drivers keep what they compile; without a folder that outlives this one, every process compiles anew.
    command.env("MESA_SHADER_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(folder: &Path, arguments: &str) -> Ran {
    Ran::new(program(folder, arguments).output().unwrap())
}

fn parent(path: &Path) -> &Path {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn sound(genre: usize, seed: u64, seconds: f32) -> Vec<f32> {
    let mut rng = Rng::new(seed).split(genre as u64);
    let (frequency, every) = (rng.range(200.0, 3_000.0), 300 + rng.below(500));
    let sample = |n: usize| match genre {
        0 => 0.9 * f32::from(u8::from(n.is_multiple_of(every))) + 0.01 * rng.normal(),
        1 => 0.2 * rng.normal(),
        _ => 0.9 * (n as f32 * frequency / RATE as f32 * std::f32::consts::TAU).sin() + 0.01 * rng.normal(),
    };
    (0..(seconds * RATE as f32) as usize).map(sample).collect()
}

fn wav(path: &Path, samples: &[f32]) {
    write_wav(parent(path), RATE, &[samples]).unwrap();
}

/// 32-bit float WAV, which can hold what 16 bits cannot.
fn float_wav(path: &Path, samples: &[f32]) {
    let data = 4 * samples.len() as u32;
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(3u16.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(RATE.to_le_bytes());
    bytes.extend((4 * RATE).to_le_bytes());
    bytes.extend(4u16.to_le_bytes());
    bytes.extend(32u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    samples.iter().for_each(|s| bytes.extend(s.to_le_bytes()));
    fs::write(parent(path), bytes).unwrap();
}

/// Five songs of each genre.
fn songs(root: &Path) {
    for (genre, name) in GENRES.iter().enumerate() {
        for i in 0..5 {
            wav(&root.join(name).join(format!("song {i}.wav")), &sound(genre, i, 1.0));
        }
    }
}

/// Files that cannot be used, with words of the reason; and good ones that look unusual.
fn odd_files(folder: &Path) -> [(&'static str, &'static str); 7] {
    let good = sound(2, 0, 1.0);
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("empty.mp3"), b"").unwrap();
    fs::write(folder.join("text.ogg"), "this is not music\n".repeat(100)).unwrap();
    fs::write(folder.join("picture.wav"), [&b"\x89PNG\r\n\x1a\n"[..], &[7; 500]].concat()).unwrap();
    wav(&folder.join("short.wav"), &good[..500]);
    wav(&folder.join("silent.wav"), &[0.0; 8_000]);
    let mut broken = good.clone();
    broken[4_000] = f32::NAN;
    float_wav(&folder.join("nan.wav"), &broken);
    wav(&folder.join("cut.wav"), &good);
    let whole = fs::read(folder.join("cut.wav")).unwrap();
    fs::write(folder.join("cut.wav"), &whole[..30]).unwrap();

    write_wav(&folder.join("eight channels.wav"), RATE, &[&good[..]; 8]).unwrap();
    let fast: Vec<f32> = good.iter().flat_map(|&s| [s; 24]).collect();
    write_wav(&folder.join("192 kHz.wav"), 192_000, &[&fast]).unwrap();
    // A WAV by its bytes, whatever it is called.
    wav(&folder.join("wav.mp3"), &good);
    [
        ("cut.wav", ""),
        ("empty.mp3", "empty"),
        ("nan.wav", "not finite"),
        ("picture.wav", "not an audio file"),
        ("short.wav", "too short"),
        ("silent.wav", "silent"),
        ("text.ogg", "not an audio file"),
    ]
}

/// A trained model, the songs that it was trained on, and what the training said.
struct Trained {
    folder: TempDir,
    out: String,
    err: String,
}

impl Trained {
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn trained() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = tempdir().unwrap();
        songs(&folder.path().join("music"));
        // Never a genre, and not of a demo set either.
        wav(&folder.path().join("music/demo/thing.wav"), &sound(1, 1, 1.0));
        let ran = run(folder.path(), &format!("train --dataset music --epochs 20 {TINY}")).ends(0);
        Trained { folder, out: ran.out, err: ran.err }
    })
}

#[test]
fn trains_and_prints_a_command_that_works() {
    let trained = trained();
    assert!(trained.out.contains("song accuracy 100.0 % of 3 validation songs"), "{}", trained.out);
    assert!(trained.err.contains("music: 3 genres, 12 songs to train on, 3 to validate"), "{}", trained.err);
    assert!(trained.err.contains("epoch  20/20: loss "), "{}", trained.err);
    let run = trained.path().join("runs/music-1");
    for file in ["config.toml", "history.csv", "metrics.json", "best.safetensors", "checkpoint.safetensors"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    assert_eq!(fs::read_dir(&run).unwrap().count(), 7, "scratch files were left over");
    assert!(trained.err.contains("report: runs/music-1/report.html"), "{}", trained.err);
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    for shown in [
        "100.0\u{a0}%",
        "No mistakes",
        "right and confident",
        "data:image/png",
        "epochs = 20",
        ">noise</bdi>",
    ] {
        assert!(report.contains(shown), "{shown}");
    }

    let command = trained.out.lines().find_map(|line| line.strip_prefix("try it: ")).unwrap();
    if cfg!(unix) {
        let output = Command::new("sh").args(["-c", command]).current_dir(trained.path()).output().unwrap();
        let ran = Ran::new(output).ends(0);
        let label = GENRES.iter().find(|genre| command.contains(&format!("/{genre}/"))).unwrap();
        assert!(ran.out.contains(&format!(".wav: {label} ")), "{command}\n{}", ran.out);
    }
}

#[test]
fn exports_refuse_the_flags_of_other_formats() {
    let folder = tempdir().unwrap();
    let export = |flags: &str| run(folder.path(), &format!("export --model included {flags}"));
    export("--format onnx --with-explanation").refused(&["--with-explanation", "--format html"]);
    export("--format html --frontend conv").refused(&["--frontend", "--format onnx"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn exports_replace_no_file() {
    let folder = tempdir().unwrap();
    let song = folder.path().join("song.mp3");
    fs::write(&song, "music").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    for format in ["html", "onnx"] {
        for output in ["song.mp3", "link"] {
            let ran =
                run(folder.path(), &format!("export --model included --format {format} --output {output}"));
            ran.refused(&[output, "there is such a file already"]);
        }
    }
    assert_eq!(fs::read(&song).unwrap(), b"music");
    assert_eq!(fs::read_link(folder.path().join("link")).unwrap(), Path::new("nowhere"));
}

#[test]
fn predicts_in_every_format() {
    let folder = trained().path();
    let best = "runs/music-1/best.safetensors";

    // Without --model the newest run's, which is said.
    let ran = run(folder, "predict --device cpu --top-k 1 music/tone music/noise").ends(0);
    assert!(ran.err.contains("model: runs/music-1/best.safetensors (epoch "), "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 10);
    for (line, (genre, i)) in
        lines.iter().zip([("tone", 0), ("tone", 1), ("tone", 2), ("tone", 3), ("tone", 4)])
    {
        assert!(line.starts_with(&format!("music/{genre}/song {i}.wav: {genre} ")), "{line}");
        assert!(line.ends_with(" %") && !line.contains(','), "{line}");
    }

    let json = |flags: &str| -> serde_json::Value {
        let ran =
            run(folder, &format!("predict --device cpu --format json --model {best} {flags} music")).ends(0);
        serde_json::from_str(&ran.out).unwrap()
    };
    let songs = json("");
    // The folder `demo` is one like any other here.
    assert_eq!(songs.as_array().unwrap().len(), 16);
    assert_eq!(songs[0]["path"], "music/clicks/song 0.wav");
    assert_eq!(songs[0]["seconds"], 1.0);
    let genres = songs[0]["genres"].as_array().unwrap();
    assert_eq!((genres.len(), &genres[0]["genre"]), (3, &"clicks".into()));
    let sum: f64 = genres.iter().map(|g| g["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3);
    assert!(songs[0].get("timeline").is_none());
    let songs = json("--timeline --top-k 2");
    assert_eq!(songs[0]["genres"].as_array().unwrap().len(), 2);
    let moments = songs[0]["timeline"].as_array().unwrap();
    assert_eq!((moments.len(), &moments[3]["start"]), (4, &0.75.into()));

    let csv = |flags: &str| -> (Vec<String>, Vec<csv::StringRecord>) {
        let ran =
            run(folder, &format!("predict --device cpu --format csv --model {best} {flags} music/noise"));
        let ran = ran.ends(0);
        let mut reader = csv::Reader::from_reader(ran.out.as_bytes());
        let header = reader.headers().unwrap().iter().map(String::from).collect();
        (header, reader.records().map(Result::unwrap).collect())
    };
    let (header, rows) = csv("--top-k 9");
    assert_eq!(header.len(), 2 + 2 * 3 + 3);
    assert_eq!(header[..4], ["path", "seconds", "genre1", "probability1"]);
    assert_eq!((header[8].as_str(), &rows[0][8]), ("unsure", "false"));
    assert_eq!((rows.len(), &rows[0][0], &rows[0][2]), (5, "music/noise/song 0.wav", "noise"));
    let (header, rows) = csv("--timeline");
    assert_eq!(
        (header, rows.len()),
        (["path", "start", "genre", "probability"].map(String::from).to_vec(), 20)
    );

    let ran = run(folder, &format!("predict --device cpu --timeline --model {best} music/tone/song")).ends(1);
    assert!(ran.err.contains("skipped: music/tone/song: cannot be read"), "{}", ran.err);
}

#[test]
fn predict_passes_over_what_is_no_song() {
    let trained = trained();
    let model = trained.path().join("runs/music-1/best.safetensors");
    let folder = tempdir().unwrap();
    let bad = odd_files(&folder.path().join("odd"));
    fs::create_dir(folder.path().join("nothing")).unwrap();
    let predict = |format: &str| {
        let flags = format!("predict --device cpu --format {format} odd missing.mp3 nothing --model");
        Ran::new(program(folder.path(), &flags).arg(&model).output().unwrap()).ends(1)
    };
    let ran = predict("table");
    for (name, reason) in
        bad.iter().copied().chain([("missing.mp3", "cannot be read"), ("nothing", "no audio files")])
    {
        let lines: Vec<&str> = ran.err.lines().filter(|line| line.contains(name)).collect();
        assert_eq!(lines.len(), 1, "{name}: {}", ran.err);
        assert!(lines[0].starts_with("skipped: ") && lines[0].contains(reason), "{}", lines[0]);
        assert!(!ran.out.contains(name), "{}", ran.out);
    }
    assert!(ran.err.ends_with("3 songs recognised, 9 skipped\n"), "{}", ran.err);
    assert!(
        ran.out.contains("odd/eight channels.wav: tone ") && ran.out.contains("odd/wav.mp3: tone "),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("odd/192 kHz.wav: "), "{}", ran.out);
    let songs: serde_json::Value = serde_json::from_str(&predict("json").out).unwrap();
    assert_eq!(songs.as_array().unwrap().len(), 3);

    // Nothing at all is still well-formed.
    let command = "predict --device cpu --format json missing.mp3 --model";
    let ran = Ran::new(program(folder.path(), command).arg(&model).output().unwrap()).ends(1);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ran.out).unwrap(), serde_json::json!([]));
}

#[test]
fn predict_says_what_it_could_not_hear() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    wav(&root.join("odd/whole.wav"), &sound(2, 0, 2.0));
    let whole = fs::read(root.join("odd/whole.wav")).unwrap();
    fs::write(root.join("odd/a third.wav"), &whole[..44 + (whole.len() - 44) / 3]).unwrap();
    let predict = |flags: &str| {
        let model = trained().path().join("runs/music-1/best.safetensors");
        let mut command = program(root, &format!("predict --device cpu --top-k 1 {flags} odd --model"));
        Ran::new(command.arg(model).output().unwrap()).ends(0)
    };
    let says = "33 % of the declared 2.0 s is there; the file ends before the song does";
    for flags in ["", "--timeline", "--format json", "--format csv"] {
        let ran = predict(flags);
        assert!(ran.err.contains(&format!("partly heard: odd/a third.wav: {says}\n")), "{}", ran.err);
        assert!(!ran.err.contains("whole"), "{}", ran.err);
    }
    let songs: serde_json::Value = serde_json::from_str(&predict("--format json").out).unwrap();
    let loss = &songs[0]["loss"];
    assert_eq!((&loss["declared"], &loss["cut"], &loss["failed"]), (&2.0.into(), &true.into(), &0.into()));
    assert!((songs[0]["seconds"].as_f64().unwrap() - 0.667).abs() < 0.01 && songs[1]["loss"].is_null());
    let csv = predict("--format csv").out;
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    assert!(rows[0].ends_with(&format!(",2.00,{says}")) && rows[1].ends_with(",,"), "{csv}");
}

/// A name with a dash in front is taken for a flag, or for several.
#[test]
fn files_that_look_like_flags_are_named() {
    let folder = tempdir().unwrap();
    for name in ["-dash.mp3", "-version.mp3", "--help me.mp3"] {
        wav(&folder.path().join(name), &sound(2, 0, 1.0));
        let ran = Ran::new(program(folder.path(), "predict").arg(name).output().unwrap());
        let path = if name.contains(' ') { format!("'./{name}'") } else { format!("./{name}") };
        assert!(
            ran.err.ends_with(&format!("{name} is a file: write {path}, or -- before it\n")),
            "{}",
            ran.err
        );
    }
    run(folder.path(), "predict -none.mp3").refused(&["unexpected argument"]);
    let model = trained().path().join("runs/music-1/best.safetensors");
    let mut command = program(folder.path(), "predict --device cpu --model");
    let ran = Ran::new(command.arg(model).args(["--", "-dash.mp3"]).output().unwrap()).ends(0);
    assert!(ran.out.starts_with("-dash.mp3: "), "{}", ran.out);
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let trained = trained();
    let folder = tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    songs(&odd.join("music"));
    let mut train = program(folder.path(), &format!("train --epochs 1 --run run {TINY} --dataset"));
    Ran::new(train.arg(odd.join("music")).output().unwrap()).ends(0);
    assert!(folder.path().join("run/metrics.json").is_file());
    let mut predict = program(&odd, "predict --device cpu --format json music --model");
    let ran = Ran::new(predict.arg(trained.path().join("runs/music-1/best.safetensors")).output().unwrap());
    let songs: serde_json::Value = serde_json::from_str(&ran.ends(0).out).unwrap();
    assert_eq!(songs.as_array().unwrap().len(), 15);
    let mut predict = program(folder.path(), "predict --device cpu --format json --model");
    predict.arg(trained.path().join("runs/music-1/best.safetensors"));
    let ran = Ran::new(predict.arg(&odd).output().unwrap()).ends(0);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ran.out).unwrap().as_array().unwrap().len(), 15);
}

#[test]
fn training_passes_over_what_is_no_song() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    let bad = odd_files(&folder.path().join("music/tone"));
    fs::create_dir(folder.path().join("music/nothing")).unwrap();
    wav(&folder.path().join("music/short/short.wav"), &[0.5; 100]);
    fs::write(folder.path().join("music/tone/cover.jpg"), "x").unwrap();
    let ran = run(folder.path(), &format!("train --dataset music --run run --epochs 1 {TINY}")).ends(0);
    for (name, reason) in bad {
        let lines: Vec<&str> =
            ran.err.lines().filter(|line| line.contains(&format!("tone/{name}"))).collect();
        assert_eq!(lines.len(), 1, "{name}: {}", ran.err);
        assert!(lines[0].starts_with("skipped: ") && lines[0].contains(reason), "{}", lines[0]);
    }
    for name in ["eight channels.wav", "192 kHz.wav", "wav.mp3"] {
        assert!(!ran.err.contains(name), "{}", ran.err);
    }
    assert!(ran.err.contains("\n8 files skipped\n"), "{}", ran.err);
    assert!(ran.err.contains("music/short: no usable song: genre left out"), "{}", ran.err);
    assert!(ran.err.contains("1 file passed over"), "{}", ran.err);
    assert!(ran.err.contains("music: 3 genres, 14 songs to train on, 4 to validate"), "{}", ran.err);
}

#[test]
fn unusable_datasets_are_refused() {
    let folder = tempdir().unwrap();
    let refused = |dataset: &str, words: &[&str]| {
        run(folder.path(), &format!("train --dataset {dataset} {TINY}")).refused(words);
    };
    refused("missing", &["missing: no such folder", "--dataset"]);
    fs::write(folder.path().join("file"), "x").unwrap();
    refused("file", &["file: this is a file; name the folder", "--dataset"]);
    wav(&folder.path().join("one/rock/a.wav"), &sound(0, 0, 1.0));
    refused("one", &["at least two genres", "\"rock\"", "add a second folder"]);
    wav(&folder.path().join("loose/a.wav"), &sound(0, 0, 1.0));
    refused("loose", &["no genre folders", "one subfolder for each genre"]);
    wav(&folder.path().join("single/a/a.wav"), &sound(0, 0, 1.0));
    wav(&folder.path().join("single/b/b.wav"), &sound(1, 0, 1.0));
    refused("single", &["nothing to validate with", "add songs", "--validation 0"]);

    fs::create_dir_all(folder.path().join("bad/a")).unwrap();
    fs::write(folder.path().join("bad/a/empty.mp3"), "").unwrap();
    wav(&folder.path().join("bad/b/silent.wav"), &[0.0; 8_000]);
    let ran = run(folder.path(), &format!("train --dataset bad {TINY}"));
    // Not only that nothing is left, also why.
    assert!(
        ran.err.contains("bad/a/empty.mp3: empty") && ran.err.contains("silent.wav: silent"),
        "{}",
        ran.err
    );
    ran.refused(&["no genre has any", "(2 files cannot be used)", "mend or convert"]);
    let left = fs::read_dir(folder.path().join("runs")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "folders of runs that never began");
}

#[test]
fn unusable_models_are_refused() {
    let trained = trained();
    let folder = tempdir().unwrap();
    let best = fs::read(trained.path().join("runs/music-1/best.safetensors")).unwrap();
    fs::write(folder.path().join("cut"), &best[..best.len() / 2]).unwrap();
    fs::write(folder.path().join("text"), "not a model").unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::copy(trained.path().join("runs/music-1/checkpoint.safetensors"), folder.path().join("checkpoint"))
        .unwrap();
    wav(&folder.path().join("song.wav"), &sound(0, 0, 1.0));
    for model in ["cut", "text", "empty", "folder", "checkpoint"] {
        let words = [model, "damaged, or no model file", "train again"];
        run(folder.path(), &format!("predict --device cpu --model {model} song.wav")).refused(&words);
        run(folder.path(), &format!("info --model {model}")).refused(&words);
    }
    run(folder.path(), "predict --model missing song.wav").refused(&["missing: reading failed"]);
}

#[test]
fn flags_out_of_range_are_refused() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    fs::write(folder.path().join("unknown.toml"), "\n[training]\nepocks = 3\n").unwrap();
    fs::write(folder.path().join("type.toml"), "[model]\nsample_rate = \"high\"\n").unwrap();
    for (flags, word) in [
        ("--from none --epochs 0", "1 to 1000000"),
        ("--epochs -3", "--epochs"),
        ("--batch 1", "batch norm needs two"),
        ("--batch 70000", "65536"),
        ("--frames-per-song 0", "1 to 100000"),
        ("--validation -0.1", "at least 0"),
        ("--validation 1", "below 1"),
        ("--validation NaN", "below 1"),
        ("--learning-rate 0", "positive"),
        ("--learning-rate -0.1", "positive"),
        ("--learning-rate inf", "positive"),
        ("--weight-decay -1", "not be negative"),
        ("--momentum 1", "below 1"),
        ("--clip -1", "not be negative"),
        ("--label-smoothing 1", "below 1"),
        ("--validate-every 0", "at least 1"),
        ("--validate-every 2 --patience 5", "must be 1"),
        ("--gain 41", "0 to 40 dB"),
        ("--speed 0.6", "0 to 0.5"),
        ("--speed -0.1", "0 to 0.5"),
        ("--mixup NaN", "0 to 10"),
        ("--time-masks 65", "0 to 64"),
        ("--mask-width 2", "0 to 1"),
        ("--keep first", "best"),
        ("--balance all", "sampling"),
        ("--preset tiny", "original"),
        ("--checkpoint-minutes -1", "at least 0"),
        ("--dropout 1", "below 1"),
        ("--dropout NaN", "below 1"),
        ("--optimizer rmsprop", "adamw"),
        ("--schedule steps", "one-cycle"),
        ("--features mfcc", "log-mel"),
        ("--convolution dilated", "separable"),
        ("--normalise loud", "peak"),
        ("--sample-rate 10", "1000 to 384000"),
        ("--sample-rate 8000", "--high"),
        ("--frame-seconds 0", "0.01 to 60 s"),
        ("--frame-seconds NaN", "0.01 to 60 s"),
        ("--frame-seconds 0.02", "longer frames or a smaller n_fft"),
        ("--channels 3", "1 (mono) or 2 (stereo)"),
        ("--n-fft 1000", "power of two"),
        ("--n-fft 8192", "64 to 4096"),
        ("--hop 0", "at least 1"),
        ("--mels 0", "1 to 1024"),
        ("--low 500 --high 400", "--low"),
        ("--kernel 4", "odd"),
        ("--blocks 0", "1 to 32"),
        ("--blocks 99", "1 to 32"),
        ("--blocks 12", "--filters"),
        ("--filters 0", "1 to 4096"),
        ("--filters 4,x", "--filters"),
        ("--filters 4,8 --blocks 3", "give one of them"),
        ("--convolutions 0", "1 to 16"),
        ("--pool 0", "1 (none) to 16"),
        ("--dense-layers 99", "0 to 16"),
        ("--units 0", "1 to 4096"),
        ("--device tpu", "--device"),
        ("--precision f16", "mixed"),
        ("--precision mixed --device cpu", "--precision f32"),
        ("--config missing.toml", "missing.toml"),
        ("--config unknown.toml", "unknown.toml: line 3"),
        ("--config type.toml", "type.toml: line 2, `sample_rate = \"high\"`"),
        ("--colour red", "--colour"),
    ] {
        let ran = run(folder.path(), &format!("train --dataset music --run run {flags}"));
        let elsewhere = flags.starts_with("--config") || flags.contains("--device cpu");
        ran.refused(&[word]).ends(if elsewhere { 1 } else { 2 });
        assert!(!folder.path().join("run").exists(), "{flags} left a run behind");
    }
    for (arguments, word) in [
        ("predict", "<SONG|DIR>"),
        ("predict --top-k 0 music", "1.."),
        ("predict --format xml music", "json"),
        ("info --genres 1", "2..=10000"),
        ("info --batch 1", "2..=65536"),
        ("info --blocks 99", "1 to 32"),
        ("info --model x --blocks 2", "--blocks"),
        ("info --ranks 4 --batch 7", "--batch 7 has frames for 3"),
        ("info --ranks 4 --dot", "--dot"),
        ("evaluate --model included --seeds 1,2", "--seeds"),
        ("sing", "sing"),
    ] {
        let ran = run(folder.path(), arguments);
        assert!(ran.err.contains(word), "{arguments}: {}", ran.err);
        assert_eq!(ran.code, Some(2), "{arguments}");
    }
}

#[test]
fn settings_come_from_a_file_and_flags_win() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    run(
        folder.path(),
        &format!("train --dataset music --run first --epochs 1 --seed 18446744073709551615 {TINY}"),
    )
    .ends(0);
    let ran = run(folder.path(), "train --config first/config.toml --run second --device cpu").ends(0);
    assert!(ran.err.contains("music: 3 genres"), "the file's dataset was not taken: {}", ran.err);
    let read = |run: &str, file: &str| fs::read(folder.path().join(run).join(file)).unwrap();
    for file in ["config.toml", "best.safetensors", "history.csv"] {
        assert!(read("first", file) == read("second", file), "{file}");
    }
    run(folder.path(), "train --config first/config.toml --run third --device cpu --seed 2").ends(0);
    assert!(read("first", "best.safetensors") != read("third", "best.safetensors"));
}

#[test]
fn only_an_unfinished_run_with_its_own_settings_is_resumed() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    run(folder.path(), "train --resume").refused(&["no run to resume", "--run"]);
    run(folder.path(), "train --resume --run nowhere").refused(&["nowhere: there is no run to resume"]);
    run(folder.path(), &format!("train --dataset music --run done --epochs 1 {TINY}")).ends(0);
    let metrics = fs::read(folder.path().join("done/metrics.json")).unwrap();
    run(folder.path(), "train --resume --run done").refused(&["finished", "done/best.safetensors"]);
    assert!(fs::read(folder.path().join("done/metrics.json")).unwrap() == metrics);
    run(folder.path(), &format!("train --dataset music --run done --epochs 1 {TINY}")).refused(&[
        "already here",
        "--resume",
        "--run",
    ]);
    run(folder.path(), "train --resume --run done --config done/config.toml").refused(&["--config"]);

    // As if it had been stopped before the end was written down.
    fs::remove_file(folder.path().join("done/metrics.json")).unwrap();
    run(folder.path(), "train --resume --run done --device cpu --epochs 7")
        .refused(&["keeps the settings", "new run"]);
    run(folder.path(), "train --resume --run done --device cpu --filters 5").refused(&["keeps the settings"]);
    // The songs may have moved, but must be the same ones.
    fs::rename(folder.path().join("music"), folder.path().join("moved")).unwrap();
    run(folder.path(), "train --resume --run done --device cpu")
        .refused(&["music: no such folder", "--dataset"]);
    run(folder.path(), "train --resume --run done --device cpu --dataset moved").ends(0);
    assert!(folder.path().join("done/metrics.json").is_file());
    fs::remove_file(folder.path().join("done/metrics.json")).unwrap();
    fs::remove_file(folder.path().join("moved/noise/song 0.wav")).unwrap();
    run(folder.path(), "train --resume --run done --device cpu --dataset moved")
        .refused(&["another dataset"]);
    fs::write(folder.path().join("done/checkpoint.safetensors"), "x").unwrap();
    run(folder.path(), "train --resume --run done").refused(&["damaged, or no checkpoint file"]);
}

/// A training that was told to stop once its messages said `when`; and the lines until then.
#[cfg(unix)]
fn interrupted(command: &mut Command, when: &str) -> Ran {
    use std::io::{BufRead, BufReader, Read};
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut err = String::new();
    while !err.contains(when) {
        assert!(reader.read_line(&mut err).unwrap() > 0, "it ended before `{when}`: {err}");
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    reader.read_to_string(&mut err).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran::new(std::process::Output { stderr: err.into_bytes(), ..output })
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_the_run_goes_on() {
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    let train = format!("train --dataset music --epochs 60 {TINY}");
    let mut first = program(folder.path(), &train);
    let ran = interrupted(first.args(["--cache", "the cache", "--checkpoint-minutes", "9"]), "epoch   2/60")
        .ends(130);
    assert!(ran.err.contains("everything is saved in runs/music-1/checkpoint.safetensors"), "{}", ran.err);
    assert!(ran.out.is_empty(), "{}", ran.out);
    let run_folder = folder.path().join("runs/music-1");
    assert!(!run_folder.join("metrics.json").exists());
    let report = fs::read_to_string(run_folder.join("report.html")).unwrap();
    assert!(report.contains("Not finished: stopped in epoch ") && report.contains("Confusion of songs"));
    let command = ran.err.lines().find_map(|line| line.strip_prefix("to go on: ")).unwrap();
    assert!(
        command.ends_with(
            "train --resume --run runs/music-1 --device cpu --checkpoint-minutes 9 --cache 'the cache'"
        ),
        "{command}"
    );

    // Recognition says that the model is one in the making.
    let predicted = run(folder.path(), "predict --device cpu music/tone").ends(0);
    assert!(predicted.err.contains("of a run that is not finished"), "{}", predicted.err);
    // One that is damaged is not passed over in silence for another.
    let damaged = tempdir().unwrap();
    fs::create_dir_all(damaged.path().join("runs/a")).unwrap();
    let whole = fs::read(run_folder.join("best.safetensors")).unwrap();
    fs::write(damaged.path().join("runs/a/best.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fs::copy(folder.path().join("music/tone/song 0.wav"), damaged.path().join("song.wav")).unwrap();
    let predict = "predict --device cpu song.wav";
    run(damaged.path(), predict).refused(&["runs/a/best.safetensors", "newest run", "--model"]);
    run(damaged.path(), &format!("{predict} --model included")).ends(0);

    let epochs = fs::read_to_string(run_folder.join("history.csv")).unwrap().lines().count();
    let ran = interrupted(&mut program(folder.path(), "train --resume --device cpu"), "/60: loss").ends(130);
    assert!(!ran.err.contains("epoch   1/60"), "it began anew: {}", ran.err);
    assert!(fs::read_to_string(run_folder.join("history.csv")).unwrap().lines().count() > epochs);
    let output = Command::new("sh").args(["-c", command]).current_dir(folder.path()).output().unwrap();
    Ran::new(output).ends(0);
    assert!(run_folder.join("metrics.json").is_file());
    assert_eq!(fs::read_to_string(run_folder.join("history.csv")).unwrap().lines().count(), 61);
    let report = fs::read_to_string(run_folder.join("report.html")).unwrap();
    assert!(report.contains("60 of 60") && report.contains("since it was resumed"));
    assert!(!report.contains("Not finished"));

    // Before the first epoch ended, there is no model yet, and nothing is lost all the same.
    fs::remove_dir_all(folder.path().join("runs")).unwrap();
    let train = format!("train --dataset music --epochs 2 {TINY} --frames-per-song 20000");
    interrupted(&mut program(folder.path(), &train), "network: ").ends(130);
    assert!(
        run_folder.join("checkpoint.safetensors").exists() && !run_folder.join("best.safetensors").exists()
    );
    let ran = run(folder.path(), "predict music/tone");
    assert!(ran.err.contains("model: the included one ("), "{}", ran.err);
}

/// `train | tee log`: Ctrl-C ends tee, too.
#[cfg(unix)]
#[test]
fn nobody_has_to_listen() {
    use std::io::{BufRead, BufReader};
    let folder = tempdir().unwrap();
    songs(&folder.path().join("music"));
    let mut child = program(folder.path(), &format!("train --dataset music --run run --epochs 40 {TINY}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    // The training is not ended by that, only what it prints at the end.
    assert_eq!(child.wait().unwrap().code(), Some(141));
    for file in ["metrics.json", "report.html"] {
        assert!(folder.path().join("run").join(file).is_file(), "{file}");
    }
}

#[test]
fn info_shows_devices_networks_and_models() {
    let folder = trained().path();
    let ran = run(folder, "info --model runs/music-1/best.safetensors").ends(0);
    for words in [
        "cpu: CPU",
        "--device auto takes: ",
        "genres: clicks, noise, tone",
        "trained on: music (12 songs",
        "song accuracy 100.0 %",
        "mel 16 filters",
        "memory (batch 32",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let ran = run(folder, "info").ends(0);
    assert!(ran.out.contains("[1, 1, 128, 87]") && ran.out.contains("block4"), "{}", ran.out);
    let simd = |name| Ran::new(program(folder, "info").env("GENRE_RECOGNIZER_SIMD", name).output().unwrap());
    assert!(simd("portable").ends(0).out.contains(", portable\n"));
    assert!(simd("avx3").ends(0).out.contains("GENRE_RECOGNIZER_SIMD is \"avx3\""));
    let ran = run(folder, "info --dot --blocks 1").ends(0);
    assert!(ran.out.starts_with("digraph") && !ran.out.contains("block2"), "{}", ran.out);
}

#[test]
fn help_has_examples() {
    let folder = tempdir().unwrap();
    for arguments in ["--help", "train --help", "predict --help", "evaluate --help", "info --help"] {
        let ran = run(folder.path(), arguments).ends(0);
        assert!(ran.out.contains("Examples:\n  genre-recognizer "), "{}", ran.out);
    }
    let ran = run(folder.path(), "train --help");
    assert!(
        ran.out.contains("demo set of synthesised music") && ran.out.contains("Ctrl-C saves"),
        "{}",
        ran.out
    );
    let ran = run(folder.path(), "--help");
    assert!(ran.out.contains("train     Trains a network on folders of songs"), "{}", ran.out);
    assert!(run(folder.path(), "--version").ends(0).out.starts_with("genre-recognizer "));
    assert!(run(folder.path(), "").ends(2).err.contains("Usage"));
}

/// A complete demo set by its manifest, with songs of a second each.
fn small_demo_set(folder: &Path) {
    let spec = demo::Spec { songs_per_genre: 1, seconds: (1.0, 1.0), ..demo::Spec::default() };
    demo::render_with(&spec, folder, |_, _| {}).unwrap();
    let default = demo::Spec::default();
    let mut bytes = 0;
    for (g, genre) in demo::GENRES.iter().enumerate() {
        for i in 0..default.songs_per_genre {
            let path = folder.join(genre.name).join(format!("{}-{i:02}.wav", genre.name));
            wav(&path, &sound(g % 3, (100 * g + i) as u64, 0.5));
            bytes += fs::metadata(&path).unwrap().len();
        }
    }
    let manifest = folder.join(demo::MANIFEST);
    let mut table: toml::Table = fs::read_to_string(&manifest).unwrap().parse().unwrap();
    let seconds = [default.seconds.0, default.seconds.1].map(|s| toml::Value::Float(s.into()));
    table.insert("songs_per_genre".into(), (default.songs_per_genre as i64).into());
    table.insert("seconds".into(), seconds.to_vec().into());
    table.insert("bytes".into(), (bytes as i64).into());
    fs::write(&manifest, table.to_string()).unwrap();
    assert!(demo::is_complete(&default, folder));
}

#[test]
fn without_songs_the_demo_set_is_used() {
    let folder = tempdir().unwrap();
    let set: PathBuf = folder.path().join("dataset").join("demo");
    fs::create_dir_all(set.parent().unwrap()).unwrap();
    small_demo_set(&set);
    fs::write(folder.path().join("dataset/README.md"), "no song").unwrap();
    let train = format!("train --epochs 1 {TINY}");
    let ran = run(folder.path(), &train).ends(0);
    let lines: Vec<&str> = ran.err.lines().filter(|line| line.contains("no audio here")).collect();
    assert_eq!(lines, ["dataset: no audio here; using synthesised music instead, in dataset/demo"]);
    assert!(ran.err.contains(": 10 genres, ") && ran.err.contains("run in runs/demo-1"), "{}", ran.err);
    // Named, it is taken as it is.
    let ran = run(folder.path(), &format!("{train} --dataset dataset/demo")).ends(0);
    assert!(ran.err.contains("run in runs/demo-2") && !ran.err.contains("no audio"), "{}", ran.err);
    // Beside songs of one's own, it is no genre.
    songs(&folder.path().join("dataset"));
    let ran = run(folder.path(), &train).ends(0);
    assert!(
        ran.err.contains("dataset: 3 genres, ") && ran.err.contains("run in runs/dataset-1"),
        "{}",
        ran.err
    );
}
