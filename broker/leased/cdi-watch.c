// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cdi-watch.h"
#include "devices-watch.h"
#include "error.h"
#include "log.h"
#include "records.h"

#define SCANOUTS_MAX	4096

struct cdi_watch {
	struct module *mod;
	const char *path;
	struct devices_watch *devices;
	pthread_mutex_t lock;	/* of the files */
	atomic_bool due;	/* udev has said something since they were begun to be written */
	atomic_bool absent;	/* until cdi_watch_catch_up() they stay as they are */
};

/* Every scanout there is, to be given to free(); none without a GPU. */
static int list_all(struct module *mod, struct hl_scanout **list, size_t *n, struct hl_error *err)
{
	struct hl_scanout *all = NULL;
	size_t have = 0, got;
	uint32_t next = 1;
	int ret = 0;

	do {
		struct hl_scanout *more = realloc(all, (have + 16) * sizeof(*all));

		if (!more) {
			ret = hl_error_set(err, ENOMEM, "out of memory");
			break;
		}
		all = more;
		ret = hl_module_list(mod, &next, all + have, 16, &got, err);
		if (!ret)
			have += got;
	} while (!ret && next && have < SCANOUTS_MAX);
	if (ret && ret != -ENODEV) {
		free(all);
		return ret;
	}
	*list = all;
	*n = have;
	return 0;
}

static int generate(struct cdi_watch *watch, struct hl_error *err)
{
	struct hl_scanout *list;
	size_t n;
	int ret = list_all(watch->mod, &list, &n, err);

	if (ret)
		return ret;
	ret = cdi_generate(list, n, watch->path, err);
	free(list);
	return ret;
}

static void generate_or_log(struct cdi_watch *watch)
{
	struct hl_error err;

	if (generate(watch, &err))
		log_error("the CDI specification is not current: %s", err.message);
}

/* Waits for nobody: who holds it comes here when he has let go. */
static void write_due(struct cdi_watch *watch)
{
	while (watch->due && !watch->absent && !pthread_mutex_trylock(&watch->lock)) {
		watch->due = false;
		generate_or_log(watch);
		pthread_mutex_unlock(&watch->lock);
	}
}

static void on_devices(void *data)
{
	struct cdi_watch *watch = data;

	watch->due = true;
	write_due(watch);
}

void cdi_watch_hold(struct cdi_watch *watch)
{
	if (watch)
		pthread_mutex_lock(&watch->lock);
}

void cdi_watch_let_go(struct cdi_watch *watch)
{
	if (!watch)
		return;
	if (!watch->absent) {
		watch->due = false;
		generate_or_log(watch);
	}
	pthread_mutex_unlock(&watch->lock);
	write_due(watch);
}

void cdi_watch_catch_up(struct cdi_watch *watch)
{
	if (!watch || !watch->absent)
		return;
	cdi_watch_hold(watch);
	watch->absent = false;
	cdi_watch_let_go(watch);
}

int cdi_watch_new(sd_event *event, struct module *mod, const char *path, bool absent,
		  struct cdi_watch **out, struct hl_error *err)
{
	static const char *const subsystems[] = { "helix", "drm", "input", NULL };
	struct cdi_watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (!watch)
		return hl_error_set(err, ENOMEM, "out of memory");
	watch->mod = mod;
	watch->path = path;
	watch->absent = absent && !access(path, F_OK);
	pthread_mutex_init(&watch->lock, NULL);
	ret = devices_watch_new(event, subsystems, on_devices, watch, &watch->devices);
	if (ret < 0)
		hl_error_set(err, -ret, "cannot listen to udev: %s", strerror(-ret));
	else if (!watch->absent)
		/* From here on nothing that comes is missed. */
		ret = generate(watch, err);
	if (ret < 0) {
		cdi_watch_free(watch);
		return ret;
	}
	*out = watch;
	return 0;
}

void cdi_watch_free(struct cdi_watch *watch)
{
	if (!watch)
		return;
	devices_watch_free(watch->devices);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}
