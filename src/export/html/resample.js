// From one sample rate to another, as the program does it: block by block the spectrum is filtered, and cut or extended.
'use strict';

/** The least number of samples in a block on the side with the lower rate. */
const LEAST = 2048;

function divisorOf(a, b) {
  return b === 0 ? a : divisorOf(b, a % b);
}

/** Whether rates are in such a relation that spectra of blocks are quickly computed. */
function related(from, to) {
  const common = divisorOf(from, to);
  return Math.max(...factorsOf(from / common), ...factorsOf(to / common)) <= 13;
}

/** A windowed sinc of n samples, at most 1, that falls to a half at `cutoff` times the highest frequency. */
function lowPass(n, cutoff) {
  // The square of Blackman's and Harris's window.
  const window = (i) => [0.35875, -0.48829, 0.14128, -0.01168].reduce((sum, a, k) => sum + a * Math.cos((2 * Math.PI * k * i) / n), 0) ** 2;
  const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  const filter = Float64Array.from({ length: n }, (_, i) => window(i) * sinc((i - Math.floor(n / 2)) * cutoff));
  const sum = filter.reduce((a, b) => a + b, 0);
  return filter.map((value) => value / sum);
}

/** What is computed once for a pair of rates: lengths of blocks, transforms, and the filter's spectrum. */
class Conversion {
  constructor(from, to) {
    const common = divisorOf(from, to);
    let blocks = Math.ceil(LEAST / (Math.min(from, to) / common));
    blocks += blocks % 2;
    this.from = (blocks * from) / common;
    this.to = (blocks * to) / common;
    this.forth = new Fourier(2 * this.from);
    this.back = new Fourier(2 * this.to);
    const lower = Math.min(this.from, this.to);
    // The window's width decides how close to the highest frequency the filter may fall.
    const cutoff = 1 / (1 + 13.745202940783823 / lower + 121.73532586374934 / lower ** 2 + 5964.163279612051 / lower ** 3);
    const filter = { re: new Float64Array(2 * this.from), im: new Float64Array(2 * this.from) };
    filter.re.set(lowPass(this.from, (cutoff * lower) / this.from).map((value) => value / (2 * this.from)));
    const { re, im } = this.forth.transform(filter);
    this.filter = { re: re.slice(0, lower), im: im.slice(0, lower) };
    this.input = { re: new Float64Array(2 * this.from), im: new Float64Array(2 * this.from) };
    this.output = { re: new Float64Array(2 * this.to), im: new Float64Array(2 * this.to) };
  }

  /** Two blocks at once, as the real and the imaginary part of one; twice as long, to be added to what is behind. */
  convert(first, second) {
    const { forth, back, filter, input, output } = this;
    input.re.fill(0).set(first);
    input.im.fill(0).set(second);
    const { re, im } = forth.transform(input);
    output.re.fill(0);
    output.im.fill(0);
    // The inverse is the transform with real and imaginary parts exchanged.
    for (let k = 0; k < filter.re.length; k++) {
      const [c, s] = [filter.re[k], filter.im[k]];
      output.im[k] = re[k] * c - im[k] * s;
      output.re[k] = re[k] * s + im[k] * c;
      if (k === 0) continue;
      // The filter is real, so that its spectrum mirrors itself.
      const [below, to] = [2 * this.from - k, 2 * this.to - k];
      output.im[to] = re[below] * c + im[below] * s;
      output.re[to] = im[below] * c - re[below] * s;
    }
    const { re: imaginary, im: real } = back.transform(output);
    return [real, imaginary];
  }
}

/** Conversions that were made, by rates: many songs have the same. */
const conversions = new Map();

/** Resamples one channel, part by part, without delay. */
class Resampler {
  constructor(from, to) {
    this.conversion = null;
    if (from === to) return;
    const rates = `${from} ${to}`;
    if (!conversions.has(rates)) conversions.set(rates, new Conversion(from, to));
    this.conversion = conversions.get(rates);
    this.pending = new Float32Array(2 * this.conversion.from);
    this.filled = 0;
    this.overlap = new Float32Array(this.conversion.to);
    /** Samples of the filter's delay that are still to be dropped. */
    this.delay = this.conversion.to / 2;
    this.given = 0;
  }

  /** Takes samples, and gives those that are ready. */
  push(samples) {
    if (!this.conversion) return samples;
    const ready = [];
    for (let at = 0; at < samples.length; ) {
      const part = samples.subarray(at, at + this.pending.length - this.filled);
      this.pending.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === this.pending.length) ready.push(this.convert());
    }
    return joined(ready);
  }

  /** Ends the song: what is left, so that it has `length` samples. */
  finish(length) {
    const ready = [];
    while (this.conversion && this.given < length) ready.push(this.convert());
    const rest = joined(ready);
    return rest.subarray(0, Math.max(0, rest.length - Math.max(0, this.given - length)));
  }

  convert() {
    const { from, to } = this.conversion;
    this.pending.fill(0, this.filled);
    this.filled = 0;
    const [first, second] = this.conversion.convert(this.pending.subarray(0, from), this.pending.subarray(from));
    const ready = new Float32Array(2 * to);
    for (let i = 0; i < to; i++) {
      ready[i] = first[i] + this.overlap[i];
      ready[to + i] = second[i] + first[to + i];
      this.overlap[i] = second[to + i];
    }
    const skipped = Math.min(this.delay, ready.length);
    this.delay -= skipped;
    this.given += ready.length - skipped;
    return ready.subarray(skipped);
  }
}

function joined(parts) {
  if (parts.length === 1) return parts[0];
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
