//! The instruction set of the CPU device: chosen once, when the program runs.
//!
//! The widest that the processor has, unless the environment variable `GENRE_RECOGNIZER_SIMD` names a narrower one:
//! `avx2` (with FMA; x86-64 only) or `portable` (arrays that the compiler vectorises for the oldest processor). It is there
//! so that every path can be tested and timed on one machine; a name that is unknown, or that the processor lacks, changes
//! nothing.

use std::any::TypeId;
use std::sync::OnceLock;

use pulp::{Arch, Simd, WithSimd};

/// Names [`arch`]'s choice.
pub const VARIABLE: &str = "GENRE_RECOGNIZER_SIMD";

/// The instruction set in use.
pub fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| {
        let named = std::env::var(VARIABLE).unwrap_or_default();
        match named.as_str() {
            "portable" => Arch::Scalar,
            #[cfg(target_arch = "x86_64")]
            "avx2" => pulp::x86::V3::try_new().map_or_else(Arch::new, Arch::V3),
            _ => Arch::new(),
        }
    })
}

/// Runs `work` with the instruction set in use; without one that is known, with arrays of 128 bits, which the compiler's
/// own vectorisation understands.
pub fn dispatch<W: WithSimd>(work: W) -> W::Output {
    match arch() {
        Arch::Scalar => work.with_simd(pulp::Scalar128b),
        arch => arch.dispatch(work),
    }
}

/// `a·b + c`, rounded once where the instruction set can. Where there is none, twice: pulp's arrays call a function for
/// every fused element, which takes a hundred times as long.
#[inline(always)]
pub fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if is_portable::<S>() { simd.add_f32s(simd.mul_f32s(a, b), c) } else { simd.mul_add_e_f32s(a, b, c) }
}

/// `c − a·b`, as [`mul_add`].
#[inline(always)]
pub fn negate_mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if is_portable::<S>() {
        simd.sub_f32s(c, simd.mul_f32s(a, b))
    } else {
        simd.negate_mul_add_e_f32s(a, b, c)
    }
}

#[inline(always)]
fn is_portable<S: Simd>() -> bool {
    TypeId::of::<S>() == TypeId::of::<pulp::Scalar128b>()
}

struct Body<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Body<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs plain loops compiled for these vectors. The closure, and all that it calls, must be `#[inline(always)]`: what is
/// not inlined is compiled for the oldest processor.
///
/// `Arch::dispatch` takes closures too, but calls them through `FnOnce::call_once`, which for a closure that borrows
/// is a shim of the compiler's that no attribute inlines: a large body then ends up outside the vector code.
#[inline(always)]
pub fn vectorised<R>(arch: Arch, body: impl FnMut() -> R) -> R {
    arch.dispatch(Body(body))
}
