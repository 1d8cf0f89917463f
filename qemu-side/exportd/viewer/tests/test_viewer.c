// SPDX-License-Identifier: GPL-2.0-only
/*
 * What helix-viewer parses and counts: the command line, the server's messages,
 * the packet header, the rules of a stream, the report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "desktop.h"
#include "message.h"
#include "options.h"
#include "packet.h"
#include "report.h"

#define PARSE(...) parse_arguments((char *[]){ "helix-viewer", ##__VA_ARGS__, NULL })

static struct options options;

static bool parse_arguments(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	memset(&options, 0xaa, sizeof(options));
	return options_parse(argc, argv, &options);
}

static void defaults_are_the_local_server_and_all_desktops(void **state)
{
	(void)state;
	assert_true(PARSE());
	assert_string_equal(options.host, "127.0.0.1");
	assert_int_equal(options.port, 8800);
	assert_int_equal(options.n_scanouts, 0);
	assert_int_equal(options.desktops, 0);
	assert_null(options.output);
	assert_null(options.record);
	assert_false(options.quiet);
}

static void every_option_is_taken(void **state)
{
	(void)state;
	assert_true(PARSE("--url", "http://localhost:1234/", "--desktops", "4", "--wait", "1.5",
			  "--for", "60", "--since", "1700000000.25", "--output", "o.json",
			  "--record", "dir", "--quiet"));
	assert_string_equal(options.host, "localhost");
	assert_int_equal(options.port, 1234);
	assert_int_equal(options.desktops, 4);
	assert_true(options.wait_s > 1.49 && options.wait_s < 1.51);
	assert_true(options.for_s > 59.9 && options.for_s < 60.1);
	assert_true(options.since > 1700000000.2 && options.since < 1700000000.3);
	assert_string_equal(options.output, "o.json");
	assert_string_equal(options.record, "dir");
	assert_true(options.quiet);
}

static void scanouts_add_up_and_repeat_harmlessly(void **state)
{
	(void)state;
	assert_true(PARSE("--scanout", "3", "--scanout", "15", "--scanout", "3"));
	assert_int_equal(options.n_scanouts, 2);
	assert_int_equal(options.scanouts[0], 3);
	assert_int_equal(options.scanouts[1], 15);
}

static void wrong_command_lines_are_refused(void **state)
{
	(void)state;
	assert_false(PARSE("--scanout", "-1"));
	assert_false(PARSE("--scanout", "3x"));
	assert_false(PARSE("--scanout", ""));
	assert_false(PARSE("--desktops", "65"));
	assert_false(PARSE("--desktops", "2", "--scanout", "1"));
	assert_false(PARSE("--wait", "-1"));
	assert_false(PARSE("--wait", "nan"));
	assert_false(PARSE("--for", "soon"));
	assert_false(PARSE("--for"));
	assert_false(PARSE("--unknown"));
	assert_false(PARSE("word"));
}

static void addresses_are_taken_apart(void **state)
{
	(void)state;
	assert_true(options_parse_url("http://example.org", &options));
	assert_string_equal(options.host, "example.org");
	assert_int_equal(options.port, 80);
	assert_true(options_parse_url("http://[::1]:8800/", &options));
	assert_string_equal(options.host, "::1");
	assert_int_equal(options.port, 8800);
	assert_false(options_parse_url("https://127.0.0.1/", &options));
	assert_false(options_parse_url("127.0.0.1:8800", &options));
	assert_false(options_parse_url("http://", &options));
	assert_false(options_parse_url("http://:80/", &options));
	assert_false(options_parse_url("http://[::1/", &options));
	assert_false(options_parse_url("http://h:0/", &options));
	assert_false(options_parse_url("http://h:65536/", &options));
	assert_false(options_parse_url("http://h:123456789012/", &options));
	assert_false(options_parse_url("http://h:80/page", &options));
}

/* Messages */

static struct server_message message;

static const char *parse_message(const char *json)
{
	memset(&message, 0xaa, sizeof(message));
	return server_message_parse(json, strlen(json), &message);
}

static void a_list_gives_its_scanouts_and_names(void **state)
{
	(void)state;
	assert_null(parse_message("{\"type\":\"desktops\",\"desktops\":["
				  "{\"scanout\":1,\"name\":\"Desktop 1\",\"state\":\"live\"},"
				  "{\"scanout\":15},{\"scanout\":0}]}"));
	assert_int_equal(message.type, SERVER_DESKTOPS);
	assert_int_equal(message.n_desktops, 3);
	assert_int_equal(message.desktops[2].scanout, 0);
	assert_int_equal(message.desktops[0].scanout, 1);
	assert_string_equal(message.desktops[0].name, "Desktop 1");
	assert_int_equal(message.desktops[1].scanout, 15);
	assert_string_equal(message.desktops[1].name, "");
}

