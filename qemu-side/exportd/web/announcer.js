// SPDX-License-Identifier: GPL-2.0-only
//
// Tells people who do not look at the screen what changed. Owns the page's one
// polite live region. Fifteen desktops may change within a second, so what comes
// together is said in one sentence.

import { State } from './desktop.js';

const GATHER_MS = 700;
const ENDING = 'ends soon, as nobody uses it';
// What passes by itself in a moment is not news.
const NEWS = new Set([State.LIVE, State.LOST, State.GONE, State.FAILED, State.WAITING, ENDING]);

export class Announcer {
  #element;
  #said = new Map();                // desktop -> the state last told
  #timer = 0;

  constructor(element) { this.#element = element; }

  /** Say this now; what was said before is replaced. */
  say(text) { this.#element.textContent = text; }

  /** These desktops are there; some of them may have changed. */
  look(desktops) {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#tell(desktops());
    }, GATHER_MS);
  }

  #tell(desktops) {
    const groups = new Map();       // word -> names
    for (const desktop of desktops) {
      const news = desktop.ending === null ? desktop.state : ENDING;
      if (!NEWS.has(news) || this.#said.get(desktop) === news)
        continue;
      this.#said.set(desktop, news);
      const word = news === ENDING ? ENDING : desktop.stateWord;
      groups.set(word, [...groups.get(word) ?? [], desktop.name]);
    }
    if (groups.size)
      this.say([...groups].map(([word, names]) => `${names.join(', ')}: ${word.toLowerCase()}.`).join(' '));
  }
}
