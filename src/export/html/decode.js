// From a file to samples: the browser decodes, at the file's own rate, because it would resample less well.
'use strict';

/** A song that cannot be recognised; the message says why. */
class SongError extends Error {}

/** Seconds of the longest song. */
const LONGEST = 2 * 3600;
/** The rate at which files are decoded whose own is not found. */
const USUAL_RATE = 48000;
/** Of MPEG-1; MPEG-2 has half, MPEG-2.5 a quarter. */
const MPEG_RATES = [44100, 48000, 32000];

/** Lets the browser draw and listen. */
function breathe() {
  return new Promise((done) => setTimeout(done));
}

/** Samples a second of an audio file, as it says itself. */
function rateOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const is = (at, word) => [...word].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
  const find = (word, from, to) => {
    for (let at = from; at < Math.min(to, bytes.length - word.length); at++) if (bytes[at] === word.charCodeAt(0) && is(at, word)) return at;
    return -1;
  };
  // 20 bits of FLAC's STREAMINFO, which begins at `at`.
  const flac = (at) => view.getUint32(at + 10) >>> 12;
  try {
    if (is(0, 'RIFF') || is(0, 'RF64')) {
      const format = find('fmt ', 12, 1 << 16);
      return format < 0 ? USUAL_RATE : view.getUint32(format + 12, true);
    }
    // A tag may come first, whose length has 7 bits a byte.
    const tag = is(0, 'ID3') ? 10 + [6, 7, 8, 9].reduce((length, at) => (length << 7) | bytes[at], 0) : 0;
    if (is(tag, 'fLaC')) return flac(tag + 8);
    if (is(0, 'OggS')) {
      const vorbis = find('\x01vorbis', 27, 4096);
      if (vorbis >= 0) return view.getUint32(vorbis + 12, true);
      const mapped = find('\x7fFLAC', 27, 4096);
      return mapped < 0 ? USUAL_RATE : flac(mapped + 17);
    }
    if (is(4, 'ftyp')) {
      const entry = find('mp4a', 8, bytes.length);
      return entry < 0 ? USUAL_RATE : view.getUint16(entry + 28);
    }
    for (let at = tag; at < tag + 65536; at++) {
      // Eleven ones, a version, a layer, then the rate.
      const header = view.getUint32(at);
      const [version, layer, rate] = [(header >>> 19) & 3, (header >>> 17) & 3, (header >>> 10) & 3];
      if (header >>> 21 === 0x7ff && version !== 1 && layer !== 0 && rate !== 3) return MPEG_RATES[rate] >> { 3: 0, 2: 1, 0: 2 }[version];
    }
  } catch {
    // The file ends before it says.
  }
  return USUAL_RATE;
}

/** Decodes a file: { rate, planes }; at its own rate, but where that is in no simple relation to what is wanted. */
async function decode(file, wanted) {
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new SongError('it cannot be read; was it moved, or is it a folder?');
  }
  if (bytes.byteLength === 0) throw new SongError('it is empty: the file has no bytes');
  const own = rateOf(new Uint8Array(bytes));
  let context;
  try {
    context = new OfflineAudioContext(1, 1, related(own, wanted) ? own : wanted);
  } catch {
    // The browser resamples what it has no context for.
    context = new OfflineAudioContext(1, 1, USUAL_RATE);
  }
  let decoded;
  try {
    decoded = await context.decodeAudioData(bytes);
  } catch {
    throw new SongError('this browser cannot decode it: it is damaged, too long, or no audio of a kind that it knows');
  }
  if (decoded.duration > LONGEST) throw new SongError('it is longer than two hours; split it into songs');
  const planes = Array.from({ length: decoded.numberOfChannels }, (_, channel) => decoded.getChannelData(channel));
  evenOut(planes);
  return { rate: decoded.sampleRate, planes };
}

/**
 * Chromium makes 16-bit integers floats by dividing what is positive by 32767 and what is negative by 32768. Where all samples
 * are such, they are brought to one scale in place: the difference would show in probabilities.
 */
function evenOut(planes) {
  const whole = (value) => Math.abs(value - Math.round(value)) < 4e-3;
  const uneven = (plane) => plane.every((sample) => whole(sample * (sample > 0 ? 32767 : 32768)));
  if (!planes.every(uneven)) return;
  for (const plane of planes) {
    for (let i = 0; i < plane.length; i++) if (plane[i] > 0) plane[i] = Math.round(plane[i] * 32767) / 32768;
  }
}
