// The model on the GPU: songs in, probabilities, spectrograms and gradients out.
'use strict';

/** Power below this is drawn as silence: its logarithm must be finite. */
const SMALLEST_POWER = 1e-10;

/** A feature as the natural logarithm of the power that it stands for, and a derivative to the feature as one to that. */
function logarithmic({ kind, gain }, value, slope) {
  const decibels = 10 / Math.LN10;
  switch (kind) {
    case 'log-mel':
      return [value, slope];
    case 'mel-decibel':
    case 'decibel':
      return [value / decibels, slope * decibels];
    case 'power':
      return [Math.log(Math.max(value, SMALLEST_POWER)), slope * value];
    default: {
      // y = log10(1 + gain·x): dy/dln x = gain·x/((1 + gain·x)·ln 10).
      const gained = Math.expm1(value * Math.LN10);
      return [Math.log(Math.max(gained / gain, SMALLEST_POWER)), (slope * gained) / ((1 + gained) * Math.LN10)];
    }
  }
}

class Recogniser {
  constructor(model) {
    this.model = model;
    /** Promises a device; none before it is wanted, and after it was lost. */
    this.gpu = null;
    /** Promises of programs on it, by name. */
    this.programs = {};
  }

  /** Promises a program of the model, on the GPU; after a loss, on a new one. */
  program(name) {
    if (!this.gpu) {
      const gpu = openGpu();
      this.gpu = gpu;
      this.programs = {};
      const gone = () => {
        if (this.gpu === gpu) this.gpu = null;
      };
      gpu.then((device) => device.lost.then(gone), gone);
    }
    const { programs } = this;
    programs[name] ??= this.gpu
      .then((device) => Program.load(device, this.model, this.model[name]))
      .catch((error) => {
        delete programs[name];
        throw error;
      });
    return programs[name];
  }

  /**
   * Runs a program over frames of a song, batch by batch, the next batch under way while one is looked at. `each` is given the
   * first samples of a batch's frames and the outputs.
   */
  async batches(name, song, starts, each, inputs = () => ({})) {
    const program = await this.program(name);
    const { batch } = program.code;
    const size = song.channels * this.model.frame.length;
    for (const [input, values] of Object.entries(inputs(batch))) program.write(input, values);
    const audio = new Float32Array(batch * size);
    const pending = [];
    const take = async () => {
      const { part, run } = pending.shift();
      await each(part, await run);
    };
    try {
      for (let from = 0; from < starts.length; from += batch) {
        const part = starts.slice(from, from + batch);
        part.forEach((start, i) => song.write(start, audio.subarray(i * size, (i + 1) * size)));
        audio.fill(0, part.length * size);
        program.write('audio', audio);
        pending.push({ part, run: program.run() });
        if (pending.length > 1) await take();
      }
      while (pending.length > 0) await take();
    } catch (error) {
      // What else was under way has failed too, and nobody waits for it.
      await Promise.allSettled(pending.map(({ run }) => run));
      throw error;
    }
  }

  /** The frames of a song with their probabilities. `each` is given every one, with its spectrogram: ln power [H, W]. */
  async recognise(song, each) {
    const starts = await song.frames(this.model.frame);
    const genres = this.model.genres.length;
    const frames = [];
    await this.batches('recognise', song, starts, async (part, outputs) => {
      part.forEach((start, i) => {
        const row = outputs.probabilities.slice(i * genres, (i + 1) * genres);
        frames.push({ start: start / song.rate, probabilities: row });
        const { power } = this.images(outputs, i);
        each(frames.at(-1), power);
      });
      await each(null, null, frames.length / starts.length);
    });
    return frames;
  }

  /** By how much a genre's score grows with the ln power of every frame, [H, W]. */
  async explain(song, genre, each) {
    const starts = await song.frames(this.model.frame);
    const genres = this.model.genres.length;
    const selector = (batch) => Float32Array.from({ length: batch * genres }, (_, i) => (i % genres === genre ? 1 : 0));
    let done = 0;
    await this.batches(
      'explain',
      song,
      starts,
      async (part, outputs) => {
        part.forEach((start, i) => each(start / song.rate, this.images(outputs, i).gradient));
        done += part.length;
        await each(null, null, done / starts.length);
      },
      (batch) => ({ selector: selector(batch) }),
    );
  }

  /** What frame `i` of a batch looks like: the mean of its channels' ln power, the sum of their gradients. */
  images({ features, gradient }, i) {
    const { channels } = this.model.audio;
    const { height, width } = this.model.features;
    const size = height * width;
    const images = { power: new Float32Array(size), gradient: new Float32Array(size) };
    for (let c = 0; c < channels; c++) {
      const from = (i * channels + c) * size;
      for (let j = 0; j < size; j++) {
        const [value, slope] = logarithmic(this.model.features, features[from + j], gradient ? gradient[from + j] : 0);
        images.power[j] += value / channels;
        images.gradient[j] += slope;
      }
    }
    return images;
  }
}
