// SPDX-License-Identifier: GPL-2.0-only
//
// All streams of one page in the thread where they run. Owns them, the clock
// that they share, and the timer that reports how they do: one message for all
// of them, and only of those of which something changed.

import { Clock } from './clock.js';
import { Stream } from './stream.js';

const TICK_MS = 250;
const LATENCY_EVERY_TICKS = 4;

export class StreamSet {
  #streams = new Map();             // id -> {stream, last, latencyOf}
  #clock = new Clock();
  #tell;
  #ticks = 0;

  /** tell({id, event, detail} or {stats: {id: {...}}}, transfer) reaches the page. */
  constructor(tell) {
    this.#tell = tell;
    setInterval(() => this.#tick(), TICK_MS);
  }

  open(id, canvas) {
    const stream = new Stream(canvas, this.#clock, (event, detail) => {
      const transfer = event === 'cursor' ? [detail.pixels.buffer] : [];
      this.#tell({ id, event, detail }, transfer);
    });
    this.#streams.set(id, { stream, last: '', latencyOf: 0 });
  }

  call(id, method, args) { return this.#streams.get(id).stream[method](...args); }

  #tick() {
    const stats = {};
    const withLatency = ++this.#ticks % LATENCY_EVERY_TICKS === 0;
    for (const [id, entry] of this.#streams) {
      const facts = entry.stream.tick();
      const text = JSON.stringify(facts);
      if (withLatency && facts.painted !== entry.latencyOf) {
        entry.latencyOf = facts.painted;
        facts.latency = entry.stream.latency();
      } else if (text === entry.last) {
        continue;
      }
      entry.last = text;
      stats[id] = facts;
    }
    if (Object.keys(stats).length)
      this.#tell({ stats }, []);
  }
}
