// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "ids.h"

/* A line is "inside outside count"; false where there is none any more. */
static bool next_line(const char **map, uint32_t *inside, uint32_t *outside, uint32_t *count)
{
	const char *end = strchr(*map, '\n');

	if (!end || sscanf(*map, "%u %u %u", inside, outside, count) != 3)
		return false;
	*map = end + 1;
	return true;
}

int cdi_ids_outside(const char *map, uint32_t inside, uint32_t *outside)
{
	uint32_t first, to, count;

	while (next_line(&map, &first, &to, &count)) {
		if (inside >= first && inside - first < count) {
			*outside = to + (inside - first);
			return 0;
		}
	}
	return -ENOENT;
}

bool cdi_ids_same(const char *map)
{
	uint32_t first, to, count;

	return next_line(&map, &first, &to, &count) && !first && !to && count == UINT32_MAX;
}

int cdi_ids_read(const char *process, const char *kind, char *map, struct hl_error *err)
{
	char path[64];
	ssize_t n = 1;
	size_t len = 0;
	int fd, code = 0;

	snprintf(path, sizeof(path), "/proc/%s/%s_map", process, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return hl_error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	while (len < CDI_IDS_MAX - 1 && (n = read(fd, map + len, CDI_IDS_MAX - 1 - len)) > 0)
		len += n;
	if (n)
		code = n < 0 ? errno : EFBIG;
	close(fd);
	if (code)
		return hl_error_set(err, code, "cannot read %s: %s", path, strerror(code));
	map[len] = '\0';
	return 0;
}
