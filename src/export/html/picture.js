// Spectrograms, gradients, lanes of genres and axes over a song's time.
'use strict';

/** The most rows and columns of a picture: more would be finer than a screen shows. */
const ROWS = 256;
const COLUMNS = 1600;
/** Genres with a lane of their own, and the most bars of a lane. */
const LANES = 4;
const BARS = 300;
/** What a spectrogram's colours may span: 80 dB in natural logarithms of power. */
const SPAN = 18.42;
/** Frequencies that are labelled where they have room (Hz). */
const LABELS = [50, 100, 200, 500, 1000, 2000, 5000, 10000];

/** Every 16th colour of Matplotlib's "magma" (N. Smith and S. van der Walt, CC0). */
const MAGMA = [
  [0, 0, 4], [10, 8, 34], [29, 17, 71], [54, 16, 107], [81, 18, 124], [106, 28, 129], [131, 38, 129], [156, 46, 127],
  [183, 55, 121], [208, 65, 111], [231, 82, 99], [245, 107, 92], [252, 137, 97], [254, 167, 114], [254, 196, 136],
  [253, 226, 163], [252, 253, 191],
];
/** "RdBu" of ColorBrewer (C. Brewer, Apache 2.0), from blue to red. */
const BLUE_RED = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247], [253, 219, 199],
  [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];
/** The same about a dark middle. */
const BLUE_RED_ON_DARK = [
  [209, 229, 240], [146, 197, 222], [67, 147, 195], [33, 92, 152], [28, 31, 40], [142, 28, 48], [214, 96, 77], [244, 165, 130],
  [253, 219, 199],
];

function colour(map, place) {
  const at = Math.min(Math.max(place, 0), 1) * (map.length - 1);
  const i = Math.min(Math.floor(at), map.length - 2);
  return map[i].map((from, c) => from + (at - i) * (map[i + 1][c] - from));
}

function gradientOf(map) {
  return `linear-gradient(to right, ${map.map((rgb) => `rgb(${rgb.join(' ')})`).join(', ')})`;
}

/** Pictures of a song's frames, put together along its time: where frames overlap their mean, where there is none blank. */
class Strip {
  constructor(height, seconds, spacing) {
    this.height = height;
    this.seconds = seconds;
    this.rows = Math.min(height, ROWS);
    this.columns = Math.max(1, Math.min(Math.ceil(seconds / spacing), COLUMNS));
    this.sums = new Float32Array(this.rows * this.columns);
    /** How much of every column is covered; how many of the frames' rows each row stands for. */
    this.covered = new Float32Array(this.columns);
    this.rowOf = Uint16Array.from({ length: height }, (_, row) => Math.floor((row * this.rows) / height));
    this.together = new Float32Array(this.rows);
    for (const row of this.rowOf) this.together[row] += 1;
  }

  /** Puts in a frame [height, T] that lasts from `start` for `duration` seconds. */
  add(start, duration, frame) {
    const count = frame.length / this.height;
    const scale = this.columns / this.seconds;
    for (let t = 0; t < count; t++) {
      const left = Math.max((start + (duration * t) / count) * scale, 0);
      const right = Math.min((start + (duration * (t + 1)) / count) * scale, this.columns);
      for (let column = Math.floor(left); column < right; column++) {
        const share = Math.min(right, column + 1) - Math.max(left, column);
        if (share <= 0) continue;
        this.covered[column] += share;
        for (let row = 0; row < this.height; row++) {
          this.sums[this.rowOf[row] * this.columns + column] += share * frame[row * count + t];
        }
      }
    }
  }

  /** The value of every place, the lowest row first; blank ones are not finite. */
  values() {
    return this.sums.map((sum, i) => {
      const covered = this.covered[i % this.columns];
      return covered < 1e-4 ? NaN : sum / (covered * this.together[Math.floor(i / this.columns)]);
    });
  }

