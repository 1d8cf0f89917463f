// SPDX-License-Identifier: GPL-2.0-only
//
// The page's end of the streams: where they run, and how to reach them. In a
// worker where the browser has what that needs, else in the page itself; nobody
// else knows which. Rule: where they run is settled before the first is opened,
// for a canvas that was handed to a worker does not come back.

import { StreamSet } from './streamset.js';

const HELLO_DEADLINE_MS = 20000;

export class Streams {
  #listeners = new Map();           // id -> {event(name, detail), stats(facts)}
  #worker = null;
  #set = null;

  /** 'worker' or 'page', for people who look. */
  get where() { return this.#worker ? 'worker' : 'page'; }

  async settle() {
    this.#worker = await startWorker();
    if (this.#worker)
      this.#worker.onmessage = ({ data }) => this.#heard(data);
    else
      this.#set = new StreamSet((data) => this.#heard(data));
  }

  /** Opens nothing yet; gives the handle by which the stream that paints on this canvas is told. */
  add(id, canvas, listener) {
    this.#listeners.set(id, listener);
    if (this.#worker) {
      const offscreen = canvas.transferControlToOffscreen();
      this.#worker.postMessage({ open: true, id, canvas: offscreen }, [offscreen]);
      return (method, ...args) => this.#worker.postMessage({ id, method, args });
    }
    this.#set.open(id, canvas);
    return (method, ...args) => this.#set.call(id, method, args);
  }

  /** Ends them all at once and for good: a worker that is frozen would not hear that it should. */
  end() { this.#worker?.terminate(); }

  #heard(data) {
    if (data.stats) {
      for (const [id, facts] of Object.entries(data.stats))
        this.#listeners.get(id).stats(facts);
    } else {
      this.#listeners.get(data.id).event(data.event, data.detail);
    }
  }
}

/** A worker that says that it can do it, or null. */
function startWorker() {
  if (!('Worker' in window) || !HTMLCanvasElement.prototype.transferControlToOffscreen || !window.OffscreenCanvas)
    return null;
  return new Promise((resolve) => {
    const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module', name: 'helix-streams' });
    const settle = (result) => {
      clearTimeout(timer);
      worker.onmessage = null;
      worker.onerror = null;
      if (!result)
        worker.terminate();
      resolve(result);
    };
    const timer = setTimeout(() => settle(null), HELLO_DEADLINE_MS);
    worker.onmessage = ({ data }) => settle(data.hello ? worker : null);
    worker.onerror = () => settle(null);
  });
}
