// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all programs of this guest count, at two moments: for each a line with the
 * name of its counter and by how much it grew. Both moments are taken here, before
 * whatever else wants to run, for a guest whose CPUs have too much to do takes
 * seconds to start a command.
 *
 * usage: rates FOLDER MILLISECONDS
 */
#include <dirent.h>
#include <sched.h>
#include "kms.h"

#define COUNTERS_MAX	64

struct counter {
	char name[256];
	volatile uint64_t *at;
	uint64_t before;
};

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 1 };
	struct counter counters[COUNTERS_MAX], *c;
	double begun, took;
	struct dirent *entry;
	DIR *folder;
	int n = 0;

	if (argc != 3)
		end(ENDED_FAILED, "usage: rates FOLDER MILLISECONDS");
	folder = opendir(argv[1]);
	if (!folder || chdir(argv[1]))
		end(ENDED_FAILED, "%s: %s", argv[1], strerror(errno));
	while ((entry = readdir(folder)) && n < COUNTERS_MAX) {
		int fd = entry->d_name[0] == '.' ? -1 : open(entry->d_name, O_RDONLY | O_CLOEXEC);
		void *at = fd < 0 || lseek(fd, 0, SEEK_END) < 8 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);

		if (at == MAP_FAILED)
			continue;
		snprintf(counters[n].name, sizeof(counters[n].name), "%s", entry->d_name);
		counters[n++].at = at;
	}
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		end(ENDED_FAILED, "SCHED_FIFO: %s", strerror(errno));
	begun = now();
	for (c = counters; c < counters + n; c++)
		c->before = *c->at;
	usleep(number(argv[2]) * 1000);
	took = now() - begun;
	for (c = counters; c < counters + n; c++)
		c->before = *c->at - c->before;
	printf("seconds %.6f\n", took);
	for (c = counters; c < counters + n; c++)
		printf("%s %lu\n", c->name, (unsigned long)c->before);
	return 0;
}
