//! A model as a web page that runs the engine's own shaders through WebGPU.

mod data;
mod program;
mod target;

use std::collections::BTreeMap;

use serde::Serialize;

use self::data::Data;
use self::program::{Code, Ports, code};
use super::ExportError;
use crate::audio::Framing;
use crate::graph::NodeId;
use crate::model::{Features, Model, ModelCard, ModelError, Network, ParameterLayout, Running};
use crate::ops::mel::MelScale;
use crate::recognize::at_once;
use crate::score::Decision;

/// What a page is made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Whether it can also show what in a song speaks for its genre, which takes a second program.
    pub explanation: bool,
}

/// The page, with places for what is made here.
const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// In the order in which they build on each other.
const SCRIPTS: [(&str, &str); 11] = [
    ("engine.js", include_str!("engine.js")),
    ("decode.js", include_str!("decode.js")),
    ("fourier.js", include_str!("fourier.js")),
    ("resample.js", include_str!("resample.js")),
    ("audio.js", include_str!("audio.js")),
    ("verdict.js", include_str!("verdict.js")),
    ("recognise.js", include_str!("recognise.js")),
    ("picture.js", include_str!("picture.js")),
    ("page.js", include_str!("page.js")),
    ("player.js", include_str!("player.js")),
    ("start.js", include_str!("start.js")),
];

/// The model as one HTML file that needs nothing else: no network and no server. It is planned for what every browser's WebGPU
/// promises, whatever GPU this machine has, if any.
///
/// # Errors
/// [`ExportError::Model`] where the network cannot be built or the weights are another network's;
/// [`ExportError::TooLarge`] where a frame of it takes more than every browser's WebGPU promises.
pub fn html(model: &Model, page: Page) -> Result<String, ExportError> {
    let network = model.network()?;
    let config = &model.card.config;
    let (mut modules, mut data) = (BTreeMap::new(), Data::default());
    // Half as many frames as the program takes at once: progress is seen, and phones have less memory.
    let batch = at_once(config).div_ceil(2);
    let recognise = code(batch, |batch| recognition(model, &network, batch), &mut modules, &mut data)?;
    let explained =
        || code(batch.div_ceil(2), |batch| explanation(model, &network, batch), &mut modules, &mut data);
    let explain = page.explanation.then(explained).transpose()?;
    let (height, width) = network.feature_size();
    let features = FeaturesJson {
        kind: config.features,
        gain: Features::GAIN,
        height,
        width,
        scale: config.uses_mels().then_some(config.mel_scale),
        low: if config.uses_mels() { config.low } else { 0.0 },
        high: if config.uses_mels() { config.high } else { f64::from(config.sample_rate) / 2.0 },
    };
    let Framing { length, step, quiet } = config.framing();
    let exported = Exported {
        version: env!("CARGO_PKG_VERSION"),
        genres: &model.card.genres,
        audio: config.audio(),
        shortest: config.shortest_song(),
        frame: FrameJson { length, step, quiet, silent: crate::recognize::SILENT },
        features,
        decision: &model.card.decision,
        about: about(&model.card),
        recognise,
        explain,
        modules,
        data: data.into_texts(),
    };
    let json = serde_json::to_string(&exported).map_err(|error| ModelError::Weights(error.to_string()))?;
    let scripts: Vec<String> =
        SCRIPTS.iter().map(|(name, source)| format!("<script>\n// {name}\n{source}</script>\n")).collect();
    Ok(fill(TEMPLATE, &[("style", STYLE), ("model", &within_script(&json)), ("scripts", &scripts.concat())]))
}

/// What the page knows of the model.
#[derive(Serialize)]
struct Exported<'a> {
    version: &'static str,
    genres: &'a [String],
    audio: crate::audio::AudioSpec,
    /// Seconds of the shortest song that is heard.
    shortest: f64,
    frame: FrameJson,
    features: FeaturesJson,
    decision: &'a Decision,
    about: Vec<[String; 2]>,
    recognise: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Code>,
    /// WGSL by name.
    modules: BTreeMap<&'static str, &'static str>,
    data: Vec<String>,
}

