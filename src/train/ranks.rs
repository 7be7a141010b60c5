//! What processes that train one network together must agree on. All compute the same numbers but for the frames of a
//! batch, of which each has its own; the first alone validates, and reads and writes the run's folder.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::checkpoint::Checkpoint;
use super::session::Training;
use crate::plan::Split;
use crate::ranks::{Patience, Ranks, RanksError};

/// How the batches of a training are divided; None where one process computes them in one piece.
///
/// # Errors
/// [`TrainError::Setting`] where there are more processes than parts.
pub fn split(setup: &Training, inputs: Vec<crate::graph::NodeId>) -> Result<Option<Split>, TrainError> {
    let (options, ranks) = (&setup.config.training, &setup.ranks);
    if options.epochs == 0 || options.slices == 1 && ranks.count() == 1 {
        return Ok(None);
    }
    if options.slices < ranks.count() {
        return Err(TrainError::Setting {
            setting: "slices",
            value: options.slices.to_string(),
            wanted: format!(
                "every one of {} ranks computes one or more: start at most as many ranks as there are slices, or a new \
                 run with more slices",
                ranks.count()
            ),
        });
    }
    let who = (ranks.rank(), ranks.count());
    Ok(Some(Split::even(inputs, options.batch, options.slices, who)))
}

/// What a process says before a step.
#[derive(Serialize, Deserialize)]
enum Word {
    /// It was asked to stop.
    Stop,
    /// It cannot go on.
    Failed(String),
}

/// `own`, unless another process has failed; `tell` puts an error into words for the others.
///
/// # Errors
/// That of `own`; [`RanksError::Failed`] with the first other that failed.
pub fn agree<T, E: From<TrainError>>(
    ranks: &Ranks,
    own: Result<T, E>,
    tell: impl Fn(&E) -> String,
) -> Result<T, E> {
    meet(ranks, own, tell, false, Patience::Endless).map(|(value, _)| value)
}

/// As [`agree`]; and whether any process was asked to stop.
///
/// # Errors
/// As [`agree`].
pub fn turn<T>(
    ranks: &Ranks,
    own: Result<T, TrainError>,
    stop: &AtomicBool,
) -> Result<(T, bool), TrainError> {
    meet(ranks, own, TrainError::to_string, stop.load(Ordering::Relaxed), Patience::Step)
}

fn meet<T, E: From<TrainError>>(
    ranks: &Ranks,
    own: Result<T, E>,
    tell: impl Fn(&E) -> String,
    stop: bool,
    patience: Patience,
) -> Result<(T, bool), E> {
    let word = match &own {
        Err(error) => Some(Word::Failed(tell(error))),
        Ok(_) => stop.then_some(Word::Stop),
    };
    // Where there is nothing to say, nothing is sent but that.
    let said = word.map_or(Ok(Vec::new()), |word| serde_json::to_vec(&word)).unwrap_or_default();
    let all = match ranks.share(&said, patience) {
        Ok(all) => all,
        // What went wrong here is why the others are gone, if anything did.
        Err(error) => return Err(own.err().unwrap_or_else(|| TrainError::from(error).into())),
    };
    let value = own?;
    let mut stopped = false;
    for (rank, said) in all.iter().enumerate().filter(|(_, said)| !said.is_empty()) {
        match serde_json::from_slice(said) {
            Ok(Word::Stop) => stopped = true,
            Ok(Word::Failed(message)) => {
                return Err(TrainError::from(RanksError::Failed { rank, message }).into());
            }
            Err(error) => {
                let message = error.to_string();
                return Err(TrainError::from(RanksError::Failed { rank, message }).into());
            }
        }
    }
    Ok((value, stopped))
}

/// What the first process says, to all.
///
/// # Errors
/// [`RanksError`].
pub fn told(ranks: &Ranks, own: Vec<u8>) -> Result<Vec<u8>, TrainError> {
    let own = if ranks.is_first() { own } else { Vec::new() };
    Ok(ranks.share(&own, Patience::Endless)?.swap_remove(0))
}

/// The checkpoint of the first process, to all.
///
/// # Errors
/// [`RanksError`].
pub fn follow(
    ranks: &Ranks,
    first: Option<Result<Checkpoint, TrainError>>,
) -> Result<Checkpoint, TrainError> {
    let path = std::path::Path::new("what rank 0 sent");
    let fail = |source| TrainError::Io { path: path.into(), action: "sending the checkpoint", source };
    let bytes = |checkpoint: Checkpoint| checkpoint.bytes().map_err(fail);
    let bytes = first.map_or(Ok(Vec::new()), |checkpoint| checkpoint.and_then(bytes));
    let bytes = agree(ranks, bytes, TrainError::to_string)?;
    Checkpoint::parse(&told(ranks, bytes)?, path)
}

/// Makes sure that all processes are about to train the same.
///
/// # Errors
/// [`RanksError::Differs`].
pub fn same(setup: &Training, dataset: &str) -> Result<(), TrainError> {
    if setup.ranks.count() == 1 {
        return Ok(());
    }
    let config = super::RunConfig { dataset: std::path::PathBuf::new(), ..setup.config.clone() };
    let config = toml::to_string(&config).unwrap_or_default();
    let mine = Same {
        build: build(),
        device: setup.device.kind(),
        config: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(config.as_bytes())),
        dataset: dataset.to_owned(),
    };
    let all = setup.ranks.share(&serde_json::to_vec(&mine).unwrap_or_default(), Patience::Endless)?;
    let all: Vec<Same> = all.iter().map(|said| serde_json::from_slice(said).unwrap_or_default()).collect();
    for (rank, theirs) in all.iter().enumerate() {
        theirs.differs(rank, &all[0])?;
    }
    Ok(())
}

#[derive(Default, Serialize, Deserialize)]
struct Same {
    build: String,
    device: String,
    config: String,
    dataset: String,
}

impl Same {
    fn differs(&self, rank: usize, first: &Self) -> Result<(), RanksError> {
        let rows = [
            (&first.build, &self.build, "build", "run the same program file on all hosts"),
            (
                &first.device,
                &self.device,
                "device",
                "choose one kind of device with --device, and on processors that differ set GENRE_RECOGNIZER_SIMD to \
                 what all of them have",
            ),
            (
                &first.config,
                &self.config,
                "configuration",
                "give all ranks the same flags and files of settings",
            ),
            (
                &first.dataset,
                &self.dataset,
                "dataset",
                "give all ranks the same songs, readable on every host",
            ),
        ];
        for (ours, theirs, what, cure) in rows {
            if ours != theirs {
                let (ours, theirs) = (ours.clone(), theirs.clone());
                return Err(RanksError::Differs { rank, what, ours, theirs, cure });
            }
        }
        Ok(())
    }
}

/// The version, and a digest of the program's file.
fn build() -> String {
    let file = std::env::current_exe().and_then(std::fs::read);
    let digest = file
        .map_or_else(|_| "unknown".to_owned(), |file| format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&file)));
    format!("{} {digest}", env!("CARGO_PKG_VERSION"))
}
