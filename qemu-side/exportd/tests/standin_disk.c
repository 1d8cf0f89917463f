// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk that takes its time: fsync() of whoever this is preloaded to ends when the
 * file STANDIN_DISK names is gone, or after a minute and a half.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS		10000000
#define POLLS		9000

int fsync(int fd)
{
	const struct timespec poll = { .tv_nsec = POLL_NS };
	const char *path = getenv("STANDIN_DISK");
	int i;

	for (i = 0; path && i < POLLS && !access(path, F_OK); i++)
		nanosleep(&poll, NULL);
	return (int)syscall(SYS_fsync, fd);
}
