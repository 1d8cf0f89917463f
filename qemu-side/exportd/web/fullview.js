// SPDX-License-Identifier: GPL-2.0-only
//
// One desktop at full size. Owns the stage, its bar and its panels. Borrows the
// canvas of the open desktop from its tile; close() gives it back. What is done
// with the desktop has a module each: input.js, keyrow.js, seat.js (control),
// pointer.js, sharing.js (clipboard), sizing.js and statistics.js.

import { State } from './desktop.js';
import { endingWords } from './grid.js';
import { Input } from './input.js';
import { KeyRow } from './keyrow.js';
import { Pointer } from './pointer.js';
import { Seat } from './seat.js';
import { keepSetting, setting } from './settings.js';
import { Sharing } from './sharing.js';
import { Sizing } from './sizing.js';
import { Statistics } from './statistics.js';
import { strokesFor } from './textkeys.js';
import { notTyped } from './words.js';

const SAID_FOR_MS = 6000;
// What happens many times a second is said once.
const SAME_WORDS_AFTER_MS = 3000;

const byId = (id) => document.getElementById(id);

export class FullView {
  #stage = byId('stage');
  #message = byId('stage-message');
  #typing = byId('typing');
  #tile = null;
  #input;
  #keyRow;
  #seat = new Seat((text) => this.say(text), () => this.#focus());
  #pointer = new Pointer(() => this.#seat.mayTake);
  #statistics = new Statistics();
  #parts;
  #saidTimer = 0;
  #saidAt = 0;
  #onChange = () => this.refresh();
  #onServerError = (event) => this.#serverError(event.detail);

