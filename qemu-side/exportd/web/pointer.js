// SPDX-License-Identifier: GPL-2.0-only
//
// The open desktop's pointer, drawn here and not in its picture, so that it moves
// with the hand. As the browser's own cursor where that can be: it is never late.
// As a canvas above the picture where it cannot: while the pointer is locked,
// where only touch moves it, if the shape is larger than browsers take, and for
// who watches while somebody else moves it.

// Browsers ignore larger ones, or draw none near the edge of the window.
const LARGEST_CSS_PX = 128;
const SHOWN_AFTER_WARP_MS = 2000;

const byId = (id) => document.getElementById(id);

export class Pointer {
  #stage = byId('stage');
  #overlay = byId('pointer');
  #desktop = null;
  #url = '';
  #made = 0;                        // counts shapes, for what is made in the background
  #at = null;                       // in pixels of the desktop
  #may;
  #ours = true;
  #warpTimer = 0;
  #onCursor = () => this.#shape();
  #onMessage = (event) => this.#heard(event.detail);

  /** may(): does our mouse move the desktop's pointer? */
  constructor(may) {
    this.#may = may;
    new ResizeObserver(() => this.#shape()).observe(this.#stage);
    document.addEventListener('pointerlockchange', () => this.#shape());
  }

  attach(desktop) {
    this.#desktop = desktop;
    this.#at = null;
    desktop.addEventListener('cursor', this.#onCursor);
    desktop.addEventListener('message', this.#onMessage);
    this.#shape();
  }

  detach() {
    this.#desktop.removeEventListener('cursor', this.#onCursor);
    this.#desktop.removeEventListener('message', this.#onMessage);
    this.#desktop = null;
    this.#made++;
    this.#clear();
  }

  /** A finger is here: nothing else shows where the desktop's pointer went. */
  movedByTouch(point) {
    this.#at = point;
    this.#place(true);
  }

  refresh() {
    if (this.#desktop && this.#may() !== this.#ours)
      this.#shape();
  }

  get #scale() {
    return Math.min(this.#stage.clientWidth / this.#desktop.width, this.#stage.clientHeight / this.#desktop.height);
  }

  async #shape() {
    const cursor = this.#desktop?.cursor;
    const made = ++this.#made;
    if (!cursor) {
      this.#clear();
      return;
    }
    this.#ours = this.#may();
    const { width, height } = cursor;
    const hidden = !width || !height;
    this.#stage.dataset.cursor = hidden ? 'hidden' : 'shape';
    this.#overlay.hidden = true;
    if (hidden) {
      this.#use('');
      return;
    }
    this.#overlay.width = width;
    this.#overlay.height = height;
    this.#overlay.getContext('2d').putImageData(new ImageData(cursor.pixels, width, height), 0, 0);
    const scale = this.#scale;
    const shownWidth = Math.max(1, Math.round(width * scale));
    const shownHeight = Math.max(1, Math.round(height * scale));
    const locked = document.pointerLockElement === this.#stage;
    if (!this.#ours || locked || shownWidth > LARGEST_CSS_PX || shownHeight > LARGEST_CSS_PX) {
      this.#stage.dataset.cursor = this.#ours ? 'overlay' : 'watching';
      this.#use('');
      this.#place(locked || !this.#ours);
      return;
    }
    const scaled = document.createElement('canvas');
    scaled.width = shownWidth;
    scaled.height = shownHeight;
    const context = scaled.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#overlay, 0, 0, shownWidth, shownHeight);
    const blob = await new Promise((resolve) => { scaled.toBlob(resolve); });
    if (made !== this.#made || !blob)
      return;                       // a newer shape came meanwhile
    const spot = (hot, size, limit) => Math.max(0, Math.min(limit - 1, Math.round(hot * limit / size)));
    this.#use(URL.createObjectURL(blob), spot(cursor.hotX, width, shownWidth), spot(cursor.hotY, height, shownHeight));
  }

  /** There is none, or it is in the picture. */
  #clear() {
    clearTimeout(this.#warpTimer);
    this.#use('');
    this.#overlay.hidden = true;
    delete this.#stage.dataset.cursor;
  }

  #use(url, hotX, hotY) {
    if (this.#url)
      URL.revokeObjectURL(this.#url);
    this.#url = url;
    this.#stage.style.cursor = url ? `url("${url}") ${hotX} ${hotY}, default` : '';
  }

  #heard({ type, x, y }) {
    if (type !== 'pointer' || !this.#desktop.cursor)
      return;
    this.#at = { x, y };
    this.#place(true);
  }

  /** Where the desktop says that its pointer is, if the hand's own does not show it. */
  #place(show) {
    const { cursor } = this.#desktop;
    clearTimeout(this.#warpTimer);
    this.#overlay.hidden = !show || !this.#at || !cursor?.width;
    if (this.#overlay.hidden)
      return;
    const scale = this.#scale;
    const left = (this.#stage.clientWidth - this.#desktop.width * scale) / 2 + (this.#at.x - cursor.hotX) * scale;
    const top = (this.#stage.clientHeight - this.#desktop.height * scale) / 2 + (this.#at.y - cursor.hotY) * scale;
    this.#overlay.style.width = `${cursor.width * scale}px`;
    this.#overlay.style.height = `${cursor.height * scale}px`;
    this.#overlay.style.transform = `translate(${left}px, ${top}px)`;
    if (this.#ours && document.pointerLockElement !== this.#stage)
      this.#warpTimer = setTimeout(() => { this.#overlay.hidden = true; }, SHOWN_AFTER_WARP_MS);
  }
}
