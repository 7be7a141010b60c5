//! Folders are genres, files are songs, `tracks.csv` says more.

use std::collections::HashMap;

use genre_recognizer::dataset::{DatasetError, Problem, scan, scan_songs};

use super::common::*;

#[test]
fn folders_are_genres() {
    let folder = Folder::new();
    for name in [
        "rock/b.MP3",
        "rock/a.wav",
        "rock/an album/disc 1.mp3/01.flac",
        "pop/x.ogg",
        "ärger/ü.m4a",
        "demo/not a genre/y.wav",
        ".hidden/z.mp3",
        "pop/.partial.mp3",
        "pop/deeper/demo/w.opus",
    ] {
        folder.song(name);
    }
    folder.song("rock/cover.jpg");
    folder.song("README.md");
    folder.song("notes/only text.txt");
    folder.song("loose.mp3");
    let data = scan(folder.root()).unwrap();
    assert_eq!(data.genres, ["pop", "rock", "ärger"]);
    assert_eq!(
        names(&data),
        [
            "pop/deeper/demo/w.opus",
            "pop/x.ogg",
            "rock/a.wav",
            "rock/an album/disc 1.mp3/01.flac",
            "rock/b.MP3",
            "ärger/ü.m4a"
        ]
    );
    assert_eq!(data.counts(), [2, 3, 1]);
    assert_eq!(data.other_files, 3);
    let loose = Problem { path: folder.root().join("loose.mp3"), reason: "not in a genre folder".to_owned() };
    assert_eq!(data.problems, [loose]);
    assert!(data.songs.iter().all(|s| s.path.is_file() && s.artists.is_empty() && s.fold.is_none()));
}

#[test]
fn songs_without_genres_lie_anywhere() {
    let folder = Folder::new();
    assert!(matches!(scan_songs(folder.root()), Err(DatasetError::NoSongs { .. })));
    assert!(scan_songs(folder.root()).unwrap_err().to_string().contains("no songs here; name a folder"));
    for name in ["loose.mp3", "an album/01.flac", "an album/disc 2/01.ogg", ".hidden/z.mp3", "cover.jpg"] {
        folder.song(name);
    }
    folder.file("tracks.csv", b"path,genre,artist\nan album/01.flac,jazz,Somebody\n");
    let data = scan_songs(folder.root()).unwrap();
    assert_eq!(names(&data), ["an album/01.flac", "an album/disc 2/01.ogg", "loose.mp3"]);
    assert_eq!((data.genres.len(), data.counts()), (1, vec![3]));
    assert_eq!(data.songs[0].artists, ["Somebody"]);
    assert!(data.problems.is_empty(), "{:?}", data.problems);
    assert!(matches!(scan_songs(&folder.root().join("missing")), Err(DatasetError::NoSuchFolder(_))));
    assert!(matches!(scan_songs(&folder.root().join("loose.mp3")), Err(DatasetError::NotAFolder(_))));
}

#[test]
fn unusable_datasets_name_the_cure() {
    let folder = Folder::new();
    let missing = scan(&folder.root().join("missing")).unwrap_err();
    assert!(
        matches!(missing, DatasetError::NoSuchFolder(_))
            && missing.to_string().contains("no such folder; name one that has")
    );
    assert!(folder.error().contains("one subfolder for each genre"));
    folder.song("loose.mp3");
    let file = scan(&folder.root().join("loose.mp3")).unwrap_err();
    assert!(matches!(file, DatasetError::NotAFolder(_)) && file.to_string().contains("this is a file; name"));
    assert!(folder.error().contains("1 of them"));
    folder.song("rock/a.mp3");
    let message = folder.error();
    assert!(
        message.contains("only \"rock\" has any") && message.contains("add a second folder"),
        "{message}"
    );
}

