// SPDX-License-Identifier: GPL-2.0-only
/*
 * The session: who controls it, and the devices that the controller has taken. It is the
 * container's only one and never put aside, so that no device is ever paused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login.h"

#define IFACE	LOGIN_NAME ".Session"
#define PREFIX	LOGIN_PATH "/session"

/* ---- devices ---- */

static struct login_device *find_device(struct login *login, uint32_t major, uint32_t minor)
{
	for (uint32_t i = 0; i < login->nr_devices; i++)
		if (login->devices[i].major == major && login->devices[i].minor == minor)
			return &login->devices[i];
	return NULL;
}

static void drop_device(struct login *login, struct login_device *device)
{
	device_revoke(device->fd);
	close(device->fd);
	*device = login->devices[--login->nr_devices];
}

/* ---- control ---- */

void session_drop_control(struct login *login)
{
	while (login->nr_devices)
		drop_device(login, &login->devices[0]);
	login->watched = sd_bus_track_unref(login->watched);
	free(login->controller);
	login->controller = NULL;
}

static int on_controller_gone(sd_bus_track *track, void *data)
{
	(void)track;
	session_drop_control(data);
	return 0;
}

static int take_control(struct login *login, sd_bus_message *m)
{
	int ret;

	login->controller = strdup(sd_bus_message_get_sender(m));
	if (!login->controller)
		return -ENOMEM;
	ret = sd_bus_track_new(login->bus, &login->watched, on_controller_gone, login);
	if (ret >= 0)
		ret = sd_bus_track_add_sender(login->watched, m);
	if (ret < 0)
		session_drop_control(login);
	return ret;
}

static int on_take_control(sd_bus_message *m, void *data, sd_bus_error *error)
{
	sd_bus_creds *creds = NULL;
	struct login *login = data;
	uid_t uid = (uid_t)-1;
	int force, ret;

	ret = sd_bus_message_read(m, "b", &force);
	if (ret >= 0)
		ret = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
	if (ret >= 0)
		ret = sd_bus_creds_get_euid(creds, &uid);
	sd_bus_creds_unref(creds);
	if (ret < 0)
		return ret;
	if (uid != 0 && uid != login->uid)
		return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
					"The session is another user's");
	if (login->controller && strcmp(login->controller, sd_bus_message_get_sender(m))) {
		if (!force)
			return sd_bus_error_set_errnof(error, EBUSY,
						       "The session is controlled by %s",
						       login->controller);
		session_drop_control(login);
	}
	ret = login->controller ? 0 : take_control(login, m);
	return ret < 0 ? ret : sd_bus_reply_method_return(m, NULL);
}

/* Whether the caller has taken control. */
static int check_control(const struct login *login, sd_bus_message *m, sd_bus_error *error)
{
	if (login->controller && !strcmp(login->controller, sd_bus_message_get_sender(m)))
		return 0;
	return sd_bus_error_set(error, LOGIN_NAME ".NotInControl",
				"You are not in control of this session");
}

static int on_release_control(sd_bus_message *m, void *data, sd_bus_error *error)
{
	int ret = check_control(data, m, error);

	if (ret < 0)
		return ret;
	session_drop_control(data);
	return sd_bus_reply_method_return(m, NULL);
}

/* ---- methods of who has control ---- */

/* The number that the caller, who must have control, says. */
static int read_number(const struct login *login, sd_bus_message *m, uint32_t *major,
		       uint32_t *minor, sd_bus_error *error)
{
	int ret = sd_bus_message_read(m, "uu", major, minor);

	return ret < 0 ? ret : check_control(login, m, error);
}

/* The device of that number, which must have been taken. */
static int read_device(struct login *login, sd_bus_message *m, struct login_device **device,
		       sd_bus_error *error)
{
	uint32_t major, minor;
	int ret = read_number(login, m, &major, &minor, error);

	if (ret < 0)
		return ret;
	*device = find_device(login, major, minor);
	if (*device)
		return 0;
	return sd_bus_error_setf(error, LOGIN_NAME ".DeviceNotTaken", "Device %u:%u is not taken",
				 major, minor);
}

