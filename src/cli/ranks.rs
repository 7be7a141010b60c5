//! A training as one process of a job that an MPI, or Slurm, has started.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{CliError, DeviceFlag, End, cures, open_nth, say, silence, songs};
use crate::Error;
use crate::dataset::{Cache, Dataset, Library};
use crate::device::{Device, DeviceError};
use crate::ranks::{Patience, Ranks, RanksError};
use crate::train::{RunConfig, TrainError, TrainOptions, agree};

/// What starts processes of a job tells them in these variables how many they are; Slurm does so in a step alone.
const COUNTS: [&str; 5] =
    ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "PALS_LOCAL_SIZE", "SLURM_STEP_NUM_TASKS"];

/// How many processes of a job this was started as one of; 1 where it was started by itself.
fn started_as_one_of() -> usize {
    let count = |name: &&str| std::env::var(name).ok()?.parse().ok();
    COUNTS.iter().filter_map(count).max().unwrap_or(1)
}

/// The job that this process belongs to.
pub struct Job {
    pub ranks: Ranks,
    #[cfg(feature = "mpi")]
    joined: Option<crate::ranks::mpi::Job>,
}

impl Job {
    /// Joins the job, where there is one; `stop` is set where it is asked to end. Then the first process alone prints.
    ///
    /// # Errors
    /// [`CliError::Usage`] where this program was built without MPI, [`CliError::Other`] where MPI cannot be used.
    pub fn join(stop: &Arc<AtomicBool>) -> Result<Self, CliError> {
        let count = started_as_one_of();
        if count == 1 {
            return Ok(Self::alone());
        }
        Self::joined(count, stop)
    }

    #[cfg(not(feature = "mpi"))]
    fn joined(count: usize, _: &Arc<AtomicBool>) -> Result<Self, CliError> {
        Err(CliError::Usage(format!(
            "this is one of {count} processes of a job, but was built without MPI, so each would train by itself; build it \
             with `cargo build --release --features mpi`, or start one process"
        )))
    }

    #[cfg(feature = "mpi")]
    fn joined(count: usize, stop: &Arc<AtomicBool>) -> Result<Self, CliError> {
        let job = crate::ranks::mpi::Job::join(stop.clone()).map_err(CliError::Other)?;
        if job.ranks.count() == 1 {
            // Started without the process manager that this MPI knows: every process would train by itself.
            return Err(CliError::Other(format!(
                "this is one of {count} processes of a job, but MPI knows of one: start it with the mpirun of the MPI that it \
                 was built with, or give srun the process manager of that MPI (srun --mpi=pmix, or --mpi=pmi2)"
            )));
        }
        silence::be_one_of_several(job.ranks.is_first());
        Ok(Self { ranks: job.ranks.clone(), joined: Some(job) })
    }

    fn alone() -> Self {
        Self {
            ranks: Ranks::alone(),
            #[cfg(feature = "mpi")]
            joined: None,
        }
    }

    /// The number of this process among those on its host, and how many there are.
    pub fn on_host(&self) -> (usize, usize) {
        #[cfg(feature = "mpi")]
        if let Some(joined) = &self.joined {
            return joined.on_host;
        }
        (0, 1)
    }

    /// `own`, unless another process has failed.
    ///
    /// # Errors
    /// That of `own`, or the other's.
    pub fn agree<T>(&self, own: Result<T, CliError>) -> Result<T, CliError> {
        agree(&self.ranks, own, cures::told)
    }

    /// What the first process does before all others.
    ///
    /// # Errors
    /// As [`Job::agree`].
    pub fn first_before_others<T>(&self, act: impl Fn() -> Result<T, CliError>) -> Result<T, CliError> {
        let first = self.agree(self.ranks.is_first().then(&act).transpose())?;
        self.agree(first.map_or_else(act, Ok))
    }