/// Samples a frame and from one to the next; the root mean square below which a frame is dropped; decibels below the loudest
/// at which a frame is silent.
#[derive(Serialize)]
struct FrameJson {
    length: usize,
    step: usize,
    quiet: f32,
    silent: f64,
}

/// What the spectrograms show.
#[derive(Serialize)]
struct FeaturesJson {
    kind: Features,
    gain: f32,
    height: usize,
    width: usize,
    /// None where frequencies are linear.
    scale: Option<MelScale>,
    /// Hz.
    low: f64,
    high: f64,
}

fn constants(
    model: &Model,
    (layout, running, state): (&ParameterLayout, &[Running], NodeId),
) -> Result<Vec<(NodeId, Vec<f32>)>, ModelError> {
    let (flat, statistics) = model.weights.scatter(layout, running)?;
    Ok(std::iter::once((state, flat)).chain(running.iter().map(|r| r.node).zip(statistics)).collect())
}

/// Probabilities, and the features for the page's spectrograms.
fn recognition(model: &Model, network: &Network, batch: usize) -> Result<Ports, ExportError> {
    let part = network.explanation(batch)?;
    Ok(Ports {
        constants: constants(model, (&part.layout, &part.running, part.state))?,
        inputs: vec![("audio", part.audio)],
        outputs: vec![("probabilities", part.probabilities), ("features", part.features)],
        graph: part.graph,
    })
}

/// The gradient of a choice of logits to the features, and the features.
fn explanation(model: &Model, network: &Network, batch: usize) -> Result<Ports, ExportError> {
    let part = network.explanation(batch)?;
    Ok(Ports {
        constants: constants(model, (&part.layout, &part.running, part.state))?,
        inputs: vec![("audio", part.audio), ("selector", part.selector)],
        outputs: vec![("features", part.features), ("gradient", part.gradient)],
        graph: part.graph,
    })
}

/// What the page tells about the model: names and values.
fn about(card: &ModelCard) -> Vec<[String; 2]> {
    let p = &card.provenance;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut facts = vec![["Genres".to_string(), card.genres.join(", ")]];
    let mut add = |name: &str, value: String| facts.push([name.to_string(), value]);
    if p.training_songs > 0 {
        // Without epochs, a last layer was fitted.
        let epochs = if p.epochs > 0 { format!(", {} epochs", p.epochs) } else { String::new() };
        add("Trained on", format!("{}, {} songs{epochs}", p.dataset, p.training_songs));
    }
    if let Some(accuracy) = p.song_accuracy.filter(|_| p.validation_songs > 0) {
        add("Recognises", format!("{} of {} songs kept apart", percent(accuracy), p.validation_songs));
    }
    if let Some(c) = &card.cross_validation {
        let [low, high] = c.interval.map(percent);
        let accuracy = percent(c.song_accuracy);
        add(
            "Cross-validation",
            format!("{accuracy} of {} songs in {} folds (95 % interval {low} to {high})", c.songs, c.folds),
        );
    }
    let mut origin = Some(p);
    while let Some(of) = origin {
        if let Some(source) = &of.source {
            add(
                "Weights of others",
                format!("{}, licence {}\n{}", source.name, source.licence, source.notice),
            );
        }
        origin = of.base.as_deref().map(|base| &base.provenance);
    }
    facts
}

/// JSON that may stand in a script element: nothing in it ends the element or begins a comment.
fn within_script(json: &str) -> String {
    json.replace("</", "<\\/").replace("<!", "\\u003c!")
}

/// The template with `{{name}}` replaced, each by its value as it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut parts = template.split("{{");
    page += parts.next().unwrap_or_default();
    for part in parts {
        let Some((name, after)) = part.split_once("}}") else { continue };
        page += values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        page += after;
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_is_taken_for_markup_or_a_place() {
        assert_eq!(fill("<a>{{x}}-{{y}}</a>", &[("x", "{{y}}"), ("y", "1")]), "<a>{{y}}-1</a>");
        let json = within_script(r#"["</script><!--"]"#);
        assert!(!json.contains("</") && !json.contains("<!"));
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), ["</script><!--"]);
    }
}
