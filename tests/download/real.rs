//! With yt-dlp itself, against a web server on loopback.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{Place, Ran, tone, wait_for};
use super::server::{Page, Server};

/// yt-dlp, or none with a loud word.
fn yt_dlp() -> Option<PathBuf> {
    let named = std::env::var_os("YT_DLP").map(PathBuf::from);
    let program = named.unwrap_or_else(|| "yt-dlp".into());
    let runs = Command::new(&program)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|o| o.status.success());
    if runs {
        return Some(program);
    }
    let required = std::env::var("REQUIRE_YT_DLP").is_ok_and(|value| value == "1");
    assert!(!required, "REQUIRE_YT_DLP=1, but {} does not run", program.display());
    crate::common::skip("no yt-dlp; install it or name it with YT_DLP");
    None
}

fn run(place: &Place, program: &Path, arguments: &[&str]) -> Ran {
    Ran::new(
        place.command(program, arguments).env("HOME", place.folder.path().join("home")).output().unwrap(),
    )
}

fn wav(seconds: f32, frequency: f32) -> Page {
    Page::File("audio/wav", tone(seconds, frequency))
}

/// An RSS feed of (title, address).
fn feed(items: &[(&str, &str)]) -> Page {
    let item = |(title, url): &(&str, &str)| {
        format!(
            "<item><title>{title}</title><guid>../../{title}</guid><enclosure url=\"{url}\" type=\"audio/wav\"/></item>"
        )
    };
    let items: String = items.iter().map(item).collect();
    let text = format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>t</title>{items}</channel></rss>"
    );
    Page::File("application/rss+xml", text.into_bytes())
}

#[test]
fn songs_good_and_bad() {
    let Some(program) = yt_dlp() else { return };
    let (place, server) = (Place::new(), Server::start());
    let one = server.put("/1/song.wav", wav(2.0, 300.0));
    // The same name on another path is another song.
    let two = server.put("/2/song.wav", wav(2.5, 400.0));
    let cut = server.put("/cut.wav", Page::BreaksOff(tone(12.0, 500.0)));
    let large = server.put("/large.wav", wav(40.0, 500.0));
    let long = server.put("/long.wav", wav(25.0, 500.0));
    let fraud =
        server.put("/fraud.wav", Page::File("audio/wav", "this is not music\n".repeat(50).into_bytes()));
    let half = tone(4.0, 200.0);
    let half = server.put("/half.wav", Page::File("audio/wav", half[..half.len() / 4].to_vec()));
    let missing = format!("{}/missing.wav", server.address);
    let mut manifest = format!("genre,url\nrock,{one}\npop,{two}\nrock,{cut}\n");
    for bad in [&large, &long, &fraud, &half, &missing] {
        manifest += &format!("rock,{bad}\n");
    }
    place.write("songs.csv", &manifest);
    // A configuration of the user's that would ruin everything, were it read.
    for folder in ["home/.config/yt-dlp", "home/.yt-dlp"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
        place.write(
            &format!("{folder}/config"),
            "--output /nonexistent/x\n--exec \"touch executed\"\n--simulate\n",
        );
    }
    let flags = ["--manifest", "songs.csv", "--max-size", "0.5", "--max-minutes", "0.25"];
    let ran = run(&place, &program, &flags).ends(1);
    ran.failures(&[
        "/large.wav: larger than 0.5 MB",
        "/long.wav: too long",
        "/fraud.wav: not an audio file",
        "/half.wav: damaged",
        "/missing.wav: [generic] missing: Unable to download webpage: HTTP Error 404",
    ]);
    assert_eq!((ran.row("rock"), ran.row("pop"), ran.row("all")), ([7, 0, 2, 5], [1, 0, 1, 0], [8, 0, 3, 5]));
    let songs = place.songs();
    assert_eq!(songs.len(), 3, "{songs:?}");
    place.consistent();
    // Taken up where it broke off, and whole.
    assert!(server.log().iter().any(|line| line.starts_with("GET /cut.wav bytes=")), "{:?}", server.log());
    let whole = songs.iter().find(|song| song.starts_with("rock/cut-")).unwrap();
    assert_eq!(std::fs::read(place.path("dataset").join(whole)).unwrap(), tone(12.0, 500.0));
    let names: Vec<_> = place.beside().into_iter().collect();
    assert_eq!(names, ["dataset", "home", "songs.csv"]);

    // Again: what is there is not asked for.
    let (table, asked) = (place.read("dataset/attribution.csv"), server.asked_for("/1/song.wav"));
    place.write("songs.csv", &format!("rock,{one}\npop,{two}\nrock,{cut}\nrock,{missing}\n"));
    let ran = run(&place, &program, &flags).ends(1);
    assert_eq!((ran.row("rock"), ran.row("pop")), ([3, 2, 0, 1], [1, 1, 0, 0]));
    assert_eq!((place.read("dataset/attribution.csv"), server.asked_for("/1/song.wav")), (table, asked));
    place.consistent();
}

