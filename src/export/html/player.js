// Playback of the song that is shown, in step with its pictures.
'use strict';

/** Seconds that the arrow keys, and page up and down, seek by. */
const STEPS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 };

const player = {
  song: null,
  audio: document.getElementById('audio'),
  seek: null,

  /** Takes a song to play, or none. */
  take(song) {
    if (song === this.song) return;
    this.audio.pause();
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.removeAttribute('src');
    this.song = song;
    if (song) this.audio.src = URL.createObjectURL(song.file);
    this.seek = null;
    this.tell();
  },

  /** What lies over the pictures, marks the time and seeks: a slider. */
  seeker(rows) {
    const attributes = { class: 'seek', role: 'slider', tabindex: 0, 'aria-label': 'Time', 'aria-valuemin': 0 };
    this.seek = element('div', { ...attributes, 'aria-valuemax': Math.floor(this.song.seconds) }, element('i'));
    this.seek.style.gridRow = `1 / span ${rows}`;
    const to = (event) => {
      const { left, width } = this.seek.getBoundingClientRect();
      this.go((this.song.seconds * (event.clientX - left)) / width);
    };
    this.seek.onpointerdown = (event) => {
      this.seek.setPointerCapture(event.pointerId);
      to(event);
    };
    this.seek.onpointermove = (event) => {
      if (this.seek.hasPointerCapture(event.pointerId)) to(event);
    };
    this.seek.onkeydown = (event) => {
      if (event.key === ' ' || event.key === 'Enter') this.toggle();
      else if (event.key === 'Home') this.go(0);
      else if (event.key === 'End') this.go(this.song.seconds);
      else if (event.key in STEPS) this.go(this.audio.currentTime + STEPS[event.key]);
      else return;
      event.preventDefault();
    };
    this.tell();
    return this.seek;
  },

  go(seconds) {
    this.audio.currentTime = Math.min(Math.max(seconds, 0), this.song.seconds);
    this.tell();
  },

  toggle() {
    if (!this.audio.paused) this.audio.pause();
    else this.audio.play().catch((error) => notify(`${this.song.path} cannot be played: ${error.message}`));
  },

  /** Says where the song is, and what the model heard there. */
  tell() {
    document.body.classList.toggle('playing', !this.audio.paused);
    $('play').setAttribute('aria-label', this.audio.paused ? 'Play' : 'Pause');
    const { song } = this;
    if (!song?.frames || !song.seconds) {
      $('clock').textContent = $('now').textContent = '';
      return;
    }
    const at = Math.min(this.audio.currentTime, song.seconds);
    $('clock').textContent = `${clock(at)} / ${clock(song.seconds)}`;
    const frame = song.frames.findLast(({ start }) => start <= at && at < start + frameSeconds);
    const best = frame && argmax(frame.probabilities);
    const words = frame ? `${model.genres[best]}, ${percent(frame.probabilities[best])}` : 'not heard here';
    $('now').textContent = words;
    if (!this.seek) return;
    this.seek.firstChild.style.left = `${(100 * at) / song.seconds}%`;
    this.seek.setAttribute('aria-valuenow', Math.floor(at));
    this.seek.setAttribute('aria-valuetext', `${clock(at)}: ${words}`);
  },

  /** Follows the song while it plays. */
  follow() {
    this.tell();
    if (!this.audio.paused) requestAnimationFrame(() => this.follow());
  },
};

for (const event of ['play', 'pause', 'ended', 'seeked']) player.audio.addEventListener(event, () => player.follow());
