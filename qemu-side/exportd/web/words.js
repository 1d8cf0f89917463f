// SPDX-License-Identifier: GPL-2.0-only
//
// What is said when something does not work: a title that says what is the
// matter and a text that says what to do. Everything that a server or a browser
// can refuse is told in the words that are here.

const MOST_CHARACTERS = 12;         // that are named one by one

/** The server refused over HTTP; code is its own word for the reason, if it gave one. */
export function refusal(status, code, hadToken) {
  if (status === 401 && !hadToken)
    return {
      title: 'This server asks for a token.',
      text: 'Open the whole link that you were given; it ends in #token=… . Whoever runs the server can make you one.',
    };
  if (status === 401)
    return {
      expired: { title: 'Your link has expired.', text: 'Ask whoever gave it to you for a new one, and open that.' },
      revoked: { title: 'Your link was withdrawn.', text: 'If you still need the desktop, ask for a new link.' },
      used: { title: 'Your link worked only once.', text: 'It has been used already. Ask for a new one.' },
      'not-yet': { title: 'Your link is not valid yet.', text: 'Try again when its time has come.' },
    }[code] ?? {
      title: 'The server does not accept your link.',
      text: 'It may be cut off, or made for another server. Open the whole link again, or ask for a new one.',
    };
  if (status === 403)
    return {
      title: 'You may not do that here.',
      text: 'Your link does not allow it, or the page was opened under an address that the server does not go by.',
    };
  if (status === 429)
    return {
      connections: {
        title: 'Too many connections come from this address.',
        text: 'Close other pages like this one, here or on computers beside yours. This page tries again in a minute.',
      },
      tickets: {
        title: 'Your link is being opened too often at once.',
        text: 'Somebody else may have it, too. This page tries again in a minute.',
      },
    }[code] ?? {
      title: 'Too many wrong tokens came from this address.',
      text: 'The server takes none for a minute. This page tries again by itself after that.',
    };
  return { title: 'The server answers with an error.', text: `It said ${status}. This page tries again by itself.` };
}

/** What an error message on a desktop's stream means to who looks at it; '' when there is nothing to say. */
export function streamError({ code, message }) {
  return {
    'not-controller': 'Somebody else controls this desktop, so that did nothing.',
    'no-relative': 'This desktop does not take relative movement; the pointer is free again.',
    'no-touch': 'This desktop does not take touch.',
    'no-resize': 'The size of this desktop cannot be changed.',
    'no-clipboard': 'This desktop does not share its clipboard.',
    'large-clipboard': 'What was copied in the desktop is more than 256 KiB; it was not sent.',
    busy: 'As many people watch as the server takes, or as one link may bring. Trying again.',
    'no-desktop': 'The server has no such desktop for you. Trying again.',
    'view-only': 'Your link lets you watch this desktop, not use it.',
    'encoder-changed': 'The GPU or the encoder of the server failed; it goes on in another way.',
    encoder: 'The server could not encode this desktop; it tries again every second.',
  }[code] ?? (message ? `The server says: ${message}` : '');
}

/** Of what was typed, the characters that no key makes. */
export function notTyped(characters, clipboard) {
  const each = [...new Set(characters)];
  const named = each.slice(0, MOST_CHARACTERS).join(' ') + (each.length > MOST_CHARACTERS ? ' and others' : '');
  return `Not typed, for a US keyboard has no such keys: ${named}${clipboard ? '. The clipboard takes them.' : '.'}`;
}

/** What came of asking for a size; '' when there is nothing to say: a later wish is answered itself. */
export function resizeAnswer(status) {
  return ['ok', 'superseded'].includes(status) ? ''
    : status === 'failed' ? 'The desktop could not be told that size.' : `The desktop kept its size (${status}).`;
}

/** Of a desktop that was told a size and shows another. */
export const keptSize = ({ width, height }) =>
  `The desktop was told the size of this window and still has ${width}×${height}: its compositor may not follow.`;

/** Why the clipboard of a desktop is not shared with who looks at it; '' if it is. */
export function whyNoClipboard(shared, control) {
  if (!shared)
    return 'This desktop does not share its clipboard. A virtual machine has one, which its operator can give to one of its desktops.';
  return control === 'view' ? 'Your link lets you watch this desktop; only who may use it shares its clipboard.' : '';
}

/** What a clipboard call of the browser failed with. */
export function clipboardFailure(error, reading) {
  if (!navigator.clipboard)
    return 'This browser gives pages no clipboard. Use the box instead.';
  if (error?.name === 'NotAllowedError')
    return reading
      ? 'The browser did not let this page read your clipboard. Allow it in the address bar, or paste into the box.'
      : 'The browser did not let this page write your clipboard. Allow it in the address bar, or copy from the box.';
  return `The clipboard could not be ${reading ? 'read' : 'written'}: ${error?.message ?? 'no reason given'}.`;
}
