// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the two connections to a QEMU and what the guest asked of them. Order:
 * monitor, display, control device; the guest is told that a host is there
 * (the handshake) only when outputs can really be served. The loss of the
 * display ends everything and starts over; the loss of the control device
 * leaves the desktops as they are.
 *
 * Several live in one thread: every step here is asynchronous and has a
 * deadline, so a VM that hangs delays only itself.
 */
#include "vm.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "display.h"
#include "leaseport.h"
#include "log.h"
#include "qmp.h"

#define VM_RETRY_MIN_MS	100
#define VM_RETRY_MAX_MS	2000
#define VM_DISPLAY_MS	5000	/* for QEMU to name its consoles */
#define VM_OUTPUT_CONSOLE	0	/* never touched */
#define VM_REFRESH_DEFAULT_MHZ	60000

struct vm {
	struct vm_options options;
	struct hub *hub;
	GCancellable *cancellable;
	struct display *display;
	bool display_ready;
	struct control *control;
	struct leaseport *leases;
	guint display_timer, control_timer;
	guint deadline;		/* of the display to become ready */
	unsigned int display_delay, control_delay;	/* milliseconds */
	bool complained;	/* about the monitor, since it last worked */
	char *error;		/* the last, until it works */
	unsigned int connects;
	struct idle_policy idle;	/* of its desktops, at the last look */
	unsigned int idle_ends;
	bool closed;		/* the hub may have another VM of our name */

	bool handed;
	int control_fd;		/* handed over and not used yet, or -1 */
	vm_ended ended;
	void *ended_data;
};

static void vm_connect(struct vm *vm);
static void vm_attach(struct vm *vm);

static unsigned int vm_back_off(unsigned int *delay)
{
	unsigned int now = *delay ? *delay : VM_RETRY_MIN_MS;

	*delay = MIN(now * 2, VM_RETRY_MAX_MS);
	return now;
}

/* --- desktops that nobody uses --- */

struct idle_policy vm_idle_policy(const struct vm_options *options,
				  const struct idle_policy *all)
{
	struct idle_policy policy = *all;

	if (options->idle_after != VM_IDLE_DEFAULT)
		policy.after = options->idle_after;
	if (options->idle_warn != VM_IDLE_DEFAULT)
		policy.warn = options->idle_warn;
	return policy;
}

void vm_set_idle(struct vm *vm, const struct vm_options *options)
{
	vm->options.idle_after = options->idle_after;
	vm->options.idle_warn = options->idle_warn;
}

static void vm_told(struct vm *vm, struct desktop *desktop, unsigned int seconds)
{
	leaseport_tell(vm->leases, desktop_scanout(desktop),
		       desktop_generation(desktop), seconds);
}

static void vm_idle_changed(struct vm *vm, struct desktop *desktop,
			    enum idle_state before)
{
	struct desktop_info now;

	desktop_describe(desktop, &now);
	switch (now.idle) {
	case IDLE_ENDING:
		log_desktop(INFO, now.id, "nobody uses it: ends in %u seconds",
			    now.idle_left);
		vm_told(vm, desktop, now.idle_left);
		return;
	case IDLE_STUCK:
		log_desktop(WARN, now.id, "nobody uses it, and nobody in the guest would end it: is \"helixctl host\" running there?");
		return;
	case IDLE_OVER:
		log_desktop(INFO, now.id, "nobody used it for %u seconds: the guest is asked to end it",
			    now.idle_s);
		vm->idle_ends += desktop_ends_first(desktop);
		return;
	default:
		break;
	}
	if (before == IDLE_ENDING || before == IDLE_OVER) {
		log_desktop(INFO, now.id, "it is wanted, and stays");
		vm_told(vm, desktop, 0);
	}
}

static void vm_look_at(struct vm *vm, struct desktop *desktop)
{
	enum idle_state before = desktop_idle_state(desktop);

	if (desktop_idle(desktop, &vm->idle, leaseport_is_ready(vm->leases)) !=
	    before)
		vm_idle_changed(vm, desktop, before);
	if (desktop_is_due(desktop))
		leaseport_revoke(vm->leases, desktop_scanout(desktop),
				 desktop_generation(desktop));
}

void vm_tick(struct vm *vm, const struct idle_policy *all)
{
	unsigned int i;

	vm->idle = vm_idle_policy(&vm->options, all);
	for (i = 0; i < hub_count(vm->hub); i++) {
		struct desktop *desktop = hub_get(vm->hub, i);

		if (!strcmp(desktop_vm(desktop), vm->options.name) &&
		    desktop_generation(desktop))
			vm_look_at(vm, desktop);
	}
}

/* --- the guest's requests --- */

static gboolean vm_attach_again(gpointer data)
{
	struct vm *vm = data;

	vm->control_timer = 0;
	vm_attach(vm);
	return G_SOURCE_REMOVE;
}

