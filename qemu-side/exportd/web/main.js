// SPDX-License-Identifier: GPL-2.0-only
//
// Puts the page together: server list, grid, full view, notices. The address's
// fragment (#scanout=3) says which desktop is open, so that reload, bookmarks
// and the Back button work.
//
// For tests and for looking at a running page there is window.helix, read-only:
//   helix.ready      the browser can decode and the server has sent its list
//   helix.answers    the server answers now
//   helix.view       'grid' or the open scanout's number
//   helix.missing    null, or {title, text} of what the browser lacks
//   helix.desktops   [{scanout, name, state, explanation, width, height, encoder,
//                      rate, framesPainted, framesSkipped, framesDecoded,
//                      packetsDropped, decoderErrors, keyframesAsked, canvas}]

import { FullView } from './fullview.js';
import { Grid } from './grid.js';
import { State } from './desktop.js';
import { Server } from './server.js';
import { whatIsMissing } from './support.js';

// A tab in the background is not watched, but not on every glance elsewhere.
const HIDDEN_PAUSE_MS = 10000;

const byId = (id) => document.getElementById(id);
const server = new Server();
const grid = new Grid(byId('grid'));
const full = new FullView(() => { location.hash = ''; });
let missing = null;
let wantedFocus = null;             // the scanout whose tile gets the focus back

Object.defineProperty(window, 'helix', {
  value: Object.freeze({
    get ready() { return !missing && server.known; },
    get answers() { return server.answers; },
    get view() { return full.desktop?.scanout ?? 'grid'; },
    get missing() { return missing; },
    get desktops() { return server.desktops.map((desktop) => desktop.snapshot()); },
  }),
});

function openScanout() {
  const match = /^#scanout=(\d+)$/.exec(location.hash);
  return match ? Number(match[1]) : null;
}

/** Make the view what the address says. */
function route() {
  const scanout = openScanout();
  const tile = scanout === null ? null : grid.tile(scanout);
  if (tile) {
    wantedFocus = scanout;
    full.open(tile);
  } else if (full.desktop) {
    full.close();
    grid.layout();
    grid.tile(wantedFocus)?.link.focus();
  }
  showNotice();
  showSummary();
}

function showSummary() {
  const there = server.desktops.filter((desktop) => desktop.state !== State.GONE);
  const live = there.filter((desktop) => desktop.state === State.LIVE).length;
  const count = `${there.length} ${there.length === 1 ? 'desktop' : 'desktops'}`;
  const summary = server.known && !missing ? `${count}, ${live} live` : '';
  if (byId('summary').textContent !== summary)
    byId('summary').textContent = summary;
  document.title = full.desktop ? `${full.desktop.name} – Helix Lease` : 'Helix Lease';

  const state = missing ? 'off' : server.answers ? 'up' : server.known ? 'down' : 'connecting';
  byId('server').dataset.state = state;
  byId('server-text').textContent =
    { off: 'Off', up: `Connected to ${location.host}`, down: 'Server away', connecting: 'Connecting' }[state];

  const empty = server.known && !missing && !there.length;
  byId('empty').hidden = !empty;
  byId('empty').textContent = empty
    ? 'No desktop is running. As soon as one gets a scanout in the guest (helixctl run), it appears here.' : '';
}

function notice(title, text, canRetry) {
  const element = byId('notice');
  element.hidden = !title;
  byId('notice-title').textContent = title;
  byId('notice-text').textContent = text;
  byId('notice-retry').hidden = !canRetry;
}

function showNotice() {
  if (missing) {
    notice(missing.title, missing.text, false);
  } else if (!server.answers && server.httpAnswers === true) {
    notice('The server answers, but not over WebSocket.',
      `A proxy or an extension between this browser and ${location.host} may block it. Trying again.`, true);
  } else if (!server.answers && server.httpAnswers === false) {
    notice('The server is gone.',
      `Nothing answers at ${location.host}. It may be starting or restarting; this page connects again by itself.`, true);
  } else if (server.known && openScanout() !== null && !grid.tile(openScanout())) {
    notice(`There is no desktop on scanout ${openScanout()}.`, 'It may not have started yet, or it has ended.', false);
  } else {
    notice('', '', false);
  }
}

function refresh() {
  grid.refresh();
  full.refresh();
  showSummary();
}

function pauseWhenHidden() {
  let timer = 0;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden)
      timer = setTimeout(() => grid.pause(true), HIDDEN_PAUSE_MS);
    else
      grid.pause(false);
  });
  // A page that was left may be kept frozen for the Back button, its sockets open
  // and never read: to the server a viewer that hangs.
  window.addEventListener('pagehide', () => {
    grid.pause(true, true);
    server.suspend();
  });
  window.addEventListener('pageshow', (event) => {
    if (!event.persisted)
      return;
    server.resume();
    grid.pause(false);
  });
}

function openHelp() { byId('help').showModal(); }

async function start() {
  byId('help-open-grid').addEventListener('click', openHelp);
  byId('help-open-full').addEventListener('click', openHelp);
  byId('help-close').addEventListener('click', () => byId('help').close());
  byId('notice-retry').addEventListener('click', () => server.retryNow());
  missing = await whatIsMissing();
  if (missing) {
    showSummary();
    showNotice();
    return;
  }
  server.addEventListener('change', () => {
    grid.show(server.desktops);
    document.documentElement.classList.toggle('server-away', !server.answers);
    route();
  });
  window.addEventListener('hashchange', route);
  pauseWhenHidden();
  setInterval(refresh, 1000);
  showSummary();
  server.start();
}

start();
