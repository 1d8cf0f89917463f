// SPDX-License-Identifier: GPL-2.0-only
//
// What the browser says of a keyboard, as presses and releases of keys. Owns which
// keys are down, and which modifiers stay so until the next key. Rule: what went down
// goes up, also where the system of who types keeps that to itself:
//
//   Windows  AltGr comes as ControlLeft and AltRight at the same moment, of which
//            only AltRight is a key; of two Shifts that are held only one goes up.
//   macOS    Caps Lock goes down when it is turned on, and up when it is turned off;
//            while Command is held no other key goes up.

const platform = navigator.userAgentData?.platform || navigator.platform;
const isWindows = /^win/i.test(platform);
const isMac = /^(mac|iphone|ipad)/i.test(platform);

// Of AltGr both have one time stamp; this is for browsers that round it.
const ALTGR_MS = 40;

const isModifier = (code) => /^(Shift|Control|Alt|Meta|CapsLock)/.test(code);

export class Keyboard {
  #send;
  #stuck;
  #down = new Set();
  #sticky = new Set();
  #control = null;                  // {at, timer} of a ControlLeft that may be half of AltGr

  /** send(code, down) tells the desktop, false when it cannot be told now; stuck(codes): these stay down. */
  constructor(send, stuck) {
    this.#send = send;
    this.#stuck = stuck;
  }

  /** Take a keydown or keyup. */
  take(event, down) {
    const { code } = event;
    // Some on-screen keyboards have keys without a place on a keyboard.
    if (!code || code === 'Unidentified')
      return;
    if (this.#control && down && code === 'AltRight' && event.timeStamp - this.#control.at <= ALTGR_MS)
      this.#dropControl();
    else
      this.settle();
    if (isMac && (code === 'CapsLock' ? !event.repeat : down && event.metaKey && !isModifier(code)))
      this.tap(code);
    else if (!down)
      this.#goesUp(code);
    else if (event.repeat)
      return;                       // the guest repeats a held key itself
    else if (isWindows && code === 'ControlLeft')
      this.#control = { at: event.timeStamp, timer: setTimeout(() => this.settle(), ALTGR_MS) };
    else
      this.press(code);
  }

  press(code) {
    if (this.#send(code, true))
      this.#down.add(code);
  }

  /** Of what was pressed before anybody listened nothing is told. */
  release(code) {
    if (!this.#down.has(code) || !this.#send(code, false))
      return;
    this.#down.delete(code);
    if (!isModifier(code))
      this.#sticky.forEach((other) => this.release(other));
    if (this.#sticky.delete(code))
      this.#stuck(this.#sticky);
  }

  /** Down and up at once, with these held meanwhile. */
  tap(code, held = []) {
    held.forEach((other) => this.press(other));
    this.press(code);
    this.release(code);
    held.forEach((other) => this.release(other));
  }

  /** Down until the next key has gone up, or until this is said again. */
  stick(code) {
    if (this.#sticky.has(code)) {
      this.release(code);
      return;
    }
    this.press(code);
    if (this.#down.has(code))
      this.#sticky.add(code);
    this.#stuck(this.#sticky);
  }

  /** What waits for the next key is sent: something else comes after it. */
  settle() {
    if (!this.#control)
      return;
    this.#dropControl();
    this.press('ControlLeft');
  }

  /** Nothing is down any more; true if something was. */
  forget() {
    this.#dropControl();
    const any = this.#down.size > 0;
    this.#down.clear();
    this.#sticky.clear();
    this.#stuck(this.#sticky);
    return any;
  }

  #dropControl() {
    clearTimeout(this.#control?.timer);
    this.#control = null;
  }

  #goesUp(code) {
    this.release(code);
    if (isWindows && code.startsWith('Shift')) {
      this.release('ShiftLeft');
      this.release('ShiftRight');
    }
    if (isMac && code.startsWith('Meta'))
      [...this.#down].filter((other) => !isModifier(other)).forEach((other) => this.release(other));
  }
}