static void an_empty_list_is_a_list(void **state)
{
	(void)state;
	assert_null(parse_message("{\"type\":\"desktops\",\"desktops\":[]}"));
	assert_int_equal(message.type, SERVER_DESKTOPS);
	assert_int_equal(message.n_desktops, 0);
}

static void a_config_gives_codec_and_size(void **state)
{
	(void)state;
	assert_null(parse_message("{\"type\":\"config\",\"scanout\":3,\"name\":\"D\",\"codec\":\"avc1.42E01F\","
				  "\"width\":1280,\"height\":720,\"encoder\":\"libx264\"}"));
	assert_int_equal(message.type, SERVER_CONFIG);
	assert_string_equal(message.codec, "avc1.42E01F");
	assert_string_equal(message.encoder, "libx264");
	assert_int_equal(message.width, 1280);
	assert_int_equal(message.height, 720);
}

static void long_texts_are_cut_and_ended(void **state)
{
	char json[1024], name[512];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(json, sizeof(json), "{\"type\":\"state\",\"state\":\"live\",\"message\":\"%s\"}", name);
	assert_null(parse_message(json));
	assert_int_equal(strlen(message.text), MESSAGE_TEXT_MAX - 1);
}

static void unknown_types_are_for_later_versions(void **state)
{
	(void)state;
	assert_null(parse_message("{\"type\":\"cursor\",\"x\":1}"));
	assert_int_equal(message.type, SERVER_OTHER);
}

static void broken_messages_are_refused(void **state)
{
	(void)state;
	assert_non_null(parse_message(""));
	assert_non_null(parse_message("{"));
	assert_non_null(parse_message("[]"));
	assert_non_null(parse_message("null"));
	assert_non_null(parse_message("{}"));
	assert_non_null(parse_message("{\"type\":1}"));
	assert_non_null(parse_message("{\"type\":\"desktops\"}"));
	assert_non_null(parse_message("{\"type\":\"desktops\",\"desktops\":{}}"));
	assert_non_null(parse_message("{\"type\":\"desktops\",\"desktops\":[{}]}"));
	assert_non_null(parse_message("{\"type\":\"desktops\",\"desktops\":[7]}"));
	assert_non_null(parse_message("{\"type\":\"desktops\",\"desktops\":[{\"scanout\":-1}]}"));
	assert_non_null(parse_message("{\"type\":\"config\",\"codec\":\"avc1\"}"));
	assert_non_null(parse_message("{\"type\":\"config\",\"width\":1,\"height\":1}"));
	assert_non_null(parse_message("{\"type\":\"state\"}"));
	assert_non_null(parse_message("{\"type\":\"state\",\"state\":\"live\"} x"));
	assert_int_equal(message.type, SERVER_OTHER);
}

static void a_list_longer_than_the_structure_is_refused(void **state)
{
	size_t room = 64 + 16 * (MESSAGE_DESKTOPS_MAX + 1);
	char *json = malloc(room), *at = json;

	(void)state;
	at += sprintf(at, "{\"type\":\"desktops\",\"desktops\":[");
	for (int i = 0; i <= MESSAGE_DESKTOPS_MAX; i++)
		at += sprintf(at, "%s{\"scanout\":1}", i ? "," : "");
	sprintf(at, "]}");
	assert_non_null(parse_message(json));
	free(json);
}

/* Packets */

static const uint8_t video[PACKET_HEADER_SIZE] = {
	1, 1, 0, 0, 0x04, 0x03, 0x02, 0x81,
	0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x91,
	0x00, 0x05, 0, 0, 0xd0, 0x02, 0, 0,
};

static void a_header_is_little_endian(void **state)
{
	struct packet_header header;

	(void)state;
	assert_null(packet_parse(video, &header));
	assert_int_equal(header.type, PACKET_VIDEO);
	assert_true(header.key);
	assert_int_equal(header.seq, 0x81020304);
	assert_true(header.capture_us == 0x9102030405060708ULL);
	assert_int_equal(header.width, 1280);
	assert_int_equal(header.height, 720);
}

static void a_delta_frame_is_not_a_key_frame(void **state)
{
	uint8_t bytes[PACKET_HEADER_SIZE];
	struct packet_header header;

	(void)state;
	memcpy(bytes, video, sizeof(bytes));
	bytes[1] = 0xfe;
	assert_null(packet_parse(bytes, &header));
	assert_false(header.key);
}

