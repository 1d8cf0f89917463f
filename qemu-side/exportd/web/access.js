// SPDX-License-Identifier: GPL-2.0-only
//
// The token by which this page was let in. It comes in the address's fragment,
// which no browser sends to a server; it is taken out of the address bar at once,
// so that it is not in a bookmark or over a shoulder, and kept for this tab only.
// A tab without one, as of a tile's link that was opened with Ctrl, asks the other
// tabs; the browser carries question and answer between pages of one origin only.

const KEY = 'helix.token';
const OTHER_TABS_DEADLINE_MS = 400;
const TICKET_DEADLINE_MS = 8000;
const SHAPE = /^[A-Za-z0-9_.-]{1,4096}$/;

/** With these a server says who is not let in; anything else is an accident. */
export const REFUSALS = [401, 403, 429];

let kept = null;                    // where there is no storage, as long as the page lives

/** Takes a token out of the address, if there is one; says whether there was. */
export function takeToken() {
  const parts = location.hash.slice(1).split('&');
  const found = parts.find((part) => part.startsWith('token='));
  if (found === undefined)
    return false;
  const rest = parts.filter((part) => part !== found).join('&');
  history.replaceState(history.state, '', `${location.pathname}${location.search}${rest && `#${rest}`}`);
  keepToken(found.slice('token='.length));
  return true;
}

/** From now on this one; a server gives a lasting one for a link that opens only once. */
export function keepToken(text) {
  kept = SHAPE.test(text) ? text : null;
  try {
    if (kept)
      sessionStorage.setItem(KEY, kept);
    else
      sessionStorage.removeItem(KEY);
  } catch {
    // Storage is turned off: a reload will ask for the link again.
  }
}

export function token() {
  try {
    return kept ?? sessionStorage.getItem(KEY);
  } catch {
    return kept;
  }
}

/** The channel between the tabs of this origin; null where there is none. */
function openChannel() {
  try {
    return new BroadcastChannel(KEY);
  } catch {
    return null;                    // it is turned off with the storage
  }
}

/** Asks the other tabs for a token that is good for what this one's address shows; null if none says one soon. */
export function askOtherTabs() {
  const channel = openChannel();
  if (!channel)
    return null;
  return new Promise((resolve) => {
    const id = crypto.randomUUID();
    const end = (text) => {
      clearTimeout(timer);
      channel.close();
      resolve(text);
    };
    const timer = setTimeout(() => end(null), OTHER_TABS_DEADLINE_MS);
    channel.onmessage = ({ data }) => {
      if (data.to === id)
        end(data.token);
    };
    channel.postMessage({ from: id, hash: location.hash });
  });
}

/** Answers them from now on; shows(hash) says whether this page is let in now, and to what that address shows. */
export function answerOtherTabs(shows) {
  const channel = openChannel();
  if (!channel)
    return;
  channel.onmessage = ({ data }) => {
    if (data.from && token() && shows(data.hash))
      channel.postMessage({ to: data.from, token: token() });
  };
}

/** fetch() of the server's API with the token, never from a cache. */
export function ask(path, options = {}) {
  const bearer = token();
  return fetch(path, {
    cache: 'no-store', ...options, headers: bearer ? { Authorization: `Bearer ${bearer}` } : {},
  });
}

export class Refused extends Error {
  constructor(status, code) {
    super(`refused with ${status} ${code}`);
    this.status = status;
    this.code = code;
  }
}

/**
 * What opens one WebSocket, for who has a token: no browser lets a page set a header on a
 * WebSocket. Throws Refused when the server does not let us in. Works in a worker as well, which
 * has no storage: it is given the token.
 */
export async function ticketFor(bearer, url) {
  const response = await fetch(url, {
    method: 'POST', cache: 'no-store', headers: { Authorization: `Bearer ${bearer}` },
    signal: AbortSignal.timeout(TICKET_DEADLINE_MS),
  });
  if (!response.ok)
    throw new Refused(response.status, await reasonOf(response));
  return response.json();
}

/** What a Connection needs to get its tickets; null where there is no token. */
export function access() {
  const bearer = token();
  return bearer && { token: bearer, ticketUrl: new URL('api/ticket', location.href).href };
}

/** The server's word for why it refused, out of its JSON answer or of WWW-Authenticate; '' if none. */
export async function reasonOf(response) {
  try {
    const { error } = await response.json();
    if (typeof error?.code === 'string')
      return error.code;
  } catch {
    // Not JSON.
  }
  return /error_description="([^"]*)"/.exec(response.headers.get('WWW-Authenticate') ?? '')?.[1] ?? '';
}
