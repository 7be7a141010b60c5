use serde::{Deserialize, Serialize};

use super::ModelError;
use crate::audio::{AudioSpec, Framing, Normalise};
use crate::ops::batch_norm::BatchNorm;
use crate::ops::mel::MelScale;

/// The time-frequency representation that the network begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// ln(mel power + 1e-5).
    #[default]
    LogMel,
    /// log10(1 + 10⁴·mel power), as musicnn takes it.
    CompressedMel,
    /// Mel power on Kapre's decibel scale, at most 80 dB below its maximum.
    MelDecibel,
    /// The power spectrogram as it is, Kapre's default.
    Power,
    /// The power spectrogram on Kapre's decibel scale, at most 80 dB below its maximum.
    Decibel,
}

impl Features {
    /// What [`Features::CompressedMel`] multiplies mel power by.
    pub const GAIN: f32 = 1e4;
}

/// How a block convolves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convolution {
    /// Every output channel sees every input channel.
    #[default]
    Standard,
    /// A depthwise convolution, then a pointwise one.
    Separable,
}

/// What lies between the features and the last layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Residual blocks of square convolutions, and dense layers.
    #[default]
    Residual,
    /// Tall and wide convolutions over the spectrogram, layers over time, dense layers (Pons and Serra 2019).
    Musicnn(Musicnn),
}

/// The sizes of [`Architecture::Musicnn`]; the default has the published ones, for 96 mel filters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Musicnn {
    /// Convolutions over so many mel filters.
    pub timbral: Vec<Branch>,
    /// Columns that these see.
    pub timbral_width: usize,
    /// Convolutions over so many columns of one mel filter.
    pub temporal: Vec<Branch>,
    /// Filters of the layers over time.
    pub middle: Vec<usize>,
    /// Columns that these see.
    pub middle_width: usize,
}

/// A convolution of the front end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// Its output channels.
    pub filters: usize,
    /// The longer side of its kernel.
    pub length: usize,
}

impl Default for Musicnn {
    fn default() -> Self {
        let branches = |filters, lengths: &[usize]| {
            lengths.iter().map(|&length| Branch { filters, length }).collect::<Vec<_>>()
        };
        Self {
            timbral: branches(204, &[38, 67]),
            timbral_width: 7,
            temporal: branches(51, &[128, 64, 32]),
            middle: vec![64; 3],
            middle_width: 7,
        }
    }
}

/// What a network's outputs say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Which one of the genres it is: softmax, cross-entropy.
    #[default]
    Genres,
    /// Which of the tags fit, each by itself: sigmoid, binary cross-entropy.
    Tags,
}

/// Everything that decides what a network computes: preprocessing and architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Hz.
    pub sample_rate: u32,
    /// Length of a frame in seconds.
    pub frame_seconds: f64,
    /// Seconds from the beginning of a frame to that of the next where a song is recognised; one frame's length where it
    /// is not given. Training takes frames at random places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_step: Option<f64>,
    /// Frames whose root mean square, after normalisation, is below this many dBFS are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_below: Option<f64>,
    /// 1 (mono) or 2 (stereo).
    pub channels: usize,
    /// How the level of a whole song is set.
    pub normalise: Normalise,
    /// What the convolutions see.
    pub features: Features,
    /// Length of the Fourier transform, a power of two from 64 to 4096.
    pub n_fft: usize,
    /// Samples from one transform to the next.
    pub hop: usize,
    /// Mel filters, where the features have any.
    pub mels: usize,
    /// Hz; where the mel filters begin.
    pub low: f64,
    /// Hz; where the mel filters end.
    pub high: f64,
    /// Where between these the mel filters lie.
    #[serde(skip_serializing_if = "is_default")]
    pub mel_scale: MelScale,
    /// Whether the first and the last transform lie half outside the frame, which is extended by reflection.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub centred: bool,
    /// What lies between the features and the last layer.
    #[serde(skip_serializing_if = "is_default")]
    pub architecture: Architecture,
    /// What the outputs say.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Labels,
    /// What batch norms add to a variance.
    #[serde(skip_serializing_if = "is_usual")]
    pub epsilon: f64,
    /// Whether a 5×5 convolution of stride 2 comes before the blocks.
    pub stem: bool,
    /// Output channels of every residual block; the stem has as many as the first.
    pub filters: Vec<usize>,
    /// Convolutions a block.
    pub convolutions: usize,
    /// Side of a block's convolution kernels; odd.
    pub kernel: usize,
    /// Side of the max pooling after every block; 1 for none. Skipped where a side would vanish.
    pub pool: usize,
    /// Whether what is left over at the pooling's far edges is pooled too, so that all of a frame counts.
    pub pool_rest: bool,
    /// How a block convolves.
    pub convolution: Convolution,
    /// Whether a block activates both of its branches and adds them, instead of adding and then activating.
    pub addition_last: bool,
    /// Units of every dense layer before the last.
    pub dense: Vec<usize>,
    /// Units of one more dense layer behind these, without norm and activation, whose outputs the last layer sees: what a
    /// network that is taught says of its teacher's embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<usize>,
    /// The probability of dropping an output of a dense layer in training.
    pub dropout: f32,
    /// Slope of the leaky ReLU for negative values.
    pub slope: f32,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            sample_rate: 44_100,
            frame_seconds: 1.0,
            frame_step: None,
            drop_below: None,
            channels: 1,
            normalise: Normalise::Peak,
            features: Features::LogMel,
            n_fft: 2048,
            hop: 512,
            mels: 128,
            low: 30.0,
            high: 16_000.0,
            mel_scale: MelScale::Htk,
            centred: true,
            architecture: Architecture::Residual,
            labels: Labels::Genres,
            epsilon: BatchNorm::EPSILON,
            stem: true,
            filters: vec![16, 32, 64, 128],
            convolutions: 2,
            kernel: 3,
            pool: 2,
            pool_rest: true,
            convolution: Convolution::Standard,
            addition_last: false,
            dense: vec![256],
            embedding: None,
            dropout: 0.2,
            slope: 0.3,
        }
    }
}

