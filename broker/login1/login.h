/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One seat, one session on it, one user whose session it is: all that a container with a
 * scanout has. They are there as long as the daemon is, and always active.
 *
 * Everything runs on the event loop's thread; nothing here has a lock.
 */
#ifndef LOGIN1_LOGIN_H
#define LOGIN1_LOGIN_H

#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "error.h"

#define LOGIN_NAME	"org.freedesktop.login1"
#define LOGIN_PATH	"/org/freedesktop/login1"
#define LOGIN_SESSION	"c1"
#define LOGIN_SEAT	"seat0"

#define LOGIN_SESSION_PATH	LOGIN_PATH "/session/" LOGIN_SESSION
#define LOGIN_SEAT_PATH		LOGIN_PATH "/seat/" LOGIN_SEAT

#define LOGIN_DEVICES_MAX	64	/* taken at once */
#define LOGIN_INHIBITORS_MAX	64	/* held at once */

/* A device that the session's controller has taken. */
struct login_device {
	uint32_t major;
	uint32_t minor;
	int fd;		/* the same open file as the controller's, to take input back by */
};

/* Types as sd-bus reads them for a property: int for a boolean. */
struct login {
	sd_event *event;
	sd_bus *bus;
	const char *runtime_dir;	/* where libsystemd reads, /run/systemd */

	/* Fixed from the start. */
	uint32_t uid, gid;
	char *user;			/* name */
	char *user_path;		/* object */
	char *runtime_path;		/* XDG_RUNTIME_DIR of the user */
	char *desktop;			/* XDG_SESSION_DESKTOP, may be empty */
	uint64_t since, since_monotonic;	/* microseconds */

	/* What those who may say of the session. */
	char *type, *class;
	int idle, locked;
	uint64_t idle_since, idle_since_monotonic;

	/* Who has taken control of the session, and which devices. */
	char *controller;		/* unique name on the bus; NULL: nobody */
	sd_bus_track *watched;		/* that name */
	struct login_device devices[LOGIN_DEVICES_MAX];
	uint32_t nr_devices;

	uint64_t nr_inhibitors;
};

/* How the objects say of a property or a method what it is. */
#define CONST	SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES	SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define OPEN	SD_BUS_VTABLE_UNPRIVILEGED
#define FIELD(name)	offsetof(struct login, name)

/* Objects on the bus, one file each. */
int manager_register(struct login *login);
int session_register(struct login *login);
int seat_register(struct login *login);
int user_register(struct login *login);

/* Gives everything back that the controller has, and forgets it. */
void session_drop_control(struct login *login);

/* Idle or not, as of now; tells everybody who shows it. */
void login_set_idle(struct login *login, int idle);

/* Properties of several objects: the one session, all sessions, the one seat. */
int login_get_session(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *data, sd_bus_error *error);
int login_get_sessions(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error);
int login_get_seat(sd_bus *bus, const char *path, const char *interface, const char *property,
		   sd_bus_message *reply, void *data, sd_bus_error *error);

/*
 * Opens the node of a card or an input device of this container: by number where a node
 * has it, or else, as the real one does, by the name that the kernel has for it.
 * Returns the descriptor or a negative errno: ENODEV where there is no such node.
 */
int device_open(uint32_t major, uint32_t minor);

/* Input devices only: nothing more is read from what was handed out. */
void device_revoke(int fd);

/* The files that libsystemd reads without asking on the bus. */
int files_write(const struct login *login, struct hl_error *err);
void files_remove(const struct login *login);

#endif
