// SPDX-License-Identifier: GPL-2.0-only
//
// The list of desktops, and whether the server answers and lets us in. Owns the
// events connection and the Desktop objects. Rules: a Desktop object lives as
// long as the page once it was seen, so that a desktop which ends and comes back
// is the same tile and the same open view; who was refused stops asking, because
// a server counts wrong tokens.

import { access, ask, askOtherTabs, keepToken, reasonOf, REFUSALS, token } from './access.js';
import { Connection } from './connection.js';
import { Desktop, keyOf } from './desktop.js';
import { eventsUrl } from './protocol.js';
import { refusal } from './words.js';

const PROBE_DEADLINE_MS = 4000;
const NO_TOKEN = 401;
const TOO_MANY_TRIES = 429;
const AFTER_TOO_MANY_MS = 65000;

export class Server extends EventTarget {
  #connection;
  #streams = null;
  #desktops = new Map();            // key -> Desktop
  #probing = null;
  #againTimer = 0;

  known = false;                    // a list was received at least once
  answers = false;                  // the events connection is up
  httpAnswers = null;               // when it is down: does the same server answer HTTP?
  refused = null;                   // {title, text} when it does not let us in

  constructor() {
    super();
    this.#connection = new Connection({
      text: (object) => this.#text(object),
      lost: () => this.#lost(),
      refused: (why) => this.#notLetIn(why),
      token: (text) => keepToken(text),
    });
  }

  /** streams: where the desktops' streams run, settled. */
  start(streams) {
    this.#streams = streams;
    this.#connect();
    window.addEventListener('online', () => this.retryNow());
  }

  /** Close the list's connection while nobody can see the page. */
  suspend() { this.#connection.stop(); }

  /** There is another token from now on: what the former one opened, this one may not, or may more of. */
  begin() {
    clearTimeout(this.#againTimer);
    this.refused = null;
    this.answers = false;
    this.#connection.stop();
    for (const desktop of this.#desktops.values())
      desktop.close();
    this.#connect();
    this.#changed();
  }

  /** Somebody thinks that it may work now. */
  retryNow() {
    clearTimeout(this.#againTimer);
    if (this.refused) {
      this.refused = null;
      this.#connection.stop();
      this.#connect();
      this.#changed();
    } else {
      this.#connection.retryNow();
      for (const desktop of this.#desktops.values())
        desktop.retryNow();
    }
  }

  get(key) { return this.#desktops.get(key); }

  /** All desktops ever seen: by VM, and of one VM in the order of their scanouts. */
  get desktops() {
    return [...this.#desktops.values()].sort((a, b) => a.vm.localeCompare(b.vm) || a.scanout - b.scanout);
  }

  #connect() { this.#connection.start(eventsUrl(), access()); }

  #text(object) {
    if (object.type !== 'desktops' || !Array.isArray(object.desktops))
      return;
    // With its first answer it is known that this server answers.
    if (!this.answers)
      this.#connection.ask();
    const listed = new Set();
    for (const entry of object.desktops) {
      const key = keyOf(entry);
      listed.add(key);
      const desktop = this.#desktops.get(key);
      if (desktop)
        desktop.update(entry);
      else
        this.#add(key, entry);
    }
    for (const [key, desktop] of this.#desktops)
      if (!listed.has(key))
        desktop.unlisted();
    this.known = true;
    this.answers = true;
    this.httpAnswers = null;
    for (const desktop of this.#desktops.values())
      desktop.hold(false);
    this.#changed();
  }

  #add(key, entry) {
    const desktop = new Desktop(entry, this.#streams);
    // The token of one stream is the token of all.
    desktop.addEventListener('refused', ({ detail }) => this.#notLetIn(detail));
    this.#desktops.set(key, desktop);
  }

  async #lost() {
    this.answers = false;
    for (const desktop of this.#desktops.values())
      desktop.hold(true);
    this.#changed();
    const status = await this.#probe();
    if (this.answers || REFUSALS.includes(status))
      return;
    this.httpAnswers = status >= 200 && status < 300;
    this.#changed();
  }

  /** The status with which the server answers plain HTTP, 0 for none; one at a time. */
  #probe() {
    this.#probing ??= this.#askOnce().finally(() => { this.#probing = null; });
    return this.#probing;
  }

  async #askOnce() {
    let response;
    try {
      response = await ask('api/desktops', { signal: AbortSignal.timeout(PROBE_DEADLINE_MS) });
    } catch {
      return 0;
    }
    if (REFUSALS.includes(response.status) && !await this.#otherTabHelps(response.status))
      this.#refuse(response.status, await reasonOf(response));
    return response.status;
  }

  /** A page without a token may have been opened from one that has one. */
  async #otherTabHelps(status) {
    if (status !== NO_TOKEN || token() !== null)
      return false;
    this.#connection.stop();
    const text = await askOtherTabs();
    if (text === null)
      return false;
    // A link may have been opened here meanwhile.
    if (token() === null) {
      keepToken(text);
      this.begin();
    }
    return true;
  }

  async #notLetIn({ status, code }) {
    if (this.refused)
      return;
    if (status) {
      this.#refuse(status, code);
      return;
    }
    // The token ended while we were connected: one question tells why.
    this.answers = false;
    this.#connection.stop();
    for (const desktop of this.#desktops.values())
      desktop.hold(true);
    await this.#probe();
    if (!this.refused)
      this.#connect();
  }

  #refuse(status, reason) {
    this.refused = refusal(status, reason, token() !== null);
    this.answers = false;
    this.#connection.stop();
    for (const desktop of this.#desktops.values())
      desktop.refuse();
    if (status === TOO_MANY_TRIES) {
      clearTimeout(this.#againTimer);
      this.#againTimer = setTimeout(() => this.retryNow(), AFTER_TOO_MANY_MS);
    }
    this.#changed();
  }

  #changed() { this.dispatchEvent(new Event('change')); }
}
