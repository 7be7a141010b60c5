use std::thread;

use super::*;

/// What every rank of `count` gives.
fn everybody<T: Send>(count: usize, act: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    let ranks = Ranks::threads(count);
    thread::scope(|scope| {
        let threads: Vec<_> = ranks.iter().map(|ranks| scope.spawn(|| act(ranks))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Terms whose sum depends on the order in which they are added.
fn term(part: usize, i: usize) -> f32 {
    let scale = [1e8, 1.0, -1e8, 1e-3, 3e7][part % 5];
    scale * (1.0 + i as f32 / 7.0)
}

#[test]
fn sums_are_those_of_one_process_in_order_whoever_has_the_parts() {
    let len = 23;
    for (count, parts) in
        [(1, vec![3]), (2, vec![2, 1]), (3, vec![1, 1, 1]), (4, vec![2, 1, 1, 1]), (5, vec![1; 5])]
    {
        let total: usize = parts.iter().sum();
        let mut wanted: Vec<f32> = (0..len).map(|i| term(0, i)).collect();
        for part in 1..total {
            (0..len).for_each(|i| wanted[i] += term(part, i));
        }
        let sums = everybody(count, |ranks| {
            let first: usize = parts[..ranks.rank()].iter().sum();
            let mine = first..first + parts[ranks.rank()];
            let own: Vec<f32> = mine.flat_map(|part| (0..len).map(move |i| term(part, i))).collect();
            let mut sum = vec![f32::NAN; len];
            ranks.sum(&own, &parts, &mut sum).unwrap();
            sum
        });
        let bits = |sum: &[f32]| sum.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert!(sums.iter().all(|sum| bits(sum) == bits(&wanted)), "{count} ranks");
    }
}

#[test]
fn rows_and_words_come_in_the_order_of_the_ranks() {
    for count in 1..5 {
        let lengths: Vec<usize> = (0..count).map(|rank| rank + 1).collect();
        let all = everybody(count, |ranks| {
            let own = vec![ranks.rank() as f32; ranks.rank() + 1];
            let mut all = vec![f32::NAN; lengths.iter().sum()];
            ranks.gather(&own, &lengths, &mut all).unwrap();
            (
                all,
                ranks.share("x".repeat(ranks.rank()).as_bytes(), Patience::Step).unwrap(),
                ranks.share(b"", Patience::Step).unwrap(),
            )
        });
        let wanted: Vec<f32> = (0..count).flat_map(|rank| vec![rank as f32; rank + 1]).collect();
        let words: Vec<Vec<u8>> = (0..count).map(|rank| vec![b'x'; rank]).collect();
        for (rows, said, nothing) in all {
            assert_eq!((rows, said, nothing), (wanted.clone(), words.clone(), vec![Vec::new(); count]));
        }
    }
}

#[test]
fn a_rank_that_has_ended_is_named() {
    let mut ranks = Ranks::threads(2);
    drop(ranks.pop());
    assert_eq!(ranks[0].share(b"there?", Patience::Endless), Err(RanksError::Ended(1)));
}

#[test]
fn what_is_exchanged_is_counted() {
    let traffic = everybody(3, |ranks| {
        let mut sum = vec![0.0; 30];
        ranks.sum(&[1.0; 30], &[1, 1, 1], &mut sum).unwrap();
        ranks.traffic()
    });
    // Of 30 numbers, 10 to each of two ranks, and 10 sums to both.
    assert_eq!(traffic, [Traffic { exchanges: 2, bytes: 160 }; 3]);
}

#[test]
fn what_is_measured_predicts_what_was_measured() {
    for count in [2, 3] {
        for link in everybody(count, |ranks| Link::measure(ranks).unwrap().unwrap()) {
            assert!(link.latency > 0.0 && link.bandwidth > 0.0 && link.bandwidth.is_finite(), "{link:?}");
        }
    }
    assert_eq!(Link::measure(&Ranks::alone()), Ok(None));
    // Of four ranks, two messages one after another.
    let (link, traffic) = (Link { latency: 1e-3, bandwidth: 1e6 }, Traffic { exchanges: 3, bytes: 500_000 });
    assert!((link.seconds(traffic, 4) - 0.506).abs() < 1e-12);
}
