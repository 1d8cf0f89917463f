// SPDX-License-Identifier: GPL-2.0-only
//
// A row of keys for who has no keyboard, or one whose system keeps some keys for
// itself. Owns the row and whether it is shown; what its keys do is input.js's.

import { keepSetting, setting } from './settings.js';

const KEY = 'keys';

const byId = (id) => document.getElementById(id);

export class KeyRow {
  #row = byId('keys');

  /** type(strokes): as typed text; stick(code): a modifier, until the next key. */
  constructor({ type, stick }) {
    // Whoever has the focus keeps it, and with it an on-screen keyboard.
    for (const element of [this.#row, byId('keys-toggle')])
      element.addEventListener('mousedown', (event) => event.preventDefault());
    this.#row.addEventListener('click', ({ target }) => {
      const { key, held, sticky } = target.dataset;
      if (key)
        type([{ code: key, held: held?.split(' ') ?? [] }]);
      else if (sticky)
        stick(sticky);
    });
    byId('keys-more').addEventListener('click', () => expand(byId('keys-more'), byId('keys-others')));
    byId('keys-toggle').addEventListener('click', () => {
      expand(byId('keys-toggle'), this.#row);
      keepSetting(KEY, this.#row.hidden ? 'off' : 'on');
    });
    if (setting(KEY) === 'on')
      expand(byId('keys-toggle'), this.#row);
  }

  /** These modifiers are down. */
  stuck(codes) {
    for (const button of this.#row.querySelectorAll('[data-sticky]'))
      button.setAttribute('aria-pressed', String(codes.has(button.dataset.sticky)));
  }
}

/** Shows what a button is for, or hides it again. */
function expand(button, element) {
  element.hidden = !element.hidden;
  button.setAttribute('aria-expanded', String(!element.hidden));
}
