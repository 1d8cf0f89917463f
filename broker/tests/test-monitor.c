// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's netlink family without the module: packets made here, over socket
 * pairs. What is told must be what was in them, and nothing may be missed unsaid.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/helix_lease.h>
#include <linux/helix_lease_netlink.h>
#include <systemd/sd-daemon.h>

#include "unit.h"

#include "codec.h"
#include "error.h"
#include "monitor.h"
#include "watch.h"

#define FAMILY	40
#define LATER	(UINT64_MAX / 2)	/* after any dump of a test */

static struct hl_monitor *mon;
static int events[2], requests[2];	/* the monitor's end, and the module's */
static int lose;			/* so many reads say that something was lost */
static char packet[8192] __attribute__((aligned(8)));

static ssize_t losing_recv(int fd, void *buf, size_t len, int flags)
{
	if (fd == events[0] && lose) {
		lose--;
		errno = ENOBUFS;
		return -1;
	}
	return recv(fd, buf, len, flags);
}

static int setup(void **state)
{
	(void)state;
	lose = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, events) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, requests))
		return -1;
	return hl_monitor_new(events[0], requests[0], FAMILY, losing_recv, &mon, NULL);
}

static int teardown(void **state)
{
	(void)state;
	hl_monitor_close(mon);
	close(events[1]);
	close(requests[1]);
	return 0;
}

/* ---- messages ---- */

static struct nlmsghdr *put_message(char *at, uint16_t type, uint8_t cmd, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	nlh->nlmsg_type = type;
	nlh->nlmsg_seq = seq;
	genl->cmd = cmd;
	return nlh;
}

static struct nlmsghdr *put_event(char *at, uint32_t type, uint64_t time_ns, uint32_t scanout,
				  uint32_t scanout_state)
{
	struct nlmsghdr *nlh = put_message(at, FAMILY, HELIX_LEASE_CMD_EVENT_NTF, 0);

	mnl_attr_put_u32(nlh, HELIX_LEASE_A_EVENT, type);
	mnl_attr_put_u64(nlh, HELIX_LEASE_A_TIME_NS, time_ns);
	if (scanout) {
		mnl_attr_put_u32(nlh, HELIX_LEASE_A_SCANOUT, scanout);
		mnl_attr_put_u32(nlh, HELIX_LEASE_A_STATE, scanout_state);
	}
	return nlh;
}

static void deliver(int fd, const struct nlmsghdr *nlh)
{
	assert_int_equal(send(fd, nlh, nlh->nlmsg_len, 0), nlh->nlmsg_len);
}

static void deliver_event(uint32_t type, uint64_t time_ns, uint32_t scanout)
{
	deliver(events[1], put_event(packet, type, time_ns, scanout, HELIX_LEASE_STATE_LEASED));
}

static void deliver_scanout(uint32_t seq, uint32_t scanout, uint32_t scanout_state, uint16_t flags)
{
	struct nlmsghdr *nlh = put_message(packet, FAMILY, HELIX_LEASE_CMD_SCANOUT_GET, seq);

	nlh->nlmsg_flags = NLM_F_MULTI | flags;
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_SCANOUT, scanout);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_STATE, scanout_state);
	mnl_attr_put_u64(nlh, HELIX_LEASE_A_QUARANTINES, 7);
	deliver(requests[1], nlh);
}

/* The end of a dump, or with NLMSG_ERROR of any request. */
static void deliver_end(uint32_t seq, uint16_t type, int code)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(packet);
	struct nlmsgerr *end = mnl_nlmsg_put_extra_header(nlh, sizeof(*end));

	nlh->nlmsg_type = type;
	nlh->nlmsg_seq = seq;
	end->error = code;
	deliver(requests[1], nlh);
}

static struct hl_event next(void)
{
	struct hl_event event;
	struct hl_error err;

	if (hl_monitor_next(mon, &event, &err))
		fail_msg("%s", err.message);
	return event;
}

static void nothing_more(void)
{
	struct hl_event event;

	assert_int_equal(hl_monitor_next(mon, &event, NULL), -EAGAIN);
}

static size_t dump(struct hl_scanout **list)
{
	struct hl_error err;
	size_t n = 99;

	if (hl_monitor_dump(mon, list, &n, &err))
		fail_msg("%s", err.message);
	return n;
}

/* ---- events ---- */

