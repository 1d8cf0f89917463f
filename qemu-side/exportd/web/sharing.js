// SPDX-License-Identifier: GPL-2.0-only
//
// The clipboard of the open desktop and the one of this computer. Owns the panel
// in which both meet. Rule: nothing is read from this computer's clipboard or
// written to it unless the user turned sharing on or pressed the button for it;
// what a browser does not allow can still be done by hand, in the box.

import { message } from './protocol.js';
import { clipboardFailure, whyNoClipboard } from './words.js';

const LARGEST_BYTES = 256 * 1024;

const byId = (id) => document.getElementById(id);

export class Sharing {
  #desktop = null;
  #may;
  #automatic = false;
  #lastText = null;                 // that both sides are known to have
  #onMessage = (event) => this.#heard(event.detail);

  /** may(): is our input, and so our clipboard, taken now? */
  constructor(may) {
    this.#may = may;
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
    this.#lastText = null;
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

  async #read(asked) {
    if (!this.#desktop?.takes.clipboard || !(asked || this.#automatic) || !document.hasFocus())
      return;
    let text;
    try {
      text = await navigator.clipboard.readText();
    } catch (error) {
      this.#tell(clipboardFailure(error, true));
      return;
    }
    if (asked)
      byId('clipboard-box').value = text;
    if (this.#automatic && text !== this.#lastText)
      this.#give(text);
    else if (asked)
      this.#tell('');
  }

  #give(text) {
    if (!this.#desktop || !text)
      return;
    const bytes = new TextEncoder().encode(text).length;
    if (bytes > LARGEST_BYTES) {
      this.#tell(`That is ${Math.round(bytes / 1024)} KiB; a desktop takes up to ${LARGEST_BYTES / 1024} KiB.`);
    } else if (!this.#may()) {
      this.#tell('Only who controls the desktop can put something on its clipboard.');
    } else if (this.#desktop.send(message.clipboard(text))) {
      this.#lastText = text;
      this.#tell('Given: paste it in the desktop as usual. If nothing comes there, the desktop runs no clipboard agent.');
    } else {
      this.#tell('The connection is away; try again.');
    }
  }

  #heard({ type, text }) {
    if (type !== 'clipboard' || typeof text !== 'string')
      return;
    byId('clipboard-box').value = text;
    if (text === this.#lastText)
      return;                       // our own, come back
    this.#lastText = text;
    if (this.#automatic)
      this.#write(text);
    else
      this.#tell('This was copied in the desktop.');
  }

  async #write(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.#lastText = text;
      this.#tell('Copied to this computer.');
    } catch (error) {
      this.#tell(clipboardFailure(error, false));
    }
  }

  #tell(text) { byId('clipboard-status').textContent = text; }
}
