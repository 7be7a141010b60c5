//! Who trains and who validates.

use std::collections::HashSet;

use genre_recognizer::dataset::{Dataset, Entry, Side, Split, folds, folds_given, read_sides, split};
use genre_recognizer::rng::Rng;
use proptest::prelude::*;

use super::common::*;

fn side_counts(data: &Dataset, side: &[usize]) -> Vec<usize> {
    let mut counts = vec![0; data.genres.len()];
    for &song in side {
        counts[data.songs[song].genre] += 1;
    }
    counts
}

fn chosen_names(data: &Dataset, side: &[usize]) -> HashSet<String> {
    side.iter().map(|&i| data.songs[i].name.clone()).collect()
}

#[test]
fn a_split_without_artists_is_exactly_stratified() {
    let songs: Vec<_> = (0..150).map(|i| (i % 3, None)).chain((0..5).map(|_| (3, None))).collect();
    let data = made_up(&songs);
    let first = split(&data, 0.2, 1).unwrap();
    assert_eq!(side_counts(&data, &first.validation), [10, 10, 10, 1]);
    assert_eq!(split(&data, 0.2, 1).unwrap(), first);
    assert_ne!(split(&data, 0.2, 2).unwrap(), first);
    assert_eq!(split(&data, 0.0, 1).unwrap(), Split { train: (0..155).collect(), validation: vec![] });
    for fraction in [-0.1, 1.0, f64::NAN] {
        assert!(split(&data, fraction, 1).unwrap_err().to_string().contains("0.2"));
    }
}

#[test]
fn an_artist_is_one_however_it_is_written() {
    let mut data = made_up(&[(0, Some(1)), (0, Some(1)), (0, Some(2)), (1, None), (1, None)]);
    // In capitals, and with the accent as a character of its own.
    data.songs[0].artists = vec!["Bj\u{f6}rk  Trio".to_owned()];
    data.songs[1].artists = vec![" BJO\u{308}RK Trio ".to_owned()];
    for seed in 0..20 {
        let split = split(&data, 0.4, seed).unwrap();
        assert_eq!(split.train.contains(&0), split.train.contains(&1));
        assert_eq!(side_counts(&data, &split.validation)[1], 1);
    }
}

#[test]
fn copies_of_a_recording_stay_together_and_bind_their_artists() {
    let mut data =
        made_up(&[(0, Some(1)), (0, Some(2)), (1, Some(3)), (0, Some(4)), (1, Some(5)), (1, Some(6))]);
    for song in [1, 2] {
        data.songs[song].content = Some("the same".to_owned());
    }
    data.songs.push(Entry { name: "1/7.wav".to_owned(), ..data.songs[2].clone() });
    for seed in 0..20 {
        let split = split(&data, 0.4, seed).unwrap();
        let side = |song: usize| split.train.contains(&song);
        assert!(side(1) == side(2) && side(2) == side(6));
    }
}

/// A song binds all of its artists, and through them songs that have no artist in common.
#[test]
fn songs_that_share_any_artist_stay_together() {
    let mut data = made_up(&[(0, None), (0, None), (0, None), (1, None), (1, None), (0, None), (1, None)]);
    for (song, artists) in
        [&["A", "B"][..], &["b", "C"], &["c ", "D"], &["d"], &["E", "F"], &["f"], &[]].iter().enumerate()
    {
        data.songs[song].artists = artists.iter().map(|&a| a.to_owned()).collect();
    }
    for seed in 0..20 {
        let split = split(&data, 0.4, seed).unwrap();
        let side = |song: usize| split.train.contains(&song);
        assert!((1..4).all(|song| side(song) == side(0)) && side(4) == side(5));
        for fold in folds(&data, 3, seed).unwrap() {
            let validates = |song: usize| fold.validation.contains(&song);
            assert!((1..4).all(|song| validates(song) == validates(0)) && validates(4) == validates(5));
        }
    }
    assert!(folds(&data, 4, 1).unwrap_err().to_string().contains("2 to 3"));
    let table = split(&data, 0.4, 1).unwrap().to_csv(&data);
    assert!(table.contains("0/0.wav,genre 0,A; B,"), "{table}");
}

