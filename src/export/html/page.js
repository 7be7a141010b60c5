// The page: takes songs, has them recognised one after the other, and shows what was heard.
'use strict';

const model = JSON.parse(document.getElementById('model').textContent);
const recogniser = new Recogniser(model);
const frameSeconds = model.frame.length / model.audio.sample_rate;
const dark = matchMedia('(prefers-color-scheme: dark)');
const tags = model.decision.aggregation === 'independent';

/** Everything that was added: { file, path, state, done, error, seconds, frames, verdict, power, gradient }. */
const songs = [];
/** The song that is shown. */
let shown = null;
let working = false;

const $ = (id) => document.getElementById(id);

/** An element with attributes and children, which are text or elements. */
function element(name, attributes = {}, ...children) {
  const svg = ['svg', 'path'].includes(name);
  const made = svg ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const counted = (count, thing) => `${count} ${thing}${count === 1 ? '' : 's'}`;
const nameOf = (guess) => model.genres[guess.genre];

function notify(text) {
  $('notice').textContent = text;
  $('notice').hidden = !text;
}

// ---- Taking songs

function add(files) {
  for (const { file, path } of files) songs.push({ file, path, state: 'waiting', done: 0 });
  if (songs.length === 0) return;
  notify('');
  document.body.classList.add('some');
  $('pick').textContent = 'Add songs';
  $('pick').className = '';
  $('clear').hidden = false;
  shown ??= songs[0];
  list();
  show();
  work();
}

function clear() {
  songs.length = 0;
  select(null);
  document.body.classList.remove('some');
  $('pick').textContent = 'Choose songs';
  $('pick').className = 'primary';
  $('clear').hidden = true;
  $('status').textContent = '';
  list();
}

/** The files of what was dropped, those in folders too, in the order of their names. */
async function dropped(items) {
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((done) => entry.file(done, () => done(null)));
      if (file) found.push({ file, path: entry.fullPath.replace(/^\//, '') });
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((done) => reader.readEntries(done, () => done([])));
        if (some.length === 0) break;
        for (const inside of some) if (!inside.name.startsWith('.')) await walk(inside);
      }
    }
  };
  for (const entry of [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)) await walk(entry);
  // What lies beside songs in a folder is passed over; a file that was dropped by itself is tried whatever it is.
  const audio = ({ file, path }) => !path.includes('/') || file.type.startsWith('audio/') || file.type === '';
  return found.filter(audio).sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
}

// ---- Recognising them

async function work() {
  if (working) return;
  working = true;
  for (let song; (song = songs.find(({ state }) => state === 'waiting')); ) {
    for (let tries = 1; ; tries++) {
      try {
        await recognise(song);
        break;
      } catch (error) {
        if (error instanceof GpuLost && tries < 3) {
          notify(`The GPU was lost (${error.message}). It is opened anew, and the song heard again.`);
          continue;
        }
        if (error instanceof NoGpu) notify(error.message);
        song.state = 'failed';
        song.error = error instanceof SongError ? error.message : `it could not be recognised: ${error.message}`;
        if (!(error instanceof SongError || error instanceof NoGpu)) console.error(error);
        break;
      }
    }
    list();
    if (song === shown) show();
  }
  working = false;
  const failed = songs.filter(({ state }) => state === 'failed').length;
  const heard = songs.filter(({ state }) => state === 'done').length;
  $('status').textContent =
    songs.length > 1 || failed > 0
      ? `${counted(heard, 'song')} recognised${failed > 0 ? `, ${failed} could not be` : ''}`
      : '';
}

/** A song that was removed while it was heard. */
class Removed extends Error {}

async function recognise(song) {
  const progress = (state, done) => {
    if (!songs.includes(song)) throw new Removed('it was removed');
    Object.assign(song, { state, done });
    const number = songs.indexOf(song) + 1;
    const what = { preparing: 'Preparing the GPU for', decoding: 'Decoding', listening: 'Listening to' }[state];
    $('status').textContent = `${what} ${song.path}${songs.length > 1 ? ` (${number} of ${songs.length})` : ''} …`;
    row(song);
    if (song === shown) show();
  };
  try {
    progress('preparing', 0);
    // Before a long song is decoded for nothing.
    await recogniser.program('recognise');
    progress('decoding', 0);
    const heard = await Song.from(await decode(song.file, model.audio.sample_rate), model);
    song.seconds = heard.seconds;
    song.power = new Strip(model.features.height, heard.seconds, frameSeconds / model.features.width);
    progress('listening', 0);
    const began = performance.now();
    song.frames = await recogniser.recognise(heard, (frame, power, done) => {
      if (frame) song.power.add(frame.start, frameSeconds, power);
      else progress('listening', done);
    });
    song.took = (performance.now() - began) / 1000;
    song.verdict = decide(model, song.frames.map(({ probabilities }) => probabilities));
    song.state = 'done';
  } catch (error) {
    if (!(error instanceof Removed)) throw error;
  }
}

/** Shows by how much the song's genre would gain from more energy, wherever there is any. */
async function explain(song) {
  $('explain').disabled = true;
  try {
    const heard = await Song.from(await decode(song.file, model.audio.sample_rate), model);
    const { genre } = song.verdict.guesses[0];
    const gradient = new Strip(model.features.height, heard.seconds, frameSeconds / model.features.width);
    await recogniser.explain(heard, genre, (start, image, done) => {
      if (image) gradient.add(start, frameSeconds, image);
      else if (song === shown) $('explain').textContent = `Explaining: ${percent(done)}`;
    });
    song.gradient = gradient;
  } catch (error) {
    notify(`${song.path} could not be explained: ${error.message}`);
  }
  $('explain').disabled = false;
  if (song === shown) show();
}

// ---- The list of songs

function list() {
  $('list').hidden = songs.length < 2;
  $('rows').replaceChildren(...songs.map((song) => (song.row = element('tr'))));
  songs.forEach(row);
}

function row(song) {
  const name = element('button', { type: 'button' }, song.path);
  const cells = [element('th', { scope: 'row' }, name), element('td', { class: 'number wide' }, song.seconds ? clock(song.seconds) : '')];
  if (song.state === 'done') {
    const [first, ...others] = song.verdict.guesses;
    const then = others.slice(0, 2).map((guess) => `${nameOf(guess)} ${percent(guess.probability)}`);
    cells.push(
      element('td', { class: song.verdict.unsure ? 'unsure' : undefined }, `${song.verdict.unsure ? 'unsure: ' : ''}${nameOf(first)}`),
      element('td', { class: 'bar', style: `--s: ${first.probability.toFixed(3)}` }, percent(first.probability)),
      element('td', { class: 'wide unsure' }, then.join(', ')),
    );
  } else {
    const words = { waiting: 'waiting', preparing: 'preparing …', decoding: 'decoding …', listening: `listening: ${percent(song.done)}`, failed: song.error };
    cells.push(element('td', { colspan: 3, class: song.state === 'failed' ? 'failed' : 'unsure' }, words[song.state]));
  }
  const focused = song.row.contains(document.activeElement);
  song.row.replaceChildren(...cells);
  song.row.onclick = () => select(song);
  song.row.toggleAttribute('aria-current', false);
  if (song === shown) song.row.setAttribute('aria-current', 'true');
  if (focused) name.focus();
}

function select(song) {
  const before = shown;
  shown = song;
  for (const changed of [before, song]) if (changed?.row) row(changed);
  show();
  if (song) $('song').scrollIntoView({ block: 'nearest' });
}

// ---- The song that is shown

function show() {
  const song = shown;
  $('song').hidden = !song;
  player.take(song);
  if (!song) return;
  const done = song.state === 'done';
  $('title').textContent = song.path + (song.seconds ? `, ${clock(song.seconds)}` : '');
  $('progress').hidden = done || song.state === 'failed';
  if (song.state === 'listening') $('progress').value = song.done;
  else $('progress').removeAttribute('value');
  $('guesses').hidden = !done;
  $('heard').hidden = !done && song.state !== 'listening';
  const [first] = done ? song.verdict.guesses : [];
  const words = { waiting: 'Waiting', preparing: 'Preparing …', decoding: 'Decoding …', listening: 'Listening …', failed: 'Not recognised' };
  $('genre').textContent = !done ? words[song.state] : song.verdict.unsure ? 'Unsure' : nameOf(first);
  $('genre').className = done && !song.verdict.unsure ? '' : 'unsure';
  $('sure').textContent =
    song.state === 'failed' ? `${song.error}.`
    : !done ? ''
    : song.verdict.unsure ? `Perhaps ${nameOf(first)}, but ${percent(first.probability)} is less than the ${percent(model.decision.unsure_below)} that would be believed.`
    : `${percent(first.probability)} probable; ${counted(song.frames.length, 'frame')} heard in ${song.took.toFixed(1)} s.`;
  $('explain').hidden = !model.explain || !done || Boolean(song.gradient);
  $('explain').textContent = tags ? `What spoke for ${done ? nameOf(first) : 'it'}?` : 'What spoke for it?';
  $('player').hidden = !done;
  if (!done) {
    if (song.state === 'listening') picture(song);
    return;
  }
  $('guesses').replaceChildren(
    ...song.verdict.guesses.slice(0, 3).map((guess) =>
      element('li', { style: `--s: ${guess.probability.toFixed(3)}` },
        element('span', {}, nameOf(guess)), element('span', { class: 'number' }, percent(guess.probability)))),
  );
  picture(song);
}

/** Draws spectrogram, gradient, lanes and axes, and what seeks in them. */
function picture(song) {
  const { features } = model;
  const axis = () =>
    element('div', { class: 'hertz' }, ...frequencyLabels(features).map(({ text, place }) =>
      element('span', { style: `bottom: ${(100 * place).toFixed(1)}%` }, text)));
  const cells = [];
  const spectrogram = element('canvas', { role: 'img', 'aria-label': `Spectrogram of ${song.path}` });
  const { low, high } = song.power.draw(spectrogram, MAGMA, false);
  cells.push(axis(), spectrogram);
  const key = ['quiet', element('span', { class: 'ramp', style: `background: ${gradientOf(MAGMA)}` }), `loud, over ${((10 * (high - low)) / Math.LN10).toFixed(0)} dB`];
  if (song.gradient) {
    const name = nameOf(song.verdict.guesses[0]);
    const diverging = dark.matches ? BLUE_RED_ON_DARK : BLUE_RED;
    const canvas = element('canvas', { role: 'img', 'aria-label': `What in ${song.path} speaks for ${name}` });
    song.gradient.draw(canvas, diverging, true);
    cells.push(axis(), canvas);
    key.push('. Below: where more energy would ', element('span', {}, 'lower'),
      element('span', { class: 'ramp', style: `background: ${gradientOf(diverging)}` }), `raise the score of ${name}.`);
  }
  const always = song.verdict ? [song.verdict.guesses[0].genre] : [];
  for (const { name, won, path } of song.frames ? lanesOf(song.frames, model.genres, song.seconds, frameSeconds, always) : []) {
    const share = percent(won / song.frames.length);
    const bars = element('svg', { class: 'bars', viewBox: '0 0 1000 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${name}: ${won} of ${song.frames.length} frames` },
      element('path', { d: path }));
    cells.push(element('div', { class: 'lane' }, element('span', { class: 'name' }, name), element('span', {}, share)), bars);
  }
  const rows = cells.length / 2;
  cells.push(element('div'), element('div', { class: 'time' }, ...timeLabels(song.seconds).map(({ text, place }) =>
    element('span', { style: `left: ${(100 * place).toFixed(2)}%` }, text))));
  cells.forEach((cell, i) => (cell.style.gridArea = `${1 + Math.floor(i / 2)} / ${1 + (i % 2)}`));
  if (song.state === 'done') cells.push(player.seeker(rows));
  const focused = $('strip').contains(document.activeElement);
  $('strip').replaceChildren(...cells);
  if (focused) $('strip').querySelector('.seek')?.focus();
  $('key').replaceChildren(...key);
}
