// From decoded channels to the frames that the network hears, as the program genre-recognizer makes them: mix, resample, keep as
// 16-bit blocks, set the level, cut.
'use strict';

/** Samples that are mixed with one decision about mirrored channels. */
const RUN = 2048;
/** Seconds after which what was heard before has lost 63 % of its weight in that decision. */
const MEMORY = 0.5;
/** Samples of a block, which has one scale. */
const BLOCK = 1024;
const FULL_SCALE = 32767;
/** A song whose samples all lie within ± this around one value is silent: nothing but dither is in it. */
const SILENCE = 1 / 16384;
/** Beyond this, samples are no sound. */
const LARGEST = 1e10;
/** How much louder than all else a burst is (12 dB). */
const BURST = 4;
/** The root mean square of songs whose level is set by it. */
const RMS = 0.1;

/** How a channel goes with the first one: turned over where it mirrors it, because what both have in common would cancel. */
class Mirror {
  constructor(rate) {
    this.rate = rate;
    this.first = this.second = this.both = 0;
    /** 1, −1 where the channel is turned over, 0 until something is heard; and what it was in the run before. */
    this.sign = 0;
    this.before = 1;
  }

  hear(base, plane) {
    const keep = Math.exp(-base.length / (MEMORY * this.rate));
    let [first, second, both] = [0, 0, 0];
    for (let i = 0; i < base.length; i++) {
      first += base[i] * base[i];
      second += plane[i] * plane[i];
      both += base[i] * plane[i];
    }
    this.first = this.first * keep + first;
    this.second = this.second * keep + second;
    this.both = this.both * keep + both;
    const before = this.sign;
    // Noise that nobody hears decides nothing.
    if (this.first + this.second > base.length * SILENCE ** 2) {
      if (this.both < -0.3 * (this.first + this.second)) this.sign = -1;
      else if (this.both > 0 || before === 0) this.sign = 1;
    }
    this.before = before || this.sign || 1;
  }
}

/** The average of channels, those that mirror the first turned over, run by run. */
class Mixer {
  constructor(rate, channels) {
    this.mirrors = Array.from({ length: channels - 1 }, () => new Mirror(rate));
  }

  mix(planes) {
    const [base, ...rest] = planes;
    const mixed = Float32Array.from(base);
    rest.forEach((plane, c) => {
      const mirror = this.mirrors[c];
      mirror.hear(base, plane);
      // From one sign to the other within the run, so that nothing clicks.
      const step = ((mirror.sign || 1) - mirror.before) / plane.length;
      for (let i = 0; i < plane.length; i++) mixed[i] += (mirror.before + step * i) * plane[i];
    });
    for (let i = 0; i < mixed.length; i++) mixed[i] /= planes.length;
    return mixed;
  }
}

/** Follows the range of samples. */
function watch(range, samples) {
  let { least, most } = range;
  let zero = 0;
  for (const sample of samples) {
    if (sample < least) least = sample;
    if (sample > most) most = sample;
    // 0 · x is 0, but for what is not finite.
    zero += 0 * sample;
  }
  Object.assign(range, { least, most, finite: range.finite && zero === 0 });
}

/**
 * The peak of a song from those of its blocks: the largest, but for a burst, which is at most one block in 250 (or 4 of 128 or
 * more, or else one in 32) that are more than 12 dB louder than every other.
 */
function peakOf(peaks) {
  const sorted = Float32Array.from(peaks).sort().reverse();
  const few = Math.max(Math.floor(peaks.length / 250), Math.min(Math.floor(peaks.length / 32), 4));
  for (let i = 0; i < few; i++) {
    if (sorted[i + 1] > 0 && sorted[i] > BURST * sorted[i + 1]) return sorted[i + 1];
  }
  return sorted[0] ?? 0;
}

/** A song as the network hears it: 16-bit blocks with a scale each, and the gain at which they are played. */
class Song {
  /** Makes a song of decoded channels, for a model. */
  static async from({ rate, planes }, model) {
    const { sample_rate: wanted, channels, normalise } = model.audio;
    const length = planes[0]?.length ?? 0;
    const song = new Song(Math.round((length * wanted) / rate), wanted, channels);
    const mixer = planes.length === channels ? null : new Mixer(rate, planes.length);
    // What is mixed is one channel, whatever is wanted.
    const resamplers = Array.from({ length: mixer ? 1 : channels }, () => new Resampler(rate, wanted));
    const ranges = resamplers.map(() => ({ least: Infinity, most: -Infinity, finite: true }));
    for (let from = 0; from < length; from += RUN) {
      if (from % (64 * RUN) === 0) await breathe();
      const run = planes.map((plane) => plane.subarray(from, from + RUN));
      (mixer ? [mixer.mix(run)] : run).forEach((plane, c) => {
        watch(ranges[c], plane);
        song.put(c, resamplers[c].push(plane));
      });
    }
    resamplers.forEach((resampler, c) => {
      song.put(c, resampler.finish(song.length));
      song.end(c);
    });
    song.check(length, ranges, model.shortest);
    song.set(normalise, resamplers.length);
    return song;
  }

  constructor(length, rate, channels) {
    Object.assign(this, { length, rate, channels, seconds: length / rate, gain: 1, squares: 0 });
    const blocks = Math.ceil(length / BLOCK);
    this.samples = Array.from({ length: channels }, () => new Int16Array(blocks * BLOCK));
    this.scales = Array.from({ length: channels }, () => new Float32Array(blocks));
    this.peaks = new Float32Array(blocks);
    /** The block of every channel that is being filled: its number, its samples, how many there are. */
    this.open = Array.from({ length: channels }, () => ({ number: 0, samples: new Float32Array(BLOCK), filled: 0 }));
  }