#[test]
fn folds_of_the_table_are_taken_as_they_are() {
    let mut data = made_up(&[(0, None), (0, None), (1, None), (1, None)]);
    for (song, fold) in [3, 1, 1, 7].into_iter().enumerate() {
        data.songs[song].fold = Some(fold);
    }
    let given = folds_given(&data).unwrap();
    let validation: Vec<_> = given.iter().map(|(n, split)| (*n, split.validation.clone())).collect();
    assert_eq!(validation, [(1, vec![1, 2]), (3, vec![0]), (7, vec![3])]);
    assert_eq!(given[0].1.train, [0, 3]);
    data.songs[2].fold = None;
    let error = folds_given(&data).unwrap_err().to_string();
    assert!(error.contains("1/2.wav") && error.contains("have folds dealt"), "{error}");
    data.songs.iter_mut().for_each(|song| song.fold = Some(1));
    assert!(folds_given(&data).is_err());
    for count in [0, 1, 5] {
        assert!(folds(&data, count, 1).unwrap_err().to_string().contains("2 to 4"));
    }
    data.songs[2].artists = vec!["one".to_owned()];
    data.songs[3].artists = vec!["one".to_owned()];
    assert!(folds(&data, 4, 1).unwrap_err().to_string().contains("2 to 3"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_keep_artists_together_and_genres_on_both_sides(
        songs in prop::collection::vec((0usize..4, prop::option::of(0usize..12)), 2..80),
        fraction in 0.05f64..0.6,
        seed in any::<u64>(),
    ) {
        // An artist has one genre here: then both sides can always have a song of each genre.
        let songs: Vec<_> = songs.into_iter().map(|(g, a)| (g, a.map(|a| a + 100 * g))).collect();
        let data = made_up(&songs);
        let split = split(&data, fraction, seed).unwrap();

        let mut all: Vec<usize> = split.train.iter().chain(&split.validation).copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..songs.len()).collect::<Vec<_>>());

        let artists = |side: &[usize]| side.iter().filter_map(|&i| songs[i].1).collect::<HashSet<_>>();
        prop_assert!(artists(&split.train).is_disjoint(&artists(&split.validation)));

        let (train, validation) = (side_counts(&data, &split.train), side_counts(&data, &split.validation));
        for genre in 0..data.genres.len() {
            let of_genre: Vec<_> = songs.iter().enumerate().filter(|(_, s)| s.0 == genre).collect();
            let groups: HashSet<_> = of_genre.iter().map(|(i, s)| s.1.map_or((true, *i), |a| (false, a))).collect();
            let largest = groups
                .iter()
                .map(|group| of_genre.iter().filter(|(i, s)| s.1.map_or((true, *i), |a| (false, a)) == *group).count())
                .max()
                .unwrap_or(0);
            if groups.len() >= 2 {
                prop_assert!(train[genre] > 0 && validation[genre] > 0);
                let target = of_genre.len() as f64 * fraction;
                let off = (validation[genre] as f64 - target).abs();
                prop_assert!(off <= largest as f64, "genre {}: {} of {}, target {}", genre, validation[genre], of_genre.len(), target);
            } else {
                prop_assert_eq!(validation[genre], 0);
            }
        }
    }

    #[test]
    fn splits_keep_artists_of_many_genres_together_in_any_order(
        songs in prop::collection::vec((0usize..5, prop::collection::vec(0usize..40, 0..3)), 2..60),
        seed in any::<u64>(),
    ) {
        let mut data = made_up(&songs.iter().map(|song| (song.0, None)).collect::<Vec<_>>());
        for (song, (_, artists)) in data.songs.iter_mut().zip(&songs) {
            song.artists = artists.iter().map(|a| format!("artist {a}")).collect();
        }
        let split_one = split(&data, 0.25, seed).unwrap();
        let artists = |side: &[usize]| side.iter().flat_map(|&i| &songs[i].1).collect::<HashSet<_>>();
        prop_assert!(artists(&split_one.train).is_disjoint(&artists(&split_one.validation)));
        // The order of the songs does not matter: their names do.
        let mut shuffled = data.clone();
        Rng::new(seed).shuffle(&mut shuffled.songs);
        let split_two = split(&shuffled, 0.25, seed).unwrap();
        prop_assert_eq!(chosen_names(&data, &split_one.validation), chosen_names(&shuffled, &split_two.validation));
    }

    #[test]
    fn folds_are_disjoint_by_artist_and_stratified(
        songs in prop::collection::vec((0usize..4, prop::option::of(0usize..12)), 6..80),
        wanted in 2usize..6,
        seed in any::<u64>(),
    ) {
        let data = made_up(&songs);
        let named: HashSet<usize> = songs.iter().filter_map(|song| song.1).collect();
        let most = named.len() + songs.iter().filter(|song| song.1.is_none()).count();
        prop_assume!(most >= 2);
        let count = wanted.min(most);
        let all = folds(&data, count, seed).unwrap();
        prop_assert_eq!(all.len(), count);
        let mut validated = vec![0; songs.len()];
        for fold in &all {
            fold.validation.iter().for_each(|&song| validated[song] += 1);
            let artists = |side: &[usize]| side.iter().filter_map(|&i| songs[i].1).collect::<HashSet<_>>();
            prop_assert!(artists(&fold.train).is_disjoint(&artists(&fold.validation)));
        }
        prop_assert_eq!(validated, vec![1; songs.len()]);
        let mut shuffled = data.clone();
        Rng::new(seed).shuffle(&mut shuffled.songs);
        let again = folds(&shuffled, count, seed).unwrap();
        for (one, other) in all.iter().zip(&again) {
            prop_assert_eq!(chosen_names(&data, &one.validation), chosen_names(&shuffled, &other.validation));
        }
        // Without artists nothing stands in the way of exact stratification.
        let alone = made_up(&songs.iter().map(|&(genre, _)| (genre, None)).collect::<Vec<_>>());
        let mut sizes = Vec::new();
        for fold in folds(&alone, count, seed).unwrap() {
            for (have, total) in side_counts(&alone, &fold.validation).into_iter().zip(alone.counts()) {
                prop_assert!(have >= total / count && have <= total.div_ceil(count));
            }
            sizes.push(fold.validation.len());
        }
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?}", sizes);
    }
}

