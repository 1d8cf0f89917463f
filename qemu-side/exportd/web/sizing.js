// SPDX-License-Identifier: GPL-2.0-only
//
// The size of the open desktop: its own, or that of the window. Owns the choice,
// which is kept for the next visit, and the pause after the last change of the
// window: a desktop that is resized builds all its buffers anew.

import { message } from './protocol.js';
import { keepSetting, setting } from './settings.js';
import { keptSize, resizeAnswer } from './words.js';

const SETTLED_MS = 400;
// A desktop that follows draws itself anew within a second or two; one that does not says nothing.
const FOLLOWED_MS = 6000;
const ROUNDED_PX = 8;               // the timings of a mode may not come out at every width
const SMALLEST = 320;
const LARGEST = 8192;
const KEY = 'size';

const byId = (id) => document.getElementById(id);

export class Sizing {
  #stage = byId('stage');
  #desktop = null;
  #may;
  #say;
  #focus;
  #timer = 0;
  #followedTimer = 0;
  #asked = '';
  #follows = setting(KEY) === 'follow';
  #onMessage = (event) => this.#heard(event.detail);

  /** may(): is our wish taken now? say(text) tells the user something in passing; focus(): back to the desktop. */
  constructor(may, say, focus) {
    this.#may = may;
    this.#say = say;
    this.#focus = focus;
    byId('size').addEventListener('click', () => this.#toggle());
    new ResizeObserver(() => this.#later()).observe(this.#stage);
  }

  attach(desktop) {
    this.#desktop = desktop;
    this.#asked = '';
    desktop.addEventListener('message', this.#onMessage);
    this.refresh();
  }

  detach() {
    clearTimeout(this.#timer);
    clearTimeout(this.#followedTimer);
    this.#desktop.removeEventListener('message', this.#onMessage);
    this.#desktop = null;
  }

  refresh() {
    if (!this.#desktop)
      return;
    byId('size').hidden = !this.#desktop.takes.resize;
    byId('size').setAttribute('aria-pressed', String(this.#follows));
    this.#later();
  }

  #toggle() {
    this.#follows = !this.#follows;
    keepSetting(KEY, this.#follows ? 'follow' : 'fixed');
    this.#asked = '';
    this.refresh();
    this.#focus();
  }

  #later() {
    if (!this.#follows || !this.#desktop?.takes.resize || !this.#may()) {
      this.#asked = '';             // who gets control later has the size of another window
      return;
    }
    if (this.#wish().text === this.#asked)
      return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), SETTLED_MS);
  }

  #wish() {
    const scale = window.devicePixelRatio || 1;
    const bound = (value) => Math.min(LARGEST, Math.max(SMALLEST, Math.round(value * scale) & ~1));
    const width = bound(this.#stage.clientWidth);
    const height = bound(this.#stage.clientHeight);
    return { width, height, scale, text: `${width}×${height}` };
  }

  #ask() {
    const { width, height, scale, text } = this.#wish();
    if (!this.#desktop || !this.#may() || text === this.#asked)
      return;
    this.#asked = text;
    if (width === this.#desktop.width && height === this.#desktop.height)
      return;
    if (!this.#desktop.send(message.resize(width, height, scale)))
      this.#asked = '';
  }

  #heard({ type, status, width, height }) {
    if (type !== 'resized')
      return;
    clearTimeout(this.#followedTimer);
    const words = resizeAnswer(status);
    if (words)
      this.#say(words);
    if (status === 'ok')
      this.#followedTimer = setTimeout(() => {
        const off = Math.max(Math.abs(this.#desktop.width - width), Math.abs(this.#desktop.height - height));
        if (this.#follows && off >= ROUNDED_PX)
          this.#say(keptSize(this.#desktop));
      }, FOLLOWED_MS);
  }
}
