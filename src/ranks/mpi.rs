//! Ranks that an MPI has started.
//!
//! One thread makes all calls of MPI, so that any level of its thread support beyond the lowest will do, and that whoever
//! waits for the other ranks can be told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ::mpi::datatype::{Partition, PartitionMut};
use ::mpi::request;
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::*;
use ::mpi::{Count, Threading};

use super::{Patience, Ranks, RanksError, Transport};

/// How long the other ranks are waited for within a step.
const SILENCE: Duration = Duration::from_secs(600);
/// How long a rank that was asked to stop waits for the others, who were asked too. `mpirun` kills after a second.
const GRACE: Duration = Duration::from_millis(500);
/// How often somebody who waits looks up.
const LOOK: Duration = Duration::from_millis(20);
/// Until then an exchange is polled without a pause.
const BRISK: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_micros(100);

/// A job of an MPI, as one of its processes sees it. There is one in a process.
pub struct Job {
    /// All processes of the job.
    pub ranks: Ranks,
    /// The number of this process among those on its host, and how many there are.
    pub on_host: (usize, usize),
    end: Arc<AtomicBool>,
}

enum Call {
    Gather { own: Vec<u8>, lengths: Vec<usize>, reply: Sender<Vec<u8>> },
    Scatter { pieces: Vec<u8>, given: Vec<usize>, lengths: Vec<usize>, reply: Sender<Vec<u8>> },
}

