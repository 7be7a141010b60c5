use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::flags::{BaseFlags, NetworkFlags, configure};
use super::ranks::Job;
use super::{CliError, End, counted, print};
use crate::device::{self, DeviceChoice};
use crate::model::{Model, ModelError, Network, Taught};
use crate::plan::{Split, Target, plan, plan_split};
use crate::ranks::{Link, Traffic};
use crate::train::{TrainError, TrainOptions};

/// Shows devices, and a network's layers, parameters, operations and memory.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Info {
    /// A trained model, or included for the one that comes with the program [default: the network of the flags]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "genres", "NetworkFlags"])]
    model: Option<PathBuf>,
    /// Settings in a TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of genres of a network that is not trained yet
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=10000))]
    genres: u32,
    /// Frames a batch, for the memory
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(2..=65536))]
    batch: u32,
    /// Print what so many ranks of an MPI exchange in a training step, and how long that takes; started by mpirun, over the
    /// network that is measured between these ranks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=4096))]
    ranks: Option<u32>,
    /// With --ranks: microseconds that a message between ranks takes, the program's own share included [default: measured,
    /// or 50]
    #[arg(long, value_name = "US", requires = "ranks", value_parser = positive)]
    latency: Option<f64>,
    /// With --ranks: what a rank sends in a second [default: measured, or 1]
    #[arg(long, value_name = "GB", requires = "ranks", value_parser = positive)]
    bandwidth: Option<f64>,
    /// With --ranks: frames that one rank by itself trains on in a second; adds how much faster all are
    #[arg(long, value_name = "N", requires = "ranks", value_parser = positive)]
    rank_speed: Option<f64>,
    /// Print the graph of inference in Graphviz DOT and nothing else
    #[arg(long, conflicts_with = "ranks")]
    dot: bool,
    #[command(flatten)]
    network: NetworkFlags,
}

const EXAMPLES: &str = "\
Examples:
  genre-recognizer info
  genre-recognizer info --blocks 2 --filters 64 --convolution separable
  genre-recognizer info --model runs/demo-1/best.safetensors
  genre-recognizer info --model included
  genre-recognizer info --dot | dot -Tsvg > network.svg";

impl Info {
    /// How fast ranks reach each other: as the flags say, else as measured between the ranks that this was started as.
    fn link(&self) -> Result<(Link, String), CliError> {
        let job = Job::join(&Arc::default())?;
        let measured = Link::measure(&job.ranks).map_err(TrainError::from)?;
        let link = measured.unwrap_or(Link::USUAL);
        let link = Link {
            latency: self.latency.map_or(link.latency, |us| 1e-6 * us),
            bandwidth: self.bandwidth.map_or(link.bandwidth, |gb| 1e9 * gb),
        };
        let told = measured.map_or_else(String::new, |link| {
            let (ranks, us, gb) = (job.ranks.count(), 1e6 * link.latency, 1e-9 * link.bandwidth);
            format!("\nmeasured between these {ranks} ranks: {us:.1} µs a message, {gb:.2} GB/s\n")
        });
        Ok((link, told))
    }

