//! Tiny networks of every architecture and every setting, with weights of which none is what training begins with.

use std::sync::LazyLock;

use genre_recognizer::audio::Normalise;
use genre_recognizer::device::cpu::Cpu;
use genre_recognizer::engine::{Request, compile};
use genre_recognizer::model::{
    Architecture, Branch, Convolution, FORMAT, Features, Labels, Model, ModelCard, ModelConfig, Musicnn,
    Network, Provenance,
};
use genre_recognizer::ops::mel::MelScale;
use genre_recognizer::rng::Rng;
use genre_recognizer::score::Decision;

/// Frames of a batch.
pub const BATCH: usize = 3;

/// Features of 16×9, or of 33×9 without mel filters.
pub fn tiny() -> ModelConfig {
    ModelConfig {
        sample_rate: 4000,
        frame_seconds: 0.25,
        n_fft: 256,
        hop: 125,
        mels: 16,
        low: 30.0,
        high: 2000.0,
        filters: vec![4, 6],
        dense: vec![8],
        ..ModelConfig::default()
    }
}

fn musicnn(temporal: [usize; 2], middle_width: usize) -> ModelConfig {
    let branch = |filters, length| Branch { filters, length };
    let sizes = Musicnn {
        timbral: vec![branch(3, 6), branch(2, 11)],
        timbral_width: 7,
        temporal: temporal.map(|length| branch(2, length)).to_vec(),
        middle: vec![4, 4],
        middle_width,
    };
    ModelConfig {
        architecture: Architecture::Musicnn(sizes),
        features: Features::CompressedMel,
        mel_scale: MelScale::Slaney,
        centred: false,
        normalise: Normalise::None,
        slope: 0.0,
        epsilon: 1e-3,
        ..tiny()
    }
}

/// Networks in which every setting has every value, or one of every kind.
pub fn all() -> Vec<(&'static str, ModelConfig)> {
    let features = |features, channels| ModelConfig { features, channels, ..tiny() };
    vec![
        ("log-mel", tiny()),
        ("log-mel, stereo", features(Features::LogMel, 2)),
        ("compressed-mel", features(Features::CompressedMel, 1)),
        ("mel-decibel, stereo", features(Features::MelDecibel, 2)),
        ("decibel", features(Features::Decibel, 1)),
        ("power", features(Features::Power, 1)),
        ("power, stereo", features(Features::Power, 2)),
        ("Slaney's mel scale", ModelConfig { mel_scale: MelScale::Slaney, ..tiny() }),
        ("not centred", ModelConfig { centred: false, ..tiny() }),
        ("no stem", ModelConfig { stem: false, ..tiny() }),
        ("separable", ModelConfig { convolution: Convolution::Separable, stem: false, ..tiny() }),
        ("pooling without the rest", ModelConfig { pool_rest: false, ..tiny() }),
        ("wide pooling", ModelConfig { pool: 3, stem: false, ..tiny() }),
        ("no pooling", ModelConfig { pool: 1, ..tiny() }),
        ("addition last", ModelConfig { addition_last: true, convolutions: 3, ..tiny() }),
        ("one wide convolution, ReLU", ModelConfig { convolutions: 1, kernel: 5, slope: 0.0, ..tiny() }),
        ("no dense layer", ModelConfig { dense: vec![], ..tiny() }),
        ("two dense layers", ModelConfig { dense: vec![8, 5], ..tiny() }),
        ("tags", ModelConfig { labels: Labels::Tags, ..tiny() }),
        ("musicnn", musicnn([9, 5], 7)),
        ("musicnn, even widths, tags", ModelConfig { labels: Labels::Tags, ..musicnn([8, 4], 6) }),
        ("musicnn, stereo, log-mel", {
            ModelConfig { features: Features::LogMel, channels: 2, slope: 0.3, ..musicnn([8, 5], 3) }
        }),
    ]
}

