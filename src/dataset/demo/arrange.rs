//! From a genre's data to notes: the song's time line and harmony, and what each part plays on them.

use super::dice::{between, chance, pick, spread};
use super::dsp::SR;
use super::genres::{Genre, Line, Part};
use super::theory::{Harmony, Scale, chord, degree, near, steps, swing};
use super::voices::Note;
use crate::rng::Rng;

/// What the players of one song agree on.
pub struct Score {
    genre: Genre,
    harmony: Harmony,
    /// The tonic's MIDI pitch class.
    tonic: i32,
    /// Beats a minute.
    pub tempo: f32,
    /// Part of a pair's time that its first note gets.
    ratio: f32,
    pub bars: usize,
}

impl Score {
    /// Draws tempo, key and harmony for a song of `seconds`.
    pub fn new(genre: &Genre, seconds: f32, rng: &mut Rng) -> Self {
        let tempo = between(rng, genre.tempo);
        let (_, ratios) = genre.swing;
        let harmony = pick(rng, genre.harmonies).copied();
        let beats = seconds * tempo / 60.0;
        Self {
            genre: *genre,
            harmony: harmony.unwrap_or(Harmony { scale: super::theory::MAJOR, degrees: &[0] }),
            tonic: rng.below(12) as i32,
            tempo,
            ratio: between(rng, ratios),
            bars: (beats / genre.beats_per_bar as f32).ceil() as usize + 1,
        }
    }

    pub fn beat_seconds(&self) -> f32 {
        60.0 / self.tempo
    }

    /// Samples from the song's start at which `beat` is played, by players who are human where the genre's are.
    pub fn sample(&self, beat: f32, rng: &mut Rng) -> usize {
        let swung = swing(beat, self.genre.swing.0, self.ratio);
        let late = spread(rng, self.genre.loose);
        ((swung * self.beat_seconds() + late).max(0.0) * SR) as usize
    }

    /// The pattern's hits over the whole song: (beat, velocity).
    pub fn hits(&self, pattern: &str) -> Vec<(f32, f32)> {
        let per_bar = self.genre.beats_per_bar;
        let (pattern, length) = steps(pattern, per_bar);
        let repeats = self.bars.div_ceil(length.max(1));
        (0..repeats)
            .flat_map(|r| pattern.iter().map(move |s| (s.beat + (r * length * per_bar) as f32, s.velocity)))
            .filter(|(beat, _)| *beat < (self.bars * per_bar) as f32)
            .collect()
    }

    /// The scale degree of the chord at `beat`.
    fn root(&self, beat: f32) -> i32 {
        let degrees = self.harmony.degrees;
        let index = (beat + 1e-3) as usize / self.genre.chord_beats.max(1);
        degrees.get(index % degrees.len().max(1)).copied().unwrap_or(0)
    }

    fn scale(&self) -> &Scale {
        &self.harmony.scale
    }

    /// The notes that `part` plays on `pattern`.
    pub fn play(&self, part: &Part, pattern: &str, rng: &mut Rng) -> Vec<Note> {
        let end = (self.bars * self.genre.beats_per_bar) as f32;
        let hits = self.hits(pattern);
        let mut player = Player::new(part, rng);
        let mut notes = Vec::new();
        for (i, &(beat, velocity)) in hits.iter().enumerate() {
            let gap = hits.get(i + 1).map_or(end, |next| next.0) - beat;
            // every pitch is drawn, played or not, so that a riff stays in step with its bar
            let pitches = player.pitches(self, beat, gap, rng);
            if !chance(rng, part.played) {
                continue;
            }
            let held = if part.hold > 0.0 { part.hold } else { 0.97 * gap };
            let held = (held * self.beat_seconds() * SR) as usize;
            let start = self.sample(beat, rng);
            let velocity = (velocity * (1.0 + spread(rng, 0.08))).clamp(0.1, 1.0);
            let bend = if chance(rng, 0.3) { between(rng, (-part.slide, part.slide * 0.5)) } else { 0.0 };
            notes.extend(pitches.iter().map(|&pitch| Note {
                start,
                held,
                pitch: pitch as f32,
                velocity,
                bend,
            }));
        }
        notes
    }
}

