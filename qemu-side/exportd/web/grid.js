// SPDX-License-Identifier: GPL-2.0-only
//
// The tiles of all desktops, as the grid and, beside an open desktop, as the
// strip. Owns the tiles and where they stand, and decides by what is on the
// screen which desktops are watched. A tile borrows its desktop's canvas; the
// full view takes it away and gives it back.

import { State } from './desktop.js';
import { Rung } from './protocol.js';

const GONE_STAYS_MS = 4000;
const UNWATCH_AFTER_MS = 1500;
const SMALLEST_TILE_PX = 200;
const ONE_COLUMN_BELOW_PX = 560;    // a phone held upright
const CAPTION_PX = 50;
const GAP_PX = 12;
// A thumbnail is blurred in a tile that is larger. The full picture costs the server
// many times as much, so only a few desktops get it, and only where it shows. Two
// limits, so that a window at the edge of one does not go to and fro.
const FEW = 4;
const SOFT_FROM = 1.25;             // device pixels of the tile for one of the thumbnail
const CRISP_TO = 1.1;

class Tile {
  #picture;
  #message;
  #name;
  #word;
  #where;
  #size;
  #rate;
  #people;
  #controller;
  #ending;
  #keep;
  #goneTimer = 0;
  #unwatchTimer = 0;
  #visible = false;
  #open = false;
  #paused = false;
  #crisp = false;                   // too large for the thumbnail

  constructor(desktop, removed) {
    const fragment = document.getElementById('tile').content.cloneNode(true);
    this.desktop = desktop;
    this.element = fragment.querySelector('.tile');
    this.link = fragment.querySelector('.tile-link');
    this.#picture = fragment.querySelector('.picture');
    this.#message = fragment.querySelector('.message');
    this.#name = fragment.querySelector('.name');
    this.#word = fragment.querySelector('.state-word');
    this.#where = fragment.querySelector('.where');
    this.#size = fragment.querySelector('.size');
    this.#rate = fragment.querySelector('.rate');
    this.#people = fragment.querySelector('.people');
    this.#controller = fragment.querySelector('.controller');
    this.#ending = fragment.querySelector('.ending');
    this.#keep = fragment.querySelector('.keep');
    this.#keep.addEventListener('click', () => desktop.keep());
    this.element.dataset.scanout = desktop.scanout;
    this.element.dataset.key = desktop.key;
    this.link.href = addressOf(desktop);
    this.takeCanvas();
    desktop.addEventListener('change', () => {
      this.refresh();
      this.#expire(removed);
    });
    this.refresh();
  }