static int on_take_device(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct login *login = data;
	uint32_t major, minor;
	int fd, ret;

	ret = read_number(login, m, &major, &minor, error);
	if (ret < 0)
		return ret;
	if (find_device(login, major, minor))
		return sd_bus_error_setf(error, LOGIN_NAME ".DeviceIsTaken",
					 "Device %u:%u is taken already", major, minor);
	if (login->nr_devices == LOGIN_DEVICES_MAX)
		return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
					 "A session has no more than %d devices", LOGIN_DEVICES_MAX);
	fd = device_open(major, minor);
	if (fd < 0)
		return sd_bus_error_set_errnof(error, -fd, "Device %u:%u of this session: %s", major,
					       minor, strerror(-fd));
	/* The message has a descriptor of its own; neither is inactive. */
	ret = sd_bus_reply_method_return(m, "hb", fd, 0);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	login->devices[login->nr_devices++] = (struct login_device) { major, minor, fd };
	return ret;
}

static int on_release_device(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct login *login = data;
	struct login_device *device;
	int ret = read_device(login, m, &device, error);

	if (ret < 0)
		return ret;
	drop_device(login, device);
	return sd_bus_reply_method_return(m, NULL);
}

/* Of no device that was never paused. */
static int on_pause_complete(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct login_device *device;
	int ret = read_device(data, m, &device, error);

	return ret < 0 ? ret : sd_bus_reply_method_return(m, NULL);
}

/* Sets one of the session's words to what @allowed has; NULL at its end. */
static int set_word(struct login *login, sd_bus_message *m, char **word, const char *property,
		    const char *const *allowed, sd_bus_error *error)
{
	const char *text;
	char *copy;
	int ret;

	ret = sd_bus_message_read(m, "s", &text);
	if (ret >= 0)
		ret = check_control(login, m, error);
	if (ret < 0)
		return ret;
	while (*allowed && strcmp(*allowed, text))
		allowed++;
	if (!*allowed)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Invalid session %s '%s'",
					 property, text);
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*word);
	*word = copy;
	sd_bus_emit_properties_changed(login->bus, LOGIN_SESSION_PATH, IFACE, property, NULL);
	return sd_bus_reply_method_return(m, NULL);
}

static int on_set_type(sd_bus_message *m, void *data, sd_bus_error *error)
{
	static const char *const types[] = { "unspecified", "tty", "x11", "wayland", "mir", "web", NULL };
	struct login *login = data;

	return set_word(login, m, &login->type, "Type", types, error);
}

static int on_set_class(sd_bus_message *m, void *data, sd_bus_error *error)
{
	static const char *const classes[] = { "user", "greeter", "lock-screen", NULL };
	struct login *login = data;

	return set_word(login, m, &login->class, "Class", classes, error);
}

/* ---- methods of everybody ---- */

static int on_activate(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)data;
	(void)error;
	return sd_bus_reply_method_return(m, NULL);
}

/* Lock and Unlock are wishes: the signal of the same name tells the session of them. */
static int on_lock(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct login *login = data;
	int ret;

	(void)error;
	ret = sd_bus_emit_signal(login->bus, LOGIN_SESSION_PATH, IFACE, sd_bus_message_get_member(m), NULL);
	return ret < 0 ? ret : sd_bus_reply_method_return(m, NULL);
}

static int on_set_locked(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct login *login = data;
	int locked, ret;

	(void)error;
	ret = sd_bus_message_read(m, "b", &locked);
	if (ret < 0)
		return ret;
	if (locked != login->locked) {
		login->locked = locked;
		sd_bus_emit_properties_changed(login->bus, LOGIN_SESSION_PATH, IFACE, "LockedHint", NULL);
	}
	return sd_bus_reply_method_return(m, NULL);
}

static int on_set_idle(sd_bus_message *m, void *data, sd_bus_error *error)
{
	int idle, ret;

	(void)error;
	ret = sd_bus_message_read(m, "b", &idle);
	if (ret < 0)
		return ret;
	login_set_idle(data, idle);
	return sd_bus_reply_method_return(m, NULL);
}

/* ---- properties ---- */

/* The constants of this session: what it has not, is remote from, or always is. */
static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	const char *text = "";

	(void)bus, (void)path, (void)interface, (void)data, (void)error;
	if (!strcmp(property, "Id"))
		text = LOGIN_SESSION;
	else if (!strcmp(property, "State"))
		text = "active";
	return sd_bus_message_append(reply, "s", text);
}

static int get_bool(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)data, (void)error;
	return sd_bus_message_append(reply, "b", strcmp(property, "Remote") != 0);
}

/* It has no terminal and no audit; its first process is the container's. */
static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *data, sd_bus_error *error)
{
	uint32_t number = 0;

	(void)bus, (void)path, (void)interface, (void)data, (void)error;
	if (!strcmp(property, "Leader"))
		number = 1;
	else if (!strcmp(property, "Audit"))
		number = UINT32_MAX;
	return sd_bus_message_append(reply, "u", number);
}

