// SPDX-License-Identifier: GPL-2.0-only
//
// Packets of a codec in, VideoFrames out. Owns the WebCodecs decoder of one stream.
// Rules: a decoder that was just configured, failed or fell behind is fed
// nothing until a key frame; the queue before it is bounded; every frame that
// comes out is handed on exactly once, and whoever gets it closes it.

// Chunks waiting in front of the decoder before we call it behind. At 30 frames
// a second this is a quarter of a second; more would be latency, not smoothness.
const QUEUE_LIMIT = 8;
// Key frames are dear for the server and for everybody who watches: one request
// in this time. An unanswered one is repeated by the clock and not with the next
// packet, because an idle desktop sends none.
const ASK_AGAIN_MS = 1000;
// This many failures without one good frame in between is not a bad packet.
const FAILURES_LIMIT = 4;
const RETRY_AFTER_FAILURES_MS = 5000;
const LONGEST_RETRY_MS = 60000;
// From here on the browser's own software is asked to do it: a decoder in hardware may be broken,
// or taken by too many others.
const SOFTWARE_AFTER = 2;

export class Decoder {
  #handlers;
  #decoder = null;
  #config = null;
  #needKey = true;
  #askTimer = 0;
  #askedAt = -Infinity;
  #failures = 0;
  #retryTimer = 0;
  #lastTimestamp = -1;
  #inFlight = new Map();            // timestamp -> packet facts, until the frame is out

  decoded = 0;
  dropped = 0;
  errors = 0;
  asked = 0;

  /**
   * handlers: frame(VideoFrame, facts) with what decode() was given of its packet, needKey() when
   * the server is to be asked for a key frame, failed(text) when the browser cannot do it, and
   * cannot(codec) when it cannot, but another codec than H.264 was tried.
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Take the codec from the server's config message. */
  configure({ codec }) {
    // No description: the stream is Annex B with its parameter sets in band.
    if (codec !== this.#config?.codec)
      this.#failures = 0;
    this.#config = { codec, optimizeForLatency: true };
    clearTimeout(this.#retryTimer);
    this.#restart();
  }

  /** The stream broke off; whatever comes next starts with a key frame. */
  interrupt() {
    this.#needKey = true;
    this.#stopAsking();
    clearTimeout(this.#retryTimer);
  }

  close() {
    this.interrupt();
    this.#closeDecoder();
    this.#config = null;
    this.#needKey = true;
  }

  decode(packet) {
    if (!this.#config)
      return;                       // no config yet: a server that breaks the order of the protocol
    if (packet.key) {
      if (!this.#decoder || this.#decoder.decodeQueueSize > QUEUE_LIMIT)
        this.#restart();            // the key frame makes everything queued before it worthless
      if (!this.#decoder)
        return;
      this.#needKey = false;
      this.#stopAsking();
    } else if (this.#needKey) {
      this.dropped++;
      this.#askForKey();
      return;
    } else if (this.#decoder.decodeQueueSize > QUEUE_LIMIT) {
      this.dropped++;
      this.#needKey = true;
      this.#askForKey();
      return;
    }
    this.#feed(packet);
  }

  #feed(packet) {
    // WebCodecs wants rising timestamps, and they are how a frame finds its packet.
    const timestamp = Math.max(packet.captureUs, this.#lastTimestamp + 1);
    const duration = this.#lastTimestamp < 0 ? 33333 : timestamp - this.#lastTimestamp;
    this.#lastTimestamp = timestamp;
    const { seq, captureUs, receivedUs, width, height } = packet;
    this.#inFlight.set(timestamp, { seq, captureUs, receivedUs, width, height });
    try {
      this.#decoder.decode(new EncodedVideoChunk({
        type: packet.key ? 'key' : 'delta', timestamp, duration, data: packet.data,
      }));
    } catch (error) {
      this.#fail(error);
    }
  }

  #restart() {
    this.#closeDecoder();
    this.#needKey = true;
    const decoder = new VideoDecoder({
      output: (frame) => {
        if (decoder === this.#decoder)
          this.#output(frame);
        else
          frame.close();
      },
      error: (error) => {
        if (decoder === this.#decoder)
          this.#fail(error);
      },
    });
    this.#decoder = decoder;
    try {
      decoder.configure(this.#failures < SOFTWARE_AFTER ? this.#config
        : { ...this.#config, hardwareAcceleration: 'prefer-software' });
    } catch (error) {
      this.#fail(error);
    }
  }

  #output(frame) {
    const facts = this.#inFlight.get(frame.timestamp)
      ?? { seq: 0, captureUs: 0, receivedUs: 0, width: frame.displayWidth, height: frame.displayHeight };
    for (const timestamp of this.#inFlight.keys()) {
      if (timestamp > frame.timestamp)
        break;
      this.#inFlight.delete(timestamp);
    }
    this.#failures = 0;
    this.decoded++;
    this.#handlers.frame(frame, facts);
  }

  #fail(error) {
    this.errors++;
    this.#closeDecoder();
    this.#needKey = true;
    const codec = this.#config?.codec;
    console.warn(`helix: decoding ${codec}: ${error.name}: ${error.message}`);
    this.#failures++;
    const unsupported = error.name === 'NotSupportedError' || error.name === 'TypeError';
    if (codec && !codec.startsWith('avc1.') && (unsupported || this.#failures >= FAILURES_LIMIT)) {
      this.#config = null;          // until the server sends another
      this.#stopAsking();
      this.#handlers.cannot(codec);
      return;
    }
    if (unsupported) {
      this.#handlers.failed(`This browser cannot decode this desktop's video (${codec}).`);
      this.#config = null;          // until the server sends another configuration
      this.#stopAsking();
      return;
    }
    if (this.#failures < FAILURES_LIMIT) {
      this.#askForKey();
      return;
    }
    this.#handlers.failed(`The browser's video decoder failed ${this.#failures} times in a row: ${error.message}`);
    this.#stopAsking();
    clearTimeout(this.#retryTimer);
    const again = RETRY_AFTER_FAILURES_MS * 2 ** (this.#failures - FAILURES_LIMIT);
    this.#retryTimer = setTimeout(() => this.#askForKey(), Math.min(LONGEST_RETRY_MS, again));
  }

  #askForKey() {
    if (this.#askTimer)
      return;
    const wait = this.#askedAt + ASK_AGAIN_MS - performance.now();
    if (wait <= 0) {
      this.#askedAt = performance.now();
      this.asked++;
      this.#handlers.needKey();
    }
    this.#askTimer = setTimeout(() => {
      this.#askTimer = 0;
      if (this.#needKey && this.#config)
        this.#askForKey();
    }, wait > 0 ? wait : ASK_AGAIN_MS);
  }

  #stopAsking() {
    clearTimeout(this.#askTimer);
    this.#askTimer = 0;
  }

  #closeDecoder() {
    const decoder = this.#decoder;
    this.#decoder = null;
    this.#inFlight.clear();
    this.#lastTimestamp = -1;
    if (decoder && decoder.state !== 'closed')
      decoder.close();
  }
}
