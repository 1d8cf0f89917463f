// SPDX-License-Identifier: GPL-2.0-only
//
// What the user chose, kept for the next visit. A browser that is told to keep
// nothing throws at the very mention of its storage: then a choice lasts as long
// as the page does.

/** What was kept under this name, or null. */
export function setting(name) {
  try {
    return localStorage.getItem(`helix.${name}`);
  } catch {
    return null;
  }
}

export function keepSetting(name, value) {
  try {
    localStorage.setItem(`helix.${name}`, value);
  } catch {
    // Storage is turned off.
  }
}
