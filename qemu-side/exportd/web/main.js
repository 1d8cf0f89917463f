// SPDX-License-Identifier: GPL-2.0-only
//
// Puts the page together: streams, server list, grid, full view, notices. The
// address's fragment (#desktop=vm:3, or #scanout=3) says which desktop is open,
// so that reload, bookmarks and the Back button work.
//
// For tests and for looking at a running page there is window.helix, read-only:
//   helix.ready      the browser can decode and the server has sent its list
//   helix.answers    the server answers now
//   helix.view       'grid' or the open scanout's number
//   helix.missing    null, or {title, text} of what the browser lacks
//   helix.refused    null, or {title, text} of why the server does not let us in
//   helix.streams    where they run: 'worker' or 'page'
//   helix.desktops   of each desktop what Desktop.snapshot() says

import { answerOtherTabs, takeToken } from './access.js';
import { Announcer } from './announcer.js';
import { State } from './desktop.js';
import { FullView } from './fullview.js';
import { Grid } from './grid.js';
import { Server } from './server.js';
import { Streams } from './streams.js';
import { findCodecs, whatIsMissing } from './support.js';

// A tab in the background is not watched, but not on every glance elsewhere.
const HIDDEN_PAUSE_MS = 10000;

const byId = (id) => document.getElementById(id);
// Before anything else looks at the address.
takeToken();
const streams = new Streams();
const server = new Server();
const grid = new Grid(byId('grid'));
const full = new FullView(() => { location.hash = ''; });
const announcer = new Announcer(byId('announcer'));
let missing = null;
let wantedFocus = null;             // the key of the desktop whose tile gets the focus back

Object.defineProperty(window, 'helix', {
  value: Object.freeze({
    get ready() { return !missing && server.known; },
    get answers() { return server.answers; },
    get view() { return full.desktop?.scanout ?? 'grid'; },
    get missing() { return missing; },
    get refused() { return server.refused; },
    get streams() { return streams.where; },
    get desktops() { return server.desktops.map((desktop) => desktop.snapshot()); },
  }),
});

/** What an address asks for: {words, key}; key is null while there is no such desktop; null for the grid. */
function asked(hash = location.hash) {
  const [, kind, which] = /^#(desktop|scanout)=([\w:-]+)$/.exec(hash) ?? [];
  if (!kind)
    return null;
  const desktop = kind === 'desktop' ? server.get(which)
    : server.desktops.find(({ scanout }) => String(scanout) === which);
  return { words: kind === 'desktop' ? which : `scanout ${which}`, key: desktop?.key ?? null };
}

/** Make the view what the address says. */
function route() {
  const key = asked()?.key ?? null;
  const tile = key === null ? null : grid.tile(key);
  if (tile) {
    wantedFocus = key;
    full.open(tile);
    grid.layout();
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
  const summary = server.known && !missing && !server.refused ? `${count}, ${live} live` : '';
  if (byId('summary').textContent !== summary)
    byId('summary').textContent = summary;
  document.title = full.desktop ? `${full.desktop.name} – Helix Lease` : 'Helix Lease';

  const state = missing ? 'off' : server.refused ? 'refused' : server.answers ? 'up'
    : server.known ? 'down' : 'connecting';
  byId('server').dataset.state = state;
  byId('server-text').textContent = {
    off: 'Not connected', refused: 'Not let in', up: `Connected to ${location.host}`, down: 'Server away', connecting: 'Connecting',
  }[state];

  const empty = server.known && server.answers && !missing && !there.length;
  byId('empty').hidden = !empty;
  byId('empty').textContent = empty
    ? 'No desktop is running. As soon as one gets a scanout in the guest (helixctl run), it appears here.' : '';
}

function notice(title, text, canRetry) {
  const element = byId('notice');
  element.hidden = !title;
  byId('notice-retry').hidden = !canRetry;
  // An alert is read out when it changes, so only when it does.
  if (byId('notice-title').textContent !== title)
    byId('notice-title').textContent = title;
  if (byId('notice-text').textContent !== text)
    byId('notice-text').textContent = text;
}

function showNotice() {
  const wanted = asked();
  // With no desktop to show, what is wrong is all that there is to say.
  document.documentElement.classList.toggle('bare', Boolean(missing || server.refused) && !server.desktops.length);
  if (missing) {
    notice(missing.title, missing.text, false);
  } else if (server.refused) {
    notice(server.refused.title, server.refused.text, true);
  } else if (!server.answers && server.httpAnswers === true) {
    notice('The server answers, but not over WebSocket.',
      `A proxy or an extension between this browser and ${location.host} may block it, `
      + 'or the server has as many viewers as it takes. Trying again.', true);
  } else if (!server.answers && server.httpAnswers === false) {
    notice('The server is gone.',
      `Nothing answers at ${location.host}. It may be starting or restarting; this page connects again by itself.`, true);
  } else if (server.known && server.answers && wanted && wanted.key === null) {
    notice(`There is no desktop on ${wanted.words}.`,
      'It may not have started yet, or it has ended, or your link is for another one.', false);
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
  const look = () => {
    clearTimeout(timer);
    if (document.hidden)
      timer = setTimeout(() => grid.pause(true), HIDDEN_PAUSE_MS);
    else
      grid.pause(false);
  };
  document.addEventListener('visibilitychange', look);
  // A page may begin in the background, and nothing says so.
  look();
  // A page that was left may be kept frozen for the Back button, its sockets open
  // and never read: to the server a viewer that hangs.
  window.addEventListener('pagehide', () => {
    grid.pause(true, true);
    server.suspend();
    streams.end();
  });
  // Its canvases went with the worker, so it begins anew; the address says where it was.
  window.addEventListener('pageshow', (event) => {
    if (event.persisted)
      location.reload();
  });
}

/** Whether this page is let in, and shows what is at that address. */
function shows(hash) {
  const wanted = asked(hash);
  const there = !wanted || (wanted.key !== null && server.get(wanted.key).state !== State.GONE);
  return server.answers && there;
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
  await Promise.all([streams.settle(), findCodecs()]);
  server.addEventListener('change', () => {
    grid.show(server.desktops);
    document.documentElement.classList.toggle('server-away', !server.answers);
    for (const desktop of server.desktops)
      watchState(desktop);
    route();
  });
  window.addEventListener('hashchange', () => {
    // A link with a token that is opened in this very tab.
    if (takeToken())
      server.begin();
    route();
  });
  pauseWhenHidden();
  answerOtherTabs(shows);
  setInterval(refresh, 1000);
  showSummary();
  server.start(streams);
}

const watched = new WeakSet();
function watchState(desktop) {
  if (watched.has(desktop))
    return;
  watched.add(desktop);
  desktop.addEventListener('change', () => announcer.look(() => server.desktops));
}

start();
