// SPDX-License-Identifier: MIT
/*
 * Acquires a scanout, says which, says what happens to it until nothing happens for a
 * second, or as many as are given, and gives it back. usage: acquire [SOCKET [SECONDS]]
 *
 *   cc acquire.c $(pkg-config --cflags --libs libhelix_lease)
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <helix-lease-client.h>

static int watch(const struct hl_lease *lease, unsigned int timeout_ms, struct hl_error *err)
{
	struct hl_event event;
	int ret;

	while (!(ret = hl_lease_next_event(lease, timeout_ms, &event, err)))
		printf("%s, now %s\n", hl_event_name(event.type),
		       hl_state_name(event.scanout.state));
	/* Over is no error here: somebody has revoked it. */
	return ret == -EAGAIN || ret == -ENODATA ? 0 : ret;
}

int main(int argc, char **argv)
{
	const struct hl_acquire_args args = {
		.width = 1280, .height = 720, .timeout_ms = 60000, .label = "example",
		.pidfd = -1,
	};
	struct hl_conn *conn = NULL;
	struct hl_lease lease;
	struct hl_error err;
	int ret = hl_connect(argc > 1 ? argv[1] : NULL, &conn, &err);

	setlinebuf(stdout);
	if (!ret)
		ret = hl_acquire(conn, &args, &lease, &err);
	hl_close(conn);
	if (ret)
		goto failed;

	/* A compositor is given lease.lease_fd, or opens lease.node. */
	printf("scanout %u: %ux%u on connector %u, %s\n", lease.scanout, lease.width, lease.height,
	       lease.connector_id, lease.node);
	ret = watch(&lease, argc > 2 ? atoi(argv[2]) * 1000 : 1000, &err);
	hl_lease_release(&lease);
	if (ret)
		goto failed;
	puts("released");
	return 0;

failed:
	fprintf(stderr, "%s\n", err.message);
	return 1;
}
