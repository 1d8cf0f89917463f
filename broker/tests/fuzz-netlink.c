// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what comes over netlink, as events and as the answer to a
 * dump. The first byte says where packets are cut. Whatever is told is text with
 * an end and nothing that a terminal obeys.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec.h"
#include "monitor.h"

#define FAMILY	16	/* NLMSG_MIN_TYPE */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left, step;

/* Packets out of the input, then nothing any more; a real socket would say so too. */
static ssize_t feed(int fd, void *buf, size_t len, int flags)
{
	size_t n = left < step ? left : step;

	(void)fd;
	(void)flags;
	if (!n) {
		errno = EIO;
		return -1;
	}
	memcpy(buf, input, n < len ? n : len);
	input += n;
	left -= n;
	return n;
}

static void check(const struct hl_scanout *s)
{
	char label[sizeof(s->label)], name[sizeof(s->wait_name)];

	memcpy(label, s->label, sizeof(label));
	memcpy(name, s->wait_name, sizeof(name));
	if (strnlen(label, sizeof(label)) == sizeof(label) ||
	    strnlen(name, sizeof(name)) == sizeof(name))
		abort();
	hl_label_clean(label);
	hl_label_clean(name);
	if (strcmp(label, s->label) || strcmp(name, s->wait_name))
		abort();
}

static void try_events(struct hl_monitor *mon)
{
	struct hl_event event;
	struct hl_error err;
	int ret;

	/* A message that is refused is passed over by the next call. */
	while ((ret = hl_monitor_next(mon, &event, &err)) == 0 || ret == -EPROTO) {
		if (ret)
			continue;
		check(&event.scanout);
		json_object_put(hl_event_to_json(&event));
	}
	if (err.code != -ret || !err.message[0])
		abort();
}

static void try_dump(struct hl_monitor *mon)
{
	struct hl_scanout *list;
	struct hl_error err;
	size_t n;

	if (hl_monitor_dump(mon, &list, &n, &err))
		return;
	for (size_t i = 0; i < n; i++)
		check(&list[i]);
	free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hl_monitor *mon;
	int pair[2];

	if (size < 2)
		return 0;
	step = data[0] ? (size_t)data[0] * 8 : size;
	/* Readable for ever, since what is read is not from there. */
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) || write(pair[1], "x", 1) != 1 ||
	    hl_monitor_new(-1, pair[0], FAMILY, feed, &mon, NULL))
		abort();
	input = data + 1;
	left = size - 1;
	try_events(mon);
	input = data + 1;
	left = size - 1;
	try_dump(mon);
	hl_monitor_close(mon);
	close(pair[1]);
	return 0;
}
