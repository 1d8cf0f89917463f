// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the two connections to a QEMU and what the guest asked of them. Order:
 * monitor, display, control device; the guest is told that a host is there
 * (the handshake) only when outputs can really be served. The loss of the
 * display ends everything and starts over; the loss of the control device
 * leaves the desktops as they are.
 */
#include "vm.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "display.h"
#include "log.h"
#include "qmp.h"

#define VM_RETRY_MIN_MS	100
#define VM_RETRY_MAX_MS	2000
#define VM_FLUSH_US	(300 * 1000)
#define VM_OUTPUT_CONSOLE	0	/* never touched */
#define VM_REFRESH_DEFAULT_MHZ	60000

struct vm {
	const struct vm_options *options;
	struct hub *hub;
	GCancellable *cancellable;
	struct display *display;
	bool display_ready;
	struct control *control;
	guint display_timer, control_timer;
	unsigned int display_delay, control_delay;	/* milliseconds */
	bool complained;	/* about the monitor, since it last worked */
};

static void vm_connect(struct vm *vm);
static void vm_attach(struct vm *vm);

static unsigned int vm_back_off(unsigned int *delay)
{
	unsigned int now = *delay ? *delay : VM_RETRY_MIN_MS;

	*delay = MIN(now * 2, VM_RETRY_MAX_MS);
	return now;
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
	if (!vm->control_timer)
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

		if (!strcmp(desktop_vm(desktop), vm->options->name) &&
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
	struct desktop *other = hub_find_in(vm->hub, vm->options->name,
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
		.vm = vm->options->name,
		.scanout = req->scanout,
		.width = req->width,
		.height = req->height,
		.generation = req->generation,
		.priority = req->priority,
		.label = req->label,
		.was_off = console->off,
	};
	int status = vm_take_number(vm, console, req);

	if (status)
		return status;
	hub_add(vm->hub, console, &config);
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

	log_debug("request %u: %s gpu %04x output %u %ux%u scanout %u generation %llu: %s",
		  req->id, enable ? "enable" : "disable", req->gpu,
		  req->output, req->width, req->height, req->scanout,
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

static void vm_attach(struct vm *vm)
{
	const char *error;

	vm->control = control_new(vm->options->control, &vm_control_ops, vm,
				  &error);
	if (vm->control)
		return;
	if (!vm->control_delay)
		log_warn("connecting to the control socket %s: %s; trying again",
			 vm->options->control, error);
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

/* What hangs on the display goes with it. */
static void vm_drop(struct vm *vm, const char *why)
{
	if (vm->control_timer)
		g_source_remove(vm->control_timer);
	vm->control_timer = 0;
	vm->control_delay = 0;
	hub_remove_all(vm->hub, vm->options->name, why);
	control_free(vm->control);
	vm->control = NULL;
	display_free(vm->display);
	vm->display = NULL;
	vm->display_ready = false;
}

static void vm_display_closed(const char *why, void *data)
{
	struct vm *vm = data;

	log_warn("QEMU's display: %s; connecting again", why);
	vm_drop(vm, "the virtual machine went away");
	vm_connect_later(vm);
}

static void vm_add_console0(struct console *console, void *data)
{
	struct vm *vm = data;
	const struct desktop_config config = {
		.vm = vm->options->name,
		.scanout = VM_OUTPUT_CONSOLE,
		.label = "Console",
	};

	if (console->head == VM_OUTPUT_CONSOLE &&
	    !hub_find_in(vm->hub, vm->options->name, VM_OUTPUT_CONSOLE))
		hub_add(vm->hub, console, &config);
}

static void vm_display_ready(void *data)
{
	struct vm *vm = data;

	log_info("connected to QEMU's display");
	vm->display_ready = true;
	vm->display_delay = 0;
	vm->complained = false;
	if (vm->options->console0)
		display_foreach(vm->display, vm_add_console0, vm);
	if (vm->options->control)
		vm_attach(vm);
}

static const struct display_ops vm_display_ops = {
	.ready = vm_display_ready,
	.closed = vm_display_closed,
};

static void vm_got_display(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autoptr(GError) error = NULL;
	struct vm *vm = data;
	int fd;

	(void)source;
	fd = qmp_open_display_finish(result, &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	if (fd < 0 && !vm->complained)
		log_warn("%s; trying again", error->message);
	if (fd >= 0)
		vm->display = display_new(fd, &vm_display_ops, vm);
	if (!vm->display) {
		vm->complained = true;
		vm_connect_later(vm);
	}
}

static void vm_connect(struct vm *vm)
{
	qmp_open_display(vm->options->qmp, vm->cancellable, vm_got_display, vm);
}

struct vm *vm_new(const struct vm_options *options, struct hub *hub)
{
	struct vm *vm = g_new0(struct vm, 1);

	vm->options = options;
	vm->hub = hub;
	vm->cancellable = g_cancellable_new();
	vm_connect(vm);
	return vm;
}

/* What viewers held down was let go a moment ago: let QEMU hear of it. */
static void vm_flush(struct vm *vm)
{
	gint64 deadline = g_get_monotonic_time() + VM_FLUSH_US;

	while (vm->display && display_is_busy(vm->display) &&
	       g_get_monotonic_time() < deadline)
		if (!g_main_context_iteration(NULL, FALSE))
			g_usleep(1000);
}

void vm_free(struct vm *vm)
{
	vm_flush(vm);
	g_cancellable_cancel(vm->cancellable);
	g_object_unref(vm->cancellable);
	if (vm->display_timer)
		g_source_remove(vm->display_timer);
	vm_drop(vm, "the server is shutting down");
	g_free(vm);
}
