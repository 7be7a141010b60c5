/// Why ranks could not go on together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RanksError {
    /// Another rank has ended.
    #[error("rank {0} has ended; its message says why")]
    Ended(usize),
    /// Another rank does not answer.
    #[error(
        "the other ranks did not answer within {seconds} s: one of them hangs or computes much longer than this; look for \
         its host, and resume from the last checkpoint"
    )]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// The whole job was asked to end while the other ranks were waited for.
    #[error(
        "stopped while the other ranks were waited for; what was trained before this step is saved: resume"
    )]
    Stopped,
    /// A program was planned for another number of processes than run it.
    #[error("the program is planned for {wanted} processes, but {here} run it; connect it to its ranks")]
    Count {
        /// For how many it was planned.
        wanted: usize,
        /// How many there are.
        here: usize,
    },
    /// Another rank has failed.
    #[error("rank {rank}: {message}")]
    Failed {
        /// Which.
        rank: usize,
        /// Its error, in words.
        message: String,
    },
    /// What must be the same for all ranks is not.
    #[error("rank {rank} has another {what} ({theirs}) than rank 0 ({ours}); {cure}")]
    Differs {
        /// The first rank that differs.
        rank: usize,
        /// What differs.
        what: &'static str,
        /// What rank 0 has.
        ours: String,
        /// What that rank has.
        theirs: String,
        /// What helps.
        cure: &'static str,
    },
}
