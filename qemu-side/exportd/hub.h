/* SPDX-License-Identifier: GPL-2.0-only */
/* All desktops there are, in the order of their numbers. */
#ifndef HELIX_HUB_H
#define HELIX_HUB_H

#include "desktop.h"

struct hub;

struct hub *hub_new(const struct desktop_env *env);
void hub_free(struct hub *hub);

/* Enables a desktop, or configures the one that @console already has. */
struct desktop *hub_add(struct hub *hub, struct console *console,
			const struct desktop_config *config);
void hub_remove(struct hub *hub, struct desktop *desktop, const char *why);
void hub_remove_all(struct hub *hub, const char *why);

struct desktop *hub_find(struct hub *hub, uint32_t scanout);
struct desktop *hub_find_console(struct hub *hub,
				 const struct console *console);
unsigned int hub_count(const struct hub *hub);
struct desktop *hub_get(const struct hub *hub, unsigned int index);

/* Every half second. */
void hub_tick(struct hub *hub);

#endif
