// SPDX-License-Identifier: GPL-2.0-only
/* The seat: the container's scanout and input devices. It has no terminals to switch between. */
#include <string.h>

#include "login.h"

#define IFACE	LOGIN_NAME ".Seat"
#define PREFIX	LOGIN_PATH "/seat"

static int on_switch(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)m, (void)data;
	return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED,
				"This seat has one session and nothing to switch to");
}

static int on_activate_session(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *name;
	int ret;

	(void)data;
	ret = sd_bus_message_read(m, "s", &name);
	if (ret < 0)
		return ret;
	if (strcmp(name, LOGIN_SESSION))
		return sd_bus_error_setf(error, LOGIN_NAME ".NoSuchSession", "No session '%s' known", name);
	return sd_bus_reply_method_return(m, NULL);
}

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
		  sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "s", LOGIN_SEAT);
}

int login_get_seat(sd_bus *bus, const char *path, const char *interface, const char *property,
		   sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)data, (void)error;
	return sd_bus_message_append(reply, "(so)", LOGIN_SEAT, LOGIN_SEAT_PATH);
}

static int get_can(sd_bus *bus, const char *path, const char *interface, const char *property,
		   sd_bus_message *reply, void *data, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)data, (void)error;
	return sd_bus_message_append(reply, "b", !strcmp(property, "CanGraphical"));
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "s", get_id, 0, CONST),
	SD_BUS_PROPERTY("ActiveSession", "(so)", login_get_session, 0, CHANGES),
	SD_BUS_PROPERTY("CanTTY", "b", get_can, 0, CONST),
	SD_BUS_PROPERTY("CanGraphical", "b", get_can, 0, CHANGES),
	SD_BUS_PROPERTY("Sessions", "a(so)", login_get_sessions, 0, 0),
	SD_BUS_PROPERTY("IdleHint", "b", NULL, FIELD(idle), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHint", "t", NULL, FIELD(idle_since), CHANGES),
	SD_BUS_PROPERTY("IdleSinceHintMonotonic", "t", NULL, FIELD(idle_since_monotonic), CHANGES),
	SD_BUS_METHOD("ActivateSession", "s", NULL, on_activate_session, OPEN),
	SD_BUS_METHOD("SwitchTo", "u", NULL, on_switch, OPEN),
	SD_BUS_METHOD("SwitchToNext", NULL, NULL, on_switch, OPEN),
	SD_BUS_METHOD("SwitchToPrevious", NULL, NULL, on_switch, OPEN),
	SD_BUS_VTABLE_END
};

static int find(sd_bus *bus, const char *path, const char *interface, void *data, void **found,
		sd_bus_error *error)
{
	(void)bus, (void)interface, (void)error;
	*found = data;
	return !strcmp(path, LOGIN_SEAT_PATH) || !strcmp(path, PREFIX "/self") ||
	       !strcmp(path, PREFIX "/auto");
}

int seat_register(struct login *login)
{
	return sd_bus_add_fallback_vtable(login->bus, NULL, PREFIX, IFACE, vtable, find, login);
}