static void an_event_is_told_whole(void **state)
{
	struct nlmsghdr *nlh = put_event(packet, HELIX_LEASE_EVENT_REVOKING, LATER, 3,
					 HELIX_LEASE_STATE_REVOKING);
	struct hl_event event;
	json_object *obj;

	(void)state;
	mnl_attr_put_u64(nlh, HELIX_LEASE_A_GENERATION, UINT64_MAX);
	mnl_attr_put_strz(nlh, HELIX_LEASE_A_LABEL, "edi\x1btor");
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_WIDTH, 1920);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_HEIGHT, 1080);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_REFRESH_MHZ, 59940);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_PRIORITY, 9);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_OWNER_PID, 77);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_OWNER_UID, 1000);
	mnl_attr_put_u64(nlh, HELIX_LEASE_A_OWNER_CGROUP, 88);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_WAIT_FOR, HELIX_LEASE_WAIT_FENCE);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_WAIT_MS, 1234);
	mnl_attr_put_str(nlh, HELIX_LEASE_A_WAIT_NAME, "a fence");	/* no NUL: a string may */
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_CAUSE, HELIX_LEASE_CAUSE_ADMIN);
	mnl_attr_put_u32(nlh, 1000, 5);		/* of a newer module */
	deliver(events[1], nlh);
	event = next();
	assert_int_equal(event.scanout.scanout, 3);
	assert_string_equal(event.scanout.node, "/dev/helix/scanout3");
	obj = hl_event_to_json(&event);
	assert_string_equal(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
			    "{\"event\":\"revoking\",\"time_ns\":9223372036854775807,"
			    "\"cause\":\"admin\",\"scanout\":3,\"state\":\"revoking\","
			    "\"generation\":18446744073709551615,\"label\":\"edi?tor\","
			    "\"width\":1920,\"height\":1080,\"refresh_mhz\":59940,\"priority\":9,"
			    "\"owner_pid\":77,\"owner_uid\":1000,\"owner_cgroup\":88,"
			    "\"wait_for\":\"fence\",\"wait_ms\":1234,\"wait_name\":\"a fence\"}");
	json_object_put(obj);
	nothing_more();
}

static void an_event_of_the_host_is_about_no_scanout(void **state)
{
	struct hl_event event;
	json_object *obj;

	(void)state;
	deliver_event(HELIX_LEASE_EVENT_HOST_LOST, 5, 0);
	event = next();
	obj = hl_event_to_json(&event);
	assert_string_equal(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
			    "{\"event\":\"host-lost\",\"time_ns\":5}");
	json_object_put(obj);
}

static struct nlmsghdr *put_context(uint32_t type, uint32_t scanout)
{
	struct nlmsghdr *nlh = put_event(packet, type, LATER, scanout, HELIX_LEASE_STATE_LEASED);

	mnl_attr_put_u32(nlh, HELIX_LEASE_A_GPU, 0x0010);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_CONTEXT, 42);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_WAIT_FOR, HELIX_LEASE_WAIT_FENCE);
	mnl_attr_put_u32(nlh, HELIX_LEASE_A_WAIT_MS, 5042);
	mnl_attr_put_strz(nlh, HELIX_LEASE_A_WAIT_NAME, "context 42, fence 7");
	return nlh;
}

static void an_event_of_a_context_names_it(void **state)
{
	struct hl_event event;
	json_object *obj;

	(void)state;
	deliver(events[1], put_context(HELIX_LEASE_EVENT_CONTEXT_STALLED, 3));
	event = next();
	assert_int_equal(event.scanout.scanout, 3);
	assert_int_equal(event.scanout.gpu, 0x0010);
	assert_int_equal(event.context, 42);
	assert_true(hl_event_of_context(&event));
	obj = hl_event_to_json(&event);
	assert_string_equal(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
			    "{\"event\":\"context-stalled\",\"time_ns\":9223372036854775807,"
			    "\"gpu\":16,\"context\":42,\"scanout\":3,\"state\":\"leased\","
			    "\"generation\":0,\"label\":\"\",\"width\":0,\"height\":0,"
			    "\"refresh_mhz\":0,\"priority\":0,\"owner_pid\":0,\"owner_uid\":0,"
			    "\"owner_cgroup\":0,\"wait_for\":\"fence\",\"wait_ms\":5042,"
			    "\"wait_name\":\"context 42, fence 7\"}");
	json_object_put(obj);
	nothing_more();
}

