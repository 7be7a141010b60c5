// What the page's buttons do, what can be saved, and the beginning.
'use strict';

/** Text as CSV has it (RFC 4180). */
function csv(rows) {
  const field = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return rows.map((row) => `${row.map((value) => field(String(value))).join(',')}\n`).join('');
}

/** A row a song, as `predict --format csv` writes them. */
function songsCsv() {
  const heard = songs.filter(({ state }) => state === 'done');
  const ranks = Math.min(3, model.genres.length);
  const header = Array.from({ length: ranks }, (_, i) => [`genre${i + 1}`, `probability${i + 1}`]);
  return csv([
    ['path', 'seconds', ...header.flat(), 'unsure'],
    ...heard.map(({ path, seconds, verdict }) => {
      const guesses = verdict.guesses.slice(0, ranks).map((guess) => [nameOf(guess), guess.probability.toFixed(4)]);
      return [path, seconds.toFixed(2), ...guesses.flat(), verdict.unsure];
    }),
  ]);
}

/** A row a frame, as `predict --timeline --format csv` writes them. */
function timelineCsv({ path, frames }) {
  const rows = frames.map(({ start, probabilities }) => {
    const best = argmax(probabilities);
    return [path, start.toFixed(3), model.genres[best], probabilities[best].toFixed(4)];
  });
  return csv([['path', 'start', 'genre', 'probability'], ...rows]);
}

function save(name, text) {
  const link = element('a', { download: name, href: URL.createObjectURL(new Blob([text], { type: 'text/csv' })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

$('pick').onclick = () => $('files').click();
$('files').onchange = () => {
  add([...$('files').files].map((file) => ({ file, path: file.name })));
  $('files').value = '';
};
$('clear').onclick = clear;
$('play').onclick = () => player.toggle();
$('explain').onclick = () => explain(shown);
$('save').onclick = () => save('genres.csv', songsCsv());
$('save-timeline').onclick = () => save(`${shown.path.split('/').at(-1)}.csv`, timelineCsv(shown));

// Up and down in the list, from song to song.
$('rows').onkeydown = (event) => {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
  const next = step && event.target.closest('tr')[step];
  if (!next) return;
  event.preventDefault();
  next.querySelector('button').focus();
};

let depth = 0;
const over = (change) => {
  depth = Math.max(0, depth + change);
  document.body.classList.toggle('over', depth > 0);
};
window.addEventListener('dragenter', () => over(1));
window.addEventListener('dragleave', () => over(-1));
window.addEventListener('dragover', (event) => event.preventDefault());
window.addEventListener('drop', async (event) => {
  event.preventDefault();
  over(-depth);
  add(await dropped(event.dataTransfer.items));
});

dark.addEventListener('change', show);

const listened = frameSeconds === 1 ? 'a second' : `${+frameSeconds.toFixed(1)} seconds`;
if (tags) document.querySelector('h1').textContent = 'What does it sound like?';
$('lead').textContent =
  `A neural network that tells ${model.genres.length} ${tags ? 'tags' : 'genres'} apart listens, ${listened} at a time, on ` +
  "this device's GPU. It is all in this file, and songs are sent nowhere.";
$('about').append(...model.about.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
$('footer').textContent = `GenreRecognizer ${model.version}`;
// While songs are still being chosen.
recogniser.program('recognise').catch((error) => notify(error.message));