/// One part's memory of what it played.
struct Player {
    line: Line,
    register: i32,
    /// Where a melody stands, in scale degrees above the register's tonic; where a bass or an arpeggio stands.
    place: i32,
    count: usize,
    /// A riff's scale degrees and leaps, one a sixteenth.
    riff: Vec<i32>,
    upwards: bool,
}

impl Player {
    fn new(part: &Part, rng: &mut Rng) -> Self {
        let degrees = [0, 0, 0, 0, 1, 2, 4, 6, 7, -7, 7, -1];
        let riff = (0..16).map(|_| pick(rng, &degrees).copied().unwrap_or(0)).collect();
        let register = part.register + (rng.below(5) as i32 - 2);
        Self {
            line: part.line,
            register,
            place: rng.below(5) as i32,
            count: 0,
            riff,
            upwards: chance(rng, 0.6),
        }
    }

    /// MIDI pitches for the hit at `beat`, `gap` beats before the next one.
    fn pitches(&mut self, score: &Score, beat: f32, gap: f32, rng: &mut Rng) -> Vec<i32> {
        let (scale, root) = (score.scale(), score.root(beat));
        let voiced = |semitones: i32| near(score.tonic + semitones, self.register);
        let bass = voiced(degree(scale, root));
        let tones = chord(scale, root, score.genre.chord_notes);
        self.count += 1;
        match self.line {
            Line::Chord => {
                // a fifth note (the ninth) takes the root's place: the bass has that
                let from = usize::from(tones.len() > 4);
                tones[from..].iter().map(|&t| voiced(t)).collect()
            }
            Line::Power => vec![bass, bass + 7, bass + 12],
            Line::Root(elsewhere) => {
                let accent = beat % score.genre.chord_beats as f32 == 0.0;
                let leap = if accent || !chance(rng, elsewhere) {
                    0
                } else {
                    let fifth = degree(scale, root + 4) - degree(scale, root);
                    let third = degree(scale, root + 2) - degree(scale, root);
                    [fifth, fifth - 12, 12, third][rng.below(4)]
                };
                vec![bass + leap]
            }
            Line::Walk => {
                // towards the next chord's root, by step, starting from this one's
                let beats = score.genre.chord_beats as f32;
                let within = beat % beats;
                if within == 0.0 {
                    self.place = 0;
                    self.upwards = chance(rng, 0.5);
                    return vec![bass];
                }
                let next = voiced(degree(scale, score.root(beat + beats)));
                if within >= beats - 1.0 {
                    return vec![next + if chance(rng, 0.5) { 1 } else { -1 }];
                }
                self.place += if self.upwards { 1 } else { -1 } * if chance(rng, 0.6) { 2 } else { 1 };
                vec![bass + degree(scale, root + self.place) - degree(scale, root)]
            }
            Line::Arpeggio => {
                let notes = tones.len().max(1);
                let period = 2 * notes;
                let at = self.count % (2 * period);
                let at = if self.upwards || at < period { at % period } else { 2 * period - 1 - at };
                vec![bass + tones[at % notes] - tones[0] + 12 * (at / notes) as i32]
            }
            Line::Alberti => {
                let order = [0, 2, 1, 2];
                let tone = tones[order[self.count % 4] % tones.len().max(1)];
                vec![bass + tone - tones[0]]
            }
            Line::Melody => {
                let step: i32 = [-2, -1, -1, 1, 1, 2, 0, 3, -3][rng.below(9)];
                // pulled back to the register's middle; long notes rest on the chord
                self.place += if self.place > 6 {
                    -step.abs()
                } else if self.place < -4 {
                    step.abs()
                } else {
                    step
                };
                let long = gap >= 1.0;
                let away = (self.place - root).rem_euclid(7);
                if long && away % 2 == 1 {
                    self.place += if away == 5 || away == 1 { -1 } else { 1 };
                }
                vec![near(score.tonic, self.register) + degree(scale, self.place)]
            }
            Line::Riff => {
                let sixteenth = (beat * 4.0).round() as usize % 16;
                vec![bass + degree(scale, root + self.riff[sixteenth]) - degree(scale, root)]
            }
            Line::Speech => vec![self.register + (2.0 * rng.normal()) as i32],
        }
    }
}
