// SPDX-License-Identifier: GPL-2.0-only
/* Owns the desktops. Rule: one desktop per console, one per scanout number. */
#include "hub.h"

#include "log.h"

struct hub {
	struct desktop_env env;
	GPtrArray *desktops;
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
	hub_remove_all(hub, "the server is shutting down");
	g_ptr_array_unref(hub->desktops);
	g_free(hub);
}

static gint hub_compare(gconstpointer a, gconstpointer b)
{
	uint32_t left = desktop_scanout(*(struct desktop *const *)a);
	uint32_t right = desktop_scanout(*(struct desktop *const *)b);

	return left < right ? -1 : left > right;
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
		log_info("desktop %u: enabled on %s", config->scanout,
			 console->path);
	}
	g_ptr_array_sort(hub->desktops, hub_compare);
	return desktop;
}

void hub_remove(struct hub *hub, struct desktop *desktop, const char *why)
{
	log_info("desktop %u: gone: %s", desktop_scanout(desktop), why);
	g_ptr_array_remove(hub->desktops, desktop);
	desktop_free(desktop, why);
}

void hub_remove_all(struct hub *hub, const char *why)
{
	while (hub->desktops->len)
		hub_remove(hub, hub->desktops->pdata[hub->desktops->len - 1],
			   why);
}

struct desktop *hub_find(struct hub *hub, uint32_t scanout)
{
	unsigned int i;

	for (i = 0; i < hub->desktops->len; i++)
		if (desktop_scanout(hub->desktops->pdata[i]) == scanout)
			return hub->desktops->pdata[i];
	return NULL;
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