    /// What ranks exchange, and how long that takes.
    fn exchanged(&self, network: &Network, ranks: usize) -> Result<String, CliError> {
        if ranks * 2 > self.batch as usize {
            return Err(CliError::Usage(format!(
                "--ranks is {ranks}, but --batch {} has frames for {} (batch norm needs two a rank)",
                self.batch,
                self.batch / 2
            )));
        }
        let (link, mut text) = self.link()?;
        let options = TrainOptions { batch: self.batch as usize, slices: ranks, ..TrainOptions::default() };
        options.check()?;
        let training = network.training(&options.graph())?;
        let split = Split::even(training.batched(), options.batch, ranks, (0, ranks));
        let cpu = device::cpu::Cpu;
        let program = plan_split(&training.graph, &training.request(true), Some(&split), &cpu);
        let program = program.map_err(ModelError::from)?;
        let all = device::traffic(&program).and(Traffic::of_agreement(ranks));
        let seconds = link.seconds(all, ranks);
        text += &format!(
            "\n{ranks} ranks, {} frames a step\n  a step's exchanges: {}; sent by a rank: {:.2} MB\n  predicted: {:.1} ms \
             ({:.1} µs a message, {:.2} GB/s)\n",
            options.batch,
            all.exchanges,
            all.bytes as f64 / 1e6,
            1e3 * seconds,
            1e6 * link.latency,
            1e-9 * link.bandwidth,
        );
        if let Some(speed) = self.rank_speed {
            // The slowest has the most frames; nothing is taken to be computed meanwhile.
            let share = options.batch.div_ceil(ranks) as f64 / speed;
            let gain = options.batch as f64 / speed / (share + seconds);
            text += &format!(
                "  where one trains on {speed} frames/s, all train on {:.0}: {gain:.2} times as many\n",
                gain * speed
            );
        }
        Ok(text)
    }

    pub fn run(&self) -> Result<End, CliError> {
        let model = self.model.as_deref().map(Model::load).transpose()?;
        let network = match &model {
            Some(model) => model.network()?,
            None => Network::new(
                configure(self.config.as_ref(), (&BaseFlags::default(), None), &self.network, None)?.model,
                self.genres as usize,
            )?,
        };
        if self.dot {
            print(&network.inference(1)?.graph.to_dot())?;
            return Ok(End::Success);
        }
        let mut text = devices();
        if let Some(model) = &model {
            text += &card(model);
        }
        text += &layers(&network)?;
        text += &memory(&network, self.batch as usize)?;
        if let Some(ranks) = self.ranks {
            text += &self.exchanged(&network, ranks as usize)?;
        }
        print(&text)?;
        Ok(End::Success)
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("it must be a number above 0".into()),
    }
}

/// The devices of this machine, and which of them `auto` takes.
fn devices() -> String {
    let mut text = String::from("devices\n");
    let cpu = device::Device::describe(&device::cpu::Cpu);
    text += &format!("  cpu: {cpu}\n");
    let adapters = device::gpu::adapters();
    for adapter in &adapters {
        let mixed = if adapter.mixed.is_some() { "" } else { "no " };
        text += &format!("  gpu: {adapter}, {mixed}mixed precision\n");
    }
    if adapters.is_empty() {
        text += "  gpu: none found\n";
    }
    let auto = match device::open(DeviceChoice::Auto) {
        Ok(device) => device.describe(),
        Err(error) => error.to_string(),
    };
    text + &format!("  --device auto takes: {auto}\n\n")
}

fn card(model: &Model) -> String {
    let p = &model.card.provenance;
    let percent = |share: Option<f64>| share.map_or("unknown".into(), |s| format!("{:.1} %", 100.0 * s));
    let crossed = model.card.cross_validation.map_or_else(String::new, |c| {
        format!(
            "  cross-validation: {} songs, {} folds, {}, song accuracy {} (95 % interval {} to {}), frame accuracy {}\n",
            c.songs,
            c.folds,
            counted(c.seeds, "seed"),
            percent(Some(c.song_accuracy)),
            percent(Some(c.interval[0])),
            percent(Some(c.interval[1])),
            percent(Some(c.frame_accuracy)),
        )
    });
    let d = &model.card.decision;
    let unsure =
        d.unsure_below.map_or_else(String::new, |p| format!(", unsure below {}", percent(Some(p.into()))));
    let mut origin = String::new();
    let mut named = p.source.as_ref();
    let mut base = p.base.as_deref();
    origin += &p.taught.as_deref().map_or_else(String::new, lessons);
    while let Some(ancestor) = base {
        let (labels, digest) = (counted(ancestor.labels, "label"), &ancestor.digest);
        origin += &format!("  began with: {} ({labels}, digest {digest})\n", ancestor.provenance.dataset);
        named = named.or(ancestor.provenance.source.as_ref());
        origin += &ancestor.provenance.taught.as_deref().map_or_else(String::new, lessons);
        base = ancestor.provenance.base.as_deref();
    }
    if let Some(source) = named {
        origin += &format!("  weights of others: {}, licence {}\n", source.name, source.licence);
    }
    format!(
        "model\n  genres: {}\n  trained on: {} ({} songs, {} epochs, seed {})\n  \
         validation: {} songs, song accuracy {}, frame accuracy {}\n{crossed}{origin}  \
         from frames to song: {}, temperature {:.2}{unsure}\n\n",
        model.card.genres.join(", "),
        p.dataset,
        p.training_songs,
        p.epochs,
        p.seed,
        p.validation_songs,
        percent(p.song_accuracy),
        percent(p.frame_accuracy),
        d.aggregation.name(),
        d.temperature,
    )
}