/// A link must not make a song of every file of the disk, nor go round in circles.
#[cfg(unix)]
#[test]
fn links_are_followed_within_the_dataset() {
    use std::os::unix::fs::symlink;
    let (folder, outside) = (Folder::new(), Folder::new());
    outside.song("more/x.mp3");
    folder.song("rock/a.mp3");
    folder.song("rock/album/c.mp3");
    folder.song("pop/b.mp3");
    let root = folder.root();
    let link = |to: &std::path::Path, name: &str| symlink(to, root.join(name)).unwrap();
    link(&root.join("rock"), "rock/again");
    link(&root.join("rock/album"), "pop/album");
    link(&outside.root().join("more/x.mp3"), "pop/linked.mp3");
    link(&root.join("nowhere"), "pop/broken.mp3");
    let refused = [
        (root, "pop/everything", "lies in"),
        (root, "all", "lies in"),
        (std::path::Path::new("/"), "disk", "out of the dataset"),
        (std::path::Path::new("/"), "pop/disk", "out of the dataset"),
        (outside.root(), "outside", "out of the dataset"),
        (outside.root(), "rock/album/outside", "out of the dataset"),
        (&root.join("rock/album/.."), "rock/album/up", ""),
    ];
    for (to, name, _) in &refused {
        link(to, name);
    }
    // Neither is a way around that the dataset itself is a link.
    let by_a_link = outside.root().join("by a link");
    symlink(root, &by_a_link).unwrap();
    for root in [root, by_a_link.as_path()] {
        let data = scan(root).unwrap();
        let wanted = [
            "pop/album/c.mp3",
            "pop/b.mp3",
            // A broken link is a song that cannot be read, and is named when it is loaded.
            "pop/broken.mp3",
            "pop/linked.mp3",
            "rock/a.mp3",
            "rock/album/c.mp3",
        ];
        assert_eq!(
            (names(&data), &data.genres[..]),
            (wanted.to_vec(), &["pop", "rock"].map(String::from)[..])
        );
        for (_, name, words) in refused {
            let problem = data.problems.iter().find(|problem| problem.path == root.join(name));
            assert_eq!(problem.is_none(), words.is_empty(), "{name}");
            assert!(problem.is_none_or(|problem| problem.reason.contains(words)), "{problem:?}");
        }
    }

    // Where nothing else is there, the links are named all the same.
    let folder = Folder::new();
    symlink(outside.root(), folder.root().join("rock")).unwrap();
    let error = folder.error();
    assert!(error.contains("no genre folders") && error.contains("out of the dataset"), "{error}");
}

/// Bytes that are no character stay apart in names, in the table of a split and in the cache.
#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_utf_8() {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use genre_recognizer::dataset::{Cache, Library, Side, read_sides, split};
    use genre_recognizer::paths;

    let folder = Folder::new();
    folder.tone("plain/x.wav", 300.0, 1.0);
    let tone = fs::read(folder.root().join("plain/x.wav")).unwrap();
    for genre in [&b"caf\xe9"[..], b"caf\xe8", b"plain"] {
        let genre = folder.root().join(OsStr::from_bytes(genre));
        fs::create_dir_all(&genre).unwrap();
        for name in [&b"\x91.wav"[..], b"\x92.wav", b"\xff\xfe.wav", br"\x91.wav", "\u{fffd}.wav".as_bytes()]
        {
            fs::write(genre.join(OsStr::from_bytes(name)), &tone).unwrap();
        }
    }
    let data = scan(folder.root()).unwrap();
    assert_eq!(data.genres, [r"caf\xE8", r"caf\xE9", "plain"]);
    assert_eq!(data.counts(), [5, 5, 6]);
    for name in [r"caf\xE9/\x91.wav", r"caf\xE9/\x5Cx91.wav", r"caf\xE8/\xFF\xFE.wav", "plain/\u{fffd}.wav"] {
        assert!(names(&data).contains(&name), "{name}: {:?}", names(&data));
    }
    for song in &data.songs {
        assert_eq!(folder.root().join(paths::path(&song.name)), song.path);
    }
    let sides = split(&data, 0.3, 1).unwrap();
    let table = folder.file("split.csv", sides.to_csv(&data).as_bytes());
    let read = read_sides(&table).unwrap();
    assert_eq!(read.count(Side::Train) + read.count(Side::Validation), data.songs.len());
    for (i, song) in data.songs.iter().enumerate() {
        let side = if sides.train.contains(&i) { Side::Train } else { Side::Validation };
        assert_eq!(read.get(&song.name), Some(side), "{}", song.name);
    }

    // The table of artists takes names as the table of a split writes them.
    folder.file(
        "tracks.csv",
        br"path,artist
caf\xE9/\x91.wav,One
caf\xE9/\x92.wav,Two
",
    );
    let data = scan(folder.root()).unwrap();
    let artists: Vec<_> =
        data.songs.iter().filter_map(|s| Some((s.name.as_str(), s.artists.first()?.as_str()))).collect();
    assert_eq!(artists, [(r"caf\xE9/\x91.wav", "One"), (r"caf\xE9/\x92.wav", "Two")]);
    assert!(data.problems.is_empty(), "{:?}", data.problems);

    let cache = Cache::new(folder.root().join(".cache"));
    let library = Library::load(&data, &spec(), 0.1, Some(&cache), |_, _, _| {}).unwrap();
    assert_eq!(library.songs.len(), 16);
    let one = folder.root().join(OsStr::from_bytes(b"caf\xe9"));
    assert_eq!(cache.clean(Some(&one)).unwrap().entries, 5);
    assert_eq!(cache.clean(None).unwrap().entries, 11);
}

