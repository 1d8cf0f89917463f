// SPDX-License-Identifier: GPL-2.0-only
//
// The clipboard of the open desktop and the one of this computer. Owns the panel
// in which both meet. Rules: nothing is read from this computer's clipboard or
// written to it unless the user turned sharing on or pressed the button for it;
// by itself the desktop is given something only while it is ours already, for that
// would take one that is free; who copied last counts, in whichever of the two; what
// a browser does not allow can still be done by hand, in the box.

import { State } from './desktop.js';
import { message } from './protocol.js';
import { clipboardFailure, whyNoClipboard } from './words.js';

const LARGEST_BYTES = 256 * 1024;
const LARGEST_MESSAGE_BYTES = 516 * 1024;   // in JSON, where a control character takes six

const bytesOf = (text) => new TextEncoder().encode(text).length;

const byId = (id) => document.getElementById(id);

export class Sharing {
  #desktop = null;
  #seat;
  #automatic = false;
  #ours = false;                    // the desktop, when that was last looked at
  #lastText = null;                 // that the desktop had last, as far as we know
  #here = null;                     // and this computer
  #unwritten = null;                // copied in the desktop, and not to be had here yet
  #onMessage = (event) => this.#heard(event.detail);

  /** seat: may our clipboard be given to the desktop? */
  constructor(seat) {
    this.#seat = seat;
    byId('clipboard-auto').addEventListener('change', (event) => this.#setAutomatic(event.target.checked));
    byId('clipboard-send').addEventListener('click', () => this.#give(byId('clipboard-box').value));
    byId('clipboard-copy').addEventListener('click', () => this.#write(byId('clipboard-box').value));
    byId('clipboard-read').addEventListener('click', () => this.#read(true));
    window.addEventListener('focus', () => this.#read(false));
    byId('stage').addEventListener('focus', () => this.#read(false));
  }

  attach(desktop) {
    this.#desktop = desktop;
    desktop.addEventListener('message', this.#onMessage);
    this.#lastText = this.#here = this.#unwritten = null;
    this.#ours = false;
    byId('clipboard-box').value = '';
    this.#tell('');
    this.refresh();
  }

  /** Shows what can be shared, or why nothing can. */
  refresh() {
    if (!this.#desktop)
      return;
    const { takes, control } = this.#desktop;
    byId('clipboard-toggle').hidden = takes.clipboard === null;
    byId('clipboard').hidden ||= takes.clipboard === null;
    const why = whyNoClipboard(takes.clipboard, control);
    byId('clipboard-why').hidden = !why;
    byId('clipboard-shared').hidden = Boolean(why);
    if (byId('clipboard-why').textContent !== why)
      byId('clipboard-why').textContent = why;
    const before = this.#ours;
    this.#ours = this.#isOurs;
    if (this.#ours && !before)
      this.#read(false);
  }

  detach() {
    this.#desktop.removeEventListener('message', this.#onMessage);
    this.#desktop = null;
  }

  async #setAutomatic(on) {
    this.#automatic = on;
    if (!on) {
      this.#tell('');
      return;
    }
    // Now, while a click allows the browser to ask.
    await this.#read(true);
  }

  get #isOurs() { return this.#desktop?.state === State.LIVE && this.#seat.holds; }

  async #read(asked) {
    if (!this.#desktop?.takes.clipboard || !(asked || (this.#automatic && this.#isOurs)) || !document.hasFocus())
      return;
    const desktop = this.#desktop;
    let text;
    try {
      text = await navigator.clipboard.readText();
    } catch (error) {
      this.#tell(clipboardFailure(error, true));
      return;
    }
    if (desktop !== this.#desktop || !(asked || this.#isOurs))
      return;                       // that took a moment
    if (asked)
      byId('clipboard-box').value = text;
    const news = text && text !== this.#here && text !== this.#lastText;
    if (!news)
      this.#here = text;
    if (this.#automatic && news) {
      if (this.#give(text))
        this.#here = text;
    } else if (this.#automatic && this.#unwritten !== null) {
      this.#write(this.#unwritten);
    } else if (asked) {
      this.#tell('');
    }
  }

  /** True if the desktop was given it; else it was said why not. */
  #give(text) {
    if (!this.#desktop || !text)
      return false;
    const object = message.clipboard(text);
    const bytes = bytesOf(text);
    if (bytes > LARGEST_BYTES) {
      this.#tell(`That is ${Math.round(bytes / 1024)} KiB; a desktop takes up to ${LARGEST_BYTES / 1024} KiB.`);
    } else if (text.includes('\0') || bytesOf(JSON.stringify(object)) > LARGEST_MESSAGE_BYTES) {
      this.#tell('That is not only text: it has more control characters than a desktop takes.');
    } else if (!this.#seat.mayTake) {
      this.#tell('Only who controls the desktop can put something on its clipboard.');
    } else if (this.#desktop.send(object)) {
      this.#lastText = text;
      this.#unwritten = null;
      this.#tell('Given: paste it in the desktop as usual. If nothing comes there, the desktop runs no clipboard agent.');
      return true;
    } else {
      this.#tell('The connection is away; try again.');
    }
    return false;
  }

  #heard({ type, text }) {
    if (type !== 'clipboard' || typeof text !== 'string')
      return;
    byId('clipboard-box').value = text;
    if (text === this.#lastText)
      return;                       // our own, come back
    this.#lastText = text;
    this.#unwritten = text;
    if (this.#automatic)
      this.#write(text);
    else
      this.#tell('This was copied in the desktop.');
  }

  async #write(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.#here = text;
      if (text === this.#unwritten)
        this.#unwritten = null;
      this.#tell('Copied to this computer.');
    } catch (error) {
      this.#tell(clipboardFailure(error, false));
    }
  }

  #tell(text) { byId('clipboard-status').textContent = text; }
}
