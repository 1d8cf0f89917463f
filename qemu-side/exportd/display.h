/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's D-Bus display, as its peer-to-peer client: the consoles of one VM,
 * their size, keyboard and mouse. Pictures come through a listener.
 */
#ifndef HELIX_DISPLAY_H
#define HELIX_DISPLAY_H

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define CONSOLE_GPU_NONE	UINT32_MAX

struct display;
struct resize;

struct console {
	struct display *display;
	char *path;		/* /org/qemu/Display1/Console_N */
	uint32_t head;		/* virtio-gpu output */
	uint32_t gpu;		/* bus << 8 | devfn, or CONSOLE_GPU_NONE */
	int last_mm;		/* width_mm sent last, -1 if not by us */
	uint32_t refresh_mhz;	/* sent last */
	double scale;		/* of a pixel, 1 is DISPLAY_DPI; goes with the size */
	struct resize *resize;	/* of the desktop on it, or NULL */
	bool off;		/* by our last word: size 0x0 */
	unsigned int pending;	/* input calls QEMU has not answered */
	bool move_waiting;
	uint32_t x, y;		/* where the waiting move goes */
	int dx, dy;		/* of relative moves that wait */
	bool absolute;		/* the guest's pointer goes to a place */
	bool touch;		/* the guest has a touch screen here */
	void (*changed)(void *data);	/* absolute or touch; may be NULL */
	void *changed_data;
};

enum console_touch_kind {	/* QEMU's InputMultiTouchType */
	CONSOLE_TOUCH_BEGIN,
	CONSOLE_TOUCH_UPDATE,
	CONSOLE_TOUCH_END,
};

#define CONSOLE_TOUCH_SLOTS 10	/* QEMU's INPUT_EVENT_SLOTS_MAX */

struct display_ops {
	void (*ready)(void *data);	/* consoles are known */
	void (*closed)(const char *why, void *data);	/* use display_free() */
};

/* Takes @fd. */
struct display *display_new(int fd, const struct display_ops *ops, void *data);
void display_free(struct display *display);

struct console *display_find(struct display *display, uint32_t gpu,
			     uint32_t head);
/* Calls @each for every console. */
void display_foreach(struct display *display,
		     void (*each)(struct console *console, void *data),
		     void *data);
/*
 * A touch screen of output @head of @gpu, or, with CONSOLE_GPU_NONE, of
 * whichever console is touched. To be told before the display is ready.
 */
void display_add_touch(struct display *display, uint32_t gpu, uint32_t head);
/* Whether QEMU has not answered all input yet. */
bool display_is_busy(const struct display *display);
GDBusConnection *display_connection(struct display *display);
/* Ends with the display: pass it to every call made on the connection. */
GCancellable *display_cancellable(struct display *display);

/* Called once with 0 or an errno; not at all after display_free(). */
typedef void (*console_done)(int status, uint32_t cookie, void *data);

/*
 * Size 0x0 disables the output. The guest is told even if nothing changed. A
 * QEMU without SetUIInfo2 is not told the refresh rate.
 */
void console_set_size(struct console *console, uint32_t width, uint32_t height,
		      uint32_t refresh_mhz, console_done done, uint32_t cookie,
		      void *data);

/* False: QEMU is behind with its answers and the event was dropped. */
bool console_key(struct console *console, unsigned int qnum, bool down);
bool console_button(struct console *console, unsigned int button, bool down);
void console_move(struct console *console, uint32_t x, uint32_t y);
/* Only where the pointer is not absolute. */
void console_move_by(struct console *console, int dx, int dy);
bool console_touch(struct console *console, enum console_touch_kind kind,
		   unsigned int slot, uint32_t x, uint32_t y);
/*
 * QEMU lets keys go when their listener vanishes, buttons and fingers never:
 * whatever a client that was killed held down goes up.
 */
void console_let_go(struct console *console);

#endif
