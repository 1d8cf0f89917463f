// SPDX-License-Identifier: GPL-2.0-only
/* The user whose session it is: the one that the daemon runs as. */
#include <string.h>

#include "login.h"

#define IFACE	LOGIN_NAME ".User"
#define PREFIX	LOGIN_PATH "/user"

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)data, (void)error;
	/* No service and no slice: there is no manager of units. */
	return sd_bus_message_append(reply, "s", strcmp(property, "State") ? "" : "active");
}

static int get_linger(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "b", 0);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("UID", "u", NULL, FIELD(uid), CONST),
	SD_BUS_PROPERTY("GID", "u", NULL, FIELD(gid), CONST),
	SD_BUS_PROPERTY("Name", "s", NULL, FIELD(user), CONST),
	SD_BUS_PROPERTY("Timestamp", "t", NULL, FIELD(since), CONST),
	SD_BUS_PROPERTY("TimestampMonotonic", "t", NULL, FIELD(since_monotonic), CONST),
	SD_BUS_PROPERTY("RuntimePath", "s", NULL, FIELD(runtime_path), CONST),
	SD_BUS_PROPERTY("Service", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("Slice", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("Display", "(so)", login_get_session, 0, CHANGES),
	SD_BUS_PROPERTY("State", "s", get_text, 0, 0),
	SD_BUS_PROPERTY("Sessions", "a(so)", login_get_sessions, 0, 0),
	SD_BUS_PROPERTY("IdleHint", "b", NULL, FIELD(idle), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHint", "t", NULL, FIELD(idle_since), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHintMonotonic", "t", NULL, FIELD(idle_since_monotonic), CHANGES),
	SD_BUS_PROPERTY("Linger", "b", get_linger, 0, 0),
	SD_BUS_VTABLE_END
};

static int find(sd_bus *bus, const char *path, const char *interface, void *data, void **found,
		sd_bus_error *error)
{
	struct login *login = data;

	(void)bus, (void)interface, (void)error;
	*found = login;
	return !strcmp(path, login->user_path) || !strcmp(path, PREFIX "/self");
}

int user_register(struct login *login)
{
	return sd_bus_add_fallback_vtable(login->bus, NULL, PREFIX, IFACE, vtable, find, login);
}
