// SPDX-License-Identifier: GPL-2.0-only
//
// One desktop as this page knows it: its entry in the server's list, what its
// stream tells, who controls it, and what is to be said about it. Owns the canvas
// element and the handle of the stream that paints on it. Rule: the stream is
// open while somebody watches and the desktop exists, and only then.

import { access, ask } from './access.js';
import { Rung, streamUrl } from './protocol.js';
import { forgetCodec, otherCodecs } from './support.js';
import { streamError } from './words.js';

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

// With these errors the server closes the stream.
const HANGS_UP = new Set(['busy', 'no-desktop']);

const NO_STATS = Object.freeze({
  rate: 0, kbit: 0, bytes: 0, painted: 0, skipped: 0, decoded: 0, dropped: 0, errors: 0, asked: 0,
});
// What a server makes of a desktop for grids, unless it says otherwise.
const THUMB_WIDTH = 480;
// What a desktop takes whose server does not say: all that the first servers took. Of the clipboard
// null is kept, for there is nothing to say of it then.
const BASIC = Object.freeze({ touch: false, absolute: true, clipboard: null, resize: false });

/** What a desktop is known by; servers of one VM may not give it a name of its own. */
export const keyOf = (entry) => entry.id ?? String(entry.scanout);

export class Desktop extends EventTarget {
  #call;
  #wanted = Rung.NONE;
  #tile = false;                    // and shown as one of many
  #started = false;
  #connected = false;
  #everConnected = false;
  #gone = false;
  #listed = true;
  #lagTimer = 0;
  #failure = '';
  #serverWaits = true;
  #serverMessage = '';
  #refusal = '';                    // why the server hung up on us, if it said so
  #shown = false;                   // a picture came since the stream was opened
  #everShown = false;
  #hasRungs = false;
  #held = false;

  key;
  id = null;
  vm = '';
  scanout;
  name;
  width = 0;                        // of the desktop: what input is measured in
  height = 0;
  thumbWidth = THUMB_WIDTH;         // of the stream for grids
  pictureWidth = 0;                 // of the canvas
  pictureHeight = 0;
  rung = '';
  encoder = '';
  codec = '';
  bitrateKbit = 0;
  takes = BASIC;
  role = null;                      // null: the server has no roles
  viewer = null;                    // our number
  controller = null;                // the number of who has control, null of nobody
  cursor = null;                    // the pointer's shape; null: it is in the picture
  stats = NO_STATS;
  latency = null;                   // of this page's own stream: {parts, roundTripMs}
  entry = {};
  canvas;

