//! The instruction set of the CPU device: chosen once, when the program runs.
//!
//! The widest that the processor has, unless the environment variable `GENRE_RECOGNIZER_SIMD` names one, as
//! [`name`] gives it, in any case and with or without the hyphen: `AVX-512` or `AVX2` (with FMA; both x86-64
//! only), `NEON` (AArch64 only), or `portable` (arrays that the compiler vectorises for the oldest
//! processor). It is there so that every path can be tested and timed on one machine.

use std::any::TypeId;
use std::sync::OnceLock;

use pulp::{Arch, Simd, WithSimd};

/// Names [`arch`]'s choice.
pub const VARIABLE: &str = "GENRE_RECOGNIZER_SIMD";

/// The instruction set in use; the widest where there is a [`fault`].
pub fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(widest_or_chosen)
}

#[cold]
fn widest_or_chosen() -> Arch {
    chosen(&wanted()).unwrap_or_default()
}

/// The name of the instruction set in use.
pub fn name() -> &'static str {
    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "AVX-512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "AVX2",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "NEON",
        _ => "portable",
    }
}

/// What [`VARIABLE`] names, where that is no instruction set that this processor has.
pub fn fault() -> Option<String> {
    Some(wanted()).filter(|name| chosen(name).is_none())
}

fn wanted() -> String {
    std::env::var_os(VARIABLE).unwrap_or_default().to_string_lossy().into_owned()
}

fn chosen(name: &str) -> Option<Arch> {
    let plain: String = name.trim().to_ascii_lowercase().chars().filter(|c| !"-_".contains(*c)).collect();
    match plain.as_str() {
        "" => Some(Arch::new()),
        "portable" => Some(Arch::Scalar),
        #[cfg(target_arch = "x86_64")]
        "avx512" => pulp::x86::V4::try_new().map(Arch::V4),
        #[cfg(target_arch = "aarch64")]
        "neon" => pulp::aarch64::Neon::try_new().map(Arch::Neon),
        #[cfg(target_arch = "x86_64")]
        "avx2" => pulp::x86::V3::try_new().map(Arch::V3),
        _ => None,
    }
}

/// Runs `work` with the instruction set in use; without one that is known, with arrays of 128 bits, which the
/// compiler's own vectorisation understands.
pub fn dispatch<W: WithSimd>(work: W) -> W::Output {
    match arch() {
        Arch::Scalar => work.with_simd(pulp::Scalar128b),
        arch => arch.dispatch(work),
    }
}

/// `a·b + c`, rounded once where the instruction set can. Where there is none, twice: pulp's arrays call a
/// function for every fused element, which takes a hundred times as long.
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

/// Runs plain loops compiled for these vectors. The closure, and all that it calls, must be
/// `#[inline(always)]`: what is not inlined is compiled for the oldest processor.
///
/// `Arch::dispatch` takes closures too, but calls them through `FnOnce::call_once`, which for a closure that
/// borrows is a shim of the compiler's that no attribute inlines: a large body then ends up outside the
/// vector code.
#[inline(always)]
pub fn vectorised<R>(arch: Arch, body: impl FnMut() -> R) -> R {
    arch.dispatch(Body(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_shown_is_understood() {
        let same = |a: Option<Arch>, b: Option<Arch>| {
            a.map(|a| std::mem::discriminant(&a)) == b.map(|b| std::mem::discriminant(&b)) && a.is_some()
        };
        // The one in use is one that the processor has.
        let shown = name();
        for written in [shown.to_owned(), shown.to_lowercase(), shown.replace('-', ""), format!(" {shown} ")]
        {
            assert!(same(chosen(&written), Some(arch())), "{written}");
        }
        assert!(same(chosen("Portable"), Some(Arch::Scalar)));
        for wrong in ["avx", "AVX-3", "512", "none"] {
            assert!(chosen(wrong).is_none(), "{wrong}");
        }
        #[cfg(target_arch = "x86_64")]
        for written in ["avx512", "AVX-512", "avx_512"] {
            assert_eq!(chosen(written).is_some(), pulp::x86::V4::try_new().is_some(), "{written}");
        }
    }
}