  /** Appends samples to a channel. */
  put(channel, samples) {
    const open = this.open[channel];
    for (let from = 0; from < samples.length; ) {
      const part = samples.subarray(from, from + BLOCK - open.filled);
      open.samples.set(part, open.filled);
      open.filled += part.length;
      from += part.length;
      if (open.filled === BLOCK) this.end(channel);
    }
  }

  /** Keeps the block that is being filled. */
  end(channel) {
    const open = this.open[channel];
    if (open.filled === 0) return;
    const block = open.samples.subarray(0, open.filled);
    let peak = 0;
    for (const sample of block) {
      peak = Math.max(peak, Math.abs(sample));
      this.squares += sample * sample;
    }
    this.peaks[open.number] = Math.max(this.peaks[open.number], peak);
    if (peak > 1e-30) {
      this.scales[channel][open.number] = peak / FULL_SCALE;
      const inverse = Math.fround(FULL_SCALE / peak);
      const to = this.samples[channel].subarray(open.number * BLOCK);
      // 1.5 · 2²³: the sum's last bit is worth 1, so that it is rounded to an integer, halves to the even one.
      for (let i = 0; i < block.length; i++) {
        to[i] = Math.fround(Math.fround(block[i] * inverse) + 12582912) - 12582912;
      }
    }
    open.number += 1;
    open.filled = 0;
  }

  /** Throws what is wrong with a song of so many decoded samples, whose mix has these ranges. */
  check(decoded, ranges, shortest) {
    if (decoded === 0) throw new SongError('it has no samples');
    if (!ranges.every(({ finite }) => finite)) throw new SongError('it has samples that are no finite numbers');
    if (ranges.some(({ least, most }) => Math.max(most, -least) > LARGEST)) throw new SongError('it has samples that are no sound');
    if (this.length < shortest * this.rate - 0.5) {
      throw new SongError(`it is too short: ${this.seconds.toFixed(2)} s, and at least ${shortest} s are needed`);
    }
    if (ranges.every(({ least, most }) => most - least <= 2 * SILENCE)) throw new SongError('it is silent');
  }

  /** Sets the level, by the channels that were put in; one stands for all. */
  set(normalise, channels) {
    for (let channel = channels; channel < this.channels; channel++) {
      this.samples[channel] = this.samples[0];
      this.scales[channel] = this.scales[0];
    }
    const rms = Math.sqrt(this.squares / (this.length * channels));
    const peak = peakOf(this.peaks);
    if (normalise === 'peak' && peak > 0) this.gain = Math.fround(1 / peak);
    if (normalise === 'rms' && rms > 0) this.gain = Math.fround(RMS / rms);
  }

  /**
   * Writes the frame that starts at sample `start`, planar. Past the end of the song there are zeros, but a frame from the
   * beginning that is longer than the song repeats it.
   */
  write(start, out) {
    const length = out.length / this.channels;
    const count = Math.max(0, Math.min(this.length - start, length));
    for (let channel = 0; channel < this.channels; channel++) {
      const plane = out.subarray(channel * length, (channel + 1) * length);
      const samples = this.samples[channel];
      for (let i = 0; i < count; ) {
        const block = Math.floor((start + i) / BLOCK);
        const end = Math.min(count, (block + 1) * BLOCK - start);
        const scale = Math.fround(this.gain * this.scales[channel][block]);
        for (; i < end; i++) plane[i] = scale * samples[start + i];
      }
      if (start > 0 || count === 0) plane.fill(0, count);
      else for (let i = count; i < length; i++) plane[i] = plane[i - count];
    }
  }

  /** The root mean square of a frame's deviations from its channels' means: a constant is no sound. */
  level(frame) {
    const length = frame.length / this.channels;
    let squares = 0;
    for (let channel = 0; channel < this.channels; channel++) {
      const plane = frame.subarray(channel * length, (channel + 1) * length);
      let mean = 0;
      for (const sample of plane) mean += sample;
      mean /= length;
      for (const sample of plane) squares += (sample - mean) ** 2;
    }
    return Math.sqrt(squares / frame.length);
  }

  /**
   * Where the frames begin that the network hears: without those that are silent beside the loudest, and without those that the
   * model's framing drops as quiet, unless it would drop all.
   */
  async frames({ length, step, quiet, silent }) {
    if (this.length < length) return [0];
    const frame = new Float32Array(this.channels * length);
    const found = [];
    const look = (start) => {
      this.write(start, frame);
      let squares = 0;
      for (const sample of frame) squares += sample * sample;
      return { start, level: this.level(frame), quiet: squares < frame.length * quiet ** 2 };
    };
    for (let start = 0; start + length <= this.length; start += step) {
      if (found.length % 64 === 63) await breathe();
      found.push(look(start));
    }
    const loudest = found.reduce((most, { level }) => Math.max(most, level), 0);
    const isSilent = (level, loud) => loud > 0 && level <= loud * 10 ** (-silent / 20);
    const end = this.length - length;
    // It may sound only behind its last whole frame.
    if (end > found.at(-1).start && isSilent(loudest, look(end).level)) return [end];
    const sounding = found.filter(({ level }) => !isSilent(level, loudest));
    const loud = sounding.filter((one) => !one.quiet);
    return (loud.length > 0 ? loud : sounding).map(({ start }) => start);
  }
}
