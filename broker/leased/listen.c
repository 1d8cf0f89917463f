// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "error.h"
#include "listen.h"

#define BACKLOG		128
#define SOCKET_MODE	0660

static int take_activated(int *fd, struct hl_error *err)
{
	int n = sd_listen_fds(1);

	if (n < 0)
		return hl_error_set(err, -n, "cannot read LISTEN_FDS: %s", strerror(-n));
	if (!n)
		return 0;
	if (n != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
		return hl_error_set(err, EINVAL,
				    "socket activation gave %d descriptors, not one listening Unix socket of type SOCK_SEQPACKET",
				    n);
	/* systemd passes it blocking, and accept() is called until it would block. */
	if (fcntl(SD_LISTEN_FDS_START, F_SETFL, O_NONBLOCK) < 0)
		return hl_error_set(err, errno, "cannot make the activated socket non-blocking: %s",
				    strerror(errno));
	*fd = SD_LISTEN_FDS_START;
	return 0;
}

/* Removes @addr's file only when connecting to it shows that nobody listens. */
static int clear_stale(const struct sockaddr_un *addr, struct hl_error *err)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int code = 0;

	if (fd < 0)
		return hl_error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	/* To connect to a file of another type is refused just like to a stale socket. */
	if (!lstat(addr->sun_path, &st) && !S_ISSOCK(st.st_mode))
		code = ENOTSOCK;
	else if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		code = errno;
	close(fd);
	if (code == ENOENT)
		return 0;
	if (!code || code == EAGAIN)
		return hl_error_set(err, EADDRINUSE, "another broker listens on %s", addr->sun_path);
	if (code != ECONNREFUSED)
		return hl_error_set(err, code, "%s is in the way: %s", addr->sun_path,
				    strerror(code));
	if (unlink(addr->sun_path) < 0)
		return hl_error_set(err, errno, "cannot remove the stale socket %s: %s",
				    addr->sun_path, strerror(errno));
	return 0;
}

static int make_parent(const char *path, struct hl_error *err)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (!mkdir(dir, 0755)) {
		chmod(dir, 0755);	/* whatever the umask is: it is mounted in containers */
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	return hl_error_set(err, errno, "cannot make the directory %s: %s", dir, strerror(errno));
}

static int bind_path(int fd, const struct sockaddr_un *addr, gid_t gid, struct hl_error *err)
{
	mode_t old = umask(0177);	/* nobody connects before the group is right */
	int ret = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	const char *path = addr->sun_path;

	umask(old);
	if (ret < 0)
		return hl_error_set(err, errno, "cannot bind to %s: %s", path, strerror(errno));
	if (gid != (gid_t)-1 && chown(path, -1, gid) < 0)
		return hl_error_set(err, errno, "cannot give %s to group %u: %s", path, gid,
				    strerror(errno));
	if (chmod(path, SOCKET_MODE) < 0)
		return hl_error_set(err, errno, "cannot set the mode of %s: %s", path,
				    strerror(errno));
	if (listen(fd, BACKLOG) < 0)
		return hl_error_set(err, errno, "cannot listen on %s: %s", path, strerror(errno));
	return 0;
}

int listen_open(const char *path, gid_t gid, int *out, bool *ours, struct hl_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = -1;
	int ret = take_activated(&fd, err);

	*ours = false;
	if (ret)
		return ret;
	if (fd >= 0) {
		*out = fd;
		return 0;
	}
	if (strlen(path) >= sizeof(addr.sun_path))
		return hl_error_set(err, ENAMETOOLONG, "socket path %s is longer than %zu bytes",
				    path, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	ret = make_parent(path, err);
	if (!ret)
		ret = clear_stale(&addr, err);
	if (ret)
		return ret;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return hl_error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	ret = bind_path(fd, &addr, gid, err);
	if (ret) {
		close(fd);
		return ret;
	}
	*ours = true;
	*out = fd;
	return 0;
}
