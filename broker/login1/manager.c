// SPDX-License-Identifier: GPL-2.0-only
/*
 * The manager: who asks for sessions, seats and users is told of the only ones. It suspends,
 * stops and restarts nothing, since that is not a container's to do, and says so when asked.
 * An inhibitor therefore delays nothing; it is held and counted until its descriptor is closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "login.h"

#define IFACE	LOGIN_NAME ".Manager"

/* ---- who is there ---- */

/* The one of its kind, asked for by name. No name, as "self" and "auto": the caller's own. */
static int reply_by_name(sd_bus_message *m, const char *kind, const char *known, const char *path,
			 const char *unknown, sd_bus_error *error)
{
	const char *name;
	int ret;

	ret = sd_bus_message_read(m, "s", &name);
	if (ret < 0)
		return ret;
	if (*name && strcmp(name, known) && strcmp(name, "self") && strcmp(name, "auto"))
		return sd_bus_error_setf(error, unknown, "No %s '%s' known", kind, name);
	return sd_bus_reply_method_return(m, "o", path);
}

static int on_get_session(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)data;
	return reply_by_name(m, "session", LOGIN_SESSION, LOGIN_SESSION_PATH,
			     LOGIN_NAME ".NoSuchSession", error);
}

static int on_get_seat(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)data;
	return reply_by_name(m, "seat", LOGIN_SEAT, LOGIN_SEAT_PATH, LOGIN_NAME ".NoSuchSeat", error);
}

/* Whoever runs in here belongs to the session: 0 stands for the caller. */
static bool runs(uint32_t pid)
{
	return pid <= INT32_MAX && (!pid || !kill(pid, 0) || errno != ESRCH);
}

static int reply_by_pid(sd_bus_message *m, const char *kind, const char *path, const char *unknown,
			sd_bus_error *error)
{
	uint32_t pid;
	int ret;

	ret = sd_bus_message_read(m, "u", &pid);
	if (ret < 0)
		return ret;
	if (!runs(pid))
		return sd_bus_error_setf(error, unknown, "PID %u does not belong to any %s", pid, kind);
	return sd_bus_reply_method_return(m, "o", path);
}

static int on_get_session_by_pid(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)data;
	return reply_by_pid(m, "known session", LOGIN_SESSION_PATH, LOGIN_NAME ".NoSessionForPID", error);
}

static int on_get_user(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const struct login *login = data;
	uint32_t uid;
	int ret;

	ret = sd_bus_message_read(m, "u", &uid);
	if (ret < 0)
		return ret;
	if (uid != login->uid && uid != UINT32_MAX)
		return sd_bus_error_setf(error, LOGIN_NAME ".NoSuchUser",
					 "User ID %u is not logged in or lingering", uid);
	return sd_bus_reply_method_return(m, "o", login->user_path);
}

static int on_get_user_by_pid(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const struct login *login = data;

	return reply_by_pid(m, "logged in user", login->user_path, LOGIN_NAME ".NoUserForPID", error);
}

static int on_list_sessions(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const struct login *login = data;

	(void)error;
	return sd_bus_reply_method_return(m, "a(susso)", 1, LOGIN_SESSION, login->uid, login->user,
					  LOGIN_SEAT, LOGIN_SESSION_PATH);
}

static int on_list_users(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const struct login *login = data;

	(void)error;
	return sd_bus_reply_method_return(m, "a(uso)", 1, login->uid, login->user, login->user_path);
}

static int on_list_seats(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)data, (void)error;
	return sd_bus_reply_method_return(m, "a(so)", 1, LOGIN_SEAT, LOGIN_SEAT_PATH);
}

/* ---- what it does not do ---- */

static int on_can(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)data, (void)error;
	return sd_bus_reply_method_return(m, "s", "na");
}

/* The last descriptor of the other end is closed: by a program, or by its end. */
static int on_inhibitor_gone(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct login *login = data;

	(void)fd, (void)events;
	login->nr_inhibitors--;
	sd_event_source_disable_unref(source);
	return 0;
}

