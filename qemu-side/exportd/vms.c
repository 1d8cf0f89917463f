// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the virtual machines. A VM that is removed is out of the list at once;
 * it lingers only until its QEMU was told which keys went up, or has not
 * answered for a moment, and nobody waits for that.
 */
#include "vms.h"

#include <string.h>
#include <unistd.h>

#include "log.h"

#define VMS_LINGER_US	(300 * 1000)
#define VMS_LINGER_MS	10

struct entry {
	struct vm *vm;
	enum vm_origin origin;
};

struct vms {
	struct hub *hub;
	GArray *entries;	/* of struct entry, in the order they came */
	GPtrArray *leaving;	/* of struct vm */
	gint64 linger_until;	/* of the last that leaves */
	guint linger;
	struct idle_policy idle;
};

struct vms *vms_new(struct hub *hub)
{
	struct vms *vms = g_new0(struct vms, 1);

	vms->hub = hub;
	vms->entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
	vms->leaving = g_ptr_array_new_with_free_func((GDestroyNotify)vm_free);
	return vms;
}

static struct entry *vms_entry(const struct vms *vms, unsigned int index)
{
	return &g_array_index(vms->entries, struct entry, index);
}

static const char *vms_name(const struct vms *vms, unsigned int index)
{
	return vm_options(vms_entry(vms, index)->vm)->name;
}

static void vms_set_first(struct vms *vms)
{
	hub_set_first(vms->hub, vms->entries->len ? vms_name(vms, 0) : NULL);
}

/* --- leaving --- */

static bool vms_any_busy(const struct vms *vms)
{
	unsigned int i;

	for (i = 0; i < vms->leaving->len; i++)
		if (vm_is_busy(vms->leaving->pdata[i]))
			return true;
	return false;
}

static gboolean vms_linger(gpointer data)
{
	struct vms *vms = data;
	bool late = g_get_monotonic_time() >= vms->linger_until;
	unsigned int i;

	for (i = vms->leaving->len; i-- > 0;)
		if (late || !vm_is_busy(vms->leaving->pdata[i]))
			g_ptr_array_remove_index_fast(vms->leaving, i);
	if (vms->leaving->len)
		return G_SOURCE_CONTINUE;
	vms->linger = 0;
	return G_SOURCE_REMOVE;
}

static void vms_drop(struct vms *vms, unsigned int index, const char *why)
{
	struct vm *vm = vms_entry(vms, index)->vm;

	log_vm(INFO, vm_options(vm)->name, "removed: %s", why);
	g_array_remove_index(vms->entries, index);
	vms_set_first(vms);
	vm_close(vm, why);
	g_ptr_array_add(vms->leaving, vm);
	vms->linger_until = g_get_monotonic_time() + VMS_LINGER_US;
	if (!vms->linger)
		vms->linger = g_timeout_add(VMS_LINGER_MS, vms_linger, vms);
}

bool vms_remove(struct vms *vms, const char *name, const char *why)
{
	int index = vms_find(vms, name);

	if (index < 0)
		return false;
	vms_drop(vms, (unsigned int)index, why);
	return true;
}

/* The display of a handed-over VM is closed: nobody is left to be told. */
static void vms_ended(struct vm *vm, const char *why, void *data)
{
	struct vms *vms = data;
	unsigned int i;

	for (i = 0; i < vms->entries->len; i++) {
		if (vms_entry(vms, i)->vm != vm)
			continue;
		log_vm(INFO, vm_options(vm)->name, "removed: %s", why);
		g_array_remove_index(vms->entries, i);
		vms_set_first(vms);
		vm_free(vm);
		return;
	}
	/* one that is leaving anyway: vms_linger() frees it */
}

/* --- coming --- */

static void vms_insert(struct vms *vms, struct vm *vm, enum vm_origin origin)
{
	const struct entry entry = { vm, origin };

	g_array_append_val(vms->entries, entry);
	vms_set_first(vms);
	vm_tick(vm, &vms->idle);
	log_vm(INFO, vm_options(vm)->name, "added");
}

