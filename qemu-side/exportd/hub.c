// SPDX-License-Identifier: GPL-2.0-only
/* Owns the desktops. Rule: one desktop per console, one per id. */
#include "hub.h"

#include <string.h>

#include "log.h"

struct hub {
	struct desktop_env env;
	GPtrArray *desktops;
	char first[DESKTOP_VM_LEN];	/* whom a bare number means */
};

struct hub *hub_new(const struct desktop_env *env)
{
	struct hub *hub = g_new0(struct hub, 1);

	hub->env = *env;
	hub->desktops = g_ptr_array_new();
	return hub;
}

void hub_free(struct hub *hub)
{
	hub_remove_all(hub, NULL, "the server is shutting down");
	g_ptr_array_unref(hub->desktops);
	g_free(hub);
}

static gint hub_compare(gconstpointer a, gconstpointer b)
{
	const struct desktop *left = *(struct desktop *const *)a;
	const struct desktop *right = *(struct desktop *const *)b;
	int vm = strcmp(desktop_vm(left), desktop_vm(right));

	if (vm)
		return vm;
	return desktop_scanout(left) < desktop_scanout(right) ? -1 :
	       desktop_scanout(left) > desktop_scanout(right);
}

struct desktop *hub_add(struct hub *hub, struct console *console,
			const struct desktop_config *config)
{
	struct desktop *desktop = hub_find_console(hub, console);

	if (desktop) {
		desktop_configure(desktop, config);
	} else {
		desktop = desktop_new(&hub->env, console, config);
		g_ptr_array_add(hub->desktops, desktop);
		log_info("desktop %s: enabled on %s", desktop_id(desktop),
			 console->path);
	}
	g_ptr_array_sort(hub->desktops, hub_compare);
	return desktop;
}

void hub_remove(struct hub *hub, struct desktop *desktop, const char *why)
{
	log_info("desktop %s: gone: %s", desktop_id(desktop), why);
	g_ptr_array_remove(hub->desktops, desktop);
	desktop_free(desktop, why);
}

void hub_remove_all(struct hub *hub, const char *vm, const char *why)
{
	unsigned int i;

	for (i = hub->desktops->len; i-- > 0;) {
		struct desktop *desktop = hub->desktops->pdata[i];

		if (!vm || !strcmp(desktop_vm(desktop), vm))
			hub_remove(hub, desktop, why);
	}
}

struct desktop *hub_find_id(struct hub *hub, const char *id)
{
	unsigned int i;

	for (i = 0; i < hub->desktops->len; i++)
		if (!strcmp(desktop_id(hub->desktops->pdata[i]), id))
			return hub->desktops->pdata[i];
	return NULL;
}

struct desktop *hub_find_in(struct hub *hub, const char *vm, uint32_t scanout)
{
	unsigned int i;

	for (i = 0; i < hub->desktops->len; i++) {
		struct desktop *desktop = hub->desktops->pdata[i];

		if (desktop_scanout(desktop) == scanout &&
		    !strcmp(desktop_vm(desktop), vm))
			return desktop;
	}
	return NULL;
}

struct desktop *hub_find(struct hub *hub, uint32_t scanout)
{
	return hub_find_in(hub, hub->first, scanout);
}

void hub_set_first(struct hub *hub, const char *vm)
{
	g_strlcpy(hub->first, vm ? vm : "", sizeof(hub->first));
}

struct desktop *hub_find_console(struct hub *hub,
				 const struct console *console)
{
	unsigned int i;

	for (i = 0; i < hub->desktops->len; i++)
		if (desktop_console(hub->desktops->pdata[i]) == console)
			return hub->desktops->pdata[i];
	return NULL;
}

unsigned int hub_count(const struct hub *hub)
{
	return hub->desktops->len;
}

struct desktop *hub_get(const struct hub *hub, unsigned int index)
{
	return hub->desktops->pdata[index];
}

void hub_tick(struct hub *hub)
{
	unsigned int i;

	for (i = 0; i < hub->desktops->len; i++)
		desktop_tick(hub->desktops->pdata[i]);
}
