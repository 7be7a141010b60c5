// From the probabilities of a song's frames to its genre.
'use strict';

/** What a probability of 0 counts as where its logarithm is taken. */
const FLOOR = 1.1754943508222875e-38;

/** The place of the first maximum. */
function argmax(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** What each genre scores from the frames' probabilities. */
function scores(aggregation, frames, genres) {
  const sums = new Float64Array(genres);
  for (const frame of frames) {
    if (aggregation === 'vote') sums[argmax(frame)] += 1;
    else if (aggregation === 'mean-log-probability') frame.forEach((p, g) => (sums[g] += Math.log(p > FLOOR ? p : FLOOR)));
    else frame.forEach((p, g) => (sums[g] += p > 0 ? p : 0));
  }
  const n = frames.length;
  if (aggregation === 'vote') return sums.map((votes) => Math.log((votes + 1) / (n + genres)));
  if (aggregation === 'mean-log-probability') return sums.map((sum) => sum / n);
  return sums.map((sum) => Math.log(Math.max(sum / n, FLOOR)));
}

/** softmax(scores / temperature); of labels that do not exclude each other, exp(scores). */
function probabilities({ aggregation, temperature }, scored) {
  if (aggregation === 'independent') return Float32Array.from(scored, Math.exp);
  const top = Math.max(...scored);
  const weights = scored.map((score) => Math.exp((score - top) / Math.fround(temperature)));
  const sum = weights.reduce((a, b) => a + b, 0);
  return Float32Array.from(weights, (weight) => weight / sum);
}

/** All genres, the most probable first, and whether that one is too improbable to go by. */
function decide(model, frames) {
  const scored = scores(model.decision.aggregation, frames, model.genres.length);
  const song = probabilities(model.decision, scored);
  const order = Array.from(scored.keys()).sort((a, b) => scored[b] - scored[a] || a - b);
  const below = model.decision.unsure_below;
  return {
    guesses: order.map((g) => ({ genre: g, probability: song[g] })),
    unsure: below !== null && song[argmax(song)] < Math.fround(below),
  };
}
