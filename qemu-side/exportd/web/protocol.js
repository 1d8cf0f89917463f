// SPDX-License-Identifier: GPL-2.0-only
//
// The wire format between this page and helix-exportd, version 1, and nothing
// else: Documentation/stream-protocol.rst is the contract. Every other module
// deals in the objects made here and never looks at bytes.

const SUBPROTOCOL = 'helix.v1';
const TICKET_PREFIX = 'helix.ticket.';

const VIDEO_HEADER_BYTES = 24;
const CURSOR_HEADER_BYTES = 16;
const TYPE_VIDEO = 1;
const TYPE_CURSOR = 2;
const FLAG_KEY = 1;
const LARGEST_CURSOR = 256;

/** The server closed because the token ran out or was revoked. */
export const CLOSE_TOKEN = 4401;

export const Rung = Object.freeze({ NONE: 'none', THUMB: 'thumb', FULL: 'full' });

/** What a WebSocket is opened with; the ticket is a second subprotocol, for addresses are kept in logs. */
export const subprotocols = (ticket) => (ticket ? [SUBPROTOCOL, TICKET_PREFIX + ticket] : [SUBPROTOCOL]);

/** The address of a WebSocket on the server which served this page. */
function socketUrl(query) {
  const url = new URL('ws', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = query;
  url.hash = '';
  return url.href;
}

/**
 * The address of the stream of one desktop; id is null with a server that numbers them only. codecs
 * are those that can be decoded besides H.264, by the protocol's names; tile: it is shown as one of many.
 */
export function streamUrl({ id, scanout }, rung, tile, codecs) {
  const which = id ? `desktop=${encodeURIComponent(id).replaceAll('%3A', ':')}` : `scanout=${scanout}`;
  return socketUrl(which + (rung === Rung.FULL ? '' : `&rung=${rung}`) + (tile ? '&tile=1' : '')
    + (codecs.length ? `&codecs=h264,${codecs.join(',')}` : ''));
}

/** The address of the list of desktops. */
export const eventsUrl = () => socketUrl('events');

/**
 * One binary message as {kind: 'video'|'cursor', ...}, null for a kind that only a later version
 * knows. Throws a RangeError with the reason when it is broken, so that a broken server shows as
 * such and not as a black picture.
 */
export function parseBinary(buffer) {
  if (!buffer.byteLength)
    throw new RangeError('an empty binary message');
  const view = new DataView(buffer);
  switch (view.getUint8(0)) {
  case TYPE_VIDEO: return parseVideo(buffer, view);
  case TYPE_CURSOR: return parseCursor(buffer, view);
  default: return null;
  }
}

function parseVideo(buffer, view) {
  if (buffer.byteLength <= VIDEO_HEADER_BYTES)
    throw new RangeError(`a video message of ${buffer.byteLength} bytes is shorter than its header`);
  return {
    kind: 'video',
    key: (view.getUint8(1) & FLAG_KEY) !== 0,
    seq: view.getUint32(4, true),
    // Microseconds of a monotonic clock stay below 2^53 for 285 years.
    captureUs: Number(view.getBigUint64(8, true)),
    width: view.getUint32(16, true),
    height: view.getUint32(20, true),
    data: new Uint8Array(buffer, VIDEO_HEADER_BYTES),
  };
}

function parseCursor(buffer, view) {
  if (buffer.byteLength < CURSOR_HEADER_BYTES)
    throw new RangeError(`a cursor message of ${buffer.byteLength} bytes is shorter than its header`);
  const width = view.getUint16(8, true);
  const height = view.getUint16(10, true);
  if (width > LARGEST_CURSOR || height > LARGEST_CURSOR
      || buffer.byteLength !== CURSOR_HEADER_BYTES + width * height * 4)
    throw new RangeError(`a cursor of ${width}×${height} in ${buffer.byteLength} bytes`);
  return {
    kind: 'cursor',
    serial: view.getUint32(4, true),
    width,
    height,
    hotX: view.getInt16(12, true),
    hotY: view.getInt16(14, true),
    pixels: new Uint8ClampedArray(buffer, CURSOR_HEADER_BYTES),
  };
}

export const message = {
  key: (code, down) => ({ type: 'key', code, down }),
  move: (x, y) => ({ type: 'move', x, y }),
  rel: (dx, dy) => ({ type: 'rel', dx, dy }),
  button: (button, down) => ({ type: 'button', button, down }),
  wheel: (dx, dy) => ({ type: 'wheel', dx, dy }),
  touch: (points) => ({ type: 'touch', points }),
  release: () => ({ type: 'release' }),
  keyframe: () => ({ type: 'keyframe' }),
  watch: (rung, tile) => (tile ? { type: 'watch', rung, tile } : { type: 'watch', rung }),
  time: (client) => ({ type: 'time', client }),
  ack: (seq, times) => ({ type: 'ack', seq, ...times }),
  control: (action, viewer) => (viewer === undefined ? { type: 'control', action } : { type: 'control', action, viewer }),
  resize: (width, height, scale) => ({ type: 'resize', width, height, scale }),
  clipboard: (text) => ({ type: 'clipboard', mime: 'text/plain;charset=utf-8', text }),
};
