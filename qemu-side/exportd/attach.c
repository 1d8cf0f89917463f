// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the socket and those who are connected to it. Rules: only this user and
 * root are heard; a message is one packet with its descriptors, or it is
 * refused; who says nothing is hung up on.
 */
#include "attach.h"

#include <errno.h>
#include <glib-unix.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define ATTACH_MESSAGE_MAX	4096
#define ATTACH_FDS		2
#define ATTACH_CLIENTS_MAX	16
#define ATTACH_DEADLINE_MS	5000

struct attach {
	struct vms *vms;
	char *path;		/* to remove, or NULL */
	int fd;
	guint watch;
	GPtrArray *clients;
};

struct client {
	struct attach *attach;
	int fd;
	guint watch, deadline;
};

static void client_free(gpointer data)
{
	struct client *client = data;

	g_source_remove(client->watch);
	g_source_remove(client->deadline);
	close(client->fd);
	g_free(client);
}

/* --- the message --- */

static bool attach_number(struct json_object *root, const char *name, int min,
			  int max, int *out)
{
	struct json_object *value;

	if (!json_object_object_get_ex(root, name, &value))
		return true;
	if (!json_object_is_type(value, json_type_int) ||
	    json_object_get_int64(value) < min ||
	    json_object_get_int64(value) > max)
		return false;
	*out = json_object_get_int(value);
	return true;
}

/* "fds" says what each descriptor is. */
static const char *attach_parse_fds(struct json_object *root, unsigned int fds,
				    struct attach_request *out)
{
	struct json_object *names;
	unsigned int i;

	out->display = out->control = -1;
	if (!json_object_object_get_ex(root, "fds", &names) ||
	    !json_object_is_type(names, json_type_array) ||
	    json_object_array_length(names) != fds)
		return "\"fds\" must name each descriptor that came along";
	for (i = 0; i < fds; i++) {
		struct json_object *item = json_object_array_get_idx(names, i);
		const char *name = json_object_is_type(item, json_type_string) ?
				   json_object_get_string(item) : "";
		int *which = !strcmp(name, "display") ? &out->display :
			     !strcmp(name, "control") ? &out->control : NULL;

		if (!which || *which >= 0)
			return "\"fds\" takes one \"display\" and at most one \"control\"";
		*which = (int)i;
	}
	return out->display < 0 ? "a \"display\" is needed" : NULL;
}

static const char *attach_read(struct json_object *root, unsigned int fds,
			       struct attach_request *out)
{
	struct json_object *value;
	int priority = 0;

	if (!json_object_is_type(root, json_type_object))
		return "it is no JSON object";
	if (!json_object_object_get_ex(root, "name", &value) ||
	    !json_object_is_type(value, json_type_string) ||
	    !vm_name_valid(json_object_get_string(value)))
		return "\"name\" must be 1 to 32 of A-Z a-z 0-9 _ -";
	g_strlcpy(out->name, json_object_get_string(value), sizeof(out->name));
	if (json_object_object_get_ex(root, "console0", &value)) {
		if (!json_object_is_type(value, json_type_boolean))
			return "\"console0\" must be true or false";
		out->console0 = json_object_get_boolean(value);
	}
	if (!attach_number(root, "clipboard", 0, 65535, &out->clipboard))
		return "\"clipboard\" must be a number from 0 to 65535";
	if (!attach_number(root, "priority", 0, VM_PRIORITY_MAX, &priority))
		return "\"priority\" must be a number from 0 to 255";
	out->priority = (unsigned int)priority;
	return attach_parse_fds(root, fds, out);
}

bool attach_parse(const char *text, size_t len, unsigned int fds,
		  struct attach_request *out, const char **error)
{
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *root;
	size_t end;

	*out = (struct attach_request){ .clipboard = VM_CLIPBOARD_OFF };
	root = json_tokener_parse_ex(tokener, text, (int)len);
	*error = attach_read(root, fds, out);
	for (end = json_tokener_get_parse_end(tokener);
	     end < len && g_ascii_isspace(text[end]);)
		end++;
	if (!*error && end != len)
		*error = "there is something after the JSON object";
	json_object_put(root);
	json_tokener_free(tokener);
	return !*error;
}

/* --- the socket --- */