  /** Draws it, the highest row on top; what the colours span. With `about` zero they mirror it. */
  draw(canvas, map, about) {
    const values = this.values();
    const finite = values.filter(Number.isFinite);
    const sorted = (about ? finite.map(Math.abs) : finite).sort();
    const quantile = (part) => sorted[Math.round(part * (sorted.length - 1))] ?? 0;
    const high = about ? quantile(0.99) || quantile(1) : quantile(1);
    const low = about ? -high : Math.max(quantile(0.01), high - SPAN);
    canvas.width = this.columns;
    canvas.height = this.rows;
    const context = canvas.getContext('2d');
    const image = context.createImageData(this.columns, this.rows);
    const palette = Array.from({ length: 256 }, (_, i) => colour(map, i / 255));
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      const place = high > low ? (value - low) / (high - low) : 0.5;
      const at = 4 * ((this.rows - 1 - Math.floor(i / this.columns)) * this.columns + (i % this.columns));
      image.data.set(palette[Math.round(255 * Math.min(Math.max(place, 0), 1))], at);
      image.data[at + 3] = 255;
    });
    context.putImageData(image, 0, 0);
    return { low, high };
  }
}

function toMel(scale, hz) {
  if (scale === 'htk') return 2595 * Math.log10(1 + hz / 700);
  return hz < 1000 ? hz / (200 / 3) : 15 + (27 * Math.log(hz / 1000)) / Math.log(6.4);
}

/** How far up a picture a frequency lies, from 0 to 1. */
function placeOf({ scale, low, high, height }, hz) {
  if (!scale) return ((hz / high) * (height - 1) + 0.5) / height;
  // Filter h of H has its centre at (h + 1)/(H + 1) of the range.
  const [at, first, last] = [hz, low, high].map((frequency) => toMel(scale, frequency));
  return (((at - first) / (last - first)) * (height + 1) - 0.5) / height;
}

/** The frequencies to be labelled, with their places. */
function frequencyLabels(features) {
  const labels = [];
  for (const hz of LABELS.filter((hz) => hz < features.high)) {
    const place = placeOf(features, hz);
    const room = labels.length === 0 || place - labels.at(-1).place >= 0.1;
    if (room && place >= 0.03 && place < 0.97) labels.push({ text: hz >= 1000 ? `${hz / 1000} kHz` : `${hz} Hz`, place });
  }
  return labels;
}

/** Places of time to be labelled: up to seven round ones, far enough from the end for a label. */
function timeLabels(seconds) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
  const step = steps.find((step) => seconds / step <= 6) ?? 3600;
  const labels = [];
  for (let i = 0; i * step <= 0.95 * seconds; i++) {
    labels.push({ text: seconds < 5 ? `${(i * step).toFixed(1)} s` : clock(i * step), place: (i * step) / seconds });
  }
  return labels;
}

/** Minutes and seconds. */
function clock(seconds) {
  const whole = Math.floor(seconds + 1e-6);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/**
 * The genres that won most frames, those of `always` included, and one lane for the rest: names, how many frames they won, and
 * the path of their bars, 1000 wide and 100 high. A bar is as high as the genre was probable.
 */
function lanesOf(frames, genres, seconds, frameSeconds, always) {
  const winners = frames.map(({ probabilities }) => argmax(probabilities));
  const won = new Array(genres.length).fill(0);
  for (const genre of winners) won[genre] += 1;
  const shown = [...won.keys()].filter((g) => won[g] > 0 || always.includes(g));
  shown.sort((a, b) => always.includes(b) - always.includes(a) || won[b] - won[a] || a - b);
  // One more genre is no longer than a lane for the rest.
  const rest = shown.length > LANES + 1 ? shown.splice(LANES) : [];
  shown.sort((a, b) => won[b] - won[a] || a - b);
  const lane = (name, members) => ({
    name,
    won: members.reduce((sum, g) => sum + won[g], 0),
    path: bars(frames, winners, seconds, frameSeconds, members),
  });
  const lanes = shown.map((g) => lane(genres[g], [g]));
  return rest.length > 0 ? [...lanes, lane(`${rest.length} others`, rest)] : lanes;
}

function bars(frames, winners, seconds, frameSeconds, members) {
  const together = Math.max(1, Math.ceil(frames.length / BARS));
  const x = (at) => (1000 * Math.min(Math.max(at / seconds, 0), 1)).toFixed(1);
  let path = '';
  for (let from = 0; from < frames.length; from += together) {
    const to = Math.min(from + together, frames.length);
    let sum = 0;
    for (let i = from; i < to; i++) if (members.includes(winners[i])) sum += frames[i].probabilities[winners[i]];
    const height = (100 * sum) / (to - from);
    const [left, right] = [x(frames[from].start), x(frames[to - 1].start + frameSeconds)];
    if (height >= 0.05) path += `M${left},100V${(100 - height).toFixed(1)}H${right}V100Z`;
  }
  return path;
}