static void a_context_that_draws_on_no_lease_has_no_scanout(void **state)
{
	struct hl_event event;
	json_object *obj;

	(void)state;
	deliver(events[1], put_context(HELIX_LEASE_EVENT_CONTEXT_KILLED, 0));
	event = next();
	obj = hl_event_to_json(&event);
	assert_string_equal(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
			    "{\"event\":\"context-killed\",\"time_ns\":9223372036854775807,"
			    "\"gpu\":16,\"context\":42,\"wait_for\":\"fence\",\"wait_ms\":5042,"
			    "\"wait_name\":\"context 42, fence 7\"}");
	json_object_put(obj);
	nothing_more();
}

static void an_event_of_the_future_is_unknown_not_an_error(void **state)
{
	(void)state;
	deliver_event(77, LATER, 1);
	assert_string_equal(hl_event_name(next().type), "unknown");
	assert_string_equal(hl_event_name(0), "unknown");
}

static void events_in_one_packet_come_in_their_order(void **state)
{
	struct nlmsghdr *first = put_event(packet, HELIX_LEASE_EVENT_GRANTED, LATER, 1, 2);
	struct nlmsghdr *other, *second;
	size_t len = first->nlmsg_len;

	(void)state;
	other = put_message(packet + len, FAMILY + 1, HELIX_LEASE_CMD_EVENT_NTF, 0);
	len += other->nlmsg_len;
	other = put_message(packet + len, FAMILY, HELIX_LEASE_CMD_SCANOUT_GET, 0);
	len += other->nlmsg_len;
	second = put_event(packet + len, HELIX_LEASE_EVENT_FREED, LATER + 1, 2, 0);
	len += second->nlmsg_len;
	assert_int_equal(send(events[1], packet, len, 0), len);
	assert_int_equal(next().scanout.scanout, 1);
	assert_int_equal(next().scanout.scanout, 2);
	nothing_more();
}

