// SPDX-License-Identifier: GPL-2.0-only
//
// One desktop as this page knows it: its entry in the server's list, its stream
// (connection, decoder, painter) and what is to be said about it. Rule: the
// stream is open while somebody watches and the desktop exists, and only then.

import { Connection } from './connection.js';
import { Decoder } from './decoder.js';
import { Painter } from './painter.js';
import { message, parsePacket, streamUrl } from './protocol.js';

const RATE_WINDOW_MS = 2000;
const ACK_EVERY_MS = 50;
// A stream says that its desktop ended a little before the list does; an entry
// that is still listed after this long is a desktop that came back.
const LIST_LAG_MS = 2000;

export const State = Object.freeze({
  CONNECTING: 'connecting',
  WAITING: 'waiting',
  LIVE: 'live',
  PAUSED: 'paused',
  LOST: 'lost',
  GONE: 'gone',
  FAILED: 'failed',
});

const WORDS = {
  [State.CONNECTING]: 'Connecting',
  [State.WAITING]: 'Waiting',
  [State.LIVE]: 'Live',
  [State.PAUSED]: 'Paused',
  [State.LOST]: 'Reconnecting',
  [State.GONE]: 'Gone',
  [State.FAILED]: 'No picture',
};

export class Desktop extends EventTarget {
  #connection;
  #decoder;
  #painter;
  #watched = false;
  #connected = false;
  #everConnected = false;
  #gone = false;
  #listed = true;
  #lagTimer = 0;
  #failure = '';
  #serverWaits = true;
  #serverMessage = '';
  #paintTimes = [];
  #streamPainted = 0;               // frames since this stream was opened
  #lastAck = 0;
  #ackTimer = 0;

  scanout;
  name;
  width = 0;
  height = 0;
  encoder = '';

