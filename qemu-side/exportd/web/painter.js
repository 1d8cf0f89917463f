// SPDX-License-Identifier: GPL-2.0-only
//
// VideoFrames onto a canvas. Owns the canvas of one desktop and a queue of one:
// a frame that arrives before the last one was painted replaces it. Rule: every
// frame given to show() is closed here, painted or not; a decoder stalls when
// its frames are kept.

export class Painter {
  #context;
  #pending = null;
  #facts = null;
  #request = 0;
  #painted;

  canvas;
  frames = 0;
  skipped = 0;

  /** painted({seq, ...}) is called after each frame is on the canvas. */
  constructor(scanout, painted) {
    this.#painted = painted;
    this.canvas = document.createElement('canvas');
    this.canvas.dataset.scanout = String(scanout);
    this.canvas.width = 0;
    this.canvas.height = 0;
    this.canvas.setAttribute('aria-hidden', 'true');
    this.#context = this.canvas.getContext('2d', { alpha: false });
  }

  show(frame, facts) {
    if (this.#pending) {
      this.#pending.close();
      this.skipped++;
    }
    this.#pending = frame;
    this.#facts = facts;
    if (!this.#request)
      this.#request = requestAnimationFrame(() => this.#paint());
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
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.#context.drawImage(frame, 0, 0, width, height, 0, 0, width, height);
    frame.close();
    this.frames++;
    this.#painted(this.#facts);
  }
}
