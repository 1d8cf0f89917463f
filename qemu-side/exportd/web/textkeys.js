// SPDX-License-Identifier: GPL-2.0-only
//
// Text as key strokes of a US keyboard, which is what desktops have unless they
// were set up otherwise. Characters that keyboard lacks are left out.

const PLAIN = {
  '\n': 'Enter', '\t': 'Tab', '\b': 'Backspace', '\x7f': 'Delete', ' ': 'Space',
  '`': 'Backquote', '-': 'Minus', '=': 'Equal', '[': 'BracketLeft', ']': 'BracketRight', '\\': 'Backslash',
  ';': 'Semicolon', "'": 'Quote', ',': 'Comma', '.': 'Period', '/': 'Slash',
};
const SHIFTED = {
  '~': 'Backquote', '_': 'Minus', '+': 'Equal', '{': 'BracketLeft', '}': 'BracketRight', '|': 'Backslash',
  ':': 'Semicolon', '"': 'Quote', '<': 'Comma', '>': 'Period', '?': 'Slash',
};
const SHIFTED_DIGITS = ')!@#$%^&*(';

function strokeFor(character) {
  if (/^[a-z]$/.test(character))
    return { code: `Key${character.toUpperCase()}`, shift: false };
  if (/^[A-Z]$/.test(character))
    return { code: `Key${character}`, shift: true };
  if (/^[0-9]$/.test(character))
    return { code: `Digit${character}`, shift: false };
  if (SHIFTED_DIGITS.includes(character))
    return { code: `Digit${SHIFTED_DIGITS.indexOf(character)}`, shift: true };
  if (character in PLAIN)
    return { code: PLAIN[character], shift: false };
  if (character in SHIFTED)
    return { code: SHIFTED[character], shift: true };
  return null;
}

/** [{code, shift}] for every character that has one. */
export function strokesFor(text) {
  return [...text.replaceAll('\r\n', '\n')].map(strokeFor).filter(Boolean);
}