#[test]
fn the_table_of_a_split_is_read_back() {
    let mut data = made_up(&[(0, Some(1)), (0, None), (1, None), (1, Some(2)), (1, None)]);
    data.songs[2].name = "genre, with \"quotes\"/and\nlines.wav".to_owned();
    let split = Split { train: vec![0, 2, 3], validation: vec![1, 4] };
    let folder = Folder::new();
    let path = folder.file("split.csv", split.to_csv(&data).as_bytes());
    let sides = read_sides(&path).unwrap();
    assert_eq!((sides.count(Side::Train), sides.count(Side::Validation)), (3, 2));
    for (number, song) in data.songs.iter().enumerate() {
        let side = if split.train.contains(&number) { Side::Train } else { Side::Validation };
        assert_eq!(sides.get(&song.name), Some(side));
    }
    for (text, line, word) in [
        ("", "line 1", "no column \"path\""),
        ("path,genre\n", "line 1", "no column \"split\""),
        ("path,split\na,train\nb,both\n", "line 3", "neither"),
        ("path,split\na\n", "line 2", "does not fit"),
        ("path,split\n\u{0}", "line 2", "does not fit"),
    ] {
        let error = read_sides(&folder.file("bad.csv", text.as_bytes())).unwrap_err().to_string();
        assert!(
            error.contains("bad.csv") && error.contains(line) && error.contains(word),
            "{text:?}: {error}"
        );
    }
    assert!(read_sides(&folder.root().join("missing.csv")).is_err());
}

/// A copy on another file system may have its accents decomposed.
#[test]
fn sides_are_found_in_the_other_form_of_accents() {
    let mut data = made_up(&[(0, None), (0, None), (1, None), (1, None)]);
    for (song, name) in
        ["\u{e9}/1.wav", "e\u{301}/2.wav", "a/\u{e9}.wav", "a/e\u{301}.wav"].into_iter().enumerate()
    {
        data.songs[song].name = name.to_owned();
    }
    let split = Split { train: vec![0, 2], validation: vec![1, 3] };
    let folder = Folder::new();
    let sides = read_sides(&folder.file("split.csv", split.to_csv(&data).as_bytes())).unwrap();
    for (name, side) in [
        ("e\u{301}/1.wav", Some(Side::Train)),
        ("\u{e9}/2.wav", Some(Side::Validation)),
        // Both are there, each itself.
        ("a/\u{e9}.wav", Some(Side::Train)),
        ("a/e\u{301}.wav", Some(Side::Validation)),
        ("e/1.wav", None),
    ] {
        assert_eq!(sides.get(name), side, "{name}");
    }
}

#[test]
fn genres_are_matched_by_name() {
    let data = made_up(&[(0, None), (1, None), (2, None), (1, None)]);
    let genres = ["genre 2", "other", "genre 1"].map(String::from);
    let (matched, unknown) = data.with_genres(&genres);
    assert_eq!((matched.genres.as_slice(), unknown), (&genres[..], vec!["genre 0".to_owned()]));
    assert_eq!(names(&matched), ["1/1.wav", "2/2.wav", "1/3.wav"]);
    assert_eq!(matched.songs.iter().map(|song| song.genre).collect::<Vec<_>>(), [2, 0, 2]);
    assert_eq!(matched.counts(), [1, 0, 2]);

    let mut data = made_up(&[(0, None), (1, None)]);
    data.genres = vec!["caf\u{e9}".to_owned(), "b".to_owned()];
    let (matched, unknown) = data.with_genres(&["b".to_owned(), "cafe\u{301}".to_owned()]);
    assert_eq!((matched.counts(), unknown), (vec![1, 1], vec![]));
}
