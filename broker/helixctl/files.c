// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <string.h>

#include "files.h"
#include "numbers.h"

const char *files_path(char path[FILES_PATH], const char *root, const char *fmt, ...)
{
	int len = snprintf(path, FILES_PATH, "%s", root), more;
	va_list ap;

	if (len >= 0 && len < FILES_PATH) {
		va_start(ap, fmt);
		more = vsnprintf(path + len, FILES_PATH - len, fmt, ap);
		va_end(ap);
		if (more >= 0 && more < FILES_PATH - len)
			return path;
	}
	path[0] = '\0';
	return path;
}

bool files_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(text, size, file);

	if (file)
		fclose(file);
	if (!ok)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return ok;
}

bool files_u64(const char *path, uint64_t *value)
{
	char text[32];

	return files_line(path, text, sizeof(text)) &&
	       !hl_parse_u64("", text, 0, UINT64_MAX, value, NULL);
}