static int get_user(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	const struct login *login = data;

	(void)bus, (void)path, (void)interface, (void)property, (void)error;
	return sd_bus_message_append(reply, "(uo)", login->uid, login->user_path);
}

int login_get_session(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "(so)", LOGIN_SESSION, LOGIN_SESSION_PATH);
}

int login_get_sessions(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "a(so)", 1, LOGIN_SESSION, LOGIN_SESSION_PATH);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("User", "(uo)", get_user, 0, CONST),
	SD_BUS_PROPERTY("Name", "s", NULL, FIELD(user), CONST),
	SD_BUS_PROPERTY("Timestamp", "t", NULL, FIELD(since), CONST),
	SD_BUS_PROPERTY("TimestampMonotonic", "t", NULL, FIELD(since_monotonic), CONST),
	SD_BUS_PROPERTY("VTNr", "u", get_number, 0, CONST),
	SD_BUS_PROPERTY("Seat", "(so)", login_get_seat, 0, CONST),
	SD_BUS_PROPERTY("TTY", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Display", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Remote", "b", get_bool, 0, CONST),
	SD_BUS_PROPERTY("RemoteHost", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("RemoteUser", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("Service", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("Desktop", "s", NULL, FIELD(desktop), CONST),
	SD_BUS_PROPERTY("Scope", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("Leader", "u", get_number, 0, CONST),
	SD_BUS_PROPERTY("Audit", "u", get_number, 0, CONST),
	SD_BUS_PROPERTY("Type", "s", NULL, FIELD(type), CHANGES),
	SD_BUS_PROPERTY("Class", "s", NULL, FIELD(class), CHANGES),
	SD_BUS_PROPERTY("Active", "b", get_bool, 0, CHANGES),
	SD_BUS_PROPERTY("State", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("IdleHint", "b", NULL, FIELD(idle), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHint", "t", NULL, FIELD(idle_since), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHintMonotonic", "t", NULL, FIELD(idle_since_monotonic), CHANGES),
	SD_BUS_PROPERTY("CanIdle", "b", get_bool, 0, CONST),
	SD_BUS_PROPERTY("CanLock", "b", get_bool, 0, CONST),
	SD_BUS_PROPERTY("LockedHint", "b", NULL, FIELD(locked), CHANGES),
	SD_BUS_METHOD("Activate", NULL, NULL, on_activate, OPEN),
	SD_BUS_METHOD("Lock", NULL, NULL, on_lock, OPEN),
	SD_BUS_METHOD("Unlock", NULL, NULL, on_lock, OPEN),
	SD_BUS_METHOD("SetIdleHint", "b", NULL, on_set_idle, OPEN),
	SD_BUS_METHOD("SetLockedHint", "b", NULL, on_set_locked, OPEN),
	SD_BUS_METHOD("TakeControl", "b", NULL, on_take_control, OPEN),
	SD_BUS_METHOD("ReleaseControl", NULL, NULL, on_release_control, OPEN),
	SD_BUS_METHOD("SetType", "s", NULL, on_set_type, OPEN),
	SD_BUS_METHOD("SetClass", "s", NULL, on_set_class, OPEN),
	SD_BUS_METHOD("TakeDevice", "uu", "hb", on_take_device, OPEN),
	SD_BUS_METHOD("ReleaseDevice", "uu", NULL, on_release_device, OPEN),
	SD_BUS_METHOD("PauseDeviceComplete", "uu", NULL, on_pause_complete, OPEN),
	SD_BUS_SIGNAL("PauseDevice", "uus", 0),
	SD_BUS_SIGNAL("ResumeDevice", "uuh", 0),
	SD_BUS_SIGNAL("Lock", NULL, 0),
	SD_BUS_SIGNAL("Unlock", NULL, 0),
	SD_BUS_VTABLE_END
};

/* By its name, and by those that stand for the caller's own. */
static int find(sd_bus *bus, const char *path, const char *interface, void *data, void **found,
		sd_bus_error *error)
{
	(void)bus, (void)interface, (void)error;
	*found = data;
	return !strcmp(path, LOGIN_SESSION_PATH) || !strcmp(path, PREFIX "/self") ||
	       !strcmp(path, PREFIX "/auto");
}

int session_register(struct login *login)
{
	return sd_bus_add_fallback_vtable(login->bus, NULL, PREFIX, IFACE, vtable, find, login);
}