static void vm_attach_later(struct vm *vm)
{
	if (!vm->control_timer && !vm->handed)
		vm->control_timer = g_timeout_add(
			vm_back_off(&vm->control_delay), vm_attach_again, vm);
}

static void vm_disable_each(struct console *console, void *data)
{
	(void)data;
	if (console->head != VM_OUTPUT_CONSOLE &&
	    console->gpu != CONSOLE_GPU_NONE)
		console_set_size(console, 0, 0, 0, NULL, 0, NULL);
}

static void vm_disable_all(struct vm *vm, const char *why)
{
	unsigned int i;

	for (i = hub_count(vm->hub); i-- > 0;) {
		struct desktop *desktop = hub_get(vm->hub, i);

		if (!strcmp(desktop_vm(desktop), vm->options.name) &&
		    desktop_console(desktop)->head != VM_OUTPUT_CONSOLE)
			hub_remove(vm->hub, desktop, why);
	}
	display_foreach(vm->display, vm_disable_each, NULL);
}

/*
 * Unused rings mean that the guest was reset since the last mediator, or never
 * ran: an output that is on by then is nobody's.
 */
static void vm_control_attached(bool fresh, void *data)
{
	struct vm *vm = data;

	vm->control_delay = 0;
	if (fresh)
		vm_disable_all(vm, "the virtual machine was reset");
}

static void vm_control_reset(void *data)
{
	vm_disable_all(data, "the virtual machine was reset");
}

static void vm_control_closed(void *data)
{
	struct vm *vm = data;

	control_free(vm->control);
	vm->control = NULL;
	vm_attach_later(vm);
}

static void vm_size_set(int status, uint32_t token, void *data)
{
	struct vm *vm = data;

	if (vm->control)
		control_complete(vm->control, token, (uint32_t)status);
}

/*
 * A scanout has one lease at a time and each has a higher generation than any
 * before. So a desktop of this number on another output, with an older lease, is
 * one whose end we were not told: its GPU may be gone.
 */
static int vm_take_number(struct vm *vm, const struct console *console,
			  const struct ring_request *req)
{
	struct desktop *other = hub_find_in(vm->hub, vm->options.name,
					    req->scanout);
	struct console *left;

	if (!other || desktop_console(other) == console)
		return 0;
	if (desktop_generation(other) >= req->generation)
		return EEXIST;
	left = desktop_console(other);
	hub_remove(vm->hub, other, "the desktop moved to another output");
	if (left->head != VM_OUTPUT_CONSOLE)
		console_set_size(left, 0, 0, 0, NULL, 0, NULL);
	return 0;
}

/* 0, or the errno that the request deserves. */
static int vm_enable(struct vm *vm, struct console *console,
		     const struct ring_request *req)
{
	struct desktop_config config = {
		.vm = vm->options.name,
		.scanout = req->scanout,
		.width = req->width,
		.height = req->height,
		.generation = req->generation,
		.priority = req->priority,
		.vm_priority = vm->options.priority,
		.clipboard = vm->options.clipboard == (int)req->scanout,
		.label = req->label,
		.was_off = console->off,
	};
	struct desktop *before = hub_find_console(vm->hub, console);
	int status = vm_take_number(vm, console, req);

	if (status)
		return status;
	/*
	 * By its number viewers were let in and it was given the clipboard; and
	 * what it left on the output is not for those of the next one.
	 */
	if (before && desktop_scanout(before) != req->scanout) {
		hub_remove(vm->hub, before, "its output is another desktop's");
		config.was_off = true;
	}
	vm_look_at(vm, hub_add(vm->hub, console, &config));
	return 0;
}

/* A late request of a former lease must not disable the next one's output. */
static int vm_disable(struct vm *vm, struct console *console,
		      const struct ring_request *req)
{
	struct desktop *desktop = hub_find_console(vm->hub, console);

	if (!desktop)
		return 0;
	if (desktop_generation(desktop) != req->generation)
		return ESTALE;
	hub_remove(vm->hub, desktop, "the desktop was closed");
	return 0;
}

static void vm_control_request(const struct ring_request *req, uint32_t token,
			       void *data)
{
	bool enable = req->op == HELIX_CTL_OP_OUTPUT_ENABLE;
	struct console *console;
	struct vm *vm = data;
	int status;

	console = display_find(vm->display, req->gpu, req->output);
	if (!console)
		status = ENODEV;
	else if (req->output == VM_OUTPUT_CONSOLE)
		status = EPERM;
	else if (enable)
		status = vm_enable(vm, console, req);
	else
		status = vm_disable(vm, console, req);

	log_vm(DEBUG, vm->options.name,
	       "request %u: %s gpu %04x output %u %ux%u scanout %u generation %llu: %s",
	       req->id, enable ? "enable" : "disable", req->gpu, req->output,
	       req->width, req->height, req->scanout,
	       (unsigned long long)req->generation, g_strerror(status));
	if (status)
		control_complete(vm->control, token, (uint32_t)status);
	else
		console_set_size(console, req->width, req->height,
				 enable && !req->refresh_mhz ?
					VM_REFRESH_DEFAULT_MHZ :
					req->refresh_mhz,
				 vm_size_set, token, vm);
}