  constructor(entry) {
    super();
    this.scanout = entry.scanout;
    this.#painter = new Painter(entry.scanout, (facts) => this.#painted(facts));
    this.#decoder = new Decoder({
      frame: (frame, facts) => this.#painter.show(frame, facts),
      needKey: () => this.#connection.send(message.keyframe()),
      failed: (text) => this.#fail(text),
    });
    this.#connection = new Connection(streamUrl(entry.scanout), {
      open: () => this.#opened(),
      text: (object) => this.#text(object),
      binary: (buffer) => this.#binary(buffer),
      lost: () => this.#lost(),
    });
    this.update(entry);
  }

  get canvas() { return this.#painter.canvas; }
  get framesPainted() { return this.#painter.frames; }
  get hasPicture() { return this.#painter.frames > 0; }

  get state() {
    if (this.#gone)
      return State.GONE;
    if (this.#failure)
      return State.FAILED;
    if (!this.#watched)
      return State.PAUSED;
    if (!this.#connected)
      return this.#everConnected ? State.LOST : State.CONNECTING;
    return this.#streamPainted && !this.#serverWaits ? State.LIVE : State.WAITING;
  }

  get stateWord() { return WORDS[this.state]; }

  /** A sentence for the place where the picture should be; empty when it is there. */
  get explanation() {
    switch (this.state) {
    case State.GONE: return 'This desktop has ended.';
    case State.FAILED: return this.#failure;
    case State.PAUSED: return this.hasPicture ? '' : 'Paused';
    case State.CONNECTING: return 'Connecting';
    case State.LOST: return 'Connection lost. Trying again.';
    case State.WAITING: return this.#serverMessage || 'Waiting for the first picture';
    default: return '';
    }
  }

  /** Frames painted per second over the last two seconds. */
  get rate() {
    const since = performance.now() - RATE_WINDOW_MS;
    while (this.#paintTimes.length && this.#paintTimes[0] < since)
      this.#paintTimes.shift();
    return this.#paintTimes.length / (RATE_WINDOW_MS / 1000);
  }

  /** Take the server's list entry of this desktop. */
  update(entry) {
    this.name = entry.name || `Desktop ${entry.scanout}`;
    if (!this.hasPicture && entry.width && entry.height)
      this.#resize(entry.width, entry.height);
    this.#listed = true;
    if (this.#gone && !this.#lagTimer)
      this.#comeBack();
    this.#changed();
  }

  /** The server's list no longer has it. */
  unlisted() {
    this.#listed = false;
    clearTimeout(this.#lagTimer);
    this.#lagTimer = 0;
    this.#end();
  }

  watch(watched) {
    if (watched === this.#watched)
      return;
    this.#watched = watched;
    this.#apply();
  }

  /** The server is known to answer again. */
  serverIsBack() { this.#connection.retryNow(); }

  /** The server is known to be away though the socket looks open. */
  serverIsAway() { this.#connection.restart(); }

  send(object) { return this.#connection.send(object); }

  /** What window.helix shows of it; see main.js. */
  snapshot() {
    return Object.freeze({
      scanout: this.scanout, name: this.name, state: this.state, explanation: this.explanation,
      width: this.width, height: this.height, encoder: this.encoder, rate: this.rate,
      framesPainted: this.#painter.frames, framesSkipped: this.#painter.skipped,
      framesDecoded: this.#decoder.decoded, packetsDropped: this.#decoder.dropped,
      decoderErrors: this.#decoder.errors, keyframesAsked: this.#decoder.asked,
      canvas: this.canvas,
    });
  }

  #apply() {
    if (this.#watched && !this.#gone) {
      this.#connection.start();
    } else {
      this.#connection.stop();
      this.#closed();
      this.#everConnected = false;
    }
    this.#changed();
  }

  #endedByStream() {
    clearTimeout(this.#lagTimer);
    this.#lagTimer = setTimeout(() => {
      this.#lagTimer = 0;
      if (this.#gone && this.#listed)
        this.#comeBack();
    }, LIST_LAG_MS);
    this.#end();
  }

  #end() {
    if (this.#gone)
      return;
    this.#gone = true;
    this.#failure = '';
    this.#apply();
  }

  #comeBack() {
    this.#gone = false;
    this.#apply();
  }

  #opened() {
    this.#connected = true;
    this.#everConnected = true;
    this.#failure = '';
    this.#streamPainted = 0;
    this.#serverWaits = false;
    this.#serverMessage = '';
    this.#changed();
  }

  #lost() {
    this.#everConnected ||= this.hasPicture;
    this.#closed();
    this.#changed();
  }

  #closed() {
    this.#connected = false;
    this.#decoder.close();
    this.#painter.clear();
    clearTimeout(this.#ackTimer);
    this.#ackTimer = 0;
  }

  #text(object) {
    switch (object.type) {
    case 'config':
      this.encoder = object.encoder ?? '';
      this.#failure = '';
      this.#resize(object.width, object.height);
      this.#decoder.configure(object);
      break;
    case 'state':
      if (object.state === 'gone') {
        this.#endedByStream();
        return;
      }
      this.#serverWaits = object.state === 'waiting';
      this.#serverMessage = object.message ?? '';
      break;
    case 'error':
      console.warn(`helix: scanout ${this.scanout}: server: ${object.code}: ${object.message}`);
      this.dispatchEvent(new CustomEvent('servererror', { detail: object.message ?? object.code }));
      break;
    default:                        // a later version's message
      return;
    }
    this.#changed();
  }

  #binary(buffer) {
    let packet;
    try {
      packet = parsePacket(buffer);
    } catch (error) {
      this.#fail(`The server sent something that is not video: ${error.message}`);
      return;
    }
    if (!packet)
      return;
    this.#serverWaits = false;
    this.#resize(packet.width, packet.height);
    this.#decoder.decode(packet);
  }

  #painted({ seq }) {
    this.#streamPainted++;
    this.#failure = '';
    this.#paintTimes.push(performance.now());
    if (this.#streamPainted === 1)
      this.#changed();
    this.#ack(seq);
  }

  /** Tell how far we are; the newest frame is always told, the others seldom. */
  #ack(seq) {
    clearTimeout(this.#ackTimer);
    const wait = this.#lastAck + ACK_EVERY_MS - performance.now();
    const tell = () => {
      this.#lastAck = performance.now();
      this.#connection.send(message.ack(seq));
    };
    if (wait <= 0)
      tell();
    else
      this.#ackTimer = setTimeout(tell, wait);
  }

  #fail(text) {
    this.#failure = text;
    this.#changed();
  }

  #resize(width, height) {
    if (!width || !height || (width === this.width && height === this.height))
      return;
    this.width = width;
    this.height = height;
    this.#changed();
  }

  #changed() { this.dispatchEvent(new Event('change')); }
}
