// SPDX-License-Identifier: GPL-2.0-only
//
// Text as key strokes of a US keyboard, which is what desktops have unless they
// were set up otherwise.

const SHIFT = ['ShiftLeft'];
// What on-screen keyboards put in the place of characters that a keyboard has.
const FOLDED = [
  [/\r\n?/g, '\n'], [/[‘’‚‛]/g, "'"], [/[“”„‟«»]/g, '"'], [/[‐‑‒–—―−]/g, '-'], [/…/g, '...'], [/[\u00a0\u202f]/g, ' '],
];

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
    return { code: `Key${character.toUpperCase()}`, held: [] };
  if (/^[A-Z]$/.test(character))
    return { code: `Key${character}`, held: SHIFT };
  if (/^[0-9]$/.test(character))
    return { code: `Digit${character}`, held: [] };
  if (SHIFTED_DIGITS.includes(character))
    return { code: `Digit${SHIFTED_DIGITS.indexOf(character)}`, held: SHIFT };
  if (character in PLAIN)
    return { code: PLAIN[character], held: [] };
  if (character in SHIFTED)
    return { code: SHIFTED[character], held: SHIFT };
  return null;
}

/** {strokes, missing}: [{code, held}], keys with the modifiers that are held meanwhile, and the characters that have none. */
export function strokesFor(text) {
  const characters = [...FOLDED.reduce((folded, [from, to]) => folded.replace(from, to), text.normalize())];
  return {
    strokes: characters.map(strokeFor).filter(Boolean),
    missing: characters.filter((character) => !strokeFor(character)),
  };
}
