// SPDX-License-Identifier: GPL-2.0-only
//
// One desktop at full size. Owns the stage and its bar. Borrows the canvas of
// the open desktop from its tile; close() gives it back. Input belongs to
// input.js and goes to whatever desktop is open here.

import { State } from './desktop.js';
import { Input } from './input.js';
import { strokesFor } from './textkeys.js';

const byId = (id) => document.getElementById(id);

export class FullView {
  #stage = byId('stage');
  #message = byId('stage-message');
  #typing = byId('typing');
  #tile = null;
  #input;
  #onChange = () => this.refresh();

  /** leave() is called when the user wants back to the grid. */
  constructor(leave) {
    this.#input = new Input(this.#stage, () => this.desktop, leave);
    byId('back').addEventListener('click', leave);
    byId('fullscreen').addEventListener('click', () => this.#toggleFullscreen());
    byId('strip-toggle').addEventListener('click', () => this.#toggleStrip());
    byId('typing-toggle').addEventListener('click', () => this.#toggleTyping());
    this.#stage.addEventListener('focus', () => this.#showCapture());
    this.#stage.addEventListener('blur', () => this.#showCapture());
    byId('fullscreen').hidden = !document.fullscreenEnabled;
    document.addEventListener('fullscreenchange', () => this.#fullscreenChanged());
    this.#acceptTyping();
    this.#applyStrip(localStorage.getItem('helix.strip') !== 'off');
  }

  get desktop() { return this.#tile?.desktop ?? null; }

  open(tile) {
    if (this.#tile === tile)
      return;
    this.close();
    this.#tile = tile;
    tile.open(true);
    tile.desktop.addEventListener('change', this.#onChange);
    this.#stage.prepend(tile.desktop.canvas);
    this.#stage.hidden = false;
    byId('full-bar').hidden = false;
    byId('grid-bar').hidden = true;
    document.documentElement.dataset.view = 'full';
    tile.element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    this.refresh();
    this.#stage.focus();
  }

  close() {
    const tile = this.#tile;
    if (!tile)
      return;
    this.#input.release();
    this.#showTyping(false);
    tile.desktop.removeEventListener('change', this.#onChange);
    tile.open(false);
    tile.takeCanvas();
    this.#tile = null;
    this.#stage.hidden = true;
    byId('full-bar').hidden = true;
    byId('grid-bar').hidden = false;
    document.documentElement.dataset.view = 'grid';
    if (document.fullscreenElement)
      document.exitFullscreen().catch(() => {});
  }

  refresh() {
    const { desktop } = this;
    if (!desktop)
      return;
    const live = desktop.state === State.LIVE;
    byId('full-name').textContent = desktop.name;
    byId('full-facts').textContent = [
      `scanout ${desktop.scanout}`,
      desktop.width ? `${desktop.width}×${desktop.height}` : '',
      live ? `${Math.round(desktop.rate)} fps` : desktop.stateWord,
      desktop.encoder,
    ].filter(Boolean).join(' · ');
    byId('full-facts').dataset.state = desktop.state;
    this.#message.textContent = desktop.explanation;
    this.#message.hidden = !desktop.explanation;
    this.#showCapture();
    this.#stage.dataset.state = desktop.state;
    this.#stage.setAttribute('aria-label',
      `${desktop.name}. Keys go to this desktop; Control Alt Shift G goes back to the grid.`);
  }

  #showCapture() {
    const captured = document.activeElement === this.#stage;
    const text = this.desktop?.state !== State.LIVE ? ''
      : captured ? 'Keys go to the desktop' : 'Click the desktop to type';
    if (byId('capture').textContent !== text)
      byId('capture').textContent = text;
    byId('capture').dataset.on = captured;
  }

  #toggleStrip() {
    const on = byId('strip-toggle').getAttribute('aria-pressed') !== 'true';
    localStorage.setItem('helix.strip', on ? 'on' : 'off');
    this.#applyStrip(on);
    this.#stage.focus();
  }

  #applyStrip(on) {
    byId('strip-toggle').setAttribute('aria-pressed', String(on));
    document.documentElement.dataset.strip = on ? 'on' : 'off';
  }

  async #toggleFullscreen() {
    try {
      if (document.fullscreenElement)
        await document.exitFullscreen();
      else
        await document.documentElement.requestFullscreen({ navigationUI: 'hide' });
    } catch (error) {
      console.warn(`helix: full screen: ${error.message}`);
    }
    this.#stage.focus();
  }

  #fullscreenChanged() {
    const on = Boolean(document.fullscreenElement);
    byId('fullscreen').textContent = on ? 'Leave full screen' : 'Full screen';
    // Only in full screen do browsers hand over Escape, Alt+Tab and the like.
    if (on)
      navigator.keyboard?.lock?.().catch(() => {});
    else
      navigator.keyboard?.unlock?.();
  }

  #toggleTyping() {
    this.#showTyping(this.#typing.hidden);
  }

  #showTyping(on) {
    this.#typing.hidden = !on;
    byId('typing-toggle').setAttribute('aria-pressed', String(on));
    if (on)
      this.#typing.focus();
    else if (this.#tile)
      this.#stage.focus();
  }

  /** On-screen keyboards report text and not keys: turn it into keys. */
  #acceptTyping() {
    this.#typing.addEventListener('beforeinput', (event) => {
      const text = {
        insertLineBreak: '\n', insertParagraph: '\n', deleteContentBackward: '\b', deleteContentForward: '\x7f',
      }[event.inputType] ?? event.data ?? event.dataTransfer?.getData('text/plain') ?? '';
      if (event.inputType === 'insertCompositionText')
        return;                     // not final; comes again when it is
      event.preventDefault();
      this.#input.type(strokesFor(text));
    });
    this.#typing.addEventListener('compositionend', (event) => {
      this.#input.type(strokesFor(event.data));
      this.#typing.value = '';
    });
  }
}