static void client_answer(struct client *client, const char *code,
			  const char *message)
{
	struct json_object *root = json_object_new_object();
	struct json_object *error;
	const char *text;

	if (code) {
		error = json_object_new_object();
		json_object_object_add(error, "code", json_object_new_string(code));
		json_object_object_add(error, "message",
				       json_object_new_string(message));
		json_object_object_add(root, "error", error);
	} else {
		json_object_object_add(root, "ok", json_object_new_boolean(1));
	}
	text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
	/* who does not wait for the answer does not get one */
	if (send(client->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("attach: answering: %s", g_strerror(errno));
	json_object_put(root);
}

/* Takes @fds. */
static void client_request(struct client *client, const char *text, size_t len,
			   const int *fds, unsigned int nr_fds)
{
	static const char *const codes[] = {
		[VMS_INVALID] = "invalid", [VMS_EXISTS] = "exists",
		[VMS_FULL] = "full",
	};
	struct attach_request req;
	const char *error;
	enum vms_status status;
	unsigned int i;

	if (!attach_parse(text, len, nr_fds, &req, &error)) {
		log_warn("attach: refused: %s", error);
		client_answer(client, "invalid", error);
		for (i = 0; i < nr_fds; i++)
			close(fds[i]);
		return;
	}
	status = vms_hand_over(client->attach->vms,
			       &(struct vm_options){
					.name = req.name,
					.console0 = req.console0,
					.clipboard = req.clipboard,
					.priority = req.priority,
					.idle_after = VM_IDLE_DEFAULT,
					.idle_warn = VM_IDLE_DEFAULT,
			       }, fds[req.display],
			       req.control < 0 ? -1 : fds[req.control]);
	if (status == VMS_OK)
		client_answer(client, NULL, NULL);
	else
		client_answer(client, codes[status],
			      status == VMS_EXISTS ? "there is a VM of this name" :
						     "there are too many VMs");
}

static unsigned int client_take_fds(struct msghdr *msg, int *fds)
{
	unsigned int count = 0;
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		/* the buffer has room for no more than ATTACH_FDS */
		count = (unsigned int)((cmsg->cmsg_len - CMSG_LEN(0)) /
				       sizeof(int));
		memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
	}
	return count;
}

static gboolean client_readable(gint fd, GIOCondition cond, gpointer data)
{
	struct client *client = data;
	char text[ATTACH_MESSAGE_MAX];
	union {
		char buf[CMSG_SPACE(sizeof(int) * ATTACH_FDS)];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf),
	};
	int fds[ATTACH_FDS + 1];
	unsigned int nr_fds = 0, i;
	ssize_t n;

	(void)cond;
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n > 0)
		nr_fds = client_take_fds(&msg, fds);
	if (n > 0 && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		client_request(client, text, (size_t)n, fds, nr_fds);
	} else {
		for (i = 0; i < nr_fds; i++)
			close(fds[i]);
		if (n > 0)
			client_answer(client, "invalid", "too long, or too many descriptors");
	}
	g_ptr_array_remove_fast(client->attach->clients, client);
	return G_SOURCE_REMOVE;
}

static gboolean client_late(gpointer data)
{
	struct client *client = data;

	g_ptr_array_remove_fast(client->attach->clients, client);
	return G_SOURCE_REMOVE;
}

static bool attach_peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	log_warn("attach: refused: user %u may not hand over VMs", peer.uid);
	return false;
}

static gboolean attach_accept(gint listener, GIOCondition cond, gpointer data)
{
	struct attach *attach = data;
	struct client *client;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)cond;
	if (fd < 0)
		return G_SOURCE_CONTINUE;
	if (attach->clients->len >= ATTACH_CLIENTS_MAX ||
	    !attach_peer_allowed(fd)) {
		close(fd);
		return G_SOURCE_CONTINUE;
	}
	client = g_new0(struct client, 1);
	client->attach = attach;
	client->fd = fd;
	client->watch = g_unix_fd_add(fd, G_IO_IN, client_readable, client);
	client->deadline = g_timeout_add(ATTACH_DEADLINE_MS, client_late, client);
	g_ptr_array_add(attach->clients, client);
	return G_SOURCE_CONTINUE;
}

struct attach *attach_new_fd(int fd, struct vms *vms)
{
	struct attach *attach = g_new0(struct attach, 1);

	g_unix_set_fd_nonblocking(fd, TRUE, NULL);
	attach->vms = vms;
	attach->fd = fd;
	attach->clients = g_ptr_array_new_with_free_func(client_free);
	attach->watch = g_unix_fd_add(fd, G_IO_IN, attach_accept, attach);
	return attach;
}

/* What a former one left behind is replaced; any other file is not. */
static int attach_bind(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int rc;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	return rc ? rc : listen(fd, ATTACH_CLIENTS_MAX);
}

struct attach *attach_new(const char *path, struct vms *vms)
{
	struct attach *attach;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || attach_bind(fd, path)) {
		log_error("making the socket %s: %s", path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	attach = attach_new_fd(fd, vms);
	attach->path = g_strdup(path);
	return attach;
}

void attach_free(struct attach *attach)
{
	if (!attach)
		return;
	g_source_remove(attach->watch);
	g_ptr_array_unref(attach->clients);
	close(attach->fd);
	if (attach->path)
		unlink(attach->path);
	g_free(attach->path);
	g_free(attach);
}
