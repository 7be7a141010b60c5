//! Training batches: what is in them, and that nothing but seed and position decides it.

use std::collections::HashSet;
use std::sync::Arc;

use genre_recognizer::audio::{AudioSpec, Framing, Song};
use genre_recognizer::dataset::{
    Augmentation, Batch, BatchPlan, Batches, Lesson, Lessons, Library, Sampling,
};

use super::common::*;

/// Songs whose samples tell which song and position they are: sample i of song s and channel c is 500 s + i + 5000 c,
/// to the 16 bits that a song has.
fn counted_library(lengths: &[usize], channels: usize) -> Arc<Library> {
    let dataset = made_up(&lengths.iter().enumerate().map(|(i, _)| (i % 3, None)).collect::<Vec<_>>());
    let song = |(s, &n): (usize, &usize)| {
        let channel = |c: usize| (0..n).map(|i| (500 * s + i + 5000 * c) as f32).collect();
        Song::from_samples(&(0..channels).map(channel).collect::<Vec<_>>(), RATE)
    };
    Arc::new(Library {
        dataset,
        songs: lengths.iter().enumerate().map(song).collect(),
        spec: AudioSpec { channels, ..spec() },
        problems: Vec::new(),
    })
}

fn take(
    library: &Arc<Library>,
    songs: &[usize],
    plan: &BatchPlan,
    from: (usize, usize),
    count: usize,
) -> Vec<Batch> {
    Batches::start(library.clone(), songs.to_vec(), plan.clone(), from.0, from.1)
        .unwrap()
        .take(count)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn batches_hold_random_crops_of_the_songs_asked_for() {
    let lengths = [100, 150, 40, 300, 41, 90, 60];
    let library = counted_library(&lengths, 2);
    let plan = BatchPlan::new(4, Framing::consecutive(40), 3, 7);
    let songs = [0, 1, 2, 4, 6];
    assert_eq!(plan.batches_per_epoch(songs.len()), 4);
    let batches = take(&library, &songs, &plan, (0, 0), 8);
    let mut starts = HashSet::new();
    for (k, batch) in batches.iter().enumerate() {
        assert_eq!((batch.epoch, batch.index), (k / 4, k % 4));
        assert_eq!((batch.audio.len(), batch.labels.len(), batch.songs.len()), (4 * 2 * 40, 4 * 3, 4));
        for n in 0..4 {
            let song = batch.songs[n];
            assert!(songs.contains(&song));
            let mut label = [0.0; 3];
            label[song % 3] = 1.0;
            assert_eq!(batch.labels[n * 3..n * 3 + 3], label);
            let frame = &batch.audio[n * 80..n * 80 + 80];
            let start = frame[0].round() as usize - 500 * song;
            starts.insert((song, start));
            assert!(start + 40 <= lengths[song]);
            for i in 0..40 {
                assert_eq!(frame[i].round() as usize, 500 * song + start + i);
                assert_eq!(frame[40 + i].round() as usize, 500 * song + start + i + 5000);
            }
        }
    }
    assert!(starts.len() > 12, "crops are random: {starts:?}");
    for epoch in batches.chunks(4) {
        let mut drawn = [0; 7];
        epoch.iter().flat_map(|b| &b.songs).for_each(|&s| drawn[s] += 1);
        // 15 frames in 4 batches of 4: each song 3 times, and one of them once more to fill the last batch.
        assert!(songs.iter().all(|&s| drawn[s] == 3 || drawn[s] == 4), "{drawn:?}");
        assert_eq!(drawn.iter().sum::<usize>(), 16);
    }
    let order = |batches: &[Batch]| batches.iter().flat_map(|b| b.songs.clone()).collect::<Vec<_>>();
    assert_ne!(order(&batches[..4]), order(&batches[4..]), "epochs are shuffled anew");
}

#[test]
fn batches_depend_on_the_seed_and_position_alone() {
    let library = counted_library(&[100, 150, 80, 300, 60], 1);
    let plan = BatchPlan::new(3, Framing::consecutive(50), 2, 3);
    let songs = [0, 1, 2, 3, 4];
    let all = take(&library, &songs, &plan, (0, 0), 12);
    assert_eq!(take(&library, &songs, &plan, (0, 0), 12), all);
    // From anywhere: 4 batches an epoch.
    for k in 0..12 {
        assert_eq!(take(&library, &songs, &plan, (k / 4, k % 4), 12 - k), all[k..]);
    }
    assert_ne!(take(&library, &songs, &BatchPlan { seed: 4, ..plan.clone() }, (0, 0), 12), all);
    // Memory that comes back is used again, and leaves no trace.
    let mut batches = Batches::start(library.clone(), songs.to_vec(), plan.clone(), 0, 0).unwrap();
    for wanted in &all {
        let batch = batches.next().unwrap().unwrap();
        assert_eq!(&batch, wanted);
        batches.recycle(batch);
    }
    // However many make them.
    for workers in [2, 3, 7] {
        let plan = BatchPlan { workers, ..plan.clone() };
        assert_eq!(take(&library, &songs, &plan, (0, 0), 12), all);
        assert_eq!(take(&library, &songs, &plan, (1, 1), 7), all[5..]);
    }
    // Nothing to draw from: an end, not a wait.
    assert!(take(&library, &[], &plan, (0, 0), 1).is_empty());
    assert!(take(&library, &songs, &BatchPlan { batch_size: 0, ..plan }, (0, 0), 1).is_empty());
}

#[test]
fn a_few_songs_fill_a_large_batch() {
    let library = counted_library(&[100, 100, 100], 1);
    let plan = BatchPlan::new(32, Framing::consecutive(10), 1, 1);
    let batches = take(&library, &[0, 2], &plan, (0, 0), 2);
    for batch in batches {
        assert_eq!(batch.songs.iter().filter(|&&s| s == 0).count(), 16);
        assert_eq!(batch.songs.len(), 32);
    }
}

#[test]
fn balanced_sampling_draws_from_every_genre_alike() {
    // Genres 0, 1, 2, 0, 1, 2 ...: with these songs five of genre 0, two of genre 1, one of genre 2.
    let library = counted_library(&[60; 15], 1);
    let songs = [0, 3, 6, 9, 12, 1, 4, 2];
    let plan = BatchPlan { sampling: Sampling::Genres, ..BatchPlan::new(8, Framing::consecutive(50), 6, 11) };
    for epoch in 0..3 {
        let batches = take(&library, &songs, &plan, (epoch, 0), plan.batches_per_epoch(songs.len()));
        let mut drawn = [0; 15];
        batches.iter().flat_map(|b| &b.songs).for_each(|&song| drawn[song] += 1);
        let genre = |g: usize| (0..15).filter(|song| song % 3 == g).map(|song| drawn[song]).sum::<usize>();
        assert_eq!([genre(0), genre(1), genre(2)], [16, 16, 16]);
        let within = |songs: &[usize], wanted: usize| songs.iter().all(|&s| drawn[s].abs_diff(wanted) <= 1);
        assert!(within(&[0, 3, 6, 9, 12], 3) && within(&[1, 4], 8), "{drawn:?}");
    }
}

#[test]
fn long_songs_are_drawn_more_often_than_short_ones() {
    // Square roots of 8, 8, 12, 20 and 4, of 52 together.
    let library = counted_library(&[64, 64, 144, 400, 16], 1);
    let songs = [0, 1, 2, 3, 4];
    let plan =
        BatchPlan { sampling: Sampling::Lengths, ..BatchPlan::new(8, Framing::consecutive(16), 8, 11) };
    for epoch in 0..3 {
        let batches = take(&library, &songs, &plan, (epoch, 0), plan.batches_per_epoch(songs.len()));
        let mut drawn = [0usize; 5];
        batches.iter().flat_map(|b| &b.songs).for_each(|&song| drawn[song] += 1);
        assert_eq!(drawn.iter().sum::<usize>(), 40);
        for (drawn, root) in drawn.into_iter().zip([8.0, 8.0, 12.0, 20.0, 4.0]) {
            let wanted = 40.0 * root / 52.0;
            assert!((drawn as f64 - wanted).abs() <= 1.0, "{drawn} {wanted}");
        }
    }
}

#[test]
fn a_teachers_lessons_are_those_of_the_middle_of_the_crop() {
    let library = counted_library(&[400, 300], 1);
    let rate = f64::from(RATE);
    // The embedding is the place in samples and the song, the label the place over 1000.
    let lesson = |song: usize| {
        let places = [0, 100, 250, 400];
        let row = |&place: &usize| [place as f32, song as f32, place as f32 / 1000.0];
        Lesson {
            middles: places.iter().map(|&place| place as f64 / rate).collect(),
            rows: places.iter().flat_map(row).collect(),
        }
    };
    let lessons = Lessons { embedding: 2, labels: 1, songs: vec![lesson(0), lesson(1)] };
    let plain = BatchPlan::new(8, Framing::consecutive(40), 8, 5);
    let taught = BatchPlan { lessons: Some(Arc::new(lessons)), ..plain.clone() };
    let (plain, taught) =
        (take(&library, &[0, 1], &plain, (0, 0), 4), take(&library, &[0, 1], &taught, (0, 0), 4));
    for (plain, taught) in plain.iter().zip(&taught) {
        assert_eq!((&plain.audio, &plain.songs), (&taught.audio, &taught.songs), "the same crops");
        assert!(plain.embeddings.is_empty());
        for n in 0..8 {
            let song = taught.songs[n];
            let middle = taught.audio[n * 40] - 500.0 * song as f32 + 20.0;
            let [embedding, labels] = [&taught.embeddings[n * 2..n * 2 + 2], &taught.labels[n..=n]];
            // To the 16 bits that songs have.
            assert!(
                (embedding[0] - middle).abs() < 0.5 && embedding[1] == song as f32,
                "{embedding:?} {middle}"
            );
            assert!((labels[0] - middle / 1000.0).abs() < 1e-3);
        }
    }
}

#[test]
fn mixed_frames_have_mixed_labels() {
    let library = counted_library(&[100, 150, 80, 300, 60], 1);
    let songs = [0, 1, 2, 3, 4];
    let plain = BatchPlan::new(8, Framing::consecutive(50), 4, 3);
    let augmentation = Augmentation { mixup: 1.0, ..Augmentation::NONE };
    let mixed = BatchPlan { augmentation, ..plain.clone() };
    let (plain, mixed) =
        (take(&library, &songs, &plain, (0, 0), 6), take(&library, &songs, &mixed, (0, 0), 6));
    let mut shares = Vec::new();
    for (plain, mixed) in plain.iter().zip(&mixed) {
        assert_eq!(plain.songs, mixed.songs);
        for n in 0..8 {
            let labels = &mixed.labels[n * 3..n * 3 + 3];
            assert!((labels.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            let share = labels[mixed.songs[n] % 3];
            assert!(share >= 0.5);
            shares.push(share);
            if share > 0.999 {
                continue;
            }
            // What is left of the frame when its own song is taken out is a crop of another: it rises by 1 a sample.
            let frames = [plain, mixed].map(|batch| &batch.audio[n * 50..n * 50 + 50]);
            let other: Vec<f32> =
                (0..50).map(|i| (frames[1][i] - share * frames[0][i]) / (1.0 - share)).collect();
            let rise = (other[49] - other[0]) / 49.0;
            assert!((rise - 1.0).abs() < 0.3 / (1.0 - share), "{rise}");
        }
    }
    assert!(shares.iter().any(|&s| s < 0.7) && shares.iter().any(|&s| s > 0.8), "{shares:?}");
}

#[test]
fn augmented_batches_depend_on_seed_and_position_alone() {
    let library = counted_library(&[1000, 1500, 800, 3000, 600], 2);
    let songs = [0, 1, 2, 3, 4];
    let plan = BatchPlan {
        augmentation: Augmentation {
            gain: 6.0,
            polarity: true,
            equaliser: 6.0,
            speed: 0.1,
            noise: 30.0,
            mixup: 0.5,
            frequency_masks: 1,
            time_masks: 1,
            mask_width: 0.3,
        },
        feature_size: (10, 20),
        ..BatchPlan::new(3, Framing::consecutive(500), 2, 3)
    };
    let all = take(&library, &songs, &plan, (0, 0), 12);
    for batch in &all {
        assert_eq!([batch.masks[0].len(), batch.masks[1].len()], [30, 60]);
        assert!(batch.audio.iter().all(|s| s.is_finite()));
    }
    for workers in [1, 3] {
        let plan = BatchPlan { workers, ..plan.clone() };
        for k in [1, 6, 11] {
            assert_eq!(take(&library, &songs, &plan, (k / 4, k % 4), 12 - k), all[k..]);
        }
    }
    // One change alone: what it does not touch stays as it is without any.
    let masked = BatchPlan {
        augmentation: Augmentation {
            speed: 0.0,
            gain: 0.0,
            polarity: false,
            equaliser: 0.0,
            noise: 0.0,
            mixup: 0.0,
            ..plan.augmentation
        },
        ..plan.clone()
    };
    let none = BatchPlan { augmentation: Augmentation::NONE, ..plan.clone() };
    let (masked, none) =
        (take(&library, &songs, &masked, (0, 0), 3), take(&library, &songs, &none, (0, 0), 3));
    for ((masked, none), full) in masked.iter().zip(&none).zip(&all) {
        assert_eq!((&masked.audio, &masked.labels), (&none.audio, &none.labels));
        assert_eq!(masked.masks, full.masks);
        assert!(none.masks.iter().all(Vec::is_empty));
    }
}
