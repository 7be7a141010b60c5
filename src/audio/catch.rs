//! Panics of decoders as errors: one costs its file, not the job.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::error::AudioFault;

thread_local! {
    /// Whether panics of this thread are caught and reported as errors, so that the panic hook stays silent.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic inside becomes [`AudioFault::Corrupt`] and prints nothing.
pub(super) fn catch_quietly<T>(work: impl FnOnce() -> Result<T, AudioFault>) -> Result<T, AudioFault> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                previous(info);
            }
        }));
    });
    CATCHING.set(true);
    // Unwind safety: after a panic nothing of the decoder's state is looked at again.
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(false);
    result.unwrap_or_else(|panic| {
        let why = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        // One line an error, whatever the panic says.
        Err(AudioFault::Corrupt(format!("the decoder gave up ({})", why.replace(['\n', '\r'], " "))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let result: Result<(), _> = catch_quietly(|| panic!("index\nout of bounds"));
        let fault = result.unwrap_err().to_string();
        assert_eq!(fault, "damaged: the decoder gave up (index out of bounds)");
        assert!(!CATCHING.get());
        assert_eq!(catch_quietly(|| Ok(1)).unwrap(), 1);
    }
}