static void an_attribute_that_lies_is_an_error_and_the_next_event_is_told(void **state)
{
	struct nlmsghdr *nlh = put_event(packet, HELIX_LEASE_EVENT_GRANTED, LATER, 1, 2);
	char label[100];
	struct hl_event event;
	struct hl_error err;

	(void)state;
	mnl_attr_put_u16(nlh, HELIX_LEASE_A_WIDTH, 1);
	deliver(events[1], nlh);
	memset(label, 'x', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	nlh = put_event(packet, HELIX_LEASE_EVENT_GRANTED, LATER, 1, 2);
	mnl_attr_put_strz(nlh, HELIX_LEASE_A_LABEL, label);
	deliver(events[1], nlh);
	deliver_event(HELIX_LEASE_EVENT_GRANTED, LATER, 3);
	assert_int_equal(hl_monitor_next(mon, &event, &err), -EPROTO);
	assert_string_equal(err.message, "monitor: netlink: attribute 6 has 2 bytes");
	assert_int_equal(hl_monitor_next(mon, &event, &err), -EPROTO);
	assert_int_equal(next().scanout.scanout, 3);
}

static void a_packet_that_is_cut_is_not_read_beyond_its_end(void **state)
{
	struct nlmsghdr *nlh = put_event(packet, HELIX_LEASE_EVENT_GRANTED, LATER, 1, 2);
	struct hl_scanout *list;
	struct hl_event event;
	size_t n;

	(void)state;
	for (size_t len = 1; len < nlh->nlmsg_len; len++) {
		assert_int_equal(send(events[1], packet, len, 0), len);
		nothing_more();
	}
	/* As a signed number it would be less than what there is. */
	nlh->nlmsg_len = 0xffffff93;
	assert_int_equal(send(events[1], packet, 64, 0), 64);
	nothing_more();
	assert_int_equal(send(requests[1], packet, 64, 0), 64);
	deliver_end(1, NLMSG_ERROR, -EPERM);
	assert_int_equal(hl_monitor_dump(mon, &list, &n, NULL), -EPERM);

	nlh = put_event(packet, HELIX_LEASE_EVENT_GRANTED, LATER, 1, 2);
	/* One whose own length is cut, in a copy of that size for the sanitizer. */
	for (size_t len = sizeof(*nlh); len < nlh->nlmsg_len; len++) {
		struct nlmsghdr *copy = malloc(len);

		memcpy(copy, nlh, len);
		copy->nlmsg_len = len;
		hl_event_parse(copy, &event, NULL);
		free(copy);
	}
}

static void the_end_of_the_socket_is_an_error(void **state)
{
	struct hl_event event;

	(void)state;
	shutdown(events[1], SHUT_WR);
	assert_int_equal(hl_monitor_next(mon, &event, NULL), -EPROTO);
}

/* ---- dumps ---- */

static void a_dump_is_every_scanout(void **state)
{
	struct hl_scanout *list;

	(void)state;
	deliver_scanout(0, 9, HELIX_LEASE_STATE_LEASED, 0);	/* an answer nobody waits for */
	deliver_scanout(1, 1, HELIX_LEASE_STATE_FREE, 0);
	deliver_scanout(1, 2, HELIX_LEASE_STATE_QUARANTINED, 0);
	deliver_end(1, NLMSG_DONE, 0);
	assert_int_equal(dump(&list), 2);
	assert_int_equal(list[0].scanout, 1);
	assert_int_equal(list[1].state, HELIX_LEASE_STATE_QUARANTINED);
	assert_int_equal(list[1].quarantines, 7);
	assert_string_equal(list[1].node, "/dev/helix/scanout2");
	free(list);
}

static void without_a_gpu_it_is_empty(void **state)
{
	struct hl_scanout *list;

	(void)state;
	deliver_end(1, NLMSG_ERROR, -ENODEV);
	assert_int_equal(dump(&list), 0);
	free(list);
}

static void an_error_of_the_module_is_told(void **state)
{
	struct hl_scanout *list;
	struct hl_error err;
	size_t n;

	(void)state;
	deliver_end(1, NLMSG_ERROR, -EPERM);
	assert_int_equal(hl_monitor_dump(mon, &list, &n, &err), -EPERM);
	deliver_scanout(2, 1, HELIX_LEASE_STATE_FREE, 0);
	deliver_end(2, NLMSG_DONE, -ENOMEM);
	assert_int_equal(hl_monitor_dump(mon, &list, &n, &err), -ENOMEM);
	assert_string_equal(err.message, "monitor: netlink: the module says Cannot allocate memory");
}

static void a_dump_that_was_overtaken_is_made_again(void **state)
{
	struct hl_scanout *list;

	(void)state;
	deliver_scanout(1, 1, HELIX_LEASE_STATE_FREE, NLM_F_DUMP_INTR);
	deliver_scanout(1, 2, HELIX_LEASE_STATE_FREE, 0);
	deliver_end(1, NLMSG_DONE, 0);
	deliver_scanout(2, 1, HELIX_LEASE_STATE_LEASED, 0);
	deliver_end(2, NLMSG_DONE, 0);
	assert_int_equal(dump(&list), 1);
	assert_int_equal(list[0].state, HELIX_LEASE_STATE_LEASED);
	free(list);
}

static void what_was_lost_is_said_and_a_dump_makes_up_for_it(void **state)
{
	struct hl_scanout *list;
	struct hl_event event;
	struct hl_error err;

	(void)state;
	deliver_event(HELIX_LEASE_EVENT_GRANTED, 1000, 1);	/* long before the dump */
	lose = 1;
	assert_int_equal(hl_monitor_next(mon, &event, &err), -ENOBUFS);
	assert_string_equal(err.message, "monitor: events were lost");
	deliver_end(1, NLMSG_DONE, 0);
	assert_int_equal(dump(&list), 0);
	deliver_event(HELIX_LEASE_EVENT_FREED, LATER, 2);
	/* The old one is not told after the dump, whose state is younger. */
	assert_int_equal(next().scanout.scanout, 2);
	nothing_more();
}

/* ---- the journal ---- */

static void assert_line(uint32_t type, uint32_t cause, const char *level, const char *expected)
{
	struct hl_event event = {
		.type = type, .cause = cause,
		.scanout = { .scanout = 3, .generation = 7, .owner_pid = 77, .owner_uid = 1000,
			     .wait_for = HELIX_LEASE_WAIT_HOST, .wait_ms = 5042,
			     .wait_name = "output to be disabled", .label = "editor" },
	};
	char line[512];
	const char *got = watch_line(&event, line, sizeof(line));

	if (!expected) {
		assert_null(got);
		return;
	}
	assert_string_equal(got, level);
	assert_string_equal(line, expected);
}

static void the_journal_gets_what_matters(void **state)
{
	(void)state;
	assert_line(HELIX_LEASE_EVENT_REVOKING, HELIX_LEASE_CAUSE_ADMIN, SD_NOTICE,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" was revoked by an administrator");
	assert_line(HELIX_LEASE_EVENT_REVOKING, HELIX_LEASE_CAUSE_PROCESS, SD_INFO,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" ended with its process");
	assert_line(HELIX_LEASE_EVENT_REVOKING, HELIX_LEASE_CAUSE_GPU, SD_ERR,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" ended because its GPU has gone");
	assert_line(HELIX_LEASE_EVENT_QUARANTINED, 0, SD_ERR,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" could not be turned off: "
		    "it has waited 5.042 s for host (output to be disabled)");
	assert_line(HELIX_LEASE_EVENT_STALLED, 0, SD_WARNING,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" is stalled: "
		    "it has waited 5.042 s for host (output to be disabled)");
	assert_line(HELIX_LEASE_EVENT_RESUMED, 0, SD_INFO,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" moves again");
	assert_line(HELIX_LEASE_EVENT_HOST_LOST, 0, SD_WARNING,
		    "the host daemon has gone: no scanout can be acquired or freed");
	assert_line(HELIX_LEASE_EVENT_HOST_BACK, 0, SD_INFO, "the host daemon is back");
	assert_line(HELIX_LEASE_EVENT_CONTEXT_STALLED, 0, SD_WARNING,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" shows what makes no progress on the host: "
		    "it has waited 5.042 s (output to be disabled)");
	assert_line(HELIX_LEASE_EVENT_CONTEXT_KILLED, 0, SD_ERR,
		    "scanout 3 generation 7 of pid 77 user 1000 \"editor\" shows what was killed by the host: "
		    "it has waited 5.042 s (output to be disabled)");
	assert_line(HELIX_LEASE_EVENT_GRANTED, 0, NULL, NULL);
	assert_line(HELIX_LEASE_EVENT_FREED, HELIX_LEASE_CAUSE_ADMIN, NULL, NULL);
	assert_line(77, 0, NULL, NULL);
}

static void the_journal_gets_a_context_without_a_scanout(void **state)
{
	struct hl_event event = {
		.type = HELIX_LEASE_EVENT_CONTEXT_KILLED,
		.context = 42,
		.scanout = { .gpu = 0x10, .wait_for = HELIX_LEASE_WAIT_FENCE, .wait_ms = 60001,
			     .wait_name = "context 42, fence 7" },
	};
	char line[512];

	(void)state;
	assert_string_equal(watch_line(&event, line, sizeof(line)), SD_ERR);
	assert_string_equal(line, "what draws on no leased scanout was killed by the host: "
				  "it has waited 60.001 s (context 42, fence 7)");
}

static void of_all_states_it_gets_those_where_something_is_the_matter(void **state)
{
	struct hl_scanout s = { .scanout = 1, .state = HELIX_LEASE_STATE_LEASED };
	char line[512];

	(void)state;
	assert_null(watch_state_line(&s, line, sizeof(line)));
	s.stalled_ms = 3001;
	s.wait_for = HELIX_LEASE_WAIT_FENCE;
	assert_string_equal(watch_state_line(&s, line, sizeof(line)), SD_WARNING);
	assert_string_equal(line, "scanout 1 generation 0 of pid 0 user 0 is stalled: "
				  "it has waited 3.001 s for fence");
	s.state = HELIX_LEASE_STATE_QUARANTINED;
	assert_string_equal(watch_state_line(&s, line, sizeof(line)), SD_ERR);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_is_told_whole),
		TEST(an_event_of_the_host_is_about_no_scanout),
		TEST(an_event_of_a_context_names_it),
		TEST(a_context_that_draws_on_no_lease_has_no_scanout),
		TEST(an_event_of_the_future_is_unknown_not_an_error),
		TEST(events_in_one_packet_come_in_their_order),
		TEST(an_attribute_that_lies_is_an_error_and_the_next_event_is_told),
		TEST(a_packet_that_is_cut_is_not_read_beyond_its_end),
		TEST(the_end_of_the_socket_is_an_error),
		TEST(a_dump_is_every_scanout),
		TEST(without_a_gpu_it_is_empty),
		TEST(an_error_of_the_module_is_told),
		TEST(a_dump_that_was_overtaken_is_made_again),
		TEST(what_was_lost_is_said_and_a_dump_makes_up_for_it),
		cmocka_unit_test(the_journal_gets_what_matters),
		cmocka_unit_test(the_journal_gets_a_context_without_a_scanout),
		cmocka_unit_test(of_all_states_it_gets_those_where_something_is_the_matter),
	};

	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
