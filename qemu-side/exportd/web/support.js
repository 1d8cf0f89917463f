// SPDX-License-Identifier: GPL-2.0-only
//
// What this page needs of a browser, checked once before anything is opened, so
// that the reason is said in words instead of fifteen black pictures.

// Constrained baseline, level 3.1: what every H.264 decoder can do.
const PROBE_CODEC = 'avc1.42E01F';

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
