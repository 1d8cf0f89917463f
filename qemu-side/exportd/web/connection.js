// SPDX-License-Identifier: GPL-2.0-only
//
// One WebSocket that comes back by itself. Owns the socket, its back-off and
// its connect deadline. Rule: between start() and stop() there is always
// either a socket or a timer that will make one; after stop() there is neither,
// and no handler is called any more.

import { SUBPROTOCOL } from './protocol.js';

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 8000;
const CONNECT_DEADLINE_MS = 10000;

export class Connection {
  #url;
  #handlers;
  #socket = null;
  #timer = 0;
  #running = false;
  #attempts = 0;
  #retryAt = 0;

  /**
   * handlers: open(), text(object), binary(ArrayBuffer), and
   * lost({attempts, retryAt}) each time the socket went or could not be made.
   */
  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  get retryAt() {
    return this.#retryAt;
  }

  start() {
    if (this.#running)
      return;
    this.#running = true;
    this.#attempts = 0;
    this.#connect();
  }

  stop() {
    this.#running = false;
    this.#retryAt = 0;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** Do not wait for the back-off: something says that it may work now. */
  retryNow() {
    if (!this.#running || this.#socket)
      return;
    clearTimeout(this.#timer);
    this.#attempts = 0;
    this.#connect();
  }

  /** Close and connect again: the peer is thought dead though TCP has not noticed. */
  restart() {
    if (!this.#running || !this.#socket)
      return;
    this.#drop();
    this.#lost();
  }

  /** Sends when connected; input for a server that is away is not kept for later. */
  send(object) {
    if (!this.isOpen)
      return false;
    this.#socket.send(JSON.stringify(object));
    return true;
  }

  #connect() {
    this.#retryAt = 0;
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    // Guards against late events of a socket that was dropped.
    const current = (fn) => (event) => {
      if (this.#socket === socket)
        fn(event);
    };
    socket.onopen = current(() => {
      clearTimeout(this.#timer);
      this.#handlers.open?.();
    });
    socket.onmessage = current((event) => this.#receive(event.data));
    socket.onclose = current(() => {
      clearTimeout(this.#timer);
      this.#socket = null;
      this.#lost();
    });
    this.#timer = setTimeout(() => this.restart(), CONNECT_DEADLINE_MS);
  }

  #receive(data) {
    // A server that accepts and closes at once must not be hammered: only a
    // message proves that it works.
    this.#attempts = 0;
    if (typeof data !== 'string') {
      this.#handlers.binary?.(data);
      return;
    }
    let object;
    try {
      object = JSON.parse(data);
    } catch (error) {
      console.warn(`helix: ${this.#url}: text message that is not JSON: ${error.message}`);
      return;
    }
    this.#handlers.text?.(object);
  }

  #lost() {
    // Jitter, so that fifteen streams of one server do not come back as one.
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempts) * (0.75 + Math.random() / 2);
    this.#attempts++;
    this.#retryAt = performance.now() + delay;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#handlers.lost?.({ attempts: this.#attempts, retryAt: this.#retryAt });
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}