  /** leave() is called when the user wants back to the grid. */
  constructor(leave) {
    this.#parts = [
      this.#seat, this.#pointer, this.#statistics,
      new Sharing(this.#seat),
      new Sizing(() => this.#seat.holds, (text) => this.say(text), () => this.#focus()),
    ];
    this.#input = new Input({
      stage: this.#stage, box: this.#typing, focus: () => this.#focus(), target: () => this.desktop, seat: this.#seat,
      leave, toBar: () => this.#focusBar(), touchedAt: (point) => this.#pointer.movedByTouch(point),
      stuck: (codes) => this.#keyRow.stuck(codes),
    });
    this.#keyRow = new KeyRow({
      type: (strokes) => this.#input.type(strokes), stick: (code) => this.#input.stick(code),
    });
    byId('back').addEventListener('click', leave);
    byId('ending-keep').addEventListener('click', () => this.#keep());
    byId('fullscreen').addEventListener('click', () => this.#toggleFullscreen());
    byId('strip-toggle').addEventListener('click', () => this.#toggleStrip());
    byId('typing-toggle').addEventListener('click', () => this.#showTyping(this.#typing.hidden));
    byId('typing-toggle').addEventListener('mousedown', (event) => event.preventDefault());  // as keyrow.js
    byId('lock').addEventListener('click', () => this.#lockPointer());
    for (const name of ['clipboard', 'statistics']) {
      byId(`${name}-toggle`).addEventListener('click', () => this.#togglePanel(name));
      byId(`${name}-close`).addEventListener('click', () => this.#togglePanel(name));
      byId(name).addEventListener('keydown', (event) => {
        if (event.key === 'Escape')
          this.#togglePanel(name);
      });
    }
    for (const element of [this.#stage, this.#typing])
      for (const type of ['focus', 'blur'])
        element.addEventListener(type, () => this.#showCapture());
    byId('fullscreen').hidden = !document.fullscreenEnabled;
    document.addEventListener('fullscreenchange', () => this.#fullscreenChanged());
    document.addEventListener('pointerlockchange', () => this.#showCapture());
    this.#acceptTyping();
    this.#applyStrip(setting('strip') !== 'off');
  }

  get desktop() { return this.#tile?.desktop ?? null; }

  open(tile) {
    if (this.#tile === tile)
      return;
    this.close();
    this.#tile = tile;
    tile.open(true);
    tile.desktop.addEventListener('change', this.#onChange);
    tile.desktop.addEventListener('servererror', this.#onServerError);
    this.#stage.prepend(tile.desktop.canvas);
    this.#stage.hidden = false;
    byId('full-bar').hidden = false;
    byId('grid-bar').hidden = true;
    document.documentElement.dataset.view = 'full';
    for (const part of this.#parts)
      part.attach(tile.desktop);
    tile.element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    this.refresh();
    this.#stage.focus();
  }

  close() {
    const tile = this.#tile;
    if (!tile)
      return;
    this.#input.release();
    this.#input.stopTyping();
    this.#showTyping(false);
    if (document.pointerLockElement)
      document.exitPointerLock();
    for (const part of this.#parts)
      part.detach();
    this.say('');
    byId('asker').hidden = true;
    byId('ending').hidden = true;
    tile.desktop.removeEventListener('change', this.#onChange);
    tile.desktop.removeEventListener('servererror', this.#onServerError);
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
    const latency = live ? desktop.latencyMs : null;
    byId('full-name').textContent = desktop.name;
    byId('full-facts').textContent = [
      desktop.width ? `${desktop.width}×${desktop.height}` : '',
      live ? `${Math.round(desktop.rate)} fps` : desktop.stateWord,
      latency === null ? '' : `${Math.round(latency)} ms`,
    ].filter(Boolean).join(' · ');
    byId('full-state').dataset.state = desktop.state;
    byId('full-state').title = desktop.stateWord;
    // It is read out when it changes, so only when it does.
    if (this.#message.textContent !== desktop.explanation)
      this.#message.textContent = desktop.explanation;
    this.#message.hidden = !desktop.explanation;
    byId('ending').hidden = desktop.ending === null;
    byId('ending-text').textContent = endingWords(desktop.ending);
    byId('ending-keep').hidden = !desktop.mayKeep;
    byId('lock').hidden = desktop.takes.absolute || !this.#stage.requestPointerLock;
    for (const part of this.#parts)
      part.refresh?.();
    this.#input.look();
    this.#showCapture();
    this.#stage.dataset.state = desktop.state;
  }

  /** Tells the user something in passing; '' ends it. */
  say(text) {
    const element = byId('said');
    const now = performance.now();
    if (text && text === element.textContent && now - this.#saidAt < SAME_WORDS_AFTER_MS)
      return;
    clearTimeout(this.#saidTimer);
    this.#saidAt = now;
    element.textContent = text;
    if (text)
      this.#saidTimer = setTimeout(() => { element.textContent = ''; }, SAID_FOR_MS);
  }

  /** To the desktop, or the box that types for it: an on-screen keyboard is there for as long as that has it. */
  #focus() { (this.#typing.hidden ? this.#stage : this.#typing).focus(); }

  /** Who has no mouse: to what cannot wait, else to the first button; to the others Tab leads. */
  #focusBar() {
    ['asker-keep', 'ending-keep', 'back'].map(byId).find((button) => !button.closest('[hidden]')).focus();
  }

  async #keep() {
    this.#focus();
    if (!await this.desktop.keep())
      this.say('The server was not told that this desktop is to be kept.');
  }

  #serverError({ code, text }) {
    if (code === 'no-relative' && document.pointerLockElement)
      document.exitPointerLock();
    if (text)
      this.say(text);
  }

  #showCapture() {
    if (!this.desktop)
      return;
    const captured = [this.#stage, this.#typing].includes(document.activeElement);
    const locked = document.pointerLockElement === this.#stage;
    const text = this.desktop.state !== State.LIVE || !this.#seat.mayTake ? ''
      : locked ? 'Esc frees the pointer' : captured ? 'Keys go to the desktop' : 'Click the desktop to type';
    if (byId('capture').textContent !== text)
      byId('capture').textContent = text;
    byId('capture').dataset.on = captured;
    const label = `${this.desktop.name}. ${this.#seat.watches ? 'You only watch this desktop' : 'Keys go to this desktop'}; `
      + 'Control Alt Shift B goes to the bar, Control Alt Shift G back to the grid.';
    if (this.#stage.getAttribute('aria-label') !== label)
      this.#stage.setAttribute('aria-label', label);
    byId('lock').setAttribute('aria-pressed', String(locked));
  }

  #togglePanel(name) {
    const show = byId(name).hidden;
    byId(name).hidden = !show;
    byId(`${name}-toggle`).setAttribute('aria-expanded', String(show));
    this.#statistics.refresh();
    if (show)
      byId(name).focus();
    else
      this.#focus();
  }

  async #lockPointer() {
    this.#focus();
    try {
      if (document.pointerLockElement)
        document.exitPointerLock();
      else
        await this.#stage.requestPointerLock();
    } catch (error) {
      this.say(`The browser did not lock the pointer: ${error.message}`);
    }
  }

  #toggleStrip() {
    const on = byId('strip-toggle').getAttribute('aria-pressed') !== 'true';
    keepSetting('strip', on ? 'on' : 'off');
    this.#applyStrip(on);
    this.#focus();
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
      this.say(`The browser did not go to full screen: ${error.message}`);
    }
    this.#focus();
  }

  #fullscreenChanged() {
    const on = Boolean(document.fullscreenElement);
    byId('fullscreen').setAttribute('aria-pressed', String(on));
    byId('fullscreen').querySelector('.label').textContent = on ? 'Leave full screen' : 'Full screen';
    // Only in full screen do browsers hand over Escape, Alt+Tab and the like.
    if (on)
      navigator.keyboard?.lock?.().catch(() => this.say('The browser keeps some keys for itself, such as Alt+Tab.'));
    else
      navigator.keyboard?.unlock?.();
  }

  #showTyping(on) {
    byId('typing-toggle').setAttribute('aria-pressed', String(on));
    // Before it goes, so that the focus stays with the desktop and what is held down does, too.
    if (!on && this.#tile)
      this.#stage.focus();
    this.#typing.hidden = !on;
    if (on)
      this.#typing.focus();
  }

  #type(text) {
    const { strokes, missing } = strokesFor(text);
    if (this.#input.type(strokes) && missing.length)
      this.say(notTyped(missing, this.desktop.takes.clipboard));
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
      this.#type(text);
    });
    this.#typing.addEventListener('compositionend', (event) => {
      this.#type(event.data);
      this.#typing.value = '';
    });
  }
}