static enum vms_status vms_check(const struct vms *vms,
				 const struct vm_options *options)
{
	if (!vm_name_valid(options->name))
		return VMS_INVALID;
	if (vms_find(vms, options->name) >= 0)
		return VMS_EXISTS;
	return vms->entries->len < VMS_MAX ? VMS_OK : VMS_FULL;
}

enum vms_status vms_add(struct vms *vms, const struct vm_options *options,
			enum vm_origin origin)
{
	enum vms_status status = options->qmp ? vms_check(vms, options) :
						VMS_INVALID;

	if (status == VMS_OK)
		vms_insert(vms, vm_new(options, vms->hub), origin);
	return status;
}

enum vms_status vms_hand_over(struct vms *vms, const struct vm_options *options,
			      int display, int control)
{
	enum vms_status status = vms_check(vms, options);

	if (status == VMS_OK) {
		vms_insert(vms, vm_new_handed(options, vms->hub, display,
					      control, vms_ended, vms),
			   VM_HANDED);
		return VMS_OK;
	}
	close(display);
	if (control >= 0)
		close(control);
	return status;
}

static bool vms_same(const struct vm_options *a, const struct vm_options *b)
{
	return !g_strcmp0(a->qmp, b->qmp) &&
	       !g_strcmp0(a->control, b->control) &&
	       a->console0 == b->console0 && a->clipboard == b->clipboard &&
	       a->priority == b->priority;
}

static const struct vm_options *vms_wanted(const struct vm_options *options,
					   unsigned int count, const char *name)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

void vms_configure(struct vms *vms, const struct vm_options *options,
		   unsigned int count)
{
	const struct vm_options *wanted;
	unsigned int i;

	for (i = vms->entries->len; i-- > 0;) {
		const struct entry *entry = vms_entry(vms, i);

		wanted = vms_wanted(options, count, vms_name(vms, i));
		if (!wanted && entry->origin == VM_CONFIGURED)
			vms_drop(vms, i, "it is not configured any more");
		else if (wanted && (entry->origin != VM_CONFIGURED ||
				    !vms_same(wanted, vm_options(entry->vm))))
			vms_drop(vms, i, "its configuration changed");
		else if (wanted)
			vm_set_idle(entry->vm, wanted);
	}
	for (i = 0; i < count; i++)
		if (vms_add(vms, &options[i], VM_CONFIGURED) == VMS_FULL)
			log_vm(ERROR, options[i].name,
			       "not served: there are %d already", VMS_MAX);
}

/* --- all of them --- */

void vms_set_idle(struct vms *vms, const struct idle_policy *policy)
{
	vms->idle = *policy;
}

void vms_tick(struct vms *vms)
{
	unsigned int i;

	for (i = 0; i < vms->entries->len; i++)
		vm_tick(vms_entry(vms, i)->vm, &vms->idle);
}

unsigned int vms_count(const struct vms *vms)
{
	return vms->entries->len;
}

struct vm *vms_get(const struct vms *vms, unsigned int index)
{
	return vms_entry(vms, index)->vm;
}

enum vm_origin vms_origin(const struct vms *vms, unsigned int index)
{
	return vms_entry(vms, index)->origin;
}

int vms_find(const struct vms *vms, const char *name)
{
	unsigned int i;

	for (i = 0; i < vms->entries->len; i++)
		if (!strcmp(vms_name(vms, i), name))
			return (int)i;
	return -1;
}

void vms_free(struct vms *vms)
{
	gint64 deadline = g_get_monotonic_time() + VMS_LINGER_US;

	while (vms->entries->len)
		vms_drop(vms, vms->entries->len - 1,
			 "the server is shutting down");
	while (vms_any_busy(vms) && g_get_monotonic_time() < deadline)
		if (!g_main_context_iteration(NULL, FALSE))
			g_usleep(1000);
	if (vms->linger)
		g_source_remove(vms->linger);
	g_ptr_array_unref(vms->leaving);
	g_array_unref(vms->entries);
	g_free(vms);
}
