// SPDX-License-Identifier: GPL-2.0-only
//
// One WebSocket that comes back by itself, in a worker or in the page. Owns the
// socket, its back-off, and the deadlines by which it has to open and to answer.
// Rules: between start() and stop() there is always a socket, or a timer that
// will make one, or somebody holds it back and has promised to let it go; after
// stop() there is none of these, and no handler is called any more. A socket
// whose path is dead looks open for as long as nobody asks: one that is silent
// is asked, and given up when it stays so.

import { Refused, REFUSALS, ticketFor } from './access.js';
import { nowUs } from './clock.js';
import { CLOSE_TOKEN, message, subprotocols } from './protocol.js';

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 8000;
const FIRST_MESSAGE_DEADLINE_MS = 10000;
const LOOK_EVERY_MS = 5000;
// A key frame over a poor link takes seconds in which nothing else comes.
const ANSWER_DEADLINE_MS = 10000;
// After a sleep, or where another network came, a dead path is likely and a new socket cheap.
const SUSPECT_DEADLINE_MS = 4000;

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
  #lookTimer = 0;
  #lookedAt = 0;
  #heard = false;                   // something, since the last look
  #answerTimer = 0;
  #answers = false;                 // the server was asked for the time and told it: it always will

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

  /** Something says that it may work now, or not any more: no back-off, and a socket that looks open has to answer. */
  retryNow() {
    if (!this.#running || this.#held)
      return;
    if (this.#socket) {
      this.ask(SUSPECT_DEADLINE_MS);
      return;
    }
    clearTimeout(this.#timer);
    this.#attempts = 0;
    this.#connect();
  }

  /** Asks for the server's time. From one that tells it, something has to come by then, or the path is dead. */
  ask(deadline = ANSWER_DEADLINE_MS) {
    if (!this.send(message.time(nowUs())) || !this.#answers)
      return;
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => this.restart(), deadline);
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
      this.#lookedAt = Date.now();
      this.#lookTimer = setInterval(() => this.#look(), LOOK_EVERY_MS);
      this.#handlers.open?.();
    });
    socket.onmessage = current((event) => {
      this.#heard = true;
      clearTimeout(this.#timer);
      this.#endAnswerTimer();
      this.#receive(event.data);
    });
    socket.onclose = current((event) => {
      this.#drop();
      if (event.code === CLOSE_TOKEN)
        this.#refused({ status: 0, code: '' });
      else
        this.#lost();
    });
    // A server has something to say to whoever comes.
    this.#timer = setTimeout(() => this.restart(), FIRST_MESSAGE_DEADLINE_MS);
  }

  #look() {
    // By the time of day: other clocks may stand still while the computer sleeps.
    const slept = Date.now() - this.#lookedAt > 2 * LOOK_EVERY_MS;
    if (slept)
      this.ask(SUSPECT_DEADLINE_MS);
    else if (!this.#heard && !this.#answerTimer)
      this.ask();
    this.#lookedAt = Date.now();
    this.#heard = false;
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
    if (object.type === 'time')
      this.#answers = true;
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

  #endAnswerTimer() {
    clearTimeout(this.#answerTimer);
    this.#answerTimer = 0;
  }

  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#lookTimer);
    this.#endAnswerTimer();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}
