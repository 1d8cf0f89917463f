// SPDX-License-Identifier: MIT
/* Words for the numbers of linux/helix_lease.h, in one table each. */
#include <string.h>

#include <linux/helix_lease.h>

#include "names.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const states[] = {
	[HELIX_LEASE_STATE_FREE] = "free",
	[HELIX_LEASE_STATE_ENABLING] = "enabling",
	[HELIX_LEASE_STATE_LEASED] = "leased",
	[HELIX_LEASE_STATE_REVOKING] = "revoking",
	[HELIX_LEASE_STATE_QUIESCING] = "quiescing",
	[HELIX_LEASE_STATE_QUARANTINED] = "quarantined",
};

static const char *const waits[] = {
	[HELIX_LEASE_WAIT_NONE] = "none",
	[HELIX_LEASE_WAIT_HOST] = "host",
	[HELIX_LEASE_WAIT_HOTPLUG] = "hotplug",
	[HELIX_LEASE_WAIT_LOCK] = "lock",
	[HELIX_LEASE_WAIT_COMMIT] = "commit",
};

static const char *const hosts[] = {
	[HELIX_LEASE_HOST_NONE] = "none",
	[HELIX_LEASE_HOST_DOWN] = "down",
	[HELIX_LEASE_HOST_UP] = "up",
};

static const char *name_of(const char *const *table, size_t n, uint32_t value)
{
	return value < n ? table[value] : "unknown";
}

static uint32_t value_of(const char *const *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i], name))
			return i;
	return HL_NAME_UNKNOWN;
}

const char *hl_state_name(uint32_t state)
{
	return name_of(states, ARRAY_SIZE(states), state);
}

const char *hl_wait_name(uint32_t wait)
{
	return name_of(waits, ARRAY_SIZE(waits), wait);
}

const char *hl_host_name(uint32_t host_state)
{
	return name_of(hosts, ARRAY_SIZE(hosts), host_state);
}

uint32_t hl_state_value(const char *name)
{
	return value_of(states, ARRAY_SIZE(states), name);
}

uint32_t hl_wait_value(const char *name)
{
	return value_of(waits, ARRAY_SIZE(waits), name);
}

uint32_t hl_host_value(const char *name)
{
	return value_of(hosts, ARRAY_SIZE(hosts), name);
}
