//! With a stand-in for yt-dlp: what the real one is hard to bring to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::program::{Place, Ran, runs, signal, tone, wait_for};

fn fake() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/download/fake-yt-dlp")
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let song = place.path("song.wav");
    if !song.exists() {
        fs::write(&song, tone(2.0, 440.0)).unwrap();
    }
    let mut command = place.command(&fake(), arguments);
    command.env("FAKE_SONG", song).env("FAKE_LOG", place.path("log"));
    command
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    Ran::new(command(place, arguments).output().unwrap())
}

/// Downloads these addresses as songs of the genre rock.
fn fetch(place: &Place, addresses: &[&str], arguments: &[&str]) -> Ran {
    let rows: String = addresses.iter().map(|name| format!("rock,http://h/{name}\n")).collect();
    place.write("songs.csv", &rows);
    run(place, &[&["--manifest", "songs.csv"], arguments].concat())
}

#[test]
fn one_bad_song_costs_itself_only() {
    let place = Place::new();
    let bad = ["fail1", "crash", "silence", "garbage", "swell", "link", "part"];
    let ran = fetch(&place, &[&bad[..], &["good1", "flood"]].concat(), &["--max-size", "1"]).ends(1);
    ran.failures(&[
        "[fake] x: gone",
        "signal",
        "/silence: nothing to fetch",
        "/garbage",
        "/swell: larger than 1.0 MB",
        "/link: ",
        "/part: ",
    ]);
    assert_eq!(ran.row("rock"), [9, 0, 2, 7]);
    assert_eq!(place.songs().len(), 2);
    place.consistent();
    assert_eq!(place.column("attribution.csv", "artist"), ["An Artist", "An Artist"]);
    assert_eq!(place.column("tracks.csv", "artist"), ["An Artist", "An Artist"]);
    // The address is no option, the configuration of the user is not read, and nothing is executed.
    for line in place.read("log").lines() {
        let arguments: Vec<_> = line.split('|').collect();
        assert_eq!(arguments[arguments.len() - 3], "--", "{line}");
        assert!(arguments[arguments.len() - 2].starts_with("http://h/"), "{line}");
        assert!(arguments.contains(&"--ignore-config") && arguments.contains(&"--no-exec"), "{line}");
        assert!(!arguments.iter().any(|a| a.starts_with("--exec") || a.starts_with("--config")), "{line}");
    }
}

#[test]
fn what_the_remote_side_says_becomes_no_path() {
    let place = Place::new();
    let ran = fetch(&place, &["hostile"], &[]).ends(0);
    assert_eq!(ran.row("rock"), [1, 0, 1, 0]);
    let songs = place.songs();
    assert!(songs[0].starts_with("rock/tmp-x-2Jvaw-") && songs[0].ends_with(".wav"), "{songs:?}");
    place.consistent();
    assert_eq!(place.column("attribution.csv", "artist"), ["'=cmd()"]);
    assert_eq!(place.column("attribution.csv", "licence"), ["a,\"b\" c"]);
    assert_eq!(place.column("attribution.csv", "id"), ["fake ../../../x"]);
    let beside: Vec<_> = place.beside().into_iter().collect();
    assert_eq!(beside, ["dataset", "log", "song.wav", "songs.csv"]);
}

#[test]
fn the_next_of_the_list_take_the_place_of_those_that_fail() {
    let place = Place::new();
    place.write("a.toml", "[[source]]\nname='broken'\naddress='http://h/fail'\n[[source]]\nname='list'\naddress='http://h/many'\nby_plays=true\n");
    let flags = ["--addresses", "a.toml", "--genre", "techno", "--top", "2"];
    let ran = run(&place, &flags).ends(0);
    assert_eq!(ran.row("techno"), [2, 0, 2, 2]);
    ran.failures(&["techno: http://h/fail: [fake] x: gone", "fail8", "fail7"]);
    // Most played first: 9 and 6 are good.
    assert_eq!(place.column("attribution.csv", "source"), ["http://h/good6", "http://h/good9"]);
    // Complete: nobody is asked.
    let calls = place.read("log");
    let ran = run(&place, &flags).ends(0);
    assert_eq!((ran.row("techno"), place.read("log")), ([2, 2, 0, 0], calls));
    // A song of another genre is not taken twice, and the list is shorter than what is wanted.
    let ran = run(&place, &["--addresses", "a.toml", "--genre", "house", "--top", "2"]).ends(1);
    assert_eq!(ran.row("house"), [2, 0, 1, 6]);
    assert!(ran.err.contains("2 songs passed over that another genre has"), "{}", ran.err);
    place.consistent();
}