impl ModelConfig {
    /// Completes settings that an earlier version wrote into a model or checkpoint: the pooling of its networks left out the
    /// rest, and it had no setting for it.
    pub(crate) fn complete(written: Option<&mut serde_json::Value>) {
        if let Some(serde_json::Value::Object(settings)) = written {
            settings.entry("pool_rest").or_insert(false.into());
        }
    }

    /// Samples a frame and channel.
    pub fn frame_length(&self) -> usize {
        (self.frame_seconds * f64::from(self.sample_rate)).round() as usize
    }

    /// The shortest song that is heard, in seconds: a frame, or where frames are longer, one second, which is heard repeated.
    pub fn shortest_song(&self) -> f64 {
        (self.frame_length() as f64 / f64::from(self.sample_rate)).min(1.0)
    }

    /// What a song is made into before it is cut into frames.
    pub fn audio(&self) -> AudioSpec {
        AudioSpec { sample_rate: self.sample_rate, channels: self.channels, normalise: self.normalise }
    }

    /// How a song is cut into frames.
    pub fn framing(&self) -> Framing {
        let length = self.frame_length();
        let step = self.frame_step.map(|s| (s * f64::from(self.sample_rate)).round() as usize);
        let quiet = self.drop_below.map_or(0.0, |decibels| 10f64.powf(decibels / 20.0) as f32);
        Framing { length, step: step.unwrap_or(length), quiet }
    }