  takeCanvas() { this.#picture.prepend(this.desktop.canvas); }

  refresh() {
    const { desktop } = this;
    const rate = Math.round(desktop.rate);
    const size = desktop.width ? `${desktop.width}×${desktop.height}` : '';
    const live = desktop.state === State.LIVE;
    const latency = live && desktop.latencyMs !== null ? Math.round(desktop.latencyMs) : null;
    const severalVms = document.documentElement.classList.contains('several-vms');
    const where = `${severalVms ? `${desktop.vm} ` : ''}scanout ${desktop.scanout}`;
    const viewers = desktop.entry.viewers ?? 0;
    const control = controlWords(desktop);
    this.element.dataset.state = desktop.state;
    this.element.classList.toggle('has-picture', desktop.hasPicture);
    setText(this.#name, desktop.name);
    setText(this.#word, desktop.stateWord);
    setText(this.#where, where);
    setText(this.#size, size);
    setText(this.#rate, live ? `${rate} fps${latency === null ? '' : ` · ${latency} ms`}` : '');
    setText(this.#people, viewers > 1 ? `${viewers} viewers` : '');
    setText(this.#controller, control);
    setText(this.#message, desktop.explanation);
    this.#message.hidden = !desktop.explanation;
    this.#ending.parentElement.hidden = desktop.ending === null;
    setText(this.#ending, endingWords(desktop.ending));
    this.#keep.hidden = !desktop.mayKeep;
    const keep = `Keep ${desktop.name}`;
    if (this.#keep.getAttribute('aria-label') !== keep)
      this.#keep.setAttribute('aria-label', keep);
    const label = [
      desktop.name, where, size.replace('×', ' by '),
      live ? `live, ${rate} frames per second` : desktop.stateWord,
      latency === null ? '' : `${latency} milliseconds old`,
      viewers > 1 ? `${viewers} viewers` : '', control, desktop.ending === null ? '' : 'ends soon',
    ].filter(Boolean).join(', ');
    // Set only when it differs, for the same reason as text.
    if (this.link.getAttribute('aria-label') !== `${label}. Open full size.`)
      this.link.setAttribute('aria-label', `${label}. Open full size.`);
  }

  seen(visible) {
    this.#visible = visible;
    this.#watch();
  }

  /** While open in the full view it is watched wherever the tile is. */
  open(open) {
    this.#open = open;
    this.element.classList.toggle('open', open);
    if (open)
      this.link.setAttribute('aria-current', 'true');
    else
      this.link.removeAttribute('aria-current');
    this.#watch();
  }

  /** The tile is so many CSS pixels wide; 0 where the thumbnail has to do. */
  sized(width) {
    const { desktop } = this;
    if (this.#open)
      return;                       // it is watched in full, and will be what it was
    const blown = desktop.width > desktop.thumbWidth ? width * window.devicePixelRatio / desktop.thumbWidth : 0;
    const crisp = blown > (this.#crisp ? CRISP_TO : SOFT_FROM);
    if (crisp === this.#crisp)
      return;
    this.#crisp = crisp;
    this.#watch();
  }

  pause(paused, atOnce) {
    this.#paused = paused;
    this.#watch();
    if (atOnce) {
      clearTimeout(this.#unwatchTimer);
      this.desktop.leave();
    }
  }

  /** Watched at once when seen; unwatched only after a while, for people who scroll. */
  #watch() {
    clearTimeout(this.#unwatchTimer);
    if (!this.#paused && (this.#visible || this.#open))
      this.desktop.watch(this.#open || this.#crisp ? Rung.FULL : Rung.THUMB, this.#crisp && !this.#open);
    else
      this.#unwatchTimer = setTimeout(() => this.desktop.watch(Rung.NONE), UNWATCH_AFTER_MS);
  }

  /** A desktop that ended says so for a moment before its tile goes. */
  #expire(removed) {
    const gone = this.desktop.state === State.GONE;
    if (gone && !this.#goneTimer && !this.element.hidden) {
      this.#goneTimer = setTimeout(() => {
        this.element.hidden = true;
        removed();
      }, GONE_STAYS_MS);
    } else if (!gone && (this.#goneTimer || this.element.hidden)) {
      clearTimeout(this.#goneTimer);
      this.#goneTimer = 0;
      this.element.hidden = false;
      removed();
    }
  }
}

// Text nodes are only touched when they differ: fifteen tiles are refreshed
// every second and screen readers hear of every change.
function setText(element, text) {
  if (element.textContent !== text)
    element.textContent = text;
}

/** Who has control, in a word or two; '' when there is nothing to say. */
function controlWords(desktop) {
  const controller = desktop.role === null ? desktop.entry.controller ?? null : desktop.controller;
  if (controller === null)
    return '';
  return desktop.control === 'mine' ? 'You control' : `Viewer ${controller} controls`;
}

/** What becomes of a desktop that nobody uses; '' when nothing does. */
export function endingWords(seconds) {
  if (seconds === null)
    return '';
  if (seconds === 0)
    return 'Ending: nobody used it';
  return seconds < 120 ? `Nobody uses it: ends in ${seconds} s` : `Nobody uses it: ends in ${Math.ceil(seconds / 60)} min`;
}

/** The address of one open desktop, within the page. */
const addressOf = (desktop) => (desktop.id ? `#desktop=${desktop.id}` : `#scanout=${desktop.scanout}`);

export class Grid {
  #element;
  #tiles = new Map();               // key -> Tile
  #observer;
  #paused = false;

  constructor(element) {
    this.#element = element;
    this.#observer = new IntersectionObserver((entries) => {
      for (const entry of entries)
        this.#tiles.get(entry.target.dataset.key)?.seen(entry.isIntersecting);
    }, { rootMargin: '100px' });
    element.addEventListener('keydown', (event) => this.#arrow(event));
    new ResizeObserver(() => this.layout()).observe(element.parentElement);
  }

  /** Have a tile for each of these desktops. */
  show(desktops) {
    let after = null;
    for (const desktop of desktops) {
      let tile = this.#tiles.get(desktop.key);
      if (!tile) {
        tile = new Tile(desktop, () => this.layout());
        tile.pause(this.#paused);
        this.#tiles.set(desktop.key, tile);
        if (after)
          after.element.after(tile.element);
        else
          this.#element.prepend(tile.element);
        this.#observer.observe(tile.element);
      }
      after = tile;
    }
    document.documentElement.classList.toggle('several-vms', new Set(desktops.map((desktop) => desktop.vm)).size > 1);
    this.layout();
  }

  /** While paused nothing is watched, whatever is on the screen. */
  pause(paused, atOnce = false) {
    this.#paused = paused;
    for (const tile of this.#tiles.values())
      tile.pause(paused, atOnce);
  }

  tile(key) { return this.#tiles.get(key); }

  /** Rates fall when nothing happens, so no event refreshes them. */
  refresh() {
    for (const tile of this.#tiles.values())
      tile.refresh();
  }

  /** The column count with which the tiles are largest and yet all on the screen. */
  layout() {
    const shown = this.#shown().length;
    document.documentElement.classList.toggle('single', shown === 1);
    if (!shown)
      return;
    if (document.documentElement.dataset.view === 'full') {
      this.#size(0);                // the strip's tiles are as large as the style says
      return;
    }
    const style = getComputedStyle(this.#element);
    const width = this.#element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = this.#element.parentElement.clientHeight
      - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const most = width < ONE_COLUMN_BELOW_PX ? 0 : shown;
    let best = { columns: 1, tile: most ? 0 : width };
    for (let columns = 1; columns <= most; columns++) {
      const rows = Math.ceil(shown / columns);
      const byWidth = (width - GAP_PX * (columns - 1)) / columns;
      const byHeight = ((height - GAP_PX * (rows - 1)) / rows - CAPTION_PX) * 16 / 9;
      const tile = Math.floor(Math.min(byWidth, byHeight));
      if (tile > best.tile)
        best = { columns, tile };
    }
    // Rather scroll than have tiles in which nothing can be seen.
    if (best.tile < SMALLEST_TILE_PX) {
      const columns = Math.max(1, Math.min(shown, Math.floor((width + GAP_PX) / (SMALLEST_TILE_PX + GAP_PX))));
      best = { columns, tile: Math.floor((width - GAP_PX * (columns - 1)) / columns) };
    }
    this.#element.style.setProperty('--columns', best.columns);
    this.#element.style.setProperty('--tile', `${best.tile}px`);
    document.documentElement.classList.toggle('small-tiles', best.tile < 260);
    this.#size(shown > FEW ? 0 : best.tile);
  }

  #size(width) {
    for (const tile of this.#tiles.values())
      tile.sized(width);
  }

  #shown() { return [...this.#tiles.values()].filter((tile) => !tile.element.hidden); }

  /** Arrow keys go to the nearest tile in their direction. */
  #arrow(event) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const from = event.target.closest('.tile');
    if (!direction || !from || event.ctrlKey || event.altKey || event.metaKey)
      return;
    const centre = (element) => {
      const box = element.getBoundingClientRect();
      return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
    };
    const here = centre(from);
    let best = null;
    for (const tile of this.#shown()) {
      const there = centre(tile.element);
      const along = (there.x - here.x) * direction[0] + (there.y - here.y) * direction[1];
      const across = Math.abs((there.x - here.x) * direction[1]) + Math.abs((there.y - here.y) * direction[0]);
      if (along > 4 && (!best || along + 3 * across < best.cost))
        best = { tile, cost: along + 3 * across };
    }
    if (!best)
      return;
    event.preventDefault();
    best.tile.link.focus();
  }
}
