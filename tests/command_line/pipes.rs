//! Readers that leave before everything is written.

use std::io::Read;
use std::process::Child;

use super::*;

/// A command whose results are read up to so many bytes.
fn read_only(folder: &Path, arguments: &str, bytes: usize) -> (Child, String) {
    let mut child = program(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut read = vec![0; bytes];
    out.read_exact(&mut read).unwrap();
    (child, String::from_utf8(read).unwrap())
}

/// Its exit code and messages.
fn ended(child: Child) -> (Option<i32>, String) {
    let ran = Ran::new(child.wait_with_output().unwrap());
    (ran.code, ran.err)
}

#[test]
fn recognition_stops_when_the_reader_has_left() {
    let trained = trained();
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("many")).unwrap();
    for i in 0..200 {
        let song = folder.path().join(format!("many/{i}.wav"));
        fs::copy(trained.path().join("music/tone/song 1.wav"), song).unwrap();
    }
    // What would be skipped with a message, were the last song reached. Before it there are more results than a pipe
    // holds, so that the command waits for its reader however slow that is.
    fs::write(folder.path().join("z.wav"), "no song").unwrap();
    let songs = format!("{}z.wav", "many ".repeat(10));
    let model = trained.path().join("runs/music-1/best.safetensors");
    for format in ["table", "csv", "json"] {
        for flags in ["", "--timeline"] {
            let arguments =
                format!("predict --device cpu {flags} --format {format} {songs} --model {}", model.display());
            let (child, _) = read_only(folder.path(), &arguments, 5);
            let (code, err) = ended(child);
            assert_eq!(code, Some(141), "{format}: {err}");
            assert!(!err.contains("z.wav") && !err.contains("recognised") && !err.contains("error"), "{err}");
        }
    }
}

/// Commands that write all at once, into a pipe that was closed before.
#[test]
fn every_command_that_prints_says_that_nobody_read_it() {
    let folder = trained().path();
    fs::create_dir_all(folder.join("list")).unwrap();
    for arguments in [
        "info",
        "info --dot",
        "dataset check music --quick",
        "dataset check music --format json",
        "dataset clean --cache list",
        "dataset download --dry-run",
        "dataset download --dry-run --format json",
        "evaluate --device cpu --model runs/music-1/best.safetensors",
        "evaluate --device cpu --model runs/music-1/best.safetensors --format csv",
    ] {
        let mut command = program(folder, arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, err) = ended(command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap());
        assert_eq!(code, Some(141), "{arguments}: {err}");
        assert!(!err.contains("error"), "{arguments}: {err}");
        // Who is heard out has the usual codes.
        run(folder, arguments).ends(0);
    }
}