#[cfg(target_os = "linux")]
#[test]
fn composed_and_decomposed_names_meet() {
    let folder = Folder::new();
    let (composed, decomposed) = ("\u{e9}", "e\u{301}");
    for name in ["caf\u{e9}/1.mp3", "cafe\u{301}/2.mp3", "b/e\u{301}.mp3", "b/\u{f6}.mp3", "b/o\u{308}.mp3"] {
        folder.song(name);
    }
    folder.file("genres.txt", format!("b\ncaf{decomposed}\n").as_bytes());
    let table = format!(
        "path,genre,artist\nb/{composed}.mp3,b,X\ncaf{composed}/2.mp3,caf{decomposed},Y\nb/\u{f6}.mp3,,Z\n"
    );
    folder.file("tracks.csv", table.as_bytes());
    let data = scan(folder.root()).unwrap();
    // Folders of one name are one genre.
    assert_eq!(
        (&data.genres[..], data.counts()),
        (&["b".to_owned(), format!("caf{composed}")][..], vec![3, 2])
    );
    let artists: HashMap<_, _> =
        data.songs.iter().filter_map(|s| Some((s.name.as_str(), s.artists.first()?.as_str()))).collect();
    let wanted = [("b/e\u{301}.mp3", "X"), ("cafe\u{301}/2.mp3", "Y"), ("b/\u{f6}.mp3", "Z")];
    assert_eq!(artists, HashMap::from(wanted));
    assert!(data.problems.is_empty(), "{:?}", data.problems);
    let [warning] = &data.warnings[..] else { panic!("{:?}", data.warnings) };
    assert!(warning.contains("accents") && warning.contains("move the songs into one"), "{warning}");

    // A row that could mean either of two files is named.
    folder.file("tracks.csv", "path,artist\nb/./\u{1ed1}.mp3,A\n".as_bytes());
    folder.song("b/o\u{302}\u{301}.mp3");
    folder.song("b/\u{f4}\u{301}.mp3");
    let data = scan(folder.root()).unwrap();
    let [problem] = &data.problems[..] else { panic!("{:?}", data.problems) };
    assert!(problem.reason.contains("line 2, but several files"), "{problem}");
}