  constructor(entry, streams) {
    super();
    this.key = keyOf(entry);
    this.id = entry.id ?? null;
    this.vm = entry.vm ?? '';
    this.scanout = entry.scanout;
    this.canvas = document.createElement('canvas');
    this.canvas.dataset.scanout = String(entry.scanout);
    this.canvas.width = this.canvas.height = 0;
    this.canvas.setAttribute('aria-hidden', 'true');
    this.#call = streams.add(this.key, this.canvas, {
      event: (event, detail) => this.#event(event, detail),
      stats: (facts) => this.#stats(facts),
    });
    this.update(entry);
  }

  get hasPicture() { return this.#everShown; }

  get state() {
    if (this.#gone)
      return State.GONE;
    if (this.#failure)
      return State.FAILED;
    if (this.#wanted === Rung.NONE)
      return State.PAUSED;
    if (!this.#connected)
      return this.#everConnected ? State.LOST : State.CONNECTING;
    return this.#shown && !this.#serverWaits ? State.LIVE : State.WAITING;
  }

  get stateWord() { return WORDS[this.state]; }

  /** A sentence for the place where the picture should be; empty when it is there. */
  get explanation() {
    switch (this.state) {
    case State.GONE: return 'This desktop has ended.';
    case State.FAILED: return this.#failure;
    case State.PAUSED: return this.hasPicture ? '' : 'Paused';
    case State.CONNECTING: return this.#refusal || 'Connecting';
    case State.LOST: return this.#refusal || 'Connection lost. Trying again.';
    case State.WAITING: return this.#serverMessage || 'Waiting for the first picture';
    default: return '';
    }
  }

  /** Frames painted per second over the last two seconds. */
  get rate() { return this.stats.rate; }

  /** Half of the frames are on the screen sooner than this, in ms: our own measure, else the server's; or null. */
  get latencyMs() { return this.latency?.parts?.total.p50 ?? this.entry.latency?.p50 ?? null; }

  /** 'none' without roles, 'view', 'mine', 'free', or 'other'. */
  get control() {
    if (this.role === null)
      return 'none';
    if (this.role === 'view')
      return 'view';
    if (this.controller === null)
      return 'free';
    return this.controller === this.viewer ? 'mine' : 'other';
  }

  /** Take the server's list entry of this desktop. */
  update(entry) {
    this.entry = entry;
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

  /** Seconds until it ends because nobody uses it; null where it does not. */
  get ending() { return this.#gone ? null : this.entry.idle?.ends_in ?? null; }

  get mayKeep() { return this.ending > 0 && this.role !== 'view' && this.id !== null; }

  /** Says that it is still wanted; the server's list tells what comes of it. False if that did not get there. */
  async keep() {
    try {
      return (await ask(`api/desktops/${this.id}/keep`, { method: 'POST' })).ok;
    } catch {
      return false;
    }
  }

  /** Be sent this rung from now on; tile: it is shown as one of many, and that alone does not keep it. */
  watch(rung, tile = false) {
    if (rung === this.#wanted && tile === this.#tile)
      return;
    this.#wanted = rung;
    this.#tile = tile;
    if (rung === Rung.NONE)
      this.stats = { ...this.stats, rate: 0, kbit: 0 };
    this.#apply();
  }

  /** Nobody will come back soon: do not keep even the socket. */
  leave() {
    this.#wanted = Rung.NONE;
    this.#stop();
    this.#changed();
  }

  /** While the server is away its streams do not ask for it; the list does. */
  hold(held) {
    if (held !== this.#held) {
      this.#held = held;
      this.#call('hold', held);
    }
    if (!held && !this.#started && this.#wanted !== Rung.NONE)
      this.#apply();
  }

  /** What is open was opened with a token that counts no more; the server's next list opens it anew. */
  close() {
    this.#stop();
    this.#everConnected = this.hasPicture;
    this.hold(true);
    this.#changed();
  }

  /** The server does not let us in; what is opened next may have another token. */
  refuse() {
    this.#refusal = 'Not let in.';   // why, the notice says for all of them
    this.close();
  }

  /** Something says that the stream may work now, or not any more. */
  retryNow() { this.#call('retryNow'); }

  /** False when it cannot be sent now; such a message is not kept for later. */
  send(object) {
    if (!this.#connected)
      return false;
    this.#call('send', object);
    return true;
  }

  /** What window.helix shows of it; see main.js. */
  snapshot() {
    const { stats } = this;
    return Object.freeze({
      id: this.id, scanout: this.scanout, name: this.name, state: this.state, explanation: this.explanation,
      width: this.width, height: this.height, rung: this.rung, encoder: this.encoder,
      pictureWidth: this.pictureWidth, pictureHeight: this.pictureHeight, rate: stats.rate,
      framesPainted: stats.painted, framesSkipped: stats.skipped,
      framesDecoded: stats.decoded, packetsDropped: stats.dropped,
      decoderErrors: stats.errors, keyframesAsked: stats.asked,
      latency: this.latency, control: this.control, ending: this.ending, canvas: this.canvas,
    });
  }

  #apply() {
    if (this.#gone || (this.#wanted === Rung.NONE && !(this.#hasRungs && this.#connected))) {
      this.#stop();
    } else if (this.#started) {
      if (this.#wanted === Rung.NONE)
        this.#shown = false;
      this.#call('watch', this.#wanted, this.#tile);
    } else {
      this.#started = true;
      this.#call('start', streamUrl(this, this.#wanted, this.#tile, otherCodecs()), access(), this.#wanted, this.#tile);
    }
    this.#changed();
  }

  #stop() {
    if (this.#started)
      this.#call('stop');
    this.#started = false;
    this.#everConnected = false;
    this.#closed();
  }

  #closed() {
    this.#connected = false;
    this.#shown = false;
    this.#hasRungs = false;
    this.role = this.viewer = this.controller = null;
    this.stats = { ...this.stats, rate: 0, kbit: 0 };
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

  #event(event, detail) {
    if (!this.#started)
      return;                       // said before it heard that it was stopped
    switch (event) {
    case 'open':
      this.#connected = true;
      this.#everConnected = true;
      this.#failure = '';
      this.#shown = false;
      this.#serverWaits = false;
      this.#serverMessage = '';
      this.#setCursor(null);        // the server says soon which one there is, if there is one
      break;
    case 'lost':
      this.#everConnected ||= this.hasPicture;
      this.#closed();
      break;
    case 'refused':
      this.#started = false;
      this.#closed();
      this.dispatchEvent(new CustomEvent('refused', { detail }));
      break;
    case 'text':
      this.#text(detail.object);
      return;
    case 'cursor':
      this.#setCursor(detail);
      return;
    case 'picture':
      this.#shown = this.#everShown = true;
      this.#failure = this.#refusal = '';
      this.pictureWidth = detail.width;
      this.pictureHeight = detail.height;
      break;
    case 'size':
      this.#serverWaits = false;
      if (!this.#hasRungs)
        this.#resize(detail.width, detail.height);
      return;
    case 'cannot':
      forgetCodec(detail.codec);
      this.#stop();
      this.#apply();
      return;
    case 'failed':
      this.#failure = detail.text;
      break;
    default:
      return;
    }
    this.#changed();
  }

  #stats(facts) {
    // Of a stream that was stopped meanwhile, what it painted stays true.
    this.stats = this.#connected ? facts : { ...facts, rate: 0, kbit: 0 };
    if (facts.latency)
      this.latency = facts.latency;
  }

  #text(object) {
    switch (object.type) {
    case 'config':
      this.#config(object);
      break;
    case 'state':
      if (object.state === 'gone') {
        this.#endedByStream();
        return;
      }
      this.#serverWaits = object.state === 'waiting';
      this.#serverMessage = object.message ?? '';
      break;
    case 'role':
      this.role = object.role;
      this.viewer = object.viewer;
      this.controller = object.controller ?? null;
      break;
    case 'error': {
      console.warn(`helix: ${this.key}: server: ${object.code}: ${object.message}`);
      const detail = { code: object.code, text: streamError(object) };
      if (HANGS_UP.has(object.code))
        this.#refusal = detail.text;
      this.dispatchEvent(new CustomEvent('servererror', { detail }));
      return;
    }
    default:                        // for who is looking: control, resized, clipboard, pointer
      this.dispatchEvent(new CustomEvent('message', { detail: object }));
      return;
    }
    this.#changed();
  }

  #config(object) {
    this.#hasRungs = 'rung' in object;
    this.rung = object.rung ?? Rung.FULL;
    if (this.rung === Rung.THUMB && object.width)
      this.thumbWidth = object.width;
    this.encoder = object.encoder ?? '';
    this.codec = object.codec ?? '';
    this.bitrateKbit = object.bitrate_kbit ?? 0;
    this.takes = Object.freeze({
      touch: object.touch ?? BASIC.touch, absolute: object.absolute ?? BASIC.absolute,
      clipboard: object.clipboard ?? BASIC.clipboard, resize: object.resize ?? BASIC.resize,
    });
    this.#failure = '';
    this.#resize(object.desktop_width ?? object.width, object.desktop_height ?? object.height);
  }

  #resize(width, height) {
    if (!width || !height || (width === this.width && height === this.height))
      return;
    this.width = width;
    this.height = height;
    this.#changed();
  }

  #setCursor(cursor) {
    this.cursor = cursor;
    this.dispatchEvent(new Event('cursor'));
  }

  #changed() { this.dispatchEvent(new Event('change')); }
}

