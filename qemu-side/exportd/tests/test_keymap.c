// SPDX-License-Identifier: GPL-2.0-only
#include "keymap.h"
#include "test.h"

/* Every name, so that a table out of order cannot hide one. */
static const char *const codes[] = {
	"AltLeft", "AltRight", "ArrowDown", "ArrowLeft", "ArrowRight", "ArrowUp",
	"AudioVolumeDown", "AudioVolumeMute", "AudioVolumeUp", "Backquote",
	"Backslash", "Backspace", "BracketLeft", "BracketRight", "BrowserBack",
	"BrowserFavorites", "BrowserForward", "BrowserHome", "BrowserRefresh",
	"BrowserStop", "CapsLock", "Comma", "ContextMenu", "ControlLeft",
	"ControlRight", "Convert", "Delete", "Digit0", "Digit1", "Digit2",
	"Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9",
	"End", "Enter", "Equal", "Escape", "F1", "F2", "F3", "F4", "F5", "F6",
	"F7", "F8", "F9", "F10", "F11", "F12", "Home", "Insert",
	"IntlBackslash", "IntlRo", "IntlYen", "KanaMode", "KeyA", "KeyB",
	"KeyC", "KeyD", "KeyE", "KeyF", "KeyG", "KeyH", "KeyI", "KeyJ", "KeyK",
	"KeyL", "KeyM", "KeyN", "KeyO", "KeyP", "KeyQ", "KeyR", "KeyS", "KeyT",
	"KeyU", "KeyV", "KeyW", "KeyX", "KeyY", "KeyZ", "Lang1", "Lang2",
	"MediaPlayPause",
	"MediaStop", "MediaTrackNext", "MediaTrackPrevious", "MetaLeft",
	"MetaRight", "Minus", "NonConvert", "NumLock", "Numpad0", "Numpad1",
	"Numpad2", "Numpad3", "Numpad4", "Numpad5", "Numpad6", "Numpad7",
	"Numpad8", "Numpad9", "NumpadAdd", "NumpadComma", "NumpadDecimal",
	"NumpadDivide", "NumpadEnter", "NumpadEqual", "NumpadMultiply",
	"NumpadSubtract", "PageDown", "PageUp", "Pause", "Period",
	"PrintScreen", "Quote", "ScrollLock", "Semicolon", "ShiftLeft",
	"ShiftRight", "Slash", "Space", "Tab",
};

static void test_every_name_is_found_once(void **state)
{
	const char *owner[KEYMAP_QNUM_MAX] = { 0 };
	unsigned int qnum;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		qnum = keymap_lookup(codes[i]);
		if (!qnum || qnum >= KEYMAP_QNUM_MAX)
			fail_msg("%s is %u", codes[i], qnum);
		if (owner[qnum])
			fail_msg("%s and %s are both %#x", codes[i],
				 owner[qnum], qnum);
		owner[qnum] = codes[i];
	}
}

static void test_known_numbers(void **state)
{
	(void)state;
	/* first row of set 1 counts up; 0xe0 keys have 0x80 added */
	assert_int_equal(keymap_lookup("Escape"), 1);
	assert_int_equal(keymap_lookup("Digit1"), 2);
	assert_int_equal(keymap_lookup("KeyQ"), 0x10);
	assert_int_equal(keymap_lookup("KeyA"), 0x1e);
	assert_int_equal(keymap_lookup("KeyZ"), 0x2c);
	assert_int_equal(keymap_lookup("Enter"), 0x1c);
	assert_int_equal(keymap_lookup("NumpadEnter"), 0x9c);
	assert_int_equal(keymap_lookup("ControlRight"), 0x9d);
	assert_int_equal(keymap_lookup("ArrowUp"), 0xc8);
	assert_int_equal(keymap_lookup("Delete"), 0xd3);
	assert_int_equal(keymap_lookup("MetaLeft"), 0xdb);
}

static void test_unknown_names(void **state)
{
	(void)state;
	assert_int_equal(keymap_lookup(""), 0);
	assert_int_equal(keymap_lookup("keya"), 0);
	assert_int_equal(keymap_lookup("KeyAA"), 0);
	assert_int_equal(keymap_lookup("Unidentified"), 0);
	assert_int_equal(keymap_lookup("~"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_name_is_found_once),
		cmocka_unit_test(test_known_numbers),
		cmocka_unit_test(test_unknown_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
