//! The natural logarithm without a branch or a table, so that a loop over it becomes SIMD code.

/// Added to the bits of x so that the exponent's field counts from √½: the mantissa then lies in [√½, √2).
const HALF_ROOT: u32 = 0x3f35_04f3;

/// ln x within 2 units in the last place for every f32, subnormal numbers included; −∞ at 0, NaN below.
///
/// x = 2ᵉ·(1 + f) with 1 + f in [√½, √2), ln x = e·ln 2 + ln(1 + f).
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let (exponent, f) = split(if subnormal { x * 8_388_608.0 } else { x });
    in_domain(x, join(exponent - if subnormal { 23.0 } else { 0.0 }, f))
}

/// ln(1 + x) within 3 units in the last place for every x above −¼, also where 1 + x would lose x; −∞ at −1, NaN
/// below.
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let (exponent, f) = split(1.0 + x);
    in_domain(1.0 + x, join(exponent, if exponent == 0.0 { x } else { f }))
}

/// The exponent e and f of a normal number 2ᵉ·(1 + f), with 1 + f in [√½, √2).
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    let offset = x.to_bits().wrapping_sub(HALF_ROOT);
    let f = f32::from_bits((offset & 0x007f_ffff).wrapping_add(HALF_ROOT)) - 1.0;
    ((offset as i32 >> 23) as f32, f)
}

/// e·ln 2 + ln(1 + f), for the latter the minimax polynomial of Cephes (Moshier 1989, `logf`). ln 2 is split so that
/// e·LN2_HIGH is exact.
#[inline(always)]
fn join(exponent: f32, f: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let z = f * f;
    let mut p = 7.037_683_6e-2f32;
    for c in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        p = p * f + c;
    }
    f * z * p + exponent * LN2_LOW - 0.5 * z + f + exponent * LN2_HIGH
}

/// `y`, the logarithm of a positive finite x; what it is of every other.
#[inline(always)]
fn in_domain(x: f32, y: f32) -> f32 {
    let special = if x == 0.0 { f32::NEG_INFINITY } else { f32::NAN };
    let y = if x == f32::INFINITY { x } else { y };
    if x > 0.0 { y } else { special }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_logarithm() {
        let mut bits = 1u32;
        while bits < f32::INFINITY.to_bits() {
            let x = f32::from_bits(bits);
            let exact = f64::from(x).ln();
            let unit = f64::from((exact as f32).abs().max(f32::MIN_POSITIVE) * f32::EPSILON);
            let error = (f64::from(ln(x)) - exact).abs();
            assert!(error <= 2.0 * unit, "ln {x:e} is off by {error:e}");
            bits += 9973;
        }
        // Around 1, where the logarithm passes through zero.
        for k in 0..20_000u32 {
            let x = f32::from_bits(1f32.to_bits() - 10_000 + k);
            let exact = f64::from(x).ln();
            let error = (f64::from(ln(x)) - exact).abs();
            assert!(error <= 2.0 * exact.abs() * f64::from(f32::EPSILON), "ln {x:e} is off by {error:e}");
        }
    }

    #[test]
    fn is_the_logarithm_of_one_more() {
        for x in (1..f32::INFINITY.to_bits()).step_by(9973).map(f32::from_bits) {
            for x in [x, -x] {
                let exact = f64::from(x).ln_1p();
                let unit = f64::from((exact as f32).abs().max(f32::MIN_POSITIVE) * f32::EPSILON);
                let error = (f64::from(ln_1p(x)) - exact).abs();
                assert!(x <= -0.25 || error <= 3.0 * unit, "ln(1 + {x:e}) is off by {error:e}");
            }
        }
        assert_eq!(ln_1p(0.0), 0.0);
        assert_eq!((ln_1p(-1.0), ln_1p(f32::INFINITY)), (f32::NEG_INFINITY, f32::INFINITY));
        assert!(ln_1p(-1.5).is_nan() && ln_1p(f32::NAN).is_nan());
    }

    #[test]
    fn outside_its_domain() {
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), f32::NEG_INFINITY);
        assert_eq!(ln(-0.0), f32::NEG_INFINITY);
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert!(ln(-1.0).is_nan() && ln(f32::NAN).is_nan() && ln(f32::NEG_INFINITY).is_nan());
    }
}