static void wrong_headers_are_refused(void **state)
{
	uint8_t bytes[PACKET_HEADER_SIZE];
	struct packet_header header;

	(void)state;
	memcpy(bytes, video, sizeof(bytes));
	bytes[3] = 1;
	assert_non_null(packet_parse(bytes, &header));
	memcpy(bytes, video, sizeof(bytes));
	memset(bytes + 16, 0, 4);
	assert_non_null(packet_parse(bytes, &header));
}

static void other_packet_types_are_left_alone(void **state)
{
	uint8_t bytes[PACKET_HEADER_SIZE] = { 9, 0, 1, 1 };
	struct packet_header header;

	(void)state;
	assert_null(packet_parse(bytes, &header));
	assert_int_equal(header.type, 9);
}

/* A stream's rules */

static struct desktop desktop;
static const struct server_message config = {
	.type = SERVER_CONFIG, .name = "D", .codec = "avc1.42E01F", .encoder = "libx264",
	.width = 1280, .height = 720,
};

static void frame(bool key, uint32_t seq, double at)
{
	struct packet_header header = {
		.type = PACKET_VIDEO, .key = key, .seq = seq, .width = 640, .height = 480,
	};

	desktop_frame(&desktop, &header, at);
}

static int new_desktop(void **state)
{
	(void)state;
	desktop_init(&desktop, 3);
	desktop_connected(&desktop);
	return 0;
}

static void a_good_stream_is_counted(void **state)
{
	(void)state;
	desktop_configure(&desktop, &config);
	assert_false(desktop_delivered(&desktop));
	frame(true, 7, 1.5);
	desktop_payload(&desktop, (const uint8_t *)"12345", 5);
	frame(false, 8, 2.5);
	desktop_payload(&desktop, (const uint8_t *)"123", 3);
	assert_true(desktop_delivered(&desktop));
	assert_int_equal(desktop.frames, 2);
	assert_int_equal(desktop.key_frames, 1);
	assert_int_equal(desktop.bytes, 8);
	assert_int_equal(desktop.width, 640);
	assert_true(desktop.first_frame_s > 1.4 && desktop.first_frame_s < 1.6);
	assert_int_equal(desktop.violations, 0);
}

static void the_measured_time_counts_for_itself(void **state)
{
	struct packet_header header = {
		.type = PACKET_VIDEO, .key = true, .seq = 1, .width = 640, .height = 480,
	};
	struct latency_figures figures;

	(void)state;
	desktop_configure(&desktop, &config);
	header.capture_us = 1000000;
	desktop_frame(&desktop, &header, 1);
	desktop_payload(&desktop, (const uint8_t *)"12345", 5);
	desktop_complete(&desktop, 9000000);
	desktop_measure(&desktop);
	header.seq = 2;
	header.capture_us = 9000000;
	desktop_frame(&desktop, &header, 2);
	desktop_payload(&desktop, (const uint8_t *)"123", 3);
	desktop_complete(&desktop, 9020000);
	assert_int_equal(desktop.frames - desktop.frames_before, 1);
	assert_int_equal(desktop.bytes - desktop.bytes_before, 3);
	latency_describe(&desktop.latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 1);
	assert_true(figures.p99 > 17 && figures.p99 < 23);

	/* of another machine's clock */
	header.seq = 3;
	header.capture_us = UINT64_MAX;
	desktop_frame(&desktop, &header, 3);
	desktop_complete(&desktop, 9040000);
	header.seq = 4;
	header.capture_us = 9050000;
	desktop_frame(&desktop, &header, 4);
	desktop_complete(&desktop, 9040000);
	latency_describe(&desktop.latency, LATENCY_TOTAL, &figures);
	assert_int_equal(figures.count, 1);
}

static void video_before_its_config_is_a_violation(void **state)
{
	(void)state;
	frame(true, 1, 0);
	assert_int_equal(desktop.violations, 1);
}

static void a_stream_must_begin_with_a_key_frame(void **state)
{
	(void)state;
	desktop_configure(&desktop, &config);
	frame(false, 1, 0);
	assert_int_equal(desktop.violations, 1);
}

static void a_new_config_must_be_followed_by_a_key_frame(void **state)
{
	(void)state;
	desktop_configure(&desktop, &config);
	frame(true, 1, 0);
	desktop_configure(&desktop, &config);
	frame(false, 2, 0);
	assert_int_equal(desktop.violations, 1);
}