static int on_inhibit(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *what, *who, *why, *mode;
	sd_event_source *source = NULL;
	struct login *login = data;
	int ends[2], ret;

	ret = sd_bus_message_read(m, "ssss", &what, &who, &why, &mode);
	if (ret < 0)
		return ret;
	if (strcmp(mode, "block") && strcmp(mode, "block-weak") && strcmp(mode, "delay"))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Invalid mode '%s'", mode);
	if (login->nr_inhibitors == LOGIN_INHIBITORS_MAX)
		return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
					 "Maximum number of inhibitors (%d) reached",
					 LOGIN_INHIBITORS_MAX);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* Only its hangup is of interest: what is written to it is never read. */
	ret = sd_event_add_io(login->event, &source, ends[0], 0, on_inhibitor_gone, login);
	if (ret >= 0)
		ret = sd_event_source_set_io_fd_own(source, 1);
	if (ret < 0)
		close(ends[0]);
	else
		ret = sd_bus_reply_method_return(m, "h", ends[1]);
	close(ends[1]);
	if (ret < 0)
		sd_event_source_disable_unref(source);
	else
		login->nr_inhibitors++;
	return ret;
}

/* ---- properties ---- */

static int get_false(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "b", 0);
}

static int get_true(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "b", 1);
}

static int get_nothing(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "s", "");
}

static int get_limit(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *data, sd_bus_error *error)
{
	uint64_t limit = strcmp(property, "InhibitorsMax") ? 1 : LOGIN_INHIBITORS_MAX;

	(void)bus, (void)path, (void)interface, (void)data, (void)error;
	return sd_bus_message_append(reply, "t", limit);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("IdleHint", "b", NULL, FIELD(idle), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHint", "t", NULL, FIELD(idle_since), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHintMonotonic", "t", NULL, FIELD(idle_since_monotonic), CHANGES),
	SD_BUS_PROPERTY("BlockInhibited", "s", get_nothing, 0, CHANGES),
	SD_BUS_PROPERTY("DelayInhibited", "s", get_nothing, 0, CHANGES),
	SD_BUS_PROPERTY("PreparingForShutdown", "b", get_false, 0, 0),
	SD_BUS_PROPERTY("PreparingForSleep", "b", get_false, 0, 0),
	SD_BUS_PROPERTY("Docked", "b", get_false, 0, 0),
	SD_BUS_PROPERTY("LidClosed", "b", get_false, 0, CHANGES),
	SD_BUS_PROPERTY("OnExternalPower", "b", get_true, 0, 0),
	SD_BUS_PROPERTY("InhibitorsMax", "t", get_limit, 0, CONST),
	SD_BUS_PROPERTY("NCurrentInhibitors", "t", NULL, FIELD(nr_inhibitors), 0),
	SD_BUS_PROPERTY("SessionsMax", "t", get_limit, 0, CONST),
	SD_BUS_PROPERTY("NCurrentSessions", "t", get_limit, 0, 0),
	SD_BUS_METHOD("GetSession", "s", "o", on_get_session, OPEN),
	SD_BUS_METHOD("GetSessionByPID", "u", "o", on_get_session_by_pid, OPEN),
	SD_BUS_METHOD("GetUser", "u", "o", on_get_user, OPEN),
	SD_BUS_METHOD("GetUserByPID", "u", "o", on_get_user_by_pid, OPEN),
	SD_BUS_METHOD("GetSeat", "s", "o", on_get_seat, OPEN),
	SD_BUS_METHOD("ListSessions", NULL, "a(susso)", on_list_sessions, OPEN),
	SD_BUS_METHOD("ListUsers", NULL, "a(uso)", on_list_users, OPEN),
	SD_BUS_METHOD("ListSeats", NULL, "a(so)", on_list_seats, OPEN),
	SD_BUS_METHOD("Inhibit", "ssss", "h", on_inhibit, OPEN),
	SD_BUS_METHOD("CanPowerOff", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanReboot", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanHalt", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanSuspend", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanHibernate", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanHybridSleep", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanSuspendThenHibernate", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanSleep", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanRebootParameter", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanRebootToFirmwareSetup", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanRebootToBootLoaderMenu", NULL, "s", on_can, OPEN),
	SD_BUS_METHOD("CanRebootToBootLoaderEntry", NULL, "s", on_can, OPEN),
	SD_BUS_SIGNAL("SessionNew", "so", 0),
	SD_BUS_SIGNAL("SessionRemoved", "so", 0),
	SD_BUS_SIGNAL("UserNew", "uo", 0),
	SD_BUS_SIGNAL("UserRemoved", "uo", 0),
	SD_BUS_SIGNAL("SeatNew", "so", 0),
	SD_BUS_SIGNAL("SeatRemoved", "so", 0),
	SD_BUS_SIGNAL("PrepareForShutdown", "b", 0),
	SD_BUS_SIGNAL("PrepareForSleep", "b", 0),
	SD_BUS_VTABLE_END
};

int manager_register(struct login *login)
{
	return sd_bus_add_object_vtable(login->bus, NULL, LOGIN_PATH, IFACE, vtable, login);
}