static const struct control_ops vm_control_ops = {
	.attached = vm_control_attached,
	.request = vm_control_request,
	.reset = vm_control_reset,
	.closed = vm_control_closed,
};

/* A connected socket, or -1 with a static @error. */
static int vm_control_socket(struct vm *vm, const char **error)
{
	int sock = vm->control_fd;

	if (!vm->handed)
		return control_connect(vm->options.control, error);
	vm->control_fd = -1;
	*error = "the socket that was handed over is used up";
	return sock;
}

static void vm_attach(struct vm *vm)
{
	const char *error;
	int sock = vm_control_socket(vm, &error);

	if (sock >= 0) {
		vm->control = control_new(sock, vm->options.name,
					  &vm_control_ops, vm);
		return;
	}
	if (!vm->control_delay)
		log_vm(WARN, vm->options.name,
		       "connecting to the control socket %s: %s; trying again",
		       vm->options.control, error);
	vm_attach_later(vm);
}

/* --- the display --- */

static gboolean vm_connect_again(gpointer data)
{
	struct vm *vm = data;

	vm->display_timer = 0;
	vm_connect(vm);
	return G_SOURCE_REMOVE;
}

static void vm_connect_later(struct vm *vm)
{
	vm->display_timer = g_timeout_add(vm_back_off(&vm->display_delay),
					  vm_connect_again, vm);
}

static void vm_stop_deadline(struct vm *vm)
{
	if (vm->deadline)
		g_source_remove(vm->deadline);
	vm->deadline = 0;
}

static void vm_drop_control(struct vm *vm)
{
	if (vm->control_timer)
		g_source_remove(vm->control_timer);
	vm->control_timer = 0;
	vm->control_delay = 0;
	control_free(vm->control);
	vm->control = NULL;
}

static void vm_drop_leases(struct vm *vm)
{
	leaseport_free(vm->leases);
	vm->leases = NULL;
}

/* What hangs on the display goes with it. */
static void vm_drop(struct vm *vm, const char *why)
{
	vm_stop_deadline(vm);
	if (!vm->closed)
		hub_remove_all(vm->hub, vm->options.name, why);
	vm_drop_control(vm);
	vm_drop_leases(vm);
	display_free(vm->display);
	vm->display = NULL;
	vm->display_ready = false;
}

static void vm_note_error(struct vm *vm, const char *error)
{
	g_free(vm->error);
	vm->error = g_strdup(error);
}

static void vm_display_closed(const char *why, void *data)
{
	struct vm *vm = data;

	if (!vm->closed)
		log_vm(WARN, vm->options.name, "QEMU's display: %s%s", why,
		       vm->handed ? "" : "; connecting again");
	vm_note_error(vm, why);
	vm_drop(vm, "the virtual machine went away");
	if (vm->closed)
		return;
	if (vm->handed)
		vm->ended(vm, "its display was closed", vm->ended_data);
	else
		vm_connect_later(vm);
}

static gboolean vm_display_late(gpointer data)
{
	struct vm *vm = data;

	vm->deadline = 0;
	vm_display_closed("no list of consoles in 5 seconds", vm);
	return G_SOURCE_REMOVE;
}

static void vm_add_console0(struct console *console, void *data)
{
	struct vm *vm = data;
	const struct desktop_config config = {
		.vm = vm->options.name,
		.scanout = VM_OUTPUT_CONSOLE,
		.vm_priority = vm->options.priority,
		.clipboard = vm->options.clipboard == VM_OUTPUT_CONSOLE,
		.label = "Console",
	};

	if (console->head == VM_OUTPUT_CONSOLE &&
	    !hub_find_in(vm->hub, vm->options.name, VM_OUTPUT_CONSOLE))
		hub_add(vm->hub, console, &config);
}

static void vm_display_ready(void *data)
{
	struct vm *vm = data;

	log_vm(INFO, vm->options.name, "connected to QEMU's display");
	vm_stop_deadline(vm);
	vm_note_error(vm, NULL);
	vm->display_ready = true;
	vm->display_delay = 0;
	vm->complained = false;
	vm->connects++;
	vm->leases = leaseport_new(vm->display, vm->options.name);
	if (vm->options.console0)
		display_foreach(vm->display, vm_add_console0, vm);
	if (vm->options.control || vm->control_fd >= 0)
		vm_attach(vm);
}