#[test]
fn genres_that_look_alike_are_named() {
    let folder = Folder::new();
    for name in ["Rock/1.mp3", "rock/2.mp3", "rock /3.mp3", "hip hop/4.mp3", "Hip-Hop/5.mp3", "jazz/6.mp3"] {
        folder.song(name);
    }
    let data = scan(folder.root()).unwrap();
    assert_eq!(data.genres.len(), 6);
    let [hop, rock] = &data.warnings[..] else { panic!("{:?}", data.warnings) };
    assert!(hop.contains(r#""Hip-Hop", "hip hop""#) && hop.contains("into one folder"), "{hop}");
    assert!(rock.contains(r#""Rock", "rock", "rock ""#), "{rock}");

    // In a list, the one that is like it is named.
    folder.file("genres.txt", b"rock\njazz\n");
    let data = scan(folder.root()).unwrap();
    let reasons: Vec<&str> = data.problems.iter().map(|p| p.reason.as_str()).collect();
    assert_eq!(
        reasons.iter().filter(|reason| reason.contains("(it has \"rock\")")).count(),
        2,
        "{reasons:?}"
    );
}

#[test]
fn tracks_csv_gives_artists_and_folds() {
    let folder = Folder::new();
    for name in ["rock/a.mp3", "rock/album/b.mp3", "pop/c.mp3", "pop/d.mp3"] {
        folder.song(name);
    }
    let csv = "\u{feff}Path,genre,title,source,fold\r\n\
               rock/a.mp3,rock,\"One, two\",Anna,2\r\n\
               rock\\album\\b.mp3,rock,,\"Bob \"\"B\"\" C\",\r\n\
               ./pop/c.mp3,,,,0\r\n\
               pop/gone.mp3,pop,,X,1\r\n";
    folder.file("tracks.csv", csv.as_bytes());
    let data = scan(folder.root()).unwrap();
    let found: HashMap<_, _> = data
        .songs
        .iter()
        .map(|s| (s.name.as_str(), (s.artists.first().map(String::as_str), s.fold)))
        .collect();
    assert_eq!(found["rock/a.mp3"], (Some("Anna"), Some(2)));
    assert_eq!(found["rock/album/b.mp3"], (Some("Bob \"B\" C"), None));
    assert_eq!(found["pop/c.mp3"], (None, Some(0)));
    assert_eq!(found["pop/d.mp3"], (None, None));
    assert_eq!(data.problems.len(), 1);
    assert!(data.problems[0].to_string().contains("listed in tracks.csv, line 5"), "{}", data.problems[0]);
    assert_eq!(data.other_files, 0);

    // The column "artist" comes before "source".
    folder.file("tracks.csv", b"source,artist,path\nS,A,rock/a.mp3\n");
    assert_eq!(scan(folder.root()).unwrap().songs[2].artists, ["A"]);

    // Several artists in one cell.
    folder.file("tracks.csv", b"path,artist\nrock/a.mp3,\"A One; B, Two feat. C\"\n");
    assert_eq!(scan(folder.root()).unwrap().songs[2].artists, ["A One", "B, Two", "C"]);
}

#[test]
fn a_malformed_csv_names_line_and_cure() {
    let folder = Folder::new();
    folder.song("rock/a.mp3");
    folder.song("pop/b.mp3");
    for (csv, line, says) in [
        (&b"genre,artist\nrock,A\n"[..], 1, "no column \"path\""),
        (b"", 1, "no column \"path\""),
        (b"path;artist\nrock/1.mp3;A\n", 1, "not by semicolons"),
        (b"path,genre\nrock/a.mp3,rock\npop/b.mp3,pop,extra\n", 3, "quotes"),
        (b"path,fold\nrock/a.mp3,first\n", 2, "not a whole number"),
        (b"path,fold\r\n\r\n\r\nrock/a.mp3,first\r\n", 4, "not a whole number"),
        (b"path,fold\nrock/a.mp3,-1\n", 2, "not a whole number"),
        (b"path,artist\n,A\n", 2, "no path"),
        (b"path,artist\nrock/a.mp3,A\nrock/a.mp3,B\n", 3, "before, in line 2"),
        (b"path\n../a.mp3\n", 2, "leaves the dataset folder"),
        (b"path\n/etc/passwd\n", 2, "leaves the dataset folder"),
        (b"path,genre\nrock/a.mp3,pop\n", 2, "move the file or mend the line"),
        (b"path,artist\nrock/a.mp3,\xff\xfe\n", 2, "UTF-8"),
    ] {
        folder.file("tracks.csv", csv);
        let message = folder.error();
        let place = format!("tracks.csv, line {line}: ");
        assert!(
            message.contains(&place) && message.contains(says),
            "{:?}: {message}",
            String::from_utf8_lossy(csv)
        );
    }
}

#[test]
fn a_list_of_genres_restricts_and_orders_them() {
    let folder = Folder::new();
    for name in ["rock/1.mp3", "jazz/2.mp3", "pop/3.mp3", "pop/4.mp3", "speech/5.mp3", "empty/notes.txt"] {
        folder.song(name);
    }
    folder.file("genres.txt", b"rock,\n# comment\npop,\nfunk,\njazz\n");
    let data = scan(folder.root()).unwrap();
    assert_eq!(data.genres, ["rock", "pop", "jazz"]);
    let of = |genre: &str| {
        data.genres[data.songs.iter().find(|s| s.name.starts_with(genre)).unwrap().genre].clone()
    };
    assert_eq!([of("rock"), of("pop"), of("jazz")], ["rock", "pop", "jazz"]);
    assert_eq!((data.songs.len(), data.counts()), (4, vec![1, 2, 1]));
    let [problem] = &data.problems[..] else { panic!("{:?}", data.problems) };
    assert!(
        problem.path.ends_with("speech") && problem.reason.contains("add a line \"speech\""),
        "{problem}"
    );

    folder.file("genres.txt", b"funk\nsoul\n");
    let error = folder.error();
    for word in ["no genre folders", "jazz", "rock", "speech", "genres.txt"] {
        assert!(error.contains(word), "{error}");
    }
    folder.file("genres.txt", b"# none\n");
    assert!(folder.error().contains("no genre in this list"));
}