#[derive(Debug)]
struct Mpi {
    rank: usize,
    count: usize,
    /// `None` only while dropping.
    calls: Option<Sender<Call>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Job {
    /// Joins the job that this process was started in. `stop` is set where the job is asked to end.
    ///
    /// # Errors
    /// In words, where MPI cannot be used.
    pub fn join(stop: Arc<AtomicBool>) -> Result<Self, String> {
        let (calls, received) = channel();
        let (ready, begun) = channel();
        let end = Arc::new(AtomicBool::new(false));
        let told = end.clone();
        let work = move || serve(&received, &ready, &told);
        let thread = thread::Builder::new().name("mpi".into()).spawn(work).map_err(|e| e.to_string())?;
        let begun = begun.recv().map_err(|_| "MPI could not be initialised".to_owned())?;
        let (rank, count, on_host) = begun?;
        let mpi = Mpi { rank, count, calls: Some(calls), thread: Some(thread), stop };
        Ok(Self { ranks: Ranks::connected(mpi), on_host, end })
    }

    /// Ends all processes of the job, this one too.
    pub fn abort(&self) -> ! {
        self.end.store(true, Ordering::Relaxed);
        // The thread that calls MPI does it.
        thread::sleep(Duration::from_secs(5));
        std::process::exit(1);
    }
}

type Begun = Result<(usize, usize, (usize, usize)), String>;

/// Makes the calls of MPI until nobody asks for more.
fn serve(calls: &Receiver<Call>, ready: &Sender<Begun>, end: &AtomicBool) {
    let Some((universe, threading)) = ::mpi::initialize_with_threading(Threading::Funneled) else {
        let _ = ready.send(Err("MPI was initialised before".into()));
        return;
    };
    let world = universe.world();
    let host = world.split_shared(world.rank());
    let of = |n: Count| usize::try_from(n).unwrap_or(0);
    let _ = match threading {
        Threading::Single => ready.send(Err("this MPI does not allow threads (MPI_THREAD_FUNNELED)".into())),
        _ => ready.send(Ok((of(world.rank()), of(world.size()), (of(host.rank()), of(host.size()))))),
    };
    loop {
        match calls.recv_timeout(LOOK) {
            Ok(Call::Gather { own, lengths, reply }) => {
                let _ = reply.send(gather(&world, &own, &lengths, end));
            }
            Ok(Call::Scatter { pieces, given, lengths, reply }) => {
                let _ = reply.send(scatter(&world, &pieces, &given, &lengths, end));
            }
            Err(RecvTimeoutError::Timeout) if end.load(Ordering::Relaxed) => world.abort(1),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Lengths, and where each begins.
fn layout(lengths: &[usize]) -> (Vec<Count>, Vec<Count>, usize) {
    let (mut starts, mut end) = (Vec::new(), 0);
    let of = |n: usize| Count::try_from(n).unwrap_or(Count::MAX);
    for &len in lengths {
        starts.push(of(end));
        end += len;
    }
    (lengths.iter().map(|&len| of(len)).collect(), starts, end)
}

fn gather(world: &SimpleCommunicator, own: &[u8], lengths: &[usize], end: &AtomicBool) -> Vec<u8> {
    let (counts, starts, len) = layout(lengths);
    let mut all = vec![0u8; len];
    let mut parts = PartitionMut::new(&mut all[..], counts, starts);
    request::scope(|scope| {
        finish(world.immediate_all_gather_varcount_into(scope, own, &mut parts), world, end);
    });
    all
}

fn scatter(
    world: &SimpleCommunicator,
    pieces: &[u8],
    given: &[usize],
    lengths: &[usize],
    end: &AtomicBool,
) -> Vec<u8> {
    let (counts, starts, _) = layout(given);
    let pieces = Partition::new(pieces, counts, starts);
    let (counts, starts, len) = layout(lengths);
    let mut all = vec![0u8; len];
    let mut parts = PartitionMut::new(&mut all[..], counts, starts);
    request::scope(|scope| {
        finish(world.immediate_all_to_all_varcount_into(scope, &pieces, &mut parts), world, end);
    });
    all
}

/// Waits for the end of an exchange, or ends the job.
fn finish<'a, D: ?Sized, S: request::Scope<'a>>(
    mut request: request::Request<'a, D, S>,
    world: &SimpleCommunicator,
    end: &AtomicBool,
) {
    let begun = Instant::now();
    while let Err(going_on) = request.test() {
        request = going_on;
        if end.load(Ordering::Relaxed) {
            world.abort(1);
        }
        if begun.elapsed() < BRISK {
            thread::yield_now();
        } else {
            thread::sleep(PAUSE);
        }
    }
}

impl Mpi {
    fn call(
        &self,
        call: impl FnOnce(Sender<Vec<u8>>) -> Call,
        patience: Patience,
    ) -> Result<Vec<u8>, RanksError> {
        let (reply, replied) = channel();
        let sent = self.calls.as_ref().is_some_and(|calls| calls.send(call(reply)).is_ok());
        if !sent {
            return Err(RanksError::Ended(self.rank));
        }
        let (begun, mut stopped) = (Instant::now(), None);
        loop {
            match replied.recv_timeout(LOOK) {
                Ok(bytes) => return Ok(bytes),
                Err(RecvTimeoutError::Disconnected) => return Err(RanksError::Ended(self.rank)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // What takes long is waited for: it will be saved.
            if patience == Patience::Endless {
                continue;
            }
            if self.stop.load(Ordering::Relaxed) && stopped.get_or_insert_with(Instant::now).elapsed() > GRACE
            {
                return Err(RanksError::Stopped);
            }
            if begun.elapsed() > SILENCE {
                return Err(RanksError::Silent { seconds: SILENCE.as_secs() });
            }
        }
    }
}

impl Transport for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn gather(&self, own: &[u8], lengths: &[usize], patience: Patience) -> Result<Vec<u8>, RanksError> {
        let (own, lengths) = (own.to_vec(), lengths.to_vec());
        self.call(|reply| Call::Gather { own, lengths, reply }, patience)
    }

    fn scatter(
        &self,
        pieces: &[&[u8]],
        lengths: &[usize],
        patience: Patience,
    ) -> Result<Vec<u8>, RanksError> {
        let given = pieces.iter().map(|piece| piece.len()).collect();
        let (pieces, lengths) = (pieces.concat(), lengths.to_vec());
        self.call(|reply| Call::Scatter { pieces, given, lengths, reply }, patience)
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
