//! Plain loops compiled for the widest vectors of the processor that runs them.

use pulp::{Arch, Simd, WithSimd};

struct Body<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Body<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs `body` compiled for the processor's vectors. The closure, and all that it calls, must be
/// `#[inline(always)]`: what is not inlined is compiled for the oldest processor.
///
/// `Arch::dispatch` takes closures too, but calls them through `FnOnce::call_once`, which for a closure that borrows
/// is a shim of the compiler's that no attribute inlines: a large body then ends up outside the vector code.
#[inline(always)]
pub fn vectorised<R>(arch: Arch, body: impl FnMut() -> R) -> R {
    arch.dispatch(Body(body))
}
