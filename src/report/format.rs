//! Numbers and names as text.

/// What stands where there is no value.
pub const MISSING: &str = "–";

/// A share as per cent.
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1}\u{a0}%", 100.0 * share) } else { MISSING.into() }
}

/// A share as whole per cent, without the sign.
pub fn whole_percent(share: f64) -> String {
    if share.is_finite() { format!("{:.0}", 100.0 * share) } else { MISSING.into() }
}

/// A share as per cent, where there is one.
pub fn maybe(share: Option<f64>) -> String {
    share.map_or_else(|| MISSING.into(), percent)
}

/// A number with so many decimals.
pub fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return MISSING.into();
    }
    let text = format!("{:.decimals$}", value.abs());
    let negative = value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if negative { format!("\u{2212}{text}") } else { text }
}

/// A number with three digits that matter, or more before the point.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        MISSING.into()
    } else if size == 0.0 {
        "0".into()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.2e}").replace('-', "\u{2212}")
    } else {
        number(value, if size >= 100.0 { 0 } else { (1.0 - size.log10().floor()).max(0.0) as usize + 1 })
    }
}

/// A length of time in words.
pub fn duration(seconds: f64) -> String {
    if !(seconds.is_finite() && seconds >= 0.0) {
        return MISSING.into();
    }
    if seconds < 60.0 {
        return format!("{seconds:.1}\u{a0}s");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}\u{a0}h {minutes}\u{a0}min")
    } else {
        format!("{minutes}\u{a0}min {rest}\u{a0}s")
    }
}

/// A place in a song: 1:05, or 1:00:05.
pub fn clock(seconds: f64) -> String {
    if !(seconds.is_finite() && seconds >= 0.0) {
        return MISSING.into();
    }
    let whole = seconds.floor() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

/// A count with its thing, in the plural where it is due.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A document in which no character steers: control characters but the line feed, marks that turn the direction of
/// writing, line separators and non-characters become U+FFFD. Names of files may hold them; escaping, which the
/// templates do, lets them pass.
pub fn clean(document: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}')
            || u32::from(c) & 0xfffe == 0xfffe
    };
    document.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Round numbers from `low` to `high`, at most about `most`, and their distance.
pub fn ticks(low: f64, high: f64, most: usize) -> (Vec<f64>, f64) {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return (vec![low], 1.0);
    }
    let rough = span / most.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = power * [1.0, 2.0, 5.0].into_iter().find(|s| s * power >= rough * 0.999).unwrap_or(10.0);
    let first = (low / step - 1e-9).ceil();
    let count = (high / step + 1e-9).floor() - first;
    // Where numbers are so large that the step is lost in rounding, none is better than many equal ones.
    if !(0.0..1e3).contains(&count) || low + step == low {
        return (vec![low], span);
    }
    ((0..=count as usize).map(|i| (first + i as f64) * step).collect(), step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(percent(0.8333), "83.3\u{a0}%");
        assert_eq!(percent(f64::NAN), MISSING);
        assert_eq!(number(-0.0001, 2), "0.00");
        assert_eq!(number(-1.5, 1), "\u{2212}1.5");
        assert_eq!(number(f64::INFINITY, 1), MISSING);
        assert_eq!(
            [0.0, 0.003, 0.000_03, 0.25, 4.0, 123.4].map(short).join(" "),
            "0 0.00300 3.00e\u{2212}5 0.250 4.00 123"
        );
        assert_eq!(short(f64::NAN), MISSING);
        assert_eq!(duration(12.34), "12.3\u{a0}s");
        assert_eq!(duration(200.0), "3\u{a0}min 20\u{a0}s");
        assert_eq!(duration(3_840.0), "1\u{a0}h 4\u{a0}min");
        assert_eq!([65.4, 3_605.0, f64::NAN].map(clock).join(" "), "1:05 1:00:05 –");
        assert_eq!(counted(1, "song") + &counted(2, "song"), "1 song2 songs");
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(0.0, 1.0, 5).0, [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(0.0, 29.0, 6).0, [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(ticks(2.0, 2.0, 5).0, [2.0]);
        assert_eq!(ticks(f64::NAN, 1.0, 5).0.len(), 1);
        for (low, high) in [(0.013, 0.017), (-3.0, 700.0), (1e-12, 3e-12), (1e16, 1e16 + 4.0)] {
            let (ticks, _) = ticks(low, high, 6);
            assert!(ticks.len() <= 8, "{ticks:?}");
            assert!(
                ticks.iter().all(|t| (low - 1e-9 * low.abs()..=high + 1e-9 * high.abs()).contains(t)),
                "{ticks:?}"
            );
        }
    }

    #[test]
    fn what_steers_is_replaced() {
        assert_eq!(
            clean("a\u{1b}[31m\u{202e}b\u{2066}\r\nc\u{0}\u{7f}\u{9b}"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}\u{fffd}\nc\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(clean("日本語 עברית é"), "日本語 עברית é");
    }
}