#[test]
fn lists_in_a_manifest_and_songs_with_two_addresses() {
    let place = Place::new();
    let ran = fetch(&place, &["good1", "other-address-of-good1", "many"], &["--top", "3"]).ends(0);
    assert_eq!(ran.row("rock"), [3, 0, 3, 4, 1, 0]);
    place.consistent();
    let ran = fetch(&place, &["good1", "other-address-of-good1", "many"], &[]).ends(1);
    // Of two addresses and the nine songs of a list.
    assert_eq!(ran.row("rock"), [11, 3, 1, 6, 1, 0]);
    place.consistent();
}

#[test]
fn the_same_song_twice_is_said_and_counted() {
    let place = Place::new();
    let addresses = ["good1", "other-address-of-good1"];
    for row in [[2, 0, 1, 0, 1, 0], [2, 1, 0, 0, 1, 0]] {
        let ran = fetch(&place, &addresses, &[]).ends(0);
        assert_eq!(ran.row("rock"), row);
        assert!(
            ran.err.contains("1 song passed over that another address of the same genre gave"),
            "{}",
            ran.err
        );
        assert!(!ran.err.contains("another genre has"), "{}", ran.err);
    }
    // The other address alone is no repetition; in another genre it is that genre's song.
    assert_eq!(fetch(&place, &addresses[1..], &[]).ends(0).row("rock"), [1, 1, 0, 0, 0, 0]);
    place.write("songs.csv", "pop,http://h/other-address-of-good1\n");
    let ran = run(&place, &["--manifest", "songs.csv"]).ends(0);
    assert_eq!(ran.row("pop"), [1, 0, 0, 0, 1, 0]);
    assert!(ran.err.contains("1 song passed over that another genre has"), "{}", ran.err);
    place.consistent();
}

#[test]
fn a_list_that_cannot_be_had_is_a_song_that_failed() {
    let place = Place::new();
    let ran = fetch(&place, &["good1", "empty"], &[]).ends(1);
    assert_eq!(ran.row("rock"), [2, 0, 1, 1, 0, 0]);
    ran.failures(&["/empty: no songs there"]);
}

#[test]
fn a_song_that_was_removed_stays_removed() {
    let place = Place::new();
    fetch(&place, &["good1"], &[]).ends(0);
    fs::remove_file(place.path("dataset").join(&place.songs()[0])).unwrap();
    let calls = place.read("log");
    let ran = fetch(&place, &["good1"], &[]).ends(0);
    assert!(ran.err.contains("1 song downloaded before and removed since"), "{}", ran.err);
    assert_eq!(place.read("log"), calls);
}

#[test]
fn a_table_of_tracks_of_the_users_own_keeps_its_lines() {
    let place = Place::new();
    fs::create_dir(place.path("dataset")).unwrap();
    let own = "path,artist,fold\nrock/mine.mp3,Me,3\n";
    place.write("dataset/tracks.csv", own);
    fetch(&place, &["good1"], &[]).ends(0);
    let text = place.read("dataset/tracks.csv");
    assert_eq!(text, format!("{own}{},An Artist,\n", place.songs()[0]));

    place.write("dataset/tracks.csv", "not,a table\n\"");
    let ran = fetch(&place, &["good2"], &[]).ends(0);
    assert!(ran.err.contains("tracks.csv: ") && ran.err.contains("left as it is"), "{}", ran.err);
    assert_eq!(place.read("dataset/tracks.csv"), "not,a table\n\"");
    assert_eq!(place.column("attribution.csv", "artist").len(), 2);
}