static const struct display_ops vm_display_ops = {
	.ready = vm_display_ready,
	.closed = vm_display_closed,
};

/* Takes @fd. */
static void vm_open_display(struct vm *vm, int fd)
{
	vm->display = display_new(fd, &vm_display_ops, vm);
	if (vm->display)
		vm->deadline = g_timeout_add(VM_DISPLAY_MS, vm_display_late, vm);
}

static void vm_got_display(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autoptr(GError) error = NULL;
	struct qmp_display *found;
	struct vm *vm = data;
	unsigned int i;

	(void)source;
	found = qmp_open_display_finish(result, &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (!found) {
		vm_note_error(vm, error->message);
		if (!vm->complained)
			log_vm(WARN, vm->options.name, "%s; trying again",
			       error->message);
	} else {
		vm_open_display(vm, found->fd);
		found->fd = -1;
		for (i = 0; vm->display && i < found->nr_touches; i++)
			display_add_touch(vm->display, found->touches[i].gpu,
					  found->touches[i].head);
	}
	qmp_display_free(found);
	if (!vm->display) {
		vm->complained = true;
		vm_connect_later(vm);
	}
}

static void vm_connect(struct vm *vm)
{
	qmp_open_display(vm->options.qmp, vm->cancellable, vm_got_display, vm);
}

/* --- life --- */

bool vm_name_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len && len < DESKTOP_VM_LEN && !name[len];
}

static struct vm *vm_alloc(const struct vm_options *options, struct hub *hub)
{
	struct vm *vm = g_new0(struct vm, 1);

	vm->options = *options;
	vm->options.name = g_strdup(options->name);
	vm->options.qmp = g_strdup(options->qmp);
	vm->options.control = g_strdup(options->control);
	vm->hub = hub;
	vm->control_fd = -1;
	vm->cancellable = g_cancellable_new();
	return vm;
}

struct vm *vm_new(const struct vm_options *options, struct hub *hub)
{
	struct vm *vm = vm_alloc(options, hub);

	vm_connect(vm);
	return vm;
}

static gboolean vm_never_opened(gpointer data)
{
	struct vm *vm = data;

	vm->display_timer = 0;
	vm->ended(vm, "its display is no socket", vm->ended_data);
	return G_SOURCE_REMOVE;
}

struct vm *vm_new_handed(const struct vm_options *options, struct hub *hub,
			 int display, int control, vm_ended ended, void *data)
{
	struct vm *vm = vm_alloc(options, hub);

	vm->handed = true;
	vm->control_fd = control;
	vm->ended = ended;
	vm->ended_data = data;
	vm_open_display(vm, display);
	/* the caller does not know us yet, so not from here */
	if (!vm->display)
		vm->display_timer = g_idle_add(vm_never_opened, vm);
	return vm;
}

void vm_close(struct vm *vm, const char *why)
{
	if (vm->closed)
		return;
	g_cancellable_cancel(vm->cancellable);
	if (vm->display_timer)
		g_source_remove(vm->display_timer);
	vm->display_timer = 0;
	vm_stop_deadline(vm);
	hub_remove_all(vm->hub, vm->options.name, why);
	vm->closed = true;
	vm_drop_control(vm);
	vm_drop_leases(vm);
	/* not ready: nothing was sent that it has to hear */
	if (!vm->display_ready) {
		display_free(vm->display);
		vm->display = NULL;
	}
}

bool vm_is_busy(const struct vm *vm)
{
	return vm->display && display_is_busy(vm->display);
}

void vm_free(struct vm *vm)
{
	vm_close(vm, "the virtual machine is not served any more");
	display_free(vm->display);
	if (vm->control_fd >= 0)
		close(vm->control_fd);
	g_object_unref(vm->cancellable);
	g_free((char *)vm->options.name);
	g_free((char *)vm->options.qmp);
	g_free((char *)vm->options.control);
	g_free(vm->error);
	g_free(vm);
}

const struct vm_options *vm_options(const struct vm *vm)
{
	return &vm->options;
}

void vm_describe(const struct vm *vm, struct vm_info *info)
{
	unsigned int i;

	*info = (struct vm_info){
		.name = vm->options.name,
		.qmp = vm->options.qmp,
		.control = vm->options.control,
		.handed = vm->handed,
		.connected = vm->display_ready,
		.attached = vm->control && control_is_attached(vm->control),
		.ends_leases = leaseport_is_ready(vm->leases),
		.error = vm->error,
		.connects = vm->connects,
		.idle_ends = vm->idle_ends,
	};
	for (i = 0; i < hub_count(vm->hub); i++)
		if (!strcmp(desktop_vm(hub_get(vm->hub, i)), info->name))
			info->desktops++;
}
