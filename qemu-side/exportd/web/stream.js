// SPDX-License-Identifier: GPL-2.0-only
//
// The stream of one desktop, from the socket to the canvas: connection, decoder,
// painter, and the acknowledgements and times that belong to its frames. Runs in
// the worker, or in the page where there can be none; it touches no document.
// Says what happens by tell(event, detail); the page's Desktop makes sense of it.
//
//   open, lost, refused {status, code}   the socket
//   text {object}                a message that is not about frames
//   cursor {...}                 the shape of the desktop's pointer
//   picture {width, height}      is on the canvas: the first since the socket was opened, since it failed, or of its size
//   size {width, height}         of the coded picture, when it changes
//   cannot {codec}               be decoded here: open it anew without
//   failed {text}                there will be no picture, and why

import { nowUs } from './clock.js';
import { Connection } from './connection.js';
import { Decoder } from './decoder.js';
import { Latency } from './latency.js';
import { Painter } from './painter.js';
import { message, parseBinary, Rung } from './protocol.js';

const RATE_WINDOW_MS = 2000;
const ACK_EVERY_MS = 50;

export class Stream {
  #tell;
  #clock;
  #connection;
  #decoder;
  #painter;
  #rung = Rung.FULL;
  #tile = false;                    // shown as one of many
  #opensAsTile = false;             // what the address says of that, whenever the socket is opened
  #toldTile = false;
  #hasRungs = false;                // the server knows rungs and times
  #timesRefused = false;
  #painted = 0;                     // frames since the socket was opened
  #paintTimes = [];
  #arrivals = [];                   // [time, bytes] of the last messages
  #size = '';                       // of the newest frame that came
  #picture = '';                    // and of the one on the canvas
  #lastAck = 0;
  #ackTimer = 0;
  #latency = new Latency();
  #bytes = 0;