/// Whom a model has learnt from, and what it heard for that.
fn lessons(taught: &Taught) -> String {
    let explained = taught
        .explained
        .map_or_else(String::new, |share| format!("; explains {:.1} % of the variance", 100.0 * share));
    let mut text = String::new();
    for teacher in &taught.teachers {
        let (labels, digest) = (counted(teacher.labels, "label"), &teacher.digest);
        let (name, source) = (&teacher.provenance.dataset, teacher.provenance.source.as_ref());
        let licence = source.map_or_else(String::new, |source| format!(", licence {}", source.licence));
        text += &format!("  taught by: {name} ({labels}, digest {digest}{licence}){explained}\n");
    }
    for heard in &taught.heard {
        let licence = heard.licence.as_deref().unwrap_or("licence unknown");
        let folder = if heard.folder.is_empty() { "." } else { &heard.folder };
        text += &format!("  heard: {folder} ({}), {licence}\n", counted(heard.songs, "song"));
    }
    text
}

/// The table of layers, for one frame.
fn layers(network: &Network) -> Result<String, CliError> {
    let rows = network.table()?;
    let name = rows.iter().map(|r| r.name.chars().count()).max().unwrap_or(0);
    let shape = rows.iter().map(|r| r.shape.to_string().chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "network (one frame)\n  {:<name$}  {:<shape$}  {:>10}  {:>9}  op\n",
        "layer", "output", "parameters", "MFLOP"
    );
    for row in &rows {
        text += &format!(
            "  {:<name$}  {:<shape$}  {:>10}  {:>9.3}  {}\n",
            row.name,
            row.shape.to_string(),
            row.parameters,
            row.operations as f64 / 1e6,
            row.op
        );
    }
    let parameters: usize = rows.iter().map(|r| r.parameters).sum();
    let operations: u64 = rows.iter().map(|r| r.operations).sum();
    Ok(text + &format!("  total: {parameters} parameters, {:.1} MFLOP a frame\n\n", operations as f64 / 1e6))
}

/// What training and inference allocate on the CPU device.
fn memory(network: &Network, batch: usize) -> Result<String, CliError> {
    let cpu: &dyn Target = &device::cpu::Cpu;
    let training = network.training(&TrainOptions { batch, ..TrainOptions::default() }.graph())?;
    let inference = network.inference(batch)?;
    let programs = [
        ("training", plan(&training.graph, &training.request(true), cpu)),
        ("inference", plan(&inference.graph, &inference.request(true), cpu)),
    ];
    let mut text = format!("memory (batch {batch}, CPU device)\n");
    for (what, program) in programs {
        let program = program.map_err(crate::model::ModelError::from)?;
        let mega = |bytes: u64| bytes as f64 / 1e6;
        text += &format!(
            "  {what}: {:.1} MB in {} buffers and {} steps ({:.1} MB if no tensor shared memory)\n",
            mega(program.memory()),
            program.buffers.len(),
            program.steps.len(),
            mega(program.memory_unshared()),
        );
    }
    Ok(text)
}
