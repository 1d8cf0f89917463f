// SPDX-License-Identifier: GPL-2.0-only
/* Whatever a client sends becomes numbers in range, or an error that names what was wrong. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "unit.h"

#include "codec.h"
#include "request.h"

struct refusal {
	const char *text;
	const char *message;	/* a part of it */
};

static const struct refusal refusals[] = {
	{ "", "incomplete" },
	{ " ", "incomplete" },
	{ "{", "incomplete" },
	{ "{\"op\":\"info\"", "incomplete" },
	{ "nonsense", "not JSON" },
	{ "[]", "not a JSON object" },
	{ "7", "incomplete" },	/* might go on */
	{ "null", "incomplete" },
	{ "{\"op\":\"info\"}{\"op\":\"info\"}", "13 bytes after its JSON" },
	{ "{\"op\":\"info\"} x", "1 bytes after its JSON" },
	{ "{\"op\":[[[[[[[[1]]]]]]]]}", "not JSON" },
	{ "{\"op\":\"\xff\"}", "not UTF-8 at byte 7" },
	{ "{}", "request: op is missing" },
	{ "{\"op\":1}", "op is a int, not a string" },
	{ "{\"op\":null}", "op is a null, not a string" },
	{ "{\"op\":\"format\"}", "there is no op \"format\"" },
	{ "{\"op\":\"INFO\"}", "there is no op \"INFO\"" },
	{ "{\"op\":\"0123456789012345678901234567890\u00e9\"}",
	  "there is no op \"0123456789012345678901234567890\"" },
	{ "{\"op\":\"012345678901234567890123456789\u00e9x\"}",
	  "there is no op \"012345678901234567890123456789\303\251\"" },
	{ "{\"op\":\"info\",\"01234567890123456789012345678\u20ac0123\":1}",
	  "there is no member \"01234567890123456789012345678\342\202\254\"" },
	{ "{\"op\":\"info\",\"012345678901234567890123456789\u20ac0123\":1}",
	  "there is no member \"012345678901234567890123456789\"" },
	{ "{\"op\":\"info\",\"x\":1}", "info: there is no member \"x\"" },
	{ "{\"op\":\"hello\"}", "hello: version is missing" },
	{ "{\"op\":\"hello\",\"version\":0}", "hello: version 0 is not in 1.." },
	{ "{\"op\":\"hello\",\"version\":true}", "version is a boolean, not an integer" },
	{ "{\"op\":\"list\",\"first\":0}", "list: first 0 is not in" },
	{ "{\"op\":\"query\"}", "query: scanout is missing" },
	{ "{\"op\":\"query\",\"scanout\":0}", "query: scanout 0 is not in 1..4294967295" },
	{ "{\"op\":\"query\",\"scanout\":-1}", "query: scanout -1 is not in" },
	{ "{\"op\":\"query\",\"scanout\":4294967296}", "query: scanout 4294967296 is not in" },
	{ "{\"op\":\"query\",\"scanout\":99999999999999999999999}", "is not in" },
	{ "{\"op\":\"query\",\"scanout\":1.0}", "scanout is a double, not an integer" },
	{ "{\"op\":\"query\",\"scanout\":\"1\"}", "scanout is a string, not an integer" },
	{ "{\"op\":\"query\",\"scanout\":{}}", "scanout is a object, not an integer" },
	{ "{\"op\":\"acquire\"}", "acquire: width is missing" },
	{ "{\"op\":\"acquire\",\"width\":1}", "acquire: height is missing" },
	{ "{\"op\":\"acquire\",\"width\":0,\"height\":1}", "acquire: width 0 is not in 1..16384" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":16385}",
	  "acquire: height 16385 is not in 1..16384" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"refresh_mhz\":999}",
	  "acquire: refresh_mhz 999 is not in 1000..1000000" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"refresh_mhz\":1000001}",
	  "refresh_mhz 1000001 is not in" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"timeout_ms\":120001}",
	  "acquire: timeout_ms 120001 is not in 0..120000" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"label\":7}",
	  "label is a int, not a string" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"label\":\"a\\u0000b\"}",
	  "label has a NUL in it" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"label\":\"a\\u001bb\"}",
	  "byte 1 of label is not printable UTF-8" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"label\":\"\\u009b\"}",
	  "byte 0 of label is not printable UTF-8" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,"
	  "\"label\":\"01234567890123456789012345678901\"}",
	  "label has 32 bytes, at most 31 may be given" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"generation\":1}",
	  "acquire: there is no member \"generation\"" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"priority\":256}",
	  "acquire: priority 256 is not in 0..255" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"pidfd\":1}",
	  "acquire: pidfd is a int, not true or false" },
	{ "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"end_on_close\":null}",
	  "acquire: end_on_close is a null, not true or false" },
	{ "{\"op\":\"resize\",\"scanout\":1,\"width\":1,\"height\":1}",
	  "resize: generation is missing" },
	{ "{\"op\":\"resize\",\"scanout\":1,\"generation\":1,\"height\":1}",
	  "resize: width is missing" },
	{ "{\"op\":\"resize\",\"scanout\":1,\"generation\":1,\"width\":1,\"height\":0}",
	  "resize: height 0 is not in 1..16384" },
	{ "{\"op\":\"resize\",\"scanout\":1,\"generation\":1,\"width\":1,\"height\":1,"
	  "\"refresh_mhz\":999}", "resize: refresh_mhz 999 is not in 1000..1000000" },
	{ "{\"op\":\"resize\",\"scanout\":1,\"generation\":1,\"width\":1,\"height\":1,"
	  "\"label\":\"x\"}", "resize: there is no member \"label\"" },
	{ "{\"op\":\"policy\",\"who\":\"everybody\"}",
	  "policy: who is none of any, admin and group" },
	{ "{\"op\":\"policy\",\"who\":1}", "policy: who is a int, not a string" },
	{ "{\"op\":\"policy\",\"who\":\"any\",\"gid\":1}", "a gid goes with who \"group\" only" },
	{ "{\"op\":\"policy\",\"gid\":1}", "a gid goes with who \"group\" only" },
	{ "{\"op\":\"policy\",\"who\":\"group\",\"gid\":4294967295}",
	  "policy: gid 4294967295 is not in 0..4294967294" },
	{ "{\"op\":\"policy\",\"grace_ms\":600001}", "policy: grace_ms 600001 is not in 0..600000" },
	{ "{\"op\":\"policy\",\"mask\":1}", "policy: there is no member \"mask\"" },
	{ "{\"op\":\"revoke\",\"scanout\":1}", "revoke: generation is missing" },
	{ "{\"op\":\"revoke\",\"generation\":1}", "revoke: scanout is missing" },
	{ "{\"op\":\"revoke\",\"scanout\":1,\"generation\":0}", "revoke: generation 0 is not in 1.." },
	{ "{\"op\":\"revoke\",\"scanout\":1,\"generation\":1,\"timeout_ms\":120001}",
	  "revoke: timeout_ms 120001 is not in" },
};

