// SPDX-License-Identifier: GPL-2.0-only
//
// Keyboard, mouse, wheel and touch of the full view as protocol messages. Owns
// what is held down, keyboard.js the keys of it. Rules: the desktop gets a release
// for everything it was told is down, whatever happens to the window; no key stays
// with the browser while the stage has the focus, except the chords that lead out
// of it, unless the desktop is only watched: then all do; who could not control
// the desktop sends nothing, and taking it needs a press: a passing mouse only
// moves the pointer of a desktop that is free.

import { State } from './desktop.js';
import { Keyboard } from './keyboard.js';
import { message } from './protocol.js';

// Pixels of scrolling that make one wheel step; a notch of a mouse is 100 to 120.
const PIXELS_PER_STEP = 100;
const LINES_PER_STEP = 3;
const MOST_STEPS = 16;              // in one message; the server takes no more
const TOUCH_SLOP_PX = 8;
const LONG_PRESS_MS = 500;
const TOUCH_PIXELS_PER_STEP = 30;
const MOST_REL = 4096;              // pixels, likewise
const MOST_FINGERS = 10;            // in one message; the server takes no more
// Of text that comes all at once, by pasting or by voice: the server hangs up on 2000 messages a
// second, and a desktop loses keys that come quicker than it takes them.
const STROKES_AT_ONCE = 12;
const STROKES_EVERY_MS = 40;

/** Ctrl+Alt+Shift with this key. */
const isChord = (event, code) => event.code === code && event.ctrlKey && event.altKey && event.shiftKey;

// Keys that are no text: in the box for on-screen keyboards all else comes as text, or is the browser's.
const NO_TEXT = /^(Arrow(Up|Down|Left|Right)|Escape|Tab|Enter|Backspace|Delete|Insert|Home|End|Page(Up|Down)|F\d+)$/;
const MODIFIERS = { ctrlKey: 'ControlLeft', altKey: 'AltLeft', shiftKey: 'ShiftLeft', metaKey: 'MetaLeft' };

/** Somebody means the desktop by it, and not the browser. */
const isTyping = (event) => !event.ctrlKey && !event.altKey && !event.metaKey
  && (event.key.length === 1 || ['Enter', 'Backspace'].includes(event.key));

/**
 * A point of the window as a pixel of the stream. The picture is centred in box
 * with its shape kept, so there may be bars on two sides; a point on a bar is
 * the nearest pixel of the edge.
 */
export function mapPoint(box, width, height, clientX, clientY) {
  const scale = Math.min(box.width / width, box.height / height);
  const left = box.left + (box.width - width * scale) / 2;
  const top = box.top + (box.height - height * scale) / 2;
  const clamp = (value, limit) => Math.max(0, Math.min(limit - 1, Math.floor(value)));
  return { x: clamp((clientX - left) / scale, width), y: clamp((clientY - top) / scale, height) };
}

/** Turns the many small deltas of a wheel or touchpad into whole steps. */
export class WheelSteps {
  #rest = { x: 0, y: 0 };

