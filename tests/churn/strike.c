// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kills a process that lives too short for a shell to find it: a hook, a runtime, a
 * container's monitor while it starts. The first process whose command line has all of
 * the words gets SIGKILL so long after it was first seen; it may have ended by then.
 *
 * usage: strike MICROSECONDS WORD...
 */
#include <dirent.h>
#include <fcntl.h>
#include "guest.h"

#define PATIENCE_S	120
#define MISSED_S	2

/* The command line of a process with spaces between its words, "" if it is gone. */
static void command_line(const char *pid, char *text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!text[i])
			text[i] = ' ';
}

static bool has_all(const char *text, char **words)
{
	for (; *words; words++)
		if (!strstr(text, *words))
			return false;
	return *text;
}

static pid_t find(char **words, char *text, size_t size)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc && !found && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 1 || pid == getpid())
			continue;
		command_line(entry->d_name, text, size);
		/* Who starts us has the words as well. */
		if (has_all(text, words) && !strstr(text, "strike"))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

int main(int argc, char **argv)
{
	double deadline = now() + PATIENCE_S;
	unsigned long pause;
	pid_t pid, missed = 0;
	char text[4096];

	if (argc < 3)
		end(ENDED_FAILED, "usage: strike MICROSECONDS WORD...");
	pause = number(argv[1]);
	for (;;) {
		do {
			pid = find(argv + 2, text, sizeof(text));
			if (now() > deadline)
				end(missed ? ENDED_LOST : ENDED_FAILED, missed ? "%d had ended: %.60s" : "no such process came", missed, text);
		} while (!pid);
		if (!missed)
			usleep(pause);
		if (!kill(pid, SIGKILL))
			break;
		/* It may have left its work to a child of the same name. */
		if (!missed)
			deadline = now() + MISSED_S;
		missed = pid;
	}
	end(0, "killed %d: %.60s", pid, text);
}