static void numbers_must_rise_and_may_skip_and_wrap(void **state)
{
	(void)state;
	desktop_configure(&desktop, &config);
	frame(true, 0xfffffffe, 0);
	frame(false, 0xffffffff, 0);
	frame(false, 5, 0);
	assert_int_equal(desktop.violations, 0);
	frame(false, 5, 0);
	assert_int_equal(desktop.violations, 1);
}

static void a_new_connection_starts_from_nothing(void **state)
{
	(void)state;
	desktop_configure(&desktop, &config);
	frame(true, 9, 0);
	desktop_connected(&desktop);
	desktop_configure(&desktop, &config);
	frame(true, 1, 0);
	assert_int_equal(desktop.violations, 0);
	assert_int_equal(desktop.connections, 2);
}

/* The report */

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, key, &value));
	return value;
}

static void the_report_has_each_desktop(void **state)
{
	struct json_object *root, *one;
	struct desktop two[2];
	char *text;

	(void)state;
	desktop_configure(&desktop, &config);
	frame(true, 1, 12.345);
	frame(false, 2, 13);
	desktop.frames_before = 1;
	desktop.bytes = 1250;
	desktop.bytes_before = 250;
	desktop.flushed_us = 1000000;
	desktop_complete(&desktop, 1010000);
	two[0] = desktop;
	desktop_init(&two[1], 4);
	text = report_text(two, 2, 2);
	assert_non_null(text);
	root = json_tokener_parse(text);
	assert_non_null(root);
	assert_int_equal(json_object_array_length(member(root, "desktops")), 2);
	one = json_object_array_get_idx(member(root, "desktops"), 0);
	assert_int_equal(json_object_get_int(member(one, "scanout")), 3);
	assert_int_equal(json_object_get_int(member(one, "frames")), 2);
	assert_string_equal(json_object_get_string(member(one, "encoder")), "libx264");
	assert_string_equal(json_object_get_string(member(one, "first_frame_s")), "12.345");
	assert_string_equal(json_object_get_string(member(one, "fps")), "0.50");
	assert_string_equal(json_object_get_string(member(one, "kbit_s")), "4.0");
	assert_true(json_object_get_double(member(member(one, "latency_ms"), "p50")) > 8);
	one = json_object_array_get_idx(member(root, "desktops"), 1);
	assert_int_equal(json_object_get_int(member(one, "frames")), 0);
	assert_null(member(one, "first_frame_s"));
	assert_null(member(one, "latency_ms"));
	json_object_put(root);
	free(text);
}

static void an_unwritable_report_is_a_failure(void **state)
{
	(void)state;
	assert_false(report_write("{}", "/nonexistent/directory/report.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_local_server_and_all_desktops),
		cmocka_unit_test(every_option_is_taken),
		cmocka_unit_test(scanouts_add_up_and_repeat_harmlessly),
		cmocka_unit_test(wrong_command_lines_are_refused),
		cmocka_unit_test(addresses_are_taken_apart),
		cmocka_unit_test(a_list_gives_its_scanouts_and_names),
		cmocka_unit_test(an_empty_list_is_a_list),
		cmocka_unit_test(a_config_gives_codec_and_size),
		cmocka_unit_test(long_texts_are_cut_and_ended),
		cmocka_unit_test(unknown_types_are_for_later_versions),
		cmocka_unit_test(broken_messages_are_refused),
		cmocka_unit_test(a_list_longer_than_the_structure_is_refused),
		cmocka_unit_test(a_header_is_little_endian),
		cmocka_unit_test(a_delta_frame_is_not_a_key_frame),
		cmocka_unit_test(wrong_headers_are_refused),
		cmocka_unit_test(other_packet_types_are_left_alone),
		cmocka_unit_test_setup(a_good_stream_is_counted, new_desktop),
		cmocka_unit_test_setup(the_measured_time_counts_for_itself, new_desktop),
		cmocka_unit_test_setup(video_before_its_config_is_a_violation, new_desktop),
		cmocka_unit_test_setup(a_stream_must_begin_with_a_key_frame, new_desktop),
		cmocka_unit_test_setup(a_new_config_must_be_followed_by_a_key_frame, new_desktop),
		cmocka_unit_test_setup(numbers_must_rise_and_may_skip_and_wrap, new_desktop),
		cmocka_unit_test_setup(a_new_connection_starts_from_nothing, new_desktop),
		cmocka_unit_test_setup(the_report_has_each_desktop, new_desktop),
		cmocka_unit_test(an_unwritable_report_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