    /// Checks what the graph does not check when it is built, and what would need absurd memory.
    ///
    /// # Errors
    /// [`ModelError::Setting`] with the setting, its value and what is allowed.
    pub fn check(&self) -> Result<(), ModelError> {
        let require = |ok: bool, setting, value: String, wanted: &str| {
            if ok { Ok(()) } else { Err(ModelError::Setting { setting, value, wanted: wanted.to_string() }) }
        };
        let sizes = |list: &[usize]| list.iter().all(|&size| (1..=4096).contains(&size));
        require(
            (1_000..=384_000).contains(&self.sample_rate),
            "sample_rate",
            format!("{} Hz", self.sample_rate),
            "1000 to 384000 Hz is possible",
        )?;
        require(
            self.frame_seconds.is_finite() && (0.01..=60.0).contains(&self.frame_seconds),
            "frame_seconds",
            format!("{} s", self.frame_seconds),
            "0.01 to 60 s is possible",
        )?;
        require(
            self.frame_step.is_none_or(|s| s.is_finite() && (0.01..=600.0).contains(&s)),
            "frame_step",
            format!("{} s", self.frame_step.unwrap_or_default()),
            "0.01 to 600 s is possible",
        )?;
        require(
            self.drop_below.is_none_or(|d| d.is_finite() && (-120.0..0.0).contains(&d)),
            "drop_below",
            format!("{} dBFS", self.drop_below.unwrap_or_default()),
            "it must lie from -120 to below 0 dBFS, such as -50",
        )?;
        require(
            (1..=2).contains(&self.channels),
            "channels",
            self.channels.to_string(),
            "1 (mono) or 2 (stereo) is possible",
        )?;
        require(
            self.n_fft.is_power_of_two() && (64..=4096).contains(&self.n_fft),
            "n_fft",
            self.n_fft.to_string(),
            "it must be a power of two from 64 to 4096",
        )?;
        require(
            (1..=1 << 20).contains(&self.hop),
            "hop",
            self.hop.to_string(),
            "it must be at least 1 sample",
        )?;
        require(
            self.frame_length() > self.n_fft / if self.centred { 2 } else { 1 },
            "frame_seconds",
            format!("{} s", self.frame_seconds),
            "it must be longer than n_fft samples, or half of them if they are centred; use longer frames or a smaller n_fft",
        )?;
        require(
            self.epsilon.is_finite() && self.epsilon > 0.0,
            "epsilon",
            self.epsilon.to_string(),
            "it must be positive",
        )?;
        if let Architecture::Musicnn(sizes) = &self.architecture {
            let branches = || sizes.timbral.iter().chain(&sizes.temporal);
            let lengths =
                branches().map(|branch| branch.length).chain([sizes.timbral_width, sizes.middle_width]);
            let filters = branches().map(|branch| branch.filters).chain(sizes.middle.iter().copied());
            require(
                branches().count() + sizes.middle.len() <= 32
                    && !sizes.timbral.is_empty()
                    && !sizes.temporal.is_empty()
                    && self.uses_mels()
                    && sizes.timbral.iter().all(|branch| branch.length <= self.mels)
                    && lengths.chain(filters).all(|size| (1..=4096).contains(&size)),
                "architecture",
                format!("{sizes:?}"),
                "musicnn takes mel features, at least one timbral branch (no longer than there are mel filters) and one \
                 temporal branch, at most 32 convolutions, and sizes of 1 to 4096",
            )?;
        }
        require((1..=1024).contains(&self.mels), "mels", self.mels.to_string(), "1 to 1024 are possible")?;
        let nyquist = f64::from(self.sample_rate) / 2.0;
        require(
            !self.uses_mels() || self.high.is_finite() && self.high <= nyquist,
            "high",
            format!("{} Hz", self.high),
            &format!("mel filters end at {nyquist} Hz, half the sample rate, or below"),
        )?;
        require(
            !self.uses_mels() || (0.0 <= self.low && self.low < self.high),
            "low",
            format!("{} Hz", self.low),
            &format!("mel filters begin at 0 Hz or above, and below {} Hz, where they end", self.high),
        )?;
        require(
            (1..=32).contains(&self.filters.len()),
            "filters",
            format!("{:?}", self.filters),
            "1 to 32 blocks are possible",
        )?;
        require(
            sizes(&self.filters),
            "filters",
            format!("{:?}", self.filters),
            "1 to 4096 in every block are possible; give the number of each",
        )?;
        require(
            (1..=16).contains(&self.convolutions),
            "convolutions",
            self.convolutions.to_string(),
            "1 to 16 are possible",
        )?;
        require(
            self.kernel % 2 == 1 && self.kernel <= 31,
            "kernel",
            self.kernel.to_string(),
            "it must be odd and at most 31",
        )?;
        require((1..=16).contains(&self.pool), "pool", self.pool.to_string(), "1 (none) to 16 is possible")?;
        require(self.dense.len() <= 16, "dense", format!("{:?}", self.dense), "0 to 16 layers are possible")?;
        require(
            sizes(&self.dense),
            "dense",
            format!("{:?}", self.dense),
            "1 to 4096 in every dense layer are possible",
        )?;
        require(
            self.embedding.is_none_or(|units| (1..=4096).contains(&units)),
            "embedding",
            format!("{:?}", self.embedding.unwrap_or_default()),
            "1 to 4096 units are possible",
        )?;
        require(
            (0.0..1.0).contains(&self.dropout),
            "dropout",
            self.dropout.to_string(),
            "it must be at least 0 and below 1",
        )?;
        require(
            (0.0..1.0).contains(&self.slope),
            "slope",
            self.slope.to_string(),
            "it must be at least 0 and below 1",
        )
    }

    /// Whether the features go through mel filters.
    pub fn uses_mels(&self) -> bool {
        matches!(self.features, Features::LogMel | Features::CompressedMel | Features::MelDecibel)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_usual(epsilon: &f64) -> bool {
    *epsilon == BatchNorm::EPSILON
}