static void every_malformed_request_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *r = &refusals[i];
		struct hl_error err = { 0 };
		struct request req;

		if (request_parse(r->text, strlen(r->text), &req, &err) != -EINVAL)
			fail_msg("%s: accepted", r->text);
		assert_int_equal(err.code, EINVAL);
		if (!strstr(err.message, r->message))
			fail_msg("%s: \"%s\" does not say \"%s\"", r->text, err.message, r->message);
	}
}

static struct request parse(const char *text)
{
	struct hl_error err = { 0 };
	struct request req;

	if (request_parse(text, strlen(text), &req, &err))
		fail_msg("%s: %s", text, err.message);
	return req;
}

static void an_acquire_keeps_every_member(void **state)
{
	struct request req = parse("{\"op\":\"acquire\",\"width\":1920,\"height\":1080,"
				   "\"refresh_mhz\":59940,\"scanout\":7,\"timeout_ms\":120000,"
				   "\"label\":\"Schreibtisch \xc3\xa4\"}");

	(void)state;
	assert_int_equal(req.op, OP_ACQUIRE);
	assert_int_equal(req.acquire.width, 1920);
	assert_int_equal(req.acquire.height, 1080);
	assert_int_equal(req.acquire.refresh_mhz, 59940);
	assert_int_equal(req.acquire.scanout, 7);
	assert_int_equal(req.acquire.timeout_ms, 120000);
	assert_string_equal(req.label, "Schreibtisch \xc3\xa4");
}

static void an_acquire_keeps_its_flags_and_priority(void **state)
{
	struct request req = parse("{\"op\":\"acquire\",\"width\":1,\"height\":1,\"priority\":255,"
				   "\"end_on_close\":true,\"pidfd\":true,\"cgroup\":true}");

	(void)state;
	assert_int_equal(req.acquire.priority, 255);
	assert_int_equal(req.acquire.flags, HL_ACQUIRE_END_ON_CLOSE | HL_ACQUIRE_PIDFD |
			 HL_ACQUIRE_CGROUP);
	assert_int_equal(req.acquire.pidfd, -1);	/* whatever the text says */
	req = parse("{\"op\":\"acquire\",\"width\":1,\"height\":1,\"pidfd\":false}");
	assert_int_equal(req.acquire.flags, 0);
}

