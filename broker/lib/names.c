// SPDX-License-Identifier: MIT
/* Words for the numbers of linux/helix_lease*.h, in one table each. */
#include <string.h>

#include <linux/helix_lease.h>
#include <linux/helix_lease_netlink.h>

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
	[HELIX_LEASE_WAIT_FENCE] = "fence",
};

static const char *const hosts[] = {
	[HELIX_LEASE_HOST_NONE] = "none",
	[HELIX_LEASE_HOST_DOWN] = "down",
	[HELIX_LEASE_HOST_UP] = "up",
};

static const char *const whos[] = {
	[HELIX_LEASE_WHO_ANY] = "any",
	[HELIX_LEASE_WHO_ADMIN] = "admin",
	[HELIX_LEASE_WHO_GROUP] = "group",
};

static const char *const events[] = {
	[HELIX_LEASE_EVENT_GRANTED] = "granted",
	[HELIX_LEASE_EVENT_RESIZED] = "resized",
	[HELIX_LEASE_EVENT_STALLED] = "stalled",
	[HELIX_LEASE_EVENT_RESUMED] = "resumed",
	[HELIX_LEASE_EVENT_REVOKING] = "revoking",
	[HELIX_LEASE_EVENT_REVOKED] = "revoked",
	[HELIX_LEASE_EVENT_QUARANTINED] = "quarantined",
	[HELIX_LEASE_EVENT_FREED] = "freed",
	[HELIX_LEASE_EVENT_HOST_LOST] = "host-lost",
	[HELIX_LEASE_EVENT_HOST_BACK] = "host-back",
	[HELIX_LEASE_EVENT_CONTEXT_STALLED] = "context-stalled",
	[HELIX_LEASE_EVENT_CONTEXT_KILLED] = "context-killed",
};

static const char *const causes[] = {
	[HELIX_LEASE_CAUSE_OWNER] = "owner",
	[HELIX_LEASE_CAUSE_ADMIN] = "admin",
	[HELIX_LEASE_CAUSE_PROCESS] = "process",
	[HELIX_LEASE_CAUSE_NODE] = "node",
	[HELIX_LEASE_CAUSE_GPU] = "gpu",
};

static const char *name_of(const char *const *table, size_t n, uint32_t value)
{
	return value < n && table[value] ? table[value] : "unknown";
}

static uint32_t value_of(const char *const *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (table[i] && !strcmp(table[i], name))
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

const char *hl_event_name(uint32_t type)
{
	return name_of(events, ARRAY_SIZE(events), type);
}

const char *hl_cause_name(uint32_t cause)
{
	return name_of(causes, ARRAY_SIZE(causes), cause);
}

const char *hl_who_name(uint32_t who)
{
	return name_of(whos, ARRAY_SIZE(whos), who);
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

uint32_t hl_who_value(const char *name)
{
	return value_of(whos, ARRAY_SIZE(whos), name);
}
