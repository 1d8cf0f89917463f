// SPDX-License-Identifier: GPL-2.0-only
//
// One WebSocket that comes back by itself, in a worker or in the page. Owns the
// socket, its back-off and its connect deadline. Rule: between start() and
// stop() there is always a socket, or a timer that will make one, or somebody
// holds it back and has promised to let it go; after stop() there is none of
// these, and no handler is called any more.

import { Refused, REFUSALS, ticketFor } from './access.js';
import { CLOSE_TOKEN, subprotocols } from './protocol.js';

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 8000;
const CONNECT_DEADLINE_MS = 10000;

export class Connection {
  #handlers;
  #url = '';
  #access = null;                   // {token, ticketUrl}; null where none is needed
  #socket = null;
  #timer = 0;
  #running = false;
  #held = false;
  #attempts = 0;
  #retryAt = 0;

  /**
   * handlers: open(), text(object), binary(ArrayBuffer), lost({attempts, retryAt}) each time the
   * socket went or could not be made, and refused({status, code}) when the server does not let
   * us in (status 0: not any more, and it may be asked why): then the connection is stopped, for a
   * server counts wrong tokens. token(text) when the server gave another one to use from now on.
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  get retryAt() {
    return this.#retryAt;
  }

  start(url, access) {
    this.#url = url;
    this.#access = access;
    if (this.#running)
      return;
    this.#running = true;
    this.#attempts = 0;
    if (!this.#held)
      this.#connect();
  }

  stop() {
    this.#running = false;
    this.#retryAt = 0;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /**
   * While held a lost socket is not tried again: somebody else asks the same server whether it
   * is there, and it must not get the same question from fifteen streams.
   */
  hold(held) {
    if (held === this.#held)
      return;
    this.#held = held;
    if (held && !this.#socket)
      clearTimeout(this.#timer);
    else
      this.retryNow();
  }

  /** Do not wait for the back-off: something says that it may work now. */
  retryNow() {
    if (!this.#running || this.#socket)
      return;
    this.#held = false;
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
    if (this.#access)
      this.#connectWithTicket();
    else
      this.#open(null);
  }

  async #connectWithTicket() {
    // Stands for the socket that is not there yet; whoever drops it, ends this.
    const pending = { close() {} };
    this.#socket = pending;
    let answer = null;
    let refused = null;
    try {
      answer = await ticketFor(this.#access.token, this.#access.ticketUrl);
    } catch (error) {
      refused = error instanceof Refused && REFUSALS.includes(error.status) ? error : null;
    }
    if (this.#socket !== pending)
      return;
    this.#socket = null;
    if (answer) {
      if (answer.token) {
        this.#access = { ...this.#access, token: answer.token };
        this.#handlers.token?.(answer.token);
      }
      this.#open(answer.ticket);
    } else if (refused) {
      this.#refused(refused);
    } else {
      this.#lost();
    }
  }

  #refused({ status, code }) {
    this.stop();
    this.#handlers.refused({ status, code });
  }

  #open(ticket) {
    const socket = new WebSocket(this.#url, subprotocols(ticket));
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
    socket.onclose = current((event) => {
      clearTimeout(this.#timer);
      this.#socket = null;
      if (event.code === CLOSE_TOKEN)
        this.#refused({ status: 0, code: '' });
      else
        this.#lost();
    });
    this.#timer = setTimeout(() => this.restart(), CONNECT_DEADLINE_MS);
  }

  #receive(data) {
    if (typeof data !== 'string') {
      this.#attempts = 0;
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
    // A server that accepts and closes at once must not be hammered: only a message proves
    // that it works, and not one that says why it closes.
    if (object.type !== 'error')
      this.#attempts = 0;
    this.#handlers.text?.(object);
  }

  #lost() {
    // Jitter, so that fifteen streams of one server do not come back as one.
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempts) * (0.75 + Math.random() / 2);
    this.#attempts++;
    this.#retryAt = this.#held ? 0 : performance.now() + delay;
    if (!this.#held)
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
