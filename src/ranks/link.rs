use std::time::Instant;

use serde::Serialize;

use super::{Ranks, RanksError, Traffic};

/// How fast ranks reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Link {
    /// Seconds that a message takes, the program's own share included.
    pub latency: f64,
    /// Bytes that a rank sends in a second.
    pub bandwidth: f64,
}

impl Link {
    /// What 10 gigabit Ethernet gives about.
    pub const USUAL: Self = Self { latency: 50e-6, bandwidth: 1e9 };

    /// Seconds that `traffic` takes among `count` ranks: whatever they exchange takes ⌈log₂ count⌉ messages one after
    /// another, and then its bytes (Thakur, Rabenseifner and Gropp 2005).
    pub fn seconds(&self, traffic: Traffic, count: usize) -> f64 {
        traffic.exchanges as f64 * rounds(count) * self.latency + traffic.bytes as f64 / self.bandwidth
    }

    /// Measures it: medians of exchanges of four bytes a rank, and of a mebibyte. All ranks call this together; `None` where
    /// there is one alone.
    ///
    /// # Errors
    /// [`RanksError`] where another rank ended or does not answer.
    pub fn measure(ranks: &Ranks) -> Result<Option<Self>, RanksError> {
        const SMALL: usize = 1;
        const LARGE: usize = 1 << 18;
        let count = ranks.count();
        if count == 1 {
            return Ok(None);
        }
        let (small, large) = (median(ranks, SMALL, 200)?, median(ranks, LARGE, 30)?);
        let bytes = Traffic::of_gather(&vec![LARGE; count], 0).bytes as f64;
        Ok(Some(Self { latency: small / rounds(count), bandwidth: bytes / (large - small).max(1e-9) }))
    }
}

/// Messages one after another until everybody has heard of everybody.
fn rounds(count: usize) -> f64 {
    f64::from(count.next_power_of_two().trailing_zeros())
}

/// The median of so many exchanges of `len` numbers a rank, in seconds.
fn median(ranks: &Ranks, len: usize, times: usize) -> Result<f64, RanksError> {
    let (own, lengths) = (vec![0.0; len], vec![len; ranks.count()]);
    let mut all = vec![0.0; len * ranks.count()];
    let mut seconds = Vec::with_capacity(times);
    for number in 0..times + times / 10 {
        let begun = Instant::now();
        ranks.gather(&own, &lengths, &mut all)?;
        // The first have their paths to find.
        if number >= times / 10 {
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}
