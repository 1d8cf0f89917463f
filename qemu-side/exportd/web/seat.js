// SPDX-License-Identifier: GPL-2.0-only
//
// Who controls the open desktop: shows it, asks for it, gives it up, and answers
// who asks. The server decides; here is only what it said last. Also owns the
// choice to watch only, which is this page's own.

import { message } from './protocol.js';

const byId = (id) => document.getElementById(id);

export class Seat {
  #desktop = null;
  #say;
  #focus;
  #asked = false;
  #asker = null;                    // the number of who asks us
  #viewOnly = false;
  #onMessage = (event) => this.#heard(event.detail);

  /** say(text) tells the user something in passing; focus(): back to the desktop. */
  constructor(say, focus) {
    this.#say = say;
    this.#focus = focus;
    byId('control').addEventListener('click', () => this.#act());
    byId('view-only').addEventListener('click', () => this.#toggleViewOnly());
    byId('asker-give').addEventListener('click', () => this.#answer('grant'));
    byId('asker-keep').addEventListener('click', () => this.#answer('deny'));
  }

  attach(desktop) {
    this.#desktop = desktop;
    desktop.addEventListener('message', this.#onMessage);
    this.refresh();
  }

  detach() {
    this.#desktop.removeEventListener('message', this.#onMessage);
    // Control of a desktop that nobody looks at is in everybody's way.
    if (this.#desktop.control === 'mine')
      this.#desktop.send(message.control('release'));
    this.#desktop = null;
    this.#asked = false;
    this.#asker = null;
  }

  /** Input goes to the desktop. */
  get holds() {
    return !this.#viewOnly && ['none', 'mine'].includes(this.#desktop?.control);
  }

  /** It would, by what somebody does on purpose: the first press takes a desktop that is free. */
  get mayTake() { return this.holds || (!this.#viewOnly && this.#desktop?.control === 'free'); }

  /** It never would: by the link, or because that was chosen. */
  get watches() { return this.#viewOnly || this.#desktop?.control === 'view'; }

  /** Somebody pressed something that goes nowhere: say why. */
  refuse() {
    const { control, controller } = this.#desktop;
    if (this.#viewOnly)
      this.#say('You chose to watch only. Turn “View only” off to use the desktop.');
    else if (control === 'view')
      this.#say('Your link lets you watch this desktop, not use it.');
    else if (control === 'other')
      this.#say(`Viewer ${controller} controls this desktop. Ask for control first.`);
  }

  refresh() {
    const desktop = this.#desktop;
    if (!desktop)
      return;
    const { control, controller, role } = desktop;
    if (control !== 'other')
      this.#asked = false;
    if (control !== 'mine')
      this.#asker = null;
    const text = {
      none: '', view: 'Watching only', mine: 'You control', free: 'Nobody controls',
      other: `Viewer ${controller} controls`,
    }[control];
    const action = {
      none: '', view: '', mine: 'Release control', free: 'Take control',
      other: role === 'admin' ? 'Take control' : this.#asked ? 'Asked…' : 'Ask for control',
    }[control];
    set(byId('control-text'), this.#viewOnly && control !== 'view' ? 'View only' : text);
    byId('control-text').dataset.control = this.#viewOnly ? 'view' : control;
    set(byId('control'), action);
    byId('control').hidden = !action || this.#viewOnly;
    byId('control').disabled = this.#asked;
    byId('view-only').hidden = control === 'view';
    byId('view-only').setAttribute('aria-pressed', String(this.#viewOnly));
    // Nobody is to be left without the focus, who has just the keys.
    if (this.#asker === null && byId('asker').contains(document.activeElement))
      this.#focus();
    byId('asker').hidden = this.#asker === null;
    set(byId('asker-text'), this.#asker === null ? '' : `Viewer ${this.#asker} asks for control.`);
  }

  #act() {
    const desktop = this.#desktop;
    switch (desktop.control) {
    case 'mine':
      desktop.send(message.control('release'));
      break;
    case 'free':
      desktop.send(message.control('request'));
      break;
    case 'other':
      if (desktop.role === 'admin') {
        desktop.send(message.control('take'));
      } else {
        this.#asked = desktop.send(message.control('request'));
        this.#say(`Viewer ${desktop.controller} was asked; no answer within ten seconds means yes.`);
      }
      break;
    default:
      break;
    }
    this.refresh();
    this.#focus();
  }

  #toggleViewOnly() {
    this.#viewOnly = !this.#viewOnly;
    if (this.#viewOnly && this.#desktop?.control === 'mine')
      this.#desktop.send(message.control('release'));
    this.refresh();
    this.#focus();
  }

  #answer(action) {
    this.#desktop.send(message.control(action, this.#asker));
    this.#asker = null;
    this.refresh();
    this.#focus();
  }

  #heard({ type, action, viewer }) {
    if (type !== 'control')
      return;
    if (action === 'request') {
      this.#asker = viewer;
    } else if (action === 'granted' || action === 'denied') {
      this.#asked = false;
      this.#say(action === 'granted' ? 'You control this desktop now.'
        : 'Whoever controls this desktop keeps it for now.');
    }
    this.refresh();
  }
}

function set(element, text) {
  if (element.textContent !== text)
    element.textContent = text;
}
