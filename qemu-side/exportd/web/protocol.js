// SPDX-License-Identifier: GPL-2.0-only
//
// The wire format between this page and helix-exportd, version 1, and nothing
// else: Documentation/stream-protocol.rst is the contract. Every other module
// deals in the objects made here and never looks at bytes.

export const SUBPROTOCOL = 'helix.v1';

const HEADER_BYTES = 24;
const TYPE_VIDEO = 1;
const FLAG_KEY = 1;

/** The address of a WebSocket on the server which served this page. */
export function socketUrl(query) {
  const url = new URL('ws', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = query;
  url.hash = '';
  return url.href;
}

/** The address of the stream of one scanout. */
export const streamUrl = (scanout) => socketUrl(`scanout=${scanout}`);

/** The address of the list of desktops. */
export const eventsUrl = () => socketUrl('events');

/**
 * One binary message as a packet; throws a RangeError with the reason when it
 * is not one, so that a broken server shows as such and not as a black picture.
 */
export function parsePacket(buffer) {
  if (buffer.byteLength <= HEADER_BYTES)
    throw new RangeError(`video message of ${buffer.byteLength} bytes is shorter than its header`);
  const view = new DataView(buffer);
  const type = view.getUint8(0);
  if (type !== TYPE_VIDEO)
    return null;                    // a later version's message: not ours to judge
  return {
    key: (view.getUint8(1) & FLAG_KEY) !== 0,
    seq: view.getUint32(4, true),
    // Microseconds of a monotonic clock stay below 2^53 for 285 years.
    captureUs: Number(view.getBigUint64(8, true)),
    width: view.getUint32(16, true),
    height: view.getUint32(20, true),
    data: new Uint8Array(buffer, HEADER_BYTES),
  };
}

export const message = {
  key: (code, down) => ({ type: 'key', code, down }),
  move: (x, y) => ({ type: 'move', x, y }),
  button: (button, down) => ({ type: 'button', button, down }),
  wheel: (dx, dy) => ({ type: 'wheel', dx, dy }),
  release: () => ({ type: 'release' }),
  keyframe: () => ({ type: 'keyframe' }),
  ack: (seq) => ({ type: 'ack', seq }),
};
