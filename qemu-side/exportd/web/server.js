// SPDX-License-Identifier: GPL-2.0-only
//
// The list of desktops and whether the server answers. Owns the events
// connection and the Desktop objects. Rule: a Desktop object lives as long as
// the page once its scanout was seen, so that a desktop which ends and comes
// back is the same tile and the same open view.

import { Connection } from './connection.js';
import { Desktop } from './desktop.js';
import { eventsUrl } from './protocol.js';

const PROBE_EVERY_MS = 5000;
const PROBE_DEADLINE_MS = 4000;
const PROBES_FAILED_LIMIT = 2;

export class Server extends EventTarget {
  #connection;
  #desktops = new Map();            // scanout -> Desktop
  #probesFailed = 0;
  #heardAt = 0;

  known = false;                    // a list was received at least once
  answers = false;                  // the events connection is up
  httpAnswers = null;               // when it is down: does the same server answer HTTP?

  constructor() {
    super();
    this.#connection = new Connection(eventsUrl(), {
      open: () => this.#heard(),
      text: (object) => this.#text(object),
      lost: () => this.#lost(),
    });
  }

  start() {
    this.#connection.start();
    setInterval(() => this.#watchdog(), PROBE_EVERY_MS);
    window.addEventListener('online', () => this.retryNow());
  }

  /** Close the list's connection while nobody can see the page. */
  suspend() { this.#connection.stop(); }

  resume() { this.#connection.start(); }

  retryNow() { this.#connection.retryNow(); }

  get retryAt() { return this.#connection.retryAt; }

  get(scanout) { return this.#desktops.get(scanout); }

  /** All desktops ever seen, in the order of their scanouts. */
  get desktops() {
    return [...this.#desktops.values()].sort((a, b) => a.scanout - b.scanout);
  }

  #text(object) {
    this.#heard();
    if (object.type !== 'desktops' || !Array.isArray(object.desktops))
      return;
    const listed = new Set();
    for (const entry of object.desktops) {
      listed.add(entry.scanout);
      const desktop = this.#desktops.get(entry.scanout);
      if (desktop)
        desktop.update(entry);
      else
        this.#desktops.set(entry.scanout, new Desktop(entry));
    }
    for (const [scanout, desktop] of this.#desktops)
      if (!listed.has(scanout))
        desktop.unlisted();
    this.known = true;
    if (!this.answers) {
      this.answers = true;
      for (const desktop of this.#desktops.values())
        desktop.serverIsBack();
    }
    this.dispatchEvent(new Event('change'));
  }

  #heard() {
    this.#heardAt = performance.now();
    this.#probesFailed = 0;
    this.httpAnswers = null;
  }

  async #lost() {
    this.answers = false;
    this.dispatchEvent(new Event('change'));
    this.httpAnswers = await this.#probe();
    this.dispatchEvent(new Event('change'));
  }

  /** Does the server answer plain HTTP? Tells a dead server from a blocked WebSocket. */
  async #probe() {
    try {
      const response = await fetch('api/desktops', {
        cache: 'no-store', signal: AbortSignal.timeout(PROBE_DEADLINE_MS),
      });
      return response.ok;
    } catch {
      return false;
    }
  }

  /**
   * A host that vanished without closing leaves sockets that look open for
   * minutes, and still desktops send nothing by themselves: ask.
   */
  async #watchdog() {
    if (!this.answers || document.hidden || performance.now() - this.#heardAt < PROBE_EVERY_MS)
      return;
    if (await this.#probe()) {
      this.#heard();
      return;
    }
    if (!this.answers || ++this.#probesFailed < PROBES_FAILED_LIMIT)
      return;
    this.#probesFailed = 0;
    this.#connection.restart();
    for (const desktop of this.#desktops.values())
      desktop.serverIsAway();
  }
}
