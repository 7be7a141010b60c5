//! Seeded random numbers, the same on every machine.
//!
//! [`Rng`] is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014):
//! number n of a stream is a bijective mix of `key + n·γ`. The whole state is one `u64`, so a generator is
//! saved and restored in a checkpoint as one number, and [`Rng::split`] derives an independent stream for
//! any label (epoch, slot, layer ...) without drawing from the parent.

/// The odd integer closest to 2⁶⁴/φ: the increment of SplitMix64.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A seeded source of random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: u64,
}

/// The finaliser of SplitMix64 (Stafford's variant 13 of MurmurHash3's): a bijection that avalanches.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    /// A generator whose stream depends on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self { state: mix(seed.wrapping_add(GAMMA)) }
    }

    /// An independent stream labelled `stream`. Does not advance `self`; the same label gives the same stream.
    pub fn split(&self, stream: u64) -> Self {
        Self { state: mix(self.state ^ mix(stream.wrapping_mul(GAMMA).wrapping_add(1))) }
    }

    /// An independent stream labelled by text, for example a song's path.
    pub fn split_str(&self, label: &str) -> Self {
        // FNV-1a; `split` mixes it.
        let hash = label
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3));
        self.split(hash)
    }

    /// The whole state, to be kept in a checkpoint.
    pub fn state(&self) -> u64 {
        self.state
    }

    /// Restores what [`Rng::state`] gave.
    pub fn from_state(state: u64) -> Self {
        Self { state }
    }

    /// 64 uniform random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u64 << 24) as f32)
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..n, without bias (Lemire: "Fast random integer generation in an interval", 2019).
    /// 0 where n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= threshold {
                return (wide >> 64) as usize;
            }
        }
    }

    /// Standard normal (Box and Muller 1958). Draws two numbers and keeps none, so that the state stays one `u64`.
    pub fn normal(&mut self) -> f32 {
        // 1 − u lies in (0, 1]: the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.uniform_f64()).cos()) as f32
    }

    /// Fisher–Yates shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_splitmix64() {
        // Reference values of SplitMix64 from state 1234567.
        let mut rng = Rng::from_state(1_234_567);
        let expected: [u64; 5] = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        for value in expected {
            assert_eq!(rng.next_u64(), value);
        }
    }

    #[test]
    fn streams_are_reproducible_and_differ() {
        let root = Rng::new(7);
        let draw = |mut rng: Rng| [rng.next_u64(), rng.next_u64(), rng.next_u64()];
        assert_eq!(draw(root.split(3)), draw(Rng::new(7).split(3)));
        let streams = [
            root.clone(),
            Rng::new(8),
            root.split(0),
            root.split(1),
            root.split(1).split(0),
            root.split_str("a"),
            root.split_str("b"),
        ];
        for (i, a) in streams.iter().enumerate() {
            for b in &streams[i + 1..] {
                assert_ne!(draw(a.clone()), draw(b.clone()));
            }
        }
        let mut half = Rng::new(9);
        half.next_u64();
        let mut restored = Rng::from_state(half.state());
        assert_eq!(half.next_u64(), restored.next_u64());
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let mut rng = Rng::new(1);
        let n = 100_000;
        let mean_of = |draw: &mut dyn FnMut() -> f64| {
            let values: Vec<f64> = (0..n).map(|_| draw()).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
            (mean, variance)
        };
        let (mean, variance) = mean_of(&mut || {
            let u = rng.uniform();
            assert!((0.0..1.0).contains(&u));
            f64::from(u)
        });
        assert!((mean - 0.5).abs() < 0.005 && (variance - 1.0 / 12.0).abs() < 0.002, "{mean} {variance}");
        let (mean, variance) = mean_of(&mut || f64::from(rng.normal()));
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn below_is_even_and_in_range() {
        let mut rng = Rng::new(2);
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 400), "{counts:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        let bound = usize::MAX / 2 + 2;
        assert!((0..100).all(|_| rng.below(bound) < bound));
    }

    #[test]
    fn shuffle_permutes_evenly() {
        let mut rng = Rng::new(3);
        let mut first = [0usize; 5];
        for _ in 0..10_000 {
            let mut items = [0, 1, 2, 3, 4];
            rng.shuffle(&mut items);
            first[items[0]] += 1;
            let mut sorted = items;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        assert!(first.iter().all(|&c| c.abs_diff(2000) < 200), "{first:?}");
        rng.shuffle::<u8>(&mut []);
    }
}
