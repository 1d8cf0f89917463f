/* SPDX-License-Identifier: GPL-2.0-only */
/* All desktops there are, in the order of their VMs' names and their numbers. */
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
/* Those of one VM; of all if @vm is NULL. */
void hub_remove_all(struct hub *hub, const char *vm, const char *why);

/* @id: "VM:N". */
struct desktop *hub_find_id(struct hub *hub, const char *id);
struct desktop *hub_find_in(struct hub *hub, const char *vm, uint32_t scanout);
/* A number alone means the first VM's. */
struct desktop *hub_find(struct hub *hub, uint32_t scanout);
/* @vm: a name, or NULL while there is no VM. */
void hub_set_first(struct hub *hub, const char *vm);
struct desktop *hub_find_console(struct hub *hub,
				 const struct console *console);
unsigned int hub_count(const struct hub *hub);
struct desktop *hub_get(const struct hub *hub, unsigned int index);

/* Every half second. */
void hub_tick(struct hub *hub);

#endif
