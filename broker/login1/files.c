// SPDX-License-Identifier: GPL-2.0-only
/* What libsystemd knows of sessions (sd-login.h) it reads from files below /run/systemd. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "login.h"

/* It watches all of them, whether there is anything in them or not. */
static const char *const folders[] = { "", "/seats", "/sessions", "/users", "/machines" };

static int make_folders(const char *root, struct hl_error *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return hl_error_set(err, errno, "cannot make %s: %s", path, strerror(errno));
	}
	return 0;
}

__attribute__((format(printf, 3, 4)))
static int put(const char *path, struct hl_error *err, const char *fmt, ...)
{
	FILE *file = fopen(path, "we");
	int bad = !file;
	va_list args;

	va_start(args, fmt);
	if (file)
		bad = vfprintf(file, fmt, args) < 0;
	va_end(args);
	if (file && fclose(file))
		bad = 1;
	return bad ? hl_error_set(err, errno ? errno : EIO, "cannot write %s: %s", path,
				  strerror(errno ? errno : EIO)) : 0;
}

int files_write(const struct login *login, struct hl_error *err)
{
	const char *root = login->runtime_dir;
	char path[PATH_MAX];
	int ret = make_folders(root, err);

	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/sessions/" LOGIN_SESSION, root);
	ret = put(path, err, "UID=%u\nUSER=%s\nACTIVE=1\nIS_DISPLAY=1\nSTATE=active\nREMOTE=0\n"
		  "TYPE=%s\nCLASS=%s\nSEAT=" LOGIN_SEAT "\nDESKTOP=%s\nLEADER=1\n", login->uid,
		  login->user, login->type, login->class, login->desktop);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/users/%u", root, login->uid);
	ret = put(path, err, "NAME=%s\nSTATE=active\nRUNTIME=%s\nDISPLAY=" LOGIN_SESSION
		  "\nSESSIONS=" LOGIN_SESSION "\nACTIVE_SESSIONS=" LOGIN_SESSION "\nSEATS="
		  LOGIN_SEAT "\nACTIVE_SEATS=" LOGIN_SEAT "\n", login->user, login->runtime_path);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/seats/" LOGIN_SEAT, root);
	return put(path, err, "IS_SEAT0=1\nCAN_MULTI_SESSION=1\nCAN_TTY=0\nCAN_GRAPHICAL=1\nACTIVE="
		   LOGIN_SESSION "\nACTIVE_UID=%u\nSESSIONS=" LOGIN_SESSION "\nUIDS=%u\n",
		   login->uid, login->uid);
}

void files_remove(const struct login *login)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sessions/" LOGIN_SESSION, login->runtime_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/users/%u", login->runtime_dir, login->uid);
	unlink(path);
	snprintf(path, sizeof(path), "%s/seats/" LOGIN_SEAT, login->runtime_dir);
	unlink(path);
}
