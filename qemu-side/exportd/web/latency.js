// SPDX-License-Identifier: GPL-2.0-only
//
// How old a frame is when it is on the canvas, and where the time went. Owns the
// measurements of the last painted frames of one stream.

const KEPT = 600;                   // frames: 20 seconds at 30 a second
const LONGEST_MS = 60000;           // longer than this is a wrong clock

export const PARTS = Object.freeze(['deliver', 'decode', 'paint', 'total']);

/** The value below which this share (0..1) of sorted values lies; null of none. */
export function percentile(sorted, share) {
  if (!sorted.length)
    return null;
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

export class Latency {
  #frames = [];

  /** Times in milliseconds: deliver (flush to received), decode, paint, total. */
  add(frame) {
    if (!PARTS.every((part) => frame[part] >= 0 && frame[part] <= LONGEST_MS))
      return;
    this.#frames.push(frame);
    if (this.#frames.length > KEPT)
      this.#frames.shift();
  }

  clear() { this.#frames = []; }

  /** {total: {p50, p95, p99}, ...} for each part; null without frames. */
  summary() {
    if (!this.#frames.length)
      return null;
    return Object.fromEntries(PARTS.map((part) => {
      const sorted = this.#frames.map((frame) => frame[part]).sort((a, b) => a - b);
      return [part, { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99) }];
    }));
  }
}
