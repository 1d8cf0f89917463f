// SPDX-License-Identifier: GPL-2.0-only
/* What the broker writes the library reads back, and nothing else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "unit.h"

#include "codec.h"
#include "error.h"
#include "numbers.h"
#include "wire.h"

static const struct hl_scanout sample = {
	.scanout = 3, .state = HELIX_LEASE_STATE_QUARANTINED, .generation = UINT64_MAX,
	.width = 1920, .height = 1080, .refresh_mhz = 59940, .wait_for = HELIX_LEASE_WAIT_COMMIT,
	.wait_ms = UINT32_MAX, .opens = 2, .owner_pid = 77, .owner_uid = 1000,
	.owner_cgroup = UINT64_MAX - 1, .state_ms = 5, .grants = 6, .denials = 7,
	.connector_id = 33, .crtc_id = 44, .primary_plane_id = 55, .cursor_plane_id = 66,
	.gpu = 0x1f << 8 | 0x1f << 3 | 7, .output = 3, .dev_major = 240, .dev_minor = 3,
	.label = "a \"label\"\\", .node = "/dev/helix/scanout3", .priority = 255,
	.stalled_ms = UINT32_MAX - 1, .stalls = UINT64_MAX - 2, .quarantines = UINT64_MAX - 3,
	.lease_ms = UINT64_MAX - 4, .wait_name = "virtio_gpu \"control\" 77", .cgroup_alone = 1,
	.hidden = 1,
};

static void a_scanout_survives_the_way_through_json(void **state)
{
	json_object *obj = hl_scanout_to_json(&sample);
	const char *text = json_object_to_json_string(obj);
	struct hl_scanout got = { 0 };
	json_object *back;

	(void)state;
	assert_int_equal(hl_json_parse(text, strlen(text), &back, NULL), 0);
	assert_int_equal(hl_scanout_from_json(back, &got, NULL), 0);
	assert_memory_equal(&got, &sample, sizeof(got));
	json_object_put(back);
	json_object_put(obj);
}

static void a_page_of_the_longest_scanouts_fits_into_a_reply(void **state)
{
	struct hl_scanout longest;
	json_object *obj;

	(void)state;
	memset(&longest, 0xff, sizeof(longest));
	longest.state = HELIX_LEASE_STATE_QUARANTINED;
	longest.wait_for = HELIX_LEASE_WAIT_HOTPLUG;
	/* What JSON makes the most of, of what hl_label_clean() lets pass. */
	memset(longest.label, '"', sizeof(longest.label) - 1);
	longest.label[sizeof(longest.label) - 1] = '\0';
	memset(longest.wait_name, '"', sizeof(longest.wait_name) - 1);
	longest.wait_name[sizeof(longest.wait_name) - 1] = '\0';
	hl_node_name(UINT32_MAX, longest.node);
	obj = hl_scanout_to_json(&longest);
	assert_in_range(strlen(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN)), 900,
			(HL_WIRE_REPLY_MAX - 100) / HL_WIRE_LIST_PAGE - 1);
	json_object_put(obj);
}

static void a_hidden_scanout_keeps_its_hardware_and_its_state(void **state)
{
	struct hl_scanout scanout = sample;

	(void)state;
	scanout.hidden = 0;
	hl_scanout_hide(&scanout);
	assert_int_equal(scanout.cgroup_alone, 0);
	assert_int_equal(scanout.hidden, 1);
	assert_int_equal(scanout.scanout, sample.scanout);
	assert_int_equal(scanout.state, sample.state);
	assert_int_equal(scanout.wait_for, sample.wait_for);
	assert_int_equal(scanout.gpu, sample.gpu);
	assert_string_equal(scanout.node, sample.node);
	assert_string_equal(scanout.label, "");
	assert_string_equal(scanout.wait_name, "");
	assert_int_equal(scanout.owner_uid, UINT32_MAX);
	assert_int_equal(scanout.generation, 0);
	assert_int_equal(scanout.lease_ms, 0);
}

static void a_policy_survives_the_way_through_json(void **state)
{
	const struct hl_policy policy = { .who = HELIX_LEASE_WHO_GROUP, .gid = 44, .max_per_uid = 3,
					  .max_per_cgroup = 2, .grace_ms = 600000 };
	struct hl_policy got = { .mask = 7 };
	json_object *obj = hl_policy_to_json(&policy);

	(void)state;
	assert_string_equal(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
			    "{\"who\":\"group\",\"gid\":44,\"max_per_uid\":3,"
			    "\"max_per_cgroup\":2,\"grace_ms\":600000}");
	assert_int_equal(hl_policy_from_json(obj, &got, NULL), 0);
	assert_memory_equal(&got, &policy, sizeof(got));
	json_object_put(obj);
}

static void a_state_of_the_future_is_unknown_not_an_error(void **state)
{
	json_object *obj = hl_scanout_to_json(&sample);
	struct hl_scanout got = { 0 };

	(void)state;
	json_object_object_add(obj, "state", json_object_new_string("levitating"));
	json_object_object_add(obj, "colour", json_object_new_string("new member"));
	assert_int_equal(hl_scanout_from_json(obj, &got, NULL), 0);
	assert_string_equal(hl_state_name(got.state), "unknown");
	json_object_put(obj);
}

