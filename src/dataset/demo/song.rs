//! One song: arranged, played, mixed, mastered.

use super::arrange::Score;
use super::dice::{between, chance, pick, song_rng, spread};
use super::dsp::{Svf, echo, gain, loudness, reverb, samples};
use super::genres::{Genre, Part};
use super::master::master;
use super::voices::Patch;
use crate::rng::Rng;

/// A rendered song.
pub struct Song {
    /// Mono samples in (-1, 1) at [`RATE`](super::RATE).
    pub samples: Vec<f32>,
    /// Beats a minute.
    pub tempo: f32,
}

impl Song {
    /// Renders song number `index` of `genre`; its length is drawn from `seconds`. The same arguments give the
    /// same samples.
    pub fn render(genre: &Genre, index: usize, seed: u64, seconds: (f32, f32)) -> Self {
        let mut rng = song_rng(seed, genre.name, index);
        let length = samples(between(&mut rng, seconds));
        // recordings do not start on a first beat: up to two bars are played before
        let before = between(&mut rng, (0.5, 5.0));
        let skipped = samples(before);
        let total = skipped + length;
        let score = Score::new(genre, total as f32 / super::RATE as f32, &mut rng);

        let mut mix = Mix { dry: vec![0.0; total], wet: vec![0.0; total] };
        for part in genre.parts {
            let mut rng = Rng::new(rng.next_u64());
            if chance(&mut rng, part.present) {
                mix.add(perform(part, &score, total, &mut rng), part.level, part.room, &mut rng);
            }
        }
        if !genre.beats.is_empty() {
            let kit = drums(genre, &score, total, &mut rng);
            mix.add(kit, 4.0, 0.1, &mut rng);
        }
        let mut out = mix.finish(between(&mut rng, genre.room), between(&mut rng, (0.15, 0.5)));
        out.drain(..skipped);
        master(&mut out, &mut rng);
        Self { samples: out, tempo: score.tempo }
    }
}

/// The stereo desk's one channel, and what is sent to the reverberation.
struct Mix {
    dry: Vec<f32>,
    wet: Vec<f32>,
}

impl Mix {
    /// Adds a part at `level` dB, give or take, whatever its own loudness.
    fn add(&mut self, part: Vec<f32>, level: f32, room: f32, rng: &mut Rng) {
        let loud = loudness(&part);
        if loud < 1e-6 {
            return;
        }
        let level = gain(level + spread(rng, 1.5).clamp(-3.0, 3.0)) / loud;
        let room = room * between(rng, (0.6, 1.4));
        for ((dry, wet), v) in self.dry.iter_mut().zip(&mut self.wet).zip(part) {
            *dry += level * v;
            *wet += level * room * v;
        }
    }

    fn finish(self, seconds: f32, level: f32) -> Vec<f32> {
        let mut out = self.dry;
        let wet = reverb(&self.wet, seconds);
        out.iter_mut().zip(wet).for_each(|(dry, wet)| *dry += level * wet);
        out
    }
}

/// A part's samples, its effects included.
fn perform(part: &Part, score: &Score, total: usize, rng: &mut Rng) -> Vec<f32> {
    let mut out = vec![0.0; total];
    let (Some(instrument), Some(pattern)) = (pick(rng, part.instruments), pick(rng, part.patterns)) else {
        return out;
    };
    let patch = Patch { bright: between(rng, (-0.6, 0.6)).exp2(), long: between(rng, (-0.4, 0.4)).exp2() };
    for note in score.play(part, pattern, rng) {
        instrument.play(&note, &patch, rng, &mut out);
    }
    if part.drive > 0.0 {
        let push = part.drive * between(rng, (0.6, 1.5)) / (4.0 * loudness(&out)).max(1e-6);
        // a loudspeaker cabinet has no treble to speak of
        let mut cabinet = Svf::new(4_500.0 * patch.bright, 0.8);
        out.iter_mut().for_each(|v| *v = cabinet.low((*v * push).tanh()));
    }
    if part.echo > 0.0 {
        echo(&mut out, 0.75 * score.beat_seconds(), part.echo);
    }
    out
}

/// The drum kit's samples.
fn drums(genre: &Genre, score: &Score, total: usize, rng: &mut Rng) -> Vec<f32> {
    let mut out = vec![0.0; total];
    for beat in genre.beats {
        let hit = beat.drum.hit(rng);
        let level = gain(beat.level + spread(rng, 1.0));
        let Some(pattern) = pick(rng, beat.patterns) else {
            continue;
        };
        for (at, velocity) in score.hits(pattern) {
            let start = score.sample(at, rng).min(total);
            let loud = level * velocity * (1.0 + spread(rng, 0.05));
            out[start..].iter_mut().zip(&hit).for_each(|(o, h)| *o += loud * h);
        }
    }
    out
}