/// A model of this network. Running statistics, scales, shifts and biases are those of no fresh network; features become about
/// normal, and logits lie within ±3, so that nothing saturates.
pub fn model(config: ModelConfig) -> Model {
    let genres: Vec<String> = ["blues", "folk", "jazz", "rock"].map(String::from).to_vec();
    let mut weights = Network::new(config.clone(), genres.len()).unwrap().initialise(7).unwrap();
    for (name, tensor) in &mut weights.0 {
        let mut rng = Rng::new(3).split_str(name);
        let mut fill =
            |values: &mut [f32], low, high| values.iter_mut().for_each(|v| *v = rng.range(low, high));
        let half = tensor.data.len() / 2;
        let (first, second) = tensor.data.split_at_mut(half);
        if name.ends_with(".running") {
            fill(first, -0.5, 0.5);
            fill(second, 0.5, 1.5);
        } else if name.ends_with(".scale_shift") {
            fill(first, 0.5, 1.5);
            fill(second, -0.5, 0.5);
        } else if name.ends_with("bias") {
            fill(&mut tensor.data, -0.5, 0.5);
        }
    }
    let card = ModelCard {
        format: FORMAT,
        genres,
        config,
        provenance: Provenance::default(),
        decision: Decision::default(),
        cross_validation: None,
    };
    let mut model = Model { card, weights };
    let features = compute(&model);
    let [_, channels, height, width] = features.feature_shape[..] else { panic!("four axes") };
    let running = &mut model.weights.0.get_mut("features.norm.running").unwrap().data;
    for c in 0..channels {
        let planes = features.features.chunks_exact(height * width).skip(c).step_by(channels);
        let values: Vec<f32> = planes.flatten().copied().collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let squares: f32 = values.iter().map(|v| (v - mean).powi(2)).sum();
        (running[c], running[channels + c]) = (mean, squares / values.len() as f32);
    }
    let embedding = compute(&model).embedding;
    let size = embedding.len() / BATCH;
    let head = &mut model.weights.0.get_mut("head.weight").unwrap().data;
    let products = embedding.chunks_exact(size).flat_map(|x| {
        head.chunks_exact(size).map(|w| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>().abs())
    });
    let most = products.fold(0.0, f32::max);
    head.iter_mut().for_each(|w| *w *= 3.0 / most);
    model
}

/// Tones and noise, of other pitch and level in every frame and channel.
pub fn audio(config: &ModelConfig) -> Vec<f32> {
    static NOISE: LazyLock<Vec<f32>> = LazyLock::new(|| {
        let mut rng = Rng::new(5);
        (0..1 << 14).map(|_| rng.normal()).collect()
    });
    let length = config.frame_length();
    let signals = (0..BATCH * config.channels).flat_map(|signal| {
        let pitch = 0.05 + 0.17 * signal as f32;
        let tone = move |i: usize| 0.3 * (pitch * i as f32).sin();
        (0..length).map(move |i| tone(i) + 0.02 * (signal + 1) as f32 * NOISE[signal * length + i])
    });
    signals.collect()
}

/// What a model's network computes on the CPU device.
pub struct Computed {
    /// [N, channels, samples]
    pub audio: Vec<f32>,
    /// [N, channels, H, W], and the shape.
    pub features: Vec<f32>,
    pub feature_shape: Vec<usize>,
    /// [N, E]
    pub embedding: Vec<f32>,
    /// [N, labels]
    pub probabilities: Vec<f32>,
}

pub fn compute(model: &Model) -> Computed {
    let inference = model.network().unwrap().inference(BATCH).unwrap();
    let wanted = [inference.features, inference.embedding, inference.probabilities];
    let mut program = compile(&inference.graph, &Request::outputs(&wanted), &Cpu).unwrap();
    let (state, statistics) = model.weights.scatter(&inference.layout, &inference.running).unwrap();
    program.write(inference.state, &state).unwrap();
    for (running, values) in inference.running.iter().zip(&statistics) {
        program.write(running.node, values).unwrap();
    }
    let audio = audio(&model.card.config);
    program.write(inference.audio, &audio).unwrap();
    program.run().unwrap();
    let [features, embedding, probabilities] = program.outputs().unwrap().try_into().unwrap();
    let feature_shape = inference.graph.shape(inference.features).to_vec();
    Computed { audio, features, feature_shape, embedding, probabilities }
}