#[test]
fn what_hangs_is_ended_with_all_that_it_started() {
    for address in ["hang", "stubborn"] {
        let place = Place::new();
        let ran = fetch(&place, &[address, "good1"], &["--timeout", "0.7"]).ends(1);
        ran.failures(&["not complete after 0.7 s"]);
        assert_eq!(ran.row("rock"), [2, 0, 1, 1]);
        let id = place.read("log.pid");
        assert!(!id.is_empty(), "{address}");
        wait_for("the end of yt-dlp", || !runs(id.trim()));
    }
}

#[test]
fn ctrl_c_stops_in_order() {
    let place = Place::new();
    place.write(
        "songs.csv",
        "rock,http://h/good1\nrock,http://h/hang\nrock,http://h/good2\npop,http://h/good3\n",
    );
    let mut command = command(&place, &["--manifest", "songs.csv"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the song that hangs", || place.path("log.pid").exists() && !place.read("log.pid").is_empty());
    let asked = Instant::now();
    signal("INT", child.id());
    let ran = Ran::new(child.wait_with_output().unwrap()).ends(130);
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    assert!(ran.err.contains("3 songs not tried. Run the same command to go on"), "{}", ran.err);
    assert_eq!((ran.row("rock"), ran.row("pop")), ([3, 0, 1, 0, 0, 2], [1, 0, 0, 0, 0, 1]));
    // What was told to end may take a moment.
    wait_for("the end of yt-dlp", || !runs(place.read("log.pid").trim()));
    assert_eq!(place.songs().len(), 1);
    place.consistent();
}

#[test]
fn two_at_once_do_no_harm() {
    let place = Place::new();
    place.write("songs.csv", "rock,http://h/hang\n");
    let mut first = command(&place, &["--manifest", "songs.csv"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the song that hangs", || place.path("log.pid").exists());
    let second = fetch(&place, &["good1"], &[]).ends(1);
    assert!(second.err.contains("another download is running"), "{}", second.err);
    signal("TERM", first.id());
    first.wait().unwrap();
    fetch(&place, &["good1"], &[]).ends(0);
}

#[test]
fn a_full_disk_and_a_closed_folder_end_it() {
    let place = Place::new();
    let ran = fetch(&place, &["good1", "full", "good2"], &[]).ends(1);
    assert!(ran.err.contains("error: ") && ran.err.contains("space left"), "{}", ran.err);
    assert_eq!(place.songs().len(), 1);
    assert!(!place.read("log").contains("good2"));

    let place = Place::new();
    place.write("dataset", "a file in the place of the folder");
    let ran = fetch(&place, &["good1"], &[]).ends(1);
    assert!(ran.err.contains("error: ") && ran.err.contains("dataset"), "{}", ran.err);
    assert!(!place.path("log").exists());
}

#[test]
fn records_that_are_damaged_are_refused_before_anything() {
    let place = Place::new();
    fs::create_dir(place.path("dataset")).unwrap();
    place.write("dataset/attribution.csv", "path,genre\nonly one cell\n");
    let ran = fetch(&place, &["good1"], &[]).ends(1);
    assert!(ran.err.contains("attribution.csv: cannot be read as comma-separated values"), "{}", ran.err);
    assert!(!place.path("log").exists());
}

#[test]
fn programs_that_are_not_yt_dlp() {
    let place = Place::new();
    place.write("songs.csv", "rock,http://h/good1\n");
    let arguments = ["--manifest", "songs.csv"];
    for (program, words) in [("missing", "pipx install yt-dlp"), ("/bin/false", "does not run as yt-dlp")] {
        let ran = Ran::new(place.command(Path::new(program), &arguments).output().unwrap()).ends(1);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    let ran =
        Ran::new(command(&place, &arguments).env("FAKE_VERSION", "no\nversion").output().unwrap()).ends(1);
    assert!(ran.err.contains("no version"), "{}", ran.err);
    assert!(!place.path("dataset").exists());
}

#[test]
fn a_dry_run_contacts_nobody() {
    let place = Place::new();
    let ran = Ran::new(place.command(Path::new("missing"), &["--dry-run"]).output().unwrap()).ends(0);
    let genres = genre_recognizer::dataset::genres();
    for genre in &genres {
        assert!(
            ran.out.contains(&format!("dataset/{genre}: 50 wanted, 0 there, 50 to fetch\n")),
            "{genre}: {}",
            ran.out
        );
        assert!(ran.out.contains(&format!("/discover/sets/charts-top:{genre}\n")), "{genre}");
    }
    assert_eq!(ran.out.matches("scsearch200:").count(), 30 + ran.out.matches(" name ").count());
    assert!(place.beside().is_empty());

    let ran = Ran::new(
        place
            .command(Path::new("missing"), &["--dry-run", "--format", "json", "--top", "7"])
            .output()
            .unwrap(),
    );
    let json: serde_json::Value = serde_json::from_str(&ran.ends(0).out).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 30);
    assert!(json.as_array().unwrap().iter().all(|genre| genre["wanted"] == 7 && genre["there"] == 0));
}

#[test]
fn a_dry_run_counts_the_songs_of_a_manifest() {
    let place = Place::new();
    fetch(&place, &["good4"], &[]).ends(0);
    fs::remove_file(place.path("dataset").join(&place.songs()[0])).unwrap();
    fetch(&place, &["good1", "good2"], &[]).ends(0);
    // Not downloaded, so no song of a manifest.
    fs::write(place.path("dataset/rock/mine.wav"), tone(2.0, 300.0)).unwrap();
    let calls = place.read("log");
    let ran =
        fetch(&place, &["good1", "good3", "good4", "good5"], &["--dry-run", "--format", "json"]).ends(0);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let cells = ["wanted", "there", "fetch", "passed"].map(|name| json[0][name].as_u64());
    assert_eq!(cells, [4, 1, 2, 1].map(Some), "{}", ran.out);
    let ran = fetch(&place, &["good1", "good3"], &["--dry-run"]).ends(0);
    assert!(ran.out.contains("dataset/rock: 2 wanted, 1 there, 1 to fetch\n"), "{}", ran.out);
    assert_eq!(place.read("log"), calls);
}

#[test]
fn wrong_input_is_refused_with_its_line() {
    let place = Place::new();
    for (manifest, words) in [
        ("genre,url\nrock,http://h/good1\n../x,http://h/good2\n", "songs.csv, line 3: the genre \"../x\""),
        ("../evil,http://h/good1\n", "line 1: the genre \"../evil\" cannot be a folder's name: it leads out"),
        ("Rock,http://h/good1\nrock,http://h/good2\n", "songs.csv, line 2: the genre \"rock\" is \"Rock\""),
        ("rock,file:///etc/passwd\n", "line 1"),
        ("rock,-x\n", "line 1"),
    ] {
        place.write("songs.csv", manifest);
        let ran = run(&place, &["--manifest", "songs.csv"]).ends(1);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    place.write("g.txt", "rock\na/b\n");
    for (flags, code, words) in [
        (&["--genres", "g.txt"][..], 1, "the genre \"a/b\""),
        (&["--genre", "polka"], 2, "\"polka\" is not among the genres"),
        (&["--source", "radio"], 2, "no source \"radio\"; the sources are charts"),
        (&["--addresses", "g.txt"], 1, "g.txt: line 1"),
        (&["--manifest", "none.csv"], 1, "none.csv: cannot be read"),
    ] {
        let ran = run(&place, flags).ends(code);
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    for flags in [
        &["--top", "0"][..],
        &["--pause", "-1"],
        &["--max-size", "0"],
        &["--timeout", "NaN"],
        &["--max-minutes", "inf"],
        &["--pause=-1"],
        &["--pause=NaN"],
        &["--max-size=-inf"],
    ] {
        run(&place, flags).ends(2);
    }
    let ran = run(&place, &["--max-minutes", "0.01", "--dry-run"]).ends(2);
    assert!(ran.err.contains("lower the first or raise the second"), "{}", ran.err);
    place.write("g.txt", "rock\nROCK\n");
    let ran = run(&place, &["--genres", "g.txt"]).ends(1);
    assert!(ran.err.contains("the genre \"ROCK\"") && ran.err.contains("only in capitals"), "{}", ran.err);
    assert!(!place.path("dataset").exists() && !place.path("log").exists());
}