static void a_member_that_lacks_or_lies_is_named(void **state)
{
	static const char *const names[] = { "scanout", "generation", "state", "label", "gpu" };
	struct hl_scanout got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_object *obj = hl_scanout_to_json(&sample);
		struct hl_error err = { 0 };

		json_object_object_add(obj, names[i], json_object_new_boolean(1));
		assert_int_equal(hl_scanout_from_json(obj, &got, &err), -EPROTO);
		assert_non_null(strstr(err.message, names[i]));
		json_object_object_del(obj, names[i]);
		assert_int_equal(hl_scanout_from_json(obj, &got, &err), -EPROTO);
		assert_non_null(strstr(err.message, "is missing"));
		json_object_put(obj);
	}
}

static void a_text_that_does_not_fit_is_refused(void **state)
{
	json_object *obj = hl_scanout_to_json(&sample);
	char label[200];
	struct hl_scanout got;

	(void)state;
	memset(label, 'x', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	json_object_object_add(obj, "label", json_object_new_string(label));
	assert_int_equal(hl_scanout_from_json(obj, &got, NULL), -EPROTO);
	json_object_put(obj);
}

static void errors_keep_code_and_message(void **state)
{
	struct hl_error err, got = { 0 };
	json_object *obj;

	(void)state;
	hl_error_set(&err, EHOSTDOWN, "acquire: the host \"daemon\"");
	obj = hl_error_to_json(&err);
	assert_int_equal(hl_error_from_json(obj, &got), -EHOSTDOWN);
	assert_string_equal(got.message, err.message);
	json_object_put(obj);
	assert_int_equal(hl_error_from_json(NULL, &got), -EPROTO);
}

static void context_goes_in_front_and_never_overflows(void **state)
{
	struct hl_error err;
	char text[600];

	(void)state;
	hl_error_set(&err, ENOENT, "no such thing");
	assert_int_equal(hl_error_wrap(&err, -ENOENT, "reading %s", "a file"), -ENOENT);
	assert_string_equal(err.message, "reading a file: no such thing");
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	hl_error_wrap(&err, -ENOENT, "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
	assert_int_equal(hl_error_set(NULL, EIO, "to nobody"), -EIO);
}

static void labels_of_others_cannot_speak_to_the_terminal(void **state)
{
	char esc[] = "a\x1b[2Jb", cut[] = "\xc3", c1[] = "\xc2\x9b", good[] = "\xc3\xa4\xe2\x82\xac";

	(void)state;
	hl_label_clean(esc);
	assert_string_equal(esc, "a?[2Jb");
	hl_label_clean(cut);
	assert_string_equal(cut, "?");
	hl_label_clean(c1);
	assert_string_equal(c1, "??");
	hl_label_clean(good);
	assert_string_equal(good, "\xc3\xa4\xe2\x82\xac");
}

static void malformed_utf8_is_no_label(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xe2\x82", "\x7f", "\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(hl_label_check(bad[i], NULL), -EINVAL);
	assert_int_equal(hl_label_check("\xf0\x9f\x96\xa5", NULL), 0);
}

static void numbers_are_whole_or_refused(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1.5", "11",
					   "18446744073709551616" };
	uint32_t out = 99;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(hl_parse_u32("n", bad[i], 0, 10, &out, NULL), -EINVAL);
	assert_int_equal(out, 99);
	assert_int_equal(hl_parse_u32("n", "10", 0, 10, &out, NULL), 0);
	assert_int_equal(out, 10);
}

static void a_refresh_rate_has_three_decimals(void **state)
{
	static const char *const bad[] = { "", ".", "60.", "60.1234", "0.999", "1000.001", "-60",
					   "60Hz", "1e3", "99999999999" };
	uint32_t out;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(hl_parse_milli("r", bad[i], 1000, 1000000, &out, NULL), -EINVAL);
	assert_int_equal(hl_parse_milli("r", "59.94", 1000, 1000000, &out, NULL), 0);
	assert_int_equal(out, 59940);
	assert_int_equal(hl_parse_milli("r", "60", 1000, 1000000, &out, NULL), 0);
	assert_int_equal(out, 60000);
}

static void a_size_is_two_numbers_and_an_x(void **state)
{
	static const char *const bad[] = { "", "x", "1280", "1280x", "x720", "1280x720x", "1280X720",
					   "0x720", "1280x0", "16385x1", "1x16385", "-1x1",
					   "1280 x 720", "99999999999999999999x1" };
	uint32_t w, h;
	struct hl_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(hl_parse_size("--size", bad[i], &w, &h, &err), -EINVAL);
	assert_int_equal(hl_parse_size("--size", "1280x720", &w, &h, &err), 0);
	assert_int_equal(w, 1280);
	assert_int_equal(h, 720);
	assert_int_equal(hl_parse_size("--size", "16384x1", &w, &h, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scanout_survives_the_way_through_json),
		cmocka_unit_test(a_page_of_the_longest_scanouts_fits_into_a_reply),
		cmocka_unit_test(a_hidden_scanout_keeps_its_hardware_and_its_state),
		cmocka_unit_test(a_policy_survives_the_way_through_json),
		cmocka_unit_test(a_state_of_the_future_is_unknown_not_an_error),
		cmocka_unit_test(a_member_that_lacks_or_lies_is_named),
		cmocka_unit_test(a_text_that_does_not_fit_is_refused),
		cmocka_unit_test(errors_keep_code_and_message),
		cmocka_unit_test(context_goes_in_front_and_never_overflows),
		cmocka_unit_test(labels_of_others_cannot_speak_to_the_terminal),
		cmocka_unit_test(malformed_utf8_is_no_label),
		cmocka_unit_test(numbers_are_whole_or_refused),
		cmocka_unit_test(a_refresh_rate_has_three_decimals),
		cmocka_unit_test(a_size_is_two_numbers_and_an_x),
	};

	return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