  constructor(canvas, clock, tell) {
    this.#tell = tell;
    this.#clock = clock;
    this.#painter = new Painter(canvas, (facts) => this.#shown(facts), () => this.#emptied());
    this.#decoder = new Decoder({
      frame: (frame, facts) => this.#painter.show(frame, { ...facts, decodedUs: nowUs() }),
      needKey: () => this.#connection.send(message.keyframe()),
      failed: (text) => this.#failed(text),
      cannot: (codec) => this.#tell('cannot', { codec }),
    });
    this.#connection = new Connection({
      open: () => {
        this.#painted = 0;
        this.#toldTile = this.#opensAsTile;
        this.#tell('open', {});
      },
      text: (object) => this.#text(object),
      binary: (buffer) => this.#binary(buffer),
      lost: () => {
        this.#clock.forget();
        this.#closed();
        this.#tell('lost', {});
      },
      refused: (why) => {
        this.#closed();
        this.#tell('refused', why);
      },
    });
  }

  // What the page may call

  start(url, access, rung, tile) {
    this.#rung = rung;
    this.#tile = this.#opensAsTile = tile;
    this.#connection.start(url, access);
  }

  stop() {
    this.#connection.stop();
    this.#closed();
  }

  /** Another rung of the same desktop; none keeps the socket and costs nothing. */
  watch(rung, tile) {
    const same = rung === this.#rung;
    if (same && tile === this.#tile)
      return;
    this.#rung = rung;
    this.#tile = tile;
    if (!this.#hasRungs)
      return;
    if (same) {
      this.#sayWatch();
      return;
    }
    this.#decoder.interrupt();
    if (rung === Rung.NONE) {
      this.#painter.clear();
      this.#painted = 0;
    }
    this.#latency.clear();
    this.#sayWatch();
  }

  hold(held) { this.#connection.hold(held); }

  retryNow() { this.#connection.retryNow(); }

  send(object) { return this.#connection.send(object); }

  /** Called a few times a second: asks for the time when it is due, and says how the stream does. */
  tick() {
    this.#askTime();
    const since = performance.now() - RATE_WINDOW_MS;
    while (this.#paintTimes.length && this.#paintTimes[0] < since)
      this.#paintTimes.shift();
    while (this.#arrivals.length && this.#arrivals[0][0] < since)
      this.#arrivals.shift();
    const seconds = RATE_WINDOW_MS / 1000;
    return {
      rate: this.#paintTimes.length / seconds,
      kbit: Math.round(this.#arrivals.reduce((sum, [, bytes]) => sum + bytes, 0) * 8 / 1000 / seconds),
      bytes: this.#bytes,
      painted: this.#painter.frames, skipped: this.#painter.skipped,
      decoded: this.#decoder.decoded, dropped: this.#decoder.dropped,
      errors: this.#decoder.errors, asked: this.#decoder.asked,
    };
  }

  latency() {
    return { parts: this.#latency.summary(), roundTripMs: this.#clock.roundTripMs };
  }

  #sayWatch() {
    this.#toldTile = this.#tile;
    this.#connection.send(message.watch(this.#rung, this.#tile));
  }

  // What the server says

  #text(object) {
    switch (object.type) {
    case 'time':
      this.#clock.exchanged(object.client, object.server);
      return;
    case 'role':
      // Who has roles has times: from now on it is known whether the socket is alive.
      this.#connection.ask();
      break;
    case 'config':
      this.#hasRungs = 'rung' in object;
      // What was asked for may have changed while the socket was being opened.
      if (this.#hasRungs && (object.rung !== this.#rung || this.#toldTile !== this.#tile))
        this.#sayWatch();
      this.#decoder.configure(object);
      // At once: of a still desktop there may be only one frame to measure.
      this.#askTime();
      break;
    case 'error':
      // A server that has no times says so, and is not asked again.
      if (object.code === 'bad-message' && !this.#clock.known)
        this.#timesRefused = true;
      break;
    default:
      break;
    }
    this.#tell('text', { object });
  }

  #askTime() {
    if (this.#hasRungs && !this.#timesRefused && this.#connection.isOpen && this.#clock.due())
      this.#connection.send(message.time(nowUs()));
  }

  #binary(buffer) {
    let packet;
    try {
      packet = parseBinary(buffer);
    } catch (error) {
      this.#failed(`The server sent something that is not video: ${error.message}`);
      return;
    }
    if (packet?.kind === 'cursor')
      this.#tell('cursor', packet);
    if (packet?.kind !== 'video')
      return;
    this.#bytes += buffer.byteLength;
    this.#arrivals.push([performance.now(), buffer.byteLength]);
    packet.receivedUs = nowUs();
    const size = `${packet.width}×${packet.height}`;
    if (size !== this.#size) {
      this.#size = size;
      this.#tell('size', { width: packet.width, height: packet.height });
    }
    this.#decoder.decode(packet);
  }

  /** Until the next frame is on the canvas, which is told as the first one was. */
  #failed(text) {
    this.#painter.clear();
    this.#painted = 0;
    this.#tell('failed', { text });
  }

  /** Of a still desktop nothing comes unless it is asked for. */
  #emptied() {
    if (this.#rung !== Rung.NONE)
      this.#connection.send(message.keyframe());
  }

  #shown(facts) {
    const paintedUs = nowUs();
    this.#painted++;
    this.#paintTimes.push(performance.now());
    const picture = `${facts.width}×${facts.height}`;
    if (this.#painted === 1 || picture !== this.#picture) {
      this.#picture = picture;
      this.#tell('picture', { width: facts.width, height: facts.height });
    }
    const times = this.#times(facts, paintedUs);
    if (times && facts.captureUs)
      this.#latency.add({
        deliver: (times.received - facts.captureUs) / 1000,
        decode: (times.decoded - times.received) / 1000,
        paint: (times.painted - times.decoded) / 1000,
        total: (times.painted - facts.captureUs) / 1000,
      });
    this.#ack(facts.seq, times);
  }

  /** When this frame came, was decoded and painted, by the server's clock; null while that is unknown. */
  #times({ captureUs, receivedUs, decodedUs }, paintedUs) {
    if (!this.#clock.known || !receivedUs)
      return null;
    this.#clock.happened(captureUs, receivedUs);
    return {
      received: this.#clock.toServer(receivedUs),
      decoded: this.#clock.toServer(decodedUs),
      painted: this.#clock.toServer(paintedUs),
    };
  }

  /** Tell how far we are; the newest frame is always told, the others seldom. */
  #ack(seq, times) {
    clearTimeout(this.#ackTimer);
    const wait = this.#lastAck + ACK_EVERY_MS - performance.now();
    const tell = () => {
      this.#lastAck = performance.now();
      this.#connection.send(message.ack(seq, times));
    };
    if (wait <= 0)
      tell();
    else
      this.#ackTimer = setTimeout(tell, wait);
  }

  #closed() {
    this.#decoder.close();
    this.#painter.clear();
    clearTimeout(this.#ackTimer);
    this.#ackTimer = 0;
    this.#size = '';
    this.#hasRungs = false;
    this.#timesRefused = false;
    this.#latency.clear();
    this.#painted = 0;
  }
}
