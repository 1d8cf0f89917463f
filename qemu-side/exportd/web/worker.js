// SPDX-License-Identifier: GPL-2.0-only
//
// The thread in which every stream of the page is received, decoded and painted,
// so that neither the page's layout delays a picture nor a picture a key. Knows
// nothing but how to pass calls in and events out; see streams.js for the other
// end and stream.js for what is passed.

import { StreamSet } from './streamset.js';

const canWork = 'VideoDecoder' in self && 'OffscreenCanvas' in self && 'requestAnimationFrame' in self;
const set = new StreamSet((events, transfer) => postMessage(events, transfer));

self.onmessage = ({ data }) => {
  if (data.open)
    set.open(data.id, data.canvas);
  else
    set.call(data.id, data.method, data.args);
};

postMessage({ hello: canWork });
