// SPDX-License-Identifier: GPL-2.0-only
//
// The server's clock as seen from here. Both ends have a clock of their own; an
// exchange tells the difference to within half its round trip, so of the last
// exchanges the one with the shortest counts. Nothing comes before it was sent,
// which tells more where that was slow. One for all streams of a page: they come
// from one server.

const KEPT = 12;                    // exchanges; clocks drift, so an old one must go some time
const EVERY_US = 5e6;
const FIRST_EVERY_US = 3e5;
const FIRST = 5;                    // exchanges in quick succession, to have a good one soon

export const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

export class Clock {
  #exchanges = [];                  // {roundTrip, offset}, the newest last
  #best = null;
  #askedAt = -Infinity;
  #answered = 0;

  /** Is it time for another exchange? Whoever gets true has to ask. */
  due(now = nowUs()) {
    if (now - this.#askedAt < (this.#answered < FIRST ? FIRST_EVERY_US : EVERY_US))
      return false;
    this.#askedAt = now;
    return true;
  }

  /** The server said that its clock was at serverUs when it got what was sent at clientUs. */
  exchanged(clientUs, serverUs, now = nowUs()) {
    const roundTrip = now - clientUs;
    if (!Number.isFinite(serverUs) || !(roundTrip >= 0))
      return;                       // not an answer to anything that we asked
    this.#answered++;
    this.#exchanges.push({ roundTrip, offset: serverUs - (clientUs + roundTrip / 2) });
    if (this.#exchanges.length > KEPT)
      this.#exchanges.shift();
    this.#best = this.#exchanges.reduce((a, b) => (b.roundTrip < a.roundTrip ? b : a));
  }

  /** What came at localUs, the server had at serverUs: its clock is not further behind than that. */
  happened(serverUs, localUs) {
    if (this.#best)
      this.#best.offset = Math.max(this.#best.offset, serverUs - localUs);
  }

  /** A server that came back may be on another clock. */
  forget() {
    this.#exchanges = [];
    this.#best = null;
    this.#answered = 0;
  }

  get known() { return this.#best !== null; }

  /** Milliseconds there and back, of the exchange that counts; null before the first. */
  get roundTripMs() { return this.#best && this.#best.roundTrip / 1000; }

  toServer(localUs) { return Math.round(localUs + this.#best.offset); }
}