  add(dx, dy, perStep) {
    return { dx: this.#axis('x', dx / perStep), dy: this.#axis('y', dy / perStep) };
  }

  reset() { this.#rest = { x: 0, y: 0 }; }

  #axis(axis, steps) {
    // A turn in the other direction must not first use up the old rest.
    if (steps * this.#rest[axis] < 0)
      this.#rest[axis] = 0;
    const sum = this.#rest[axis] + steps;
    const whole = Math.trunc(sum + Math.sign(sum) * 1e-6);
    this.#rest[axis] = sum - whole;
    return whole;
  }
}

export class Input {
  #stage;
  #box;
  #focus;
  #target;                          // () => Desktop or null
  #leave;
  #toBar;
  #keyboard;
  #buttons = new Set();
  #wheel = new WheelSteps();
  #move = null;                     // the newest position not sent yet
  #moveRequest = 0;
  #rel = { x: 0, y: 0 };            // movement of the locked pointer not sent yet
  #touch = null;
  #fingers = new Map();             // pointer id -> {id, phase, x, y}, for desktops that take touch
  #touchRequest = 0;
  #typed = [];                      // strokes that wait for their turn
  #typedTimer = 0;
  #seat;
  #held = false;                    // the desktop was ours when that was last looked at
  #touchedAt;

  /**
   * stage: the focusable element; box: the one that on-screen keyboards type into; focus(): to
   * whichever of both has it; target(): the open desktop; seat: may we; leave(): back to the grid;
   * toBar(): the focus goes to the bar; touchedAt(point): a finger moved the desktop's pointer there;
   * stuck(codes): these modifiers stay down until the next key.
   */
  constructor({ stage, box, focus, target, seat, leave, toBar, touchedAt, stuck }) {
    this.#stage = stage;
    this.#box = box;
    this.#focus = focus;
    this.#target = target;
    this.#seat = seat;
    this.#leave = leave;
    this.#toBar = toBar;
    this.#touchedAt = touchedAt;
    this.#keyboard = new Keyboard((code, down) => this.#send(message.key(code, down)), stuck);
    // Capture phase on the window: before the browser's and the page's own use.
    window.addEventListener('keydown', (event) => this.#key(event, true), true);
    window.addEventListener('keyup', (event) => this.#key(event, false), true);
    stage.addEventListener('mousedown', (event) => this.#mouseDown(event));
    window.addEventListener('mouseup', (event) => this.#mouseUp(event));
    window.addEventListener('mousemove', (event) => this.#mouseMove(event));
    stage.addEventListener('wheel', (event) => this.#wheelTurned(event), { passive: false });
    stage.addEventListener('contextmenu', (event) => event.preventDefault());
    document.addEventListener('pointerlockchange', () => { this.#rel = { x: 0, y: 0 }; });
    for (const type of ['pointerdown', 'pointermove', 'pointerup', 'pointercancel'])
      stage.addEventListener(type, (event) => this.#touched(event));
    for (const element of [stage, box])
      element.addEventListener('blur', (event) => {
        if (event.relatedTarget !== stage && event.relatedTarget !== box)
          this.release();
      });
    window.addEventListener('blur', () => this.release());
    window.addEventListener('pagehide', () => this.release());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden)
        this.release();
    });
  }

  /** Everything up; the server is told even when we think that nothing is down. */
  release() {
    cancelAnimationFrame(this.#moveRequest);
    this.#moveRequest = 0;
    this.#move = null;
    this.#rel = { x: 0, y: 0 };
    this.#wheel.reset();
    cancelAnimationFrame(this.#touchRequest);
    this.#touchRequest = 0;
    clearTimeout(this.#touch?.timer);
    this.#touch = null;
    // What was just pressed may have taken the desktop without our having heard of it yet.
    const pressed = this.#buttons.size + this.#fingers.size > 0;
    this.#buttons.clear();
    this.#fingers.clear();
    if (this.#keyboard.forget() || pressed || this.#seat.holds)
      this.#send(message.release());
  }

  /** Looks whether the desktop is still ours: who lost it, or the connection, holds nothing down there any more. */
  look() {
    const before = this.#held;
    this.#held = this.#target()?.state === State.LIVE && this.#seat.holds;
    if (before && !this.#held) {
      this.release();
      this.stopTyping();
    }
  }

  get #locked() { return document.pointerLockElement === this.#stage; }

  /** May this press be sent? If not, who pressed is told why. */
  #allowed() {
    if (this.#seat.mayTake)
      return true;
    this.#seat.refuse();
    return false;
  }

  /** Press and release keys in order, as {code, held}; for typed text. False, and it is said why, if that may not be. */
  type(strokes) {
    if (!this.#allowed())
      return false;
    this.#typed = this.#typed.concat(strokes);
    if (!this.#typedTimer)
      this.#typeSome();
    return true;
  }

  /** A modifier goes down and stays so until the next key, or up again. */
  stick(code) {
    if (this.#allowed())
      this.#keyboard.stick(code);
  }

  /** What was typed and not sent yet is meant for nobody else. */
  stopTyping() {
    clearTimeout(this.#typedTimer);
    this.#typedTimer = 0;
    this.#typed = [];
  }

  #typeSome() {
    this.#typedTimer = 0;
    if (!this.#seat.mayTake) {
      this.stopTyping();
      return;
    }
    for (const { code, held } of this.#typed.splice(0, STROKES_AT_ONCE))
      this.#keyboard.tap(code, held);
    if (this.#typed.length)
      this.#typedTimer = setTimeout(() => this.#typeSome(), STROKES_EVERY_MS);
  }

  #send(object) { return this.#target()?.send(object) ?? false; }

  #key(event, down) {
    const inBox = document.activeElement === this.#box;
    if (!this.#target() || !(inBox || document.activeElement === this.#stage))
      return;
    const chord = !down ? null : isChord(event, 'KeyG') ? this.#leave : isChord(event, 'KeyB') ? this.#toBar : null;
    if (this.#seat.watches && !chord) {
      if (down && isTyping(event))
        this.#seat.refuse();
      return;
    }
    if (inBox && !chord) {
      this.#keyInBox(event, down);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (chord) {
      this.release();
      chord();
      return;
    }
    if (down && !event.repeat ? this.#allowed() : this.#seat.mayTake)
      this.#keyboard.take(event, down);
  }

  #keyInBox(event, down) {
    if (!down) {
      this.#keyboard.release(event.code);   // pressed while the stage had the focus
      return;
    }
    // 229: an input method has the key, also where the browser does not say so in another way.
    if (event.isComposing || event.keyCode === 229 || !NO_TEXT.test(event.key))
      return;
    event.preventDefault();
    event.stopPropagation();
    this.type([{ code: event.key, held: Object.entries(MODIFIERS).filter(([name]) => event[name]).map(([, code]) => code) }]);
  }

  #point(event) {
    const desktop = this.#target();
    return mapPoint(this.#stage.getBoundingClientRect(), desktop.width, desktop.height, event.clientX, event.clientY);
  }

  get #ready() {
    const desktop = this.#target();
    return Boolean(desktop && desktop.width && desktop.height);
  }

  #mouseDown(event) {
    if (!this.#ready)
      return;
    event.preventDefault();         // no text selection, no middle-button scrolling
    this.#focus();
    if (!this.#allowed())
      return;
    if (!this.#locked)
      this.#moveTo(this.#point(event));
    this.#press(event.button, true);
  }

  #mouseUp(event) {
    if (!this.#buttons.has(event.button))
      return;
    event.preventDefault();         // buttons 3 and 4 would go back and forward in history
    if (!this.#locked)
      this.#moveTo(this.#point(event));
    this.#press(event.button, false);
  }

  #mouseMove(event) {
    if (!this.#ready || !this.#seat.mayTake)
      return;
    if (this.#locked) {
      this.#rel.x += event.movementX;
      this.#rel.y += event.movementY;
      this.#moveRequest ||= requestAnimationFrame(() => this.#flushMove());
      return;
    }
    if (!this.#buttons.size && !this.#stage.contains(event.target))
      return;
    this.#move = this.#point(event);
    this.#moveRequest ||= requestAnimationFrame(() => this.#flushMove());
  }

  #flushMove() {
    cancelAnimationFrame(this.#moveRequest);
    this.#moveRequest = 0;
    if (this.#move)
      this.#send(message.move(this.#move.x, this.#move.y));
    this.#move = null;
    // Whole pixels go; parts of one, which scaled screens report, add up.
    const whole = (value) => Math.trunc(Math.max(-MOST_REL, Math.min(MOST_REL, value)));
    const dx = whole(this.#rel.x);
    const dy = whole(this.#rel.y);
    if (dx || dy)
      this.#send(message.rel(dx, dy));
    this.#rel.x -= dx;
    this.#rel.y -= dy;
  }

  /** A button must act where it was pressed, not where the last painted frame saw the mouse. */
  #moveTo(point) {
    this.#move = point;
    this.#flushMove();
    if (this.#touch)
      this.#touchedAt(point);
  }

  #press(button, down) {
    this.#keyboard.settle();
    if (this.#send(message.button(button, down)))
      this.#buttons[down ? 'add' : 'delete'](button);
  }

  #wheelTurned(event) {
    if (!this.#ready)
      return;
    event.preventDefault();
    if (!this.#allowed())
      return;
    const perStep = { [WheelEvent.DOM_DELTA_LINE]: LINES_PER_STEP, [WheelEvent.DOM_DELTA_PAGE]: 1 }[event.deltaMode]
      ?? PIXELS_PER_STEP;
    if (!this.#locked)
      this.#moveTo(this.#point(event));
    this.#sendSteps(this.#wheel.add(event.deltaX, event.deltaY, perStep));
  }

  #sendSteps({ dx, dy }) {
    const bound = (steps) => Math.max(-MOST_STEPS, Math.min(MOST_STEPS, steps));
    if (!dx && !dy)
      return;
    this.#keyboard.settle();
    this.#send(message.wheel(bound(dx), bound(dy)));
  }

  // Touch, for a desktop that takes no fingers: nothing is sent until it is clear what it is, because a button that
  // went down cannot be taken back when a second finger makes it a scroll.

  #touched(event) {
    if (event.pointerType !== 'touch' || !this.#ready)
      return;
    event.preventDefault();
    if (event.type === 'pointerdown') {
      this.#focus();
      if (!this.#allowed())
        return;
    }
    if (this.#target().takes.touch) {
      this.#finger(event);
      return;
    }
    switch (event.type) {
    case 'pointerdown': this.#touchDown(event); break;
    case 'pointermove': this.#touchMove(event); break;
    default: this.#touchUp(event); break;
    }
  }

  #touchDown(event) {
    if (!this.#touch) {
      this.#touch = { mode: 'undecided', id: event.pointerId, x: event.clientX, y: event.clientY, fingers: new Set() };
      this.#touch.timer = setTimeout(() => this.#longPress(), LONG_PRESS_MS);
    } else if (this.#touch.mode === 'undecided') {
      clearTimeout(this.#touch.timer);
      this.#touch.mode = 'scroll';
      this.#moveTo(this.#point(event));
    }
    this.#touch.fingers.add(event.pointerId);
    this.#stage.setPointerCapture(event.pointerId);
  }

  #touchMove(event) {
    const touch = this.#touch;
    if (!touch || event.pointerId !== touch.id)
      return;
    if (touch.mode === 'undecided') {
      if (Math.hypot(event.clientX - touch.x, event.clientY - touch.y) < TOUCH_SLOP_PX)
        return;
      clearTimeout(touch.timer);
      touch.mode = 'drag';
      this.#moveTo(this.#point({ clientX: touch.x, clientY: touch.y }));
      this.#press(0, true);
    }
    if (touch.mode === 'drag') {
      this.#move = this.#point(event);
      this.#touchedAt(this.#move);
      this.#moveRequest ||= requestAnimationFrame(() => this.#flushMove());
    } else if (touch.mode === 'scroll') {
      // Fingers drag the page, a wheel drags the view: the other direction.
      this.#sendSteps(this.#wheel.add(touch.x - event.clientX, touch.y - event.clientY, TOUCH_PIXELS_PER_STEP));
      touch.x = event.clientX;
      touch.y = event.clientY;
    }
  }

  #touchUp(event) {
    const touch = this.#touch;
    if (!touch)
      return;
    if (event.type === 'pointerup' && event.pointerId === touch.id) {
      if (touch.mode === 'undecided')
        this.#click(0, event);
      else if (touch.mode === 'drag') {
        this.#moveTo(this.#point(event));
        this.#press(0, false);
      }
    }
    touch.fingers.delete(event.pointerId);
    if (!touch.fingers.size)
      this.#endTouch();
  }

  #longPress() {
    this.#touch.mode = 'done';
    this.#click(2, { clientX: this.#touch.x, clientY: this.#touch.y });
  }

  #click(button, event) {
    this.#moveTo(this.#point(event));
    this.#press(button, true);
    this.#press(button, false);
  }

  // Touch, for a desktop that takes fingers: they go there as they are.

  #finger(event) {
    const known = this.#fingers.get(event.pointerId);
    const phase = { pointerdown: 'begin', pointermove: 'update', pointerup: 'end', pointercancel: 'cancel' }[event.type];
    if (phase === 'begin') {
      const taken = new Set([...this.#fingers.values()].map((finger) => finger.id));
      const id = Array.from({ length: MOST_FINGERS }, (_, n) => n).find((n) => !taken.has(n));
      if (known || id === undefined)
        return;
      this.#stage.setPointerCapture(event.pointerId);
      this.#fingers.set(event.pointerId, { id });
    } else if (!known) {
      return;
    }
    const finger = this.#fingers.get(event.pointerId);
    Object.assign(finger, this.#point(event));
    if (phase === 'update') {
      // Screens report fingers far oftener than a desktop is drawn.
      finger.moved = true;
      this.#touchRequest ||= requestAnimationFrame(() => this.#flushFingers());
      return;
    }
    this.#flushFingers();
    this.#send(message.touch([{ id: finger.id, phase, x: finger.x, y: finger.y }]));
    if (phase !== 'begin')
      this.#fingers.delete(event.pointerId);
  }

  #flushFingers() {
    cancelAnimationFrame(this.#touchRequest);
    this.#touchRequest = 0;
    const moved = [...this.#fingers.values()].filter((finger) => finger.moved);
    for (const finger of moved)
      finger.moved = false;
    if (moved.length)
      this.#send(message.touch(moved.map(({ id, x, y }) => ({ id, phase: 'update', x, y }))));
  }

  #endTouch() {
    clearTimeout(this.#touch?.timer);
    if (this.#touch?.mode === 'drag' && this.#buttons.has(0))
      this.#press(0, false);
    this.#touch = null;
  }
}
