// SPDX-License-Identifier: GPL-2.0-only
//
// What this page needs of a browser, checked once before anything is opened, so
// that the reason is said in words instead of fifteen black pictures.

// Constrained baseline, level 3.1: what every H.264 decoder can do.
const PROBE_CODEC = 'avc1.42E01F';

// What a server may send instead, by the protocol's names: 1280x720 in eight bits.
const OTHERS = { hevc: 'hev1.1.6.L93.90', av1: 'av01.0.08M.08' };
let others = [];

/** Finds out once which codecs besides H.264 can be decoded. */
export async function findCodecs() {
  const names = await Promise.all(Object.entries(OTHERS).map(async ([name, codec]) => {
    try {
      const { supported } = await VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true });
      return supported ? name : '';
    } catch {
      return '';                    // not even known by name
    }
  }));
  others = names.filter(Boolean);
}

/** Those that were found. */
export const otherCodecs = () => others;

/** One that was claimed and does not work after all, by its codec string. */
export function forgetCodec(codec) {
  others = others.filter((name) => OTHERS[name].slice(0, 4) !== codec.slice(0, 4));
}

/** Null when all is there, else {title, text} to show instead of the desktops. */
export async function whatIsMissing() {
  if (!window.isSecureContext)
    return {
      title: 'Video decoding is off on this address.',
      text: `Browsers decode video for a page only over HTTPS or from this machine itself. `
        + `Open the page as https://, or as http://localhost:${location.port || 80}/ through a tunnel.`,
    };
  if (!('VideoDecoder' in window))
    return {
      title: 'This browser cannot show the desktops.',
      text: 'It has no WebCodecs video decoder. A current Chromium, Chrome, Edge, Safari or Firefox has one.',
    };
  try {
    const { supported } = await VideoDecoder.isConfigSupported({ codec: PROBE_CODEC, optimizeForLatency: true });
    if (supported)
      return null;
  } catch (error) {
    console.warn(`helix: asking for ${PROBE_CODEC}: ${error.message}`);
  }
  return {
    title: 'This browser cannot decode H.264.',
    text: 'It was built without that decoder, or it is turned off. Another browser, or another build of this one, will work.',
  };
}