#[test]
fn charts_with_hostile_titles() {
    let Some(program) = yt_dlp() else { return };
    let (place, server) = (Place::new(), Server::start());
    let songs: Vec<_> =
        (0..4).map(|i| server.put(&format!("/{i}.wav"), wav(2.0, 300.0 + 50.0 * i as f32))).collect();
    let inner = server.put("/inner.xml", feed(&[("inner", &songs[0])]));
    server.put(
        "/chart/techno.xml",
        feed(&[
            ("../../../etc/passwd", &songs[0]),
            ("--exec touch executed; $(touch executed) `touch executed`", &songs[1]),
            ("a list", &inner),
            ("a file", "file:///etc/passwd"),
            ("gone", &format!("{}/gone.wav", server.address)),
        ]),
    );
    // The address of a page with songs in it, as a second source.
    let page = "<html><title>CON</title><body><audio src=\"/2.wav\"></audio><audio src=\"/3.wav\"></audio></body></html>";
    server.put("/more/techno", Page::File("text/html", page.as_bytes().to_vec()));
    let table = format!(
        "[[source]]\nname = \"chart\"\naddress = \"{0}/chart/{{genre}}.xml\"\n[[source]]\nname = \"more\"\naddress = \"{0}/more/{{genre}}\"\n",
        server.address
    );
    place.write("addresses.toml", &table);
    let flags = ["--addresses", "addresses.toml", "--genre", "techno", "--top", "3"];
    let ran = run(&place, &program, &flags).ends(0);
    ran.failures(&["a list inside a list", "HTTP Error 404"]);
    assert_eq!(ran.row("techno"), [3, 0, 3, 2]);
    let names = place.songs();
    assert!(names.iter().any(|name| name.starts_with("techno/etc-passwd-")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("techno/exec-touch-executed-")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("techno/CON-1-")), "{names:?}");
    place.consistent();
    let titles = place.column("attribution.csv", "title");
    assert_eq!(titles[0], "'--exec touch executed; $(touch executed) `touch executed`");
    let beside: Vec<_> = place.beside().into_iter().collect();
    assert_eq!(beside, ["addresses.toml", "dataset"]);
    // Complete: nobody is asked.
    let requests = server.log().len();
    assert_eq!(run(&place, &program, &flags).ends(0).row("techno"), [3, 3, 0, 0]);
    assert_eq!(server.log().len(), requests);
}

#[test]
fn killed_midway_and_run_again() {
    let Some(program) = yt_dlp() else { return };
    let (place, server) = (Place::new(), Server::start());
    let first = server.put("/first.wav", wav(2.0, 300.0));
    let second = server.put("/second.wav", Page::Slow(tone(5.0, 500.0)));
    place.write("songs.csv", &format!("rock,{first}\nrock,{second}\n"));
    let flags = ["--manifest", "songs.csv"];
    let mut child =
        place.command(&program, &flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let part = || glob(&place.path("dataset/.download")).iter().any(|name| name.ends_with("song.wav.part"));
    let first_is_there = || glob(&place.path("dataset")).iter().any(|name| name.starts_with("first-"));
    wait_for("the second song to begin", || first_is_there() && part());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("yt-dlp to end after its parent", || server.serving() == 0);
    // The song that was under way is nowhere among the songs.
    assert_eq!(place.songs().len(), 1);

    server.put("/second.wav", wav(5.0, 500.0));
    let ran = run(&place, &program, &flags).ends(0);
    assert_eq!(ran.row("rock"), [2, 1, 1, 0]);
    place.consistent();
    assert_eq!(server.asked_for("/first.wav"), 2, "{:?}", server.log());
}

/// The names of the files in a folder's folders.
fn glob(folder: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}