    /// The device of this process: on a host with several processes, each has a share of the threads.
    ///
    /// # Errors
    /// As [`open_nth`].
    pub fn open(&self, training: &TrainOptions, flag: DeviceFlag) -> Result<Arc<dyn Device>, CliError> {
        let (number, _) = self.on_host();
        let sharing = self.sharing_processors()?;
        if sharing > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
            let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let threads = (threads / sharing).max(1);
            // Fails where there are threads already, which then stay as many.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        Ok(open_nth(flag, number)?.at(training.precision)?)
    }

    /// How many processes of the job run on the processors that this one may run on: an MPI may give each its own.
    fn sharing_processors(&self) -> Result<usize, CliError> {
        if self.ranks.count() == 1 {
            return Ok(1);
        }
        let read = |file| std::fs::read_to_string(file).ok();
        let allowed = read("/proc/self/status").and_then(|text| {
            text.lines().find(|line| line.starts_with("Cpus_allowed_list")).map(String::from)
        });
        let own = read("/proc/sys/kernel/hostname").zip(allowed).map_or_else(String::new, |(a, b)| a + &b);
        let all = self.ranks.share(own.as_bytes(), Patience::Endless).map_err(TrainError::from)?;
        let alike = all.iter().filter(|other| **other == own.as_bytes()).count();
        Ok(if own.is_empty() { self.on_host().1 } else { alike })
    }

    /// The job in words, behind those for the device.
    pub fn described(&self) -> String {
        match (self.ranks.count(), self.on_host().1) {
            (1, _) => String::new(),
            (count, on_host) => format!("; one of {count} ranks, {on_host} on this host"),
        }
    }

    /// Reads the songs. Processes on one host share the work, where decoded songs are kept.
    ///
    /// # Errors
    /// As [`songs::load`].
    pub fn load(
        &self,
        data: &Dataset,
        config: &RunConfig,
        cache: Option<&Cache>,
    ) -> Result<Library, CliError> {
        let (number, sharing) = self.on_host();
        if sharing > 1 && cache.is_some() {
            let songs = data.songs.iter().skip(number).step_by(sharing).cloned().collect();
            let share = Dataset { songs, ..data.clone() };
            let (spec, shortest) = (config.model.audio(), config.model.shortest_song());
            drop(Library::load_as_is(&share, &spec, shortest, cache, |_, _, _| {}));
        }
        self.agree(Ok(()))?;
        self.agree(songs::load(data, config, cache))
    }

    /// Has the first process say what others would have said so far and it has not, such as that their cache is full: each line
    /// once, with the rank that it comes from.
    ///
    /// # Errors
    /// [`RanksError`] where another process ended or does not answer.
    pub fn gather_lines(&self) -> Result<(), CliError> {
        let mut said = silence::kept();
        let own = serde_json::to_vec(&said).unwrap_or_default();
        let all = self.ranks.share(&own, Patience::Endless).map_err(TrainError::from)?;
        for (rank, lines) in all.iter().enumerate() {
            let lines: Vec<String> = serde_json::from_slice(lines).unwrap_or_default();
            for line in lines {
                if !said.contains(&line) {
                    say(&format!("rank {rank}: {line}"));
                    said.push(line);
                }
            }
        }
        Ok(())
    }

    /// How the command ends, where the training ended so. Where others can no longer be reached, all processes are ended.
    pub fn ended(&self, result: Result<End, CliError>) -> Result<End, CliError> {
        #[cfg(feature = "mpi")]
        if let (Some(joined), Err(error)) = (&self.joined, &result)
            && is_out_of_reach(error)
        {
            if self.ranks.is_first() {
                super::say(&format!("error: {}", cures::told(error)));
            } else {
                // The first says so too, saves before, and then ends all.
                std::thread::sleep(std::time::Duration::from_secs(600));
            }
            joined.abort();
        }
        result
    }
}

/// Whether an exchange was broken off that the others may still wait for.
#[cfg_attr(not(feature = "mpi"), allow(dead_code))]
fn is_out_of_reach(error: &CliError) -> bool {
    let CliError::Library(Error::Train(TrainError::Ranks(error)) | Error::Device(DeviceError::Ranks(error))) =
        error
    else {
        return false;
    };
    matches!(error, RanksError::Stopped | RanksError::Silent { .. } | RanksError::Ended(_))
}
