//! What a program must know of a model besides its graph, as ONNX's `metadata_props`: texts under keys.

use super::Frontend;
use crate::model::{Labels, Model, Provenance};

/// What the model does, in a paragraph, and its metadata.
pub fn of(model: &Model, frontend: Frontend) -> (String, Vec<(&'static str, String)>) {
    let card = &model.card;
    let (config, framing) = (&card.config, card.config.framing());
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    // The name that a setting has in files.
    let name = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    };
    let mut metadata = vec![
        ("genres", json(serde_json::to_string(&card.genres))),
        ("frontend", frontend.name().to_string()),
        ("sample_rate", config.sample_rate.to_string()),
        ("channels", config.channels.to_string()),
        ("frame_length", framing.length.to_string()),
        ("frame_step", framing.step.to_string()),
        ("normalise", name(serde_json::to_value(config.normalise))),
        ("decision", json(serde_json::to_string(&card.decision))),
        ("digest", model.digest()),
        ("genre-recognizer", json(serde_json::to_string(card))),
    ];
    if let Some(decibels) = config.drop_below {
        metadata.push(("drop_below", decibels.to_string()));
    }
    let licence = licences(&card.provenance);
    if !licence.is_empty() {
        metadata.push(("licence", licence));
    }
    let what = match config.labels {
        Labels::Genres => "Which genre a frame of music is",
        Labels::Tags => "Which tags fit a frame of music, each by itself",
    };
    let input = match frontend {
        Frontend::Stft | Frontend::Conv => format!(
            "Input: audio [batch, {}, {}] of {} samples a second",
            config.channels, framing.length, config.sample_rate
        ),
        Frontend::None => format!("Input: spectrograms, {}", name(serde_json::to_value(config.features))),
    };
    let about = format!(
        "{what}. {input}. Output: probabilities [batch, {}]; the labels' names are in the metadata.",
        card.genres.len()
    );
    (about, metadata)
}

/// The licences of what others made: name, licence, notice, of the model and of those that it began with.
fn licences(provenance: &Provenance) -> String {
    let chain = std::iter::successors(Some(provenance), |p| p.base.as_deref().map(|base| &base.provenance));
    let sources = chain.filter_map(|provenance| provenance.source.as_ref());
    let texts = sources.map(|s| format!("{}: {}\n\n{}", s.name, s.licence, s.notice.trim()));
    texts.collect::<Vec<_>>().join("\n\n")
}
