// SPDX-License-Identifier: GPL-2.0-only
//
// VideoFrames onto a canvas, in a worker or in the page. Owns the canvas's
// pixels and a queue of one: a frame that arrives before the last one was
// painted replaces it. Rule: every frame given to show() is closed here, painted
// or not; a decoder stalls when its frames are kept.

export class Painter {
  #canvas;
  #context;
  #pending = null;
  #facts = null;
  #request = 0;
  #painted;

  frames = 0;
  skipped = 0;

  /**
   * canvas: an OffscreenCanvas or an element; painted(facts) is called after each frame is on it, and
   * emptied() when the browser lost what was on it, as it does when the GPU is reset.
   */
  constructor(canvas, painted, emptied) {
    this.#painted = painted;
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false });
    canvas.addEventListener('contextrestored', emptied);
  }

  show(frame, facts) {
    if (this.#pending) {
      this.#pending.close();
      this.skipped++;
    }
    this.#pending = frame;
    this.#facts = facts;
    this.#request ||= requestAnimationFrame(() => this.#paint());
  }

  /** Forget a frame that waits; the picture on the canvas stays. */
  clear() {
    cancelAnimationFrame(this.#request);
    this.#request = 0;
    this.#pending?.close();
    this.#pending = null;
  }

  #paint() {
    this.#request = 0;
    const frame = this.#pending;
    this.#pending = null;
    // An odd size is coded one larger; the packet says how much of it is picture.
    const width = Math.min(this.#facts.width, frame.displayWidth);
    const height = Math.min(this.#facts.height, frame.displayHeight);
    // Setting the size clears the canvas, so only when it changed.
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#context.drawImage(frame, 0, 0, width, height, 0, 0, width, height);
    frame.close();
    this.frames++;
    this.#painted({ ...this.#facts, width, height });
  }
}
