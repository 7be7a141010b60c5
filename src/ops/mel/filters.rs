use serde::{Deserialize, Serialize};

/// What a mel filter bank is made from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MelSpec {
    /// Hz.
    pub sample_rate: u32,
    /// Length of the Fourier transform, F = n_fft/2 + 1.
    pub n_fft: usize,
    /// H, the number of filters.
    pub mels: usize,
    /// Hz; where the first filter begins.
    pub low: f64,
    /// Hz; where the last filter ends.
    pub high: f64,
    /// On which scale the filters are equally wide.
    #[serde(default, skip_serializing_if = "MelScale::is_default")]
    pub scale: MelScale,
}

/// A scale of pitch, on which a filter bank's filters are equally wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// `mel = 2595·log10(1 + f/700)` (O'Shaughnessy 1987), that of the speech recogniser HTK.
    #[default]
    Htk,
    /// Linear below 1000 Hz, 200/3 Hz a mel, and logarithmic above, 27 mels for a factor of 6.4: that of Slaney's
    /// Auditory Toolbox (1998), librosa's default.
    Slaney,
}

/// Triangular filters of unit area (librosa's `norm="slaney"`), equally wide on a mel scale: a matrix [H, F].
#[derive(Clone, Debug)]
pub struct FilterBank {
    pub spec: MelSpec,
    weights: Vec<f32>,
    /// The rows of the matrix, and those of its transpose.
    bands: [Vec<Band>; 2],
}

/// A row of a banded matrix: its first column that is not zero, and the elements from there to the last.
#[derive(Clone, Debug)]
pub struct Band {
    pub start: usize,
    pub weights: Vec<f32>,
}

impl Band {
    fn of(row: impl Iterator<Item = f32> + Clone) -> Self {
        let start = row.clone().position(|weight| weight != 0.0).unwrap_or(0);
        let mut weights: Vec<f32> = row.skip(start).collect();
        weights.truncate(weights.iter().rposition(|&weight| weight != 0.0).map_or(0, |last| last + 1));
        Self { start, weights }
    }
}

impl MelScale {
    /// Hz a mel where Slaney's scale is linear.
    const LINEAR: f64 = 200.0 / 3.0;
    /// Hz; where its logarithmic part begins.
    const KNEE: f64 = 1000.0;
    /// Mels of that part in which the frequency grows 6.4-fold.
    const MELS: f64 = 27.0;

    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn to_mel(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Slaney if hz < Self::KNEE => hz / Self::LINEAR,
            Self::Slaney => Self::KNEE / Self::LINEAR + (hz / Self::KNEE).ln() / (6.4f64.ln() / Self::MELS),
        }
    }

    fn to_hz(self, mel: f64) -> f64 {
        let above = mel - Self::KNEE / Self::LINEAR;
        match self {
            Self::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if above < 0.0 => mel * Self::LINEAR,
            Self::Slaney => Self::KNEE * (above * (6.4f64.ln() / Self::MELS)).exp(),
        }
    }
}

impl FilterBank {
    /// # Errors
    /// In words, where a frequency is out of range.
    pub fn new(spec: MelSpec) -> Result<Self, String> {
        let nyquist = f64::from(spec.sample_rate) / 2.0;
        if spec.mels == 0 {
            return Err("there must be at least one mel filter".into());
        }
        if !(0.0 <= spec.low && spec.low < spec.high && spec.high <= nyquist) {
            return Err(format!(
                "mel filters need 0 <= low < high <= {nyquist} Hz, not {} to {} Hz",
                spec.low, spec.high
            ));
        }
        let (low, high) = (spec.scale.to_mel(spec.low), spec.scale.to_mel(spec.high));
        let step = (high - low) / (spec.mels + 1) as f64;
        let edges: Vec<f64> = (0..spec.mels + 2).map(|i| spec.scale.to_hz(low + step * i as f64)).collect();
        let bins = spec.n_fft / 2 + 1;
        let mut weights = Vec::with_capacity(spec.mels * bins);
        for edge in edges.windows(3) {
            let (left, centre, right) = (edge[0], edge[1], edge[2]);
            for bin in 0..bins {
                let hz = bin as f64 * f64::from(spec.sample_rate) / spec.n_fft as f64;
                let rise = (hz - left) / (centre - left);
                let fall = (right - hz) / (right - centre);
                let area = 2.0 / (right - left);
                weights.push((rise.min(fall).max(0.0) * area) as f32);
            }
        }
        let row = |mel: usize| Band::of(weights[mel * bins..][..bins].iter().copied());
        let column = |bin: usize| Band::of(weights[bin..].iter().step_by(bins).copied());
        let bands = [(0..spec.mels).map(row).collect(), (0..bins).map(column).collect()];
        Ok(Self { spec, weights, bands })
    }

    /// H.
    pub fn mels(&self) -> usize {
        self.spec.mels
    }

    /// F.
    pub fn bins(&self) -> usize {
        self.spec.n_fft / 2 + 1
    }

    /// The rows of the matrix, or of its transpose.
    pub fn bands(&self, transposed: bool) -> &[Band] {
        &self.bands[usize::from(transposed)]
    }

    /// The weight of frequency bin `bin` in filter `mel`.
    pub fn weight(&self, mel: usize, bin: usize) -> f32 {
        self.weights[mel * self.bins() + bin]
    }
}
