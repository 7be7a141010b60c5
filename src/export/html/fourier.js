// The discrete Fourier transform of any length whose prime factors are small.
'use strict';

/** The prime factors of a number, but fours instead of pairs of twos. */
function factorsOf(n) {
  const found = [];
  const take = (factor) => {
    for (; n % factor === 0; n /= factor) found.push(factor);
  };
  [4, 2].forEach(take);
  for (let factor = 3; n > 1; factor += 2) take(factor);
  return found;
}

/** X[j] = Σ_k x[k]·e^(−2πi·jk/n), by Stockham's method: every stage combines transforms to some times longer ones, in order. */
class Fourier {
  constructor(n) {
    this.n = n;
    this.factors = factorsOf(n);
    this.cos = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n));
    this.sin = Float64Array.from({ length: n }, (_, k) => -Math.sin((2 * Math.PI * k) / n));
    this.scratch = { re: new Float64Array(n), im: new Float64Array(n) };
  }

  /** Transforms { re, im }; the result lies in it or in another such pair, which is given. */
  transform(from) {
    let to = from === this.scratch ? null : this.scratch;
    let length = 1;
    for (const factor of this.factors) {
      this.stage(factor, length, from, to);
      [from, to] = [to, from];
      length *= factor;
    }
    return from;
  }

  /** From transforms of `length` points to those of `factor` times as many. */
  stage(factor, length, from, to) {
    const { n, cos, sin } = this;
    const count = n / (factor * length);
    const [a, b] = [new Float64Array(factor), new Float64Array(factor)];
    const turn = n / factor;
    for (let k = 0; k < count; k++) {
      for (let j = 0; j < length; j++) {
        for (let q = 0; q < factor; q++) {
          const at = (k + count * q) * length + j;
          const angle = q * j * count;
          a[q] = from.re[at] * cos[angle] - from.im[at] * sin[angle];
          b[q] = from.re[at] * sin[angle] + from.im[at] * cos[angle];
        }
        const at = k * factor * length + j;
        if (factor === 2) {
          [to.re[at], to.im[at]] = [a[0] + a[1], b[0] + b[1]];
          [to.re[at + length], to.im[at + length]] = [a[0] - a[1], b[0] - b[1]];
        } else if (factor === 4) {
          const [c, d, e, f] = [a[0] + a[2], b[0] + b[2], a[0] - a[2], b[0] - b[2]];
          const [g, h, p, q] = [a[1] + a[3], b[1] + b[3], a[1] - a[3], b[1] - b[3]];
          [to.re[at], to.im[at]] = [c + g, d + h];
          [to.re[at + length], to.im[at + length]] = [e + q, f - p];
          [to.re[at + 2 * length], to.im[at + 2 * length]] = [c - g, d - h];
          [to.re[at + 3 * length], to.im[at + 3 * length]] = [e - q, f + p];
        } else {
          for (let u = 0; u < factor; u++) {
            let [re, im, angle] = [a[0], b[0], 0];
            for (let q = 1; q < factor; q++) {
              angle += u * turn;
              if (angle >= n) angle -= n;
              re += a[q] * cos[angle] - b[q] * sin[angle];
              im += a[q] * sin[angle] + b[q] * cos[angle];
            }
            to.re[at + u * length] = re;
            to.im[at + u * length] = im;
          }
        }
      }
    }
  }
}
