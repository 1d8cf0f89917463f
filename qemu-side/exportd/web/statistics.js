// SPDX-License-Identifier: GPL-2.0-only
//
// The panel with the open desktop's figures: how old its frames are when they
// are on the screen, where the time goes, and what it costs. This page measures
// what it can see; what happens in the server, the server is asked for.

import { ask } from './access.js';
import { PARTS } from './latency.js';

const ASK_EVERY_MS = 2000;
const ASK_DEADLINE_MS = 4000;

const NAMES = {
  capture: 'Capture', encode: 'Encode', send: 'Send', network: 'Network',
  deliver: 'Server and network', decode: 'Decode', paint: 'Paint', total: 'Flush to screen',
};
const SERVER_PARTS = ['capture', 'encode', 'send', 'network'];

const byId = (id) => document.getElementById(id);

export class Statistics {
  #panel = byId('statistics');
  #desktop = null;
  #server = null;                   // its parts, or null
  #askedAt = 0;

  attach(desktop) {
    this.#desktop = desktop;
    this.#server = null;
    this.#askedAt = 0;
    this.refresh();
  }

  detach() { this.#desktop = null; }

  refresh() {
    if (!this.#desktop || this.#panel.hidden)
      return;
    this.#askServer();
    const { stats, latency } = this.#desktop;
    const parts = { ...latency?.parts };
    for (const part of SERVER_PARTS)
      if (this.#server?.[part])
        parts[part] = this.#server[part];
    // What the server tells is the inside of what this page sees as one.
    const order = this.#server ? [...SERVER_PARTS, ...PARTS.filter((part) => part !== 'deliver')] : PARTS;
    byId('statistics-latency').replaceChildren(...order.filter((part) => parts[part]).map((part) => row(part, parts[part])));
    byId('statistics-none').hidden = Boolean(latency?.parts);
    const facts = [
      ['Picture', `${this.#desktop.pictureWidth}×${this.#desktop.pictureHeight}`],
      ['Painted', `${stats.rate.toFixed(1)} frames/s`],
      ['Received', `${(stats.kbit / 1000).toFixed(stats.kbit < 10000 ? 2 : 1)} Mbit/s`],
      ['Round trip', latency?.roundTripMs == null ? '' : `${milliseconds(latency.roundTripMs)} ms`],
      ['Encoder', [this.#desktop.encoder, this.#desktop.codec, this.#desktop.bitrateKbit && `${this.#desktop.bitrateKbit} kbit/s`]
        .filter(Boolean).join(', ')],
      ['Frames', `${stats.painted} painted, ${stats.skipped + stats.dropped} left out`],
      ['Decoder', `${stats.errors} errors, ${stats.asked} key frames asked for`],
    ].filter(([, value]) => value);
    byId('statistics-facts').replaceChildren(...facts.flatMap(([name, value]) => [element('dt', name), element('dd', value)]));
  }

  async #askServer() {
    const desktop = this.#desktop;
    if (!desktop.id || performance.now() - this.#askedAt < ASK_EVERY_MS)
      return;
    this.#askedAt = performance.now();
    try {
      const response = await ask(`api/desktops/${desktop.id}/stats`, { signal: AbortSignal.timeout(ASK_DEADLINE_MS) });
      const answer = response.ok ? await response.json() : null;
      if (desktop === this.#desktop)
        this.#server = answer?.latency ?? null;
    } catch {
      this.#server = null;          // the panel then has this page's own figures
    }
  }
}

const milliseconds = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function row(part, { p50, p95, p99 }) {
  const made = element('tr', '');
  const head = element('th', NAMES[part]);
  head.scope = 'row';
  made.className = part === 'total' ? 'total' : '';
  made.append(head, ...[p50, p95, p99].map((value) => element('td', value == null ? '–' : milliseconds(value))));
  return made;
}
