//! Pitches and time: scales, chords and voicings, step patterns, swing.

/// Semitones of a scale's seven degrees above its tonic.
pub type Scale = [i32; 7];

pub const MAJOR: Scale = [0, 2, 4, 5, 7, 9, 11];
pub const MINOR: Scale = [0, 2, 3, 5, 7, 8, 10];
pub const HARMONIC_MINOR: Scale = [0, 2, 3, 5, 7, 8, 11];
pub const DORIAN: Scale = [0, 2, 3, 5, 7, 9, 10];
pub const PHRYGIAN: Scale = [0, 1, 3, 5, 7, 8, 10];
pub const MIXOLYDIAN: Scale = [0, 2, 4, 5, 7, 9, 10];

/// A scale and a progression: scale degrees (0 is the tonic), one a chord, repeated.
#[derive(Clone, Copy, Debug)]
pub struct Harmony {
    pub scale: Scale,
    pub degrees: &'static [i32],
}

/// A degree's pitch in semitones above the tonic; degrees go on below 0 and above 6.
pub fn degree(scale: &Scale, degree: i32) -> i32 {
    12 * degree.div_euclid(7) + scale[degree.rem_euclid(7) as usize]
}

/// Semitones above the tonic of the chord on degree `root`, stacked in thirds: 3 notes are a triad, 4 a seventh chord.
pub fn chord(scale: &Scale, root: i32, notes: i32) -> Vec<i32> {
    (0..notes).map(|third| degree(scale, root + 2 * third)).collect()
}

/// The pitch of `pitch`'s class nearest to `centre`: chords voiced with it move little from one to the next.
pub fn near(pitch: i32, centre: i32) -> i32 {
    centre - 6 + (pitch - centre + 6).rem_euclid(12)
}

/// A hit of a step pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Beats from the pattern's start.
    pub beat: f32,
    /// Loudness in (0, 1].
    pub velocity: f32,
}

/// Reads a pattern: bars between `|`, each divided evenly into its characters; `X` accent, `x` hit, `o` ghost note,
/// anything else a rest. Returns the hits and the pattern's length in bars.
pub fn steps(pattern: &str, beats_per_bar: usize) -> (Vec<Step>, usize) {
    let mut hits = Vec::new();
    let mut bars = 0;
    for bar in pattern.split('|') {
        let width = beats_per_bar as f32 / bar.len().max(1) as f32;
        for (i, symbol) in bar.chars().enumerate() {
            let velocity = match symbol {
                'X' => 1.0,
                'x' => 0.75,
                'o' => 0.4,
                _ => continue,
            };
            let beat = (bars * beats_per_bar) as f32 + i as f32 * width;
            hits.push(Step { beat, velocity });
        }
        bars += 1;
    }
    (hits, bars)
}

/// Moves the second of each pair of notes: `unit` notes make a beat, `ratio` of a pair's time goes to its first
/// (0.5 straight, 0.667 triplets). Returns the swung beat.
pub fn swing(beat: f32, unit: f32, ratio: f32) -> f32 {
    let pairs = beat * unit / 2.0;
    let (whole, part) = (pairs.floor(), pairs - pairs.floor());
    let moved = if part < 0.5 { 2.0 * part * ratio } else { ratio + (2.0 * part - 1.0) * (1.0 - ratio) };
    (whole + moved) * 2.0 / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_are_stacked_thirds() {
        assert_eq!(chord(&MAJOR, 0, 3), [0, 4, 7]);
        assert_eq!(chord(&MAJOR, 4, 4), [7, 11, 14, 17]); // the dominant seventh
        assert_eq!(chord(&MINOR, 0, 4), [0, 3, 7, 10]);
        assert_eq!(degree(&MAJOR, -1), -1);
    }

    #[test]
    fn voicings_stay_within_half_an_octave() {
        for pitch in -30..60 {
            let voiced = near(pitch, 60);
            assert_eq!((voiced - pitch).rem_euclid(12), 0);
            assert!((54..66).contains(&voiced));
        }
    }

    #[test]
    fn patterns_divide_bars_evenly() {
        let (hits, bars) = steps("X.o.|..x", 4);
        assert_eq!(bars, 2);
        let expected = [(0.0, 1.0), (2.0, 0.4), (4.0 + 8.0 / 3.0, 0.75)];
        assert_eq!(hits.len(), 3);
        for (hit, (beat, velocity)) in hits.iter().zip(expected) {
            assert!((hit.beat - beat).abs() < 1e-6 && hit.velocity == velocity);
        }
    }

    #[test]
    fn swing_moves_offbeats_only() {
        assert_eq!(swing(3.0, 2.0, 0.66), 3.0);
        assert!((swing(3.5, 2.0, 0.66) - 3.66).abs() < 1e-5);
        assert!((swing(0.25, 4.0, 0.6) - 0.3).abs() < 1e-6);
        assert_eq!(swing(0.5, 4.0, 0.6), 0.5);
    }
}