static void a_resize_keeps_every_member(void **state)
{
	struct request req = parse("{\"op\":\"resize\",\"scanout\":7,\"generation\":9,"
				   "\"width\":1920,\"height\":1080,\"refresh_mhz\":59940,"
				   "\"timeout_ms\":120000}");

	(void)state;
	assert_int_equal(req.op, OP_RESIZE);
	assert_int_equal(req.resize.scanout, 7);
	assert_int_equal(req.resize.generation, 9);
	assert_int_equal(req.resize.width, 1920);
	assert_int_equal(req.resize.height, 1080);
	assert_int_equal(req.resize.refresh_mhz, 59940);
	assert_int_equal(req.resize.timeout_ms, 120000);
}

static void a_policy_sets_what_is_given_and_nothing_else(void **state)
{
	struct request req = parse("{\"op\":\"policy\"}");

	(void)state;
	assert_int_equal(req.op, OP_POLICY);
	assert_int_equal(req.policy.mask, 0);
	req = parse("{\"op\":\"policy\",\"max_per_uid\":0}");
	assert_int_equal(req.policy.mask, HELIX_LEASE_POLICY_MAX_PER_UID);
	req = parse("{\"op\":\"policy\",\"who\":\"group\",\"gid\":44,\"max_per_cgroup\":2,"
		    "\"grace_ms\":600000}");
	assert_int_equal(req.policy.mask, HELIX_LEASE_POLICY_WHO |
			 HELIX_LEASE_POLICY_MAX_PER_CGROUP | HELIX_LEASE_POLICY_GRACE_MS);
	assert_int_equal(req.policy.who, HELIX_LEASE_WHO_GROUP);
	assert_int_equal(req.policy.gid, 44);
	assert_int_equal(req.policy.max_per_cgroup, 2);
	assert_int_equal(req.policy.grace_ms, 600000);
}

static void what_is_left_out_has_its_default(void **state)
{
	struct request req = parse("{\"op\":\"acquire\",\"width\":1,\"height\":1}");

	(void)state;
	assert_int_equal(req.acquire.refresh_mhz, 0);
	assert_int_equal(req.acquire.scanout, 0);
	assert_int_equal(req.acquire.timeout_ms, 0);
	assert_null(req.acquire.label);
	assert_int_equal(parse("{\"op\":\"list\"}").first, 1);
}

static void a_generation_has_64_bits(void **state)
{
	struct request req = parse("{\"op\":\"revoke\",\"scanout\":15,"
				   "\"generation\":18446744073709551615,\"timeout_ms\":5}");

	(void)state;
	assert_int_equal(req.op, OP_REVOKE);
	assert_int_equal(req.scanout, 15);
	assert_true(req.generation == UINT64_MAX);
	assert_int_equal(req.timeout_ms, 5);
}

static void the_other_operations_are_known(void **state)
{
	(void)state;
	assert_int_equal(parse("{\"op\":\"info\"}").op, OP_INFO);
	assert_int_equal(parse("{\"op\":\"hello\",\"version\":2}").version, 2);
	assert_int_equal(parse("{\"op\":\"query\",\"scanout\":4294967295}").scanout, UINT32_MAX);
	assert_int_equal(parse(" {\"op\":\"list\",\"first\":33} ").first, 33);
}

static void no_prefix_of_a_request_is_one(void **state)
{
	static const char text[] = "{\"op\":\"acquire\",\"width\":1920,\"height\":1080}";
	struct request req;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		/* An exact copy, so that the sanitizer sees a read past its end. */
		char *copy = malloc(len + 1);

		memcpy(copy, text, len);
		assert_int_equal(request_parse(copy, len, &req, NULL), -EINVAL);
		free(copy);
	}
}

static void bytes_after_a_nul_are_not_lost(void **state)
{
	static const char text[] = "{\"op\":\"info\"}\0junk";
	struct request req;

	(void)state;
	assert_int_equal(request_parse(text, sizeof(text) - 1, &req, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_malformed_request_is_named),
		cmocka_unit_test(an_acquire_keeps_every_member),
		cmocka_unit_test(an_acquire_keeps_its_flags_and_priority),
		cmocka_unit_test(a_resize_keeps_every_member),
		cmocka_unit_test(a_policy_sets_what_is_given_and_nothing_else),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(a_generation_has_64_bits),
		cmocka_unit_test(the_other_operations_are_known),
		cmocka_unit_test(no_prefix_of_a_request_is_one),
		cmocka_unit_test(bytes_after_a_nul_are_not_lost),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
