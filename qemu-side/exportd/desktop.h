/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One enabled output: its newest picture, the streams made of it, and who
 * watches. Main thread only.
 */
#ifndef HELIX_DESKTOP_H
#define HELIX_DESKTOP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "choice.h"
#include "display.h"
#include "idle.h"
#include "message.h"
#include "stream.h"
#include "viewer.h"
#include "worker.h"

#define DESKTOP_NAME_LEN 64
#define DESKTOP_VM_LEN 33	/* [A-Za-z0-9_-]{1,32} */
#define DESKTOP_ID_LEN (DESKTOP_VM_LEN + 11)	/* "VM:N" */

struct desktop;

struct desktop_env {
	struct worker_pool *pool;
	struct choices *choices;
};

struct desktop_config {
	const char *vm;		/* name of its virtual machine */
	uint32_t scanout;	/* the number that people see */
	uint32_t width, height;	/* asked for; 0 if not by us */
	uint64_t generation;	/* of the lease */
	uint32_t priority;	/* of the lease, the larger the more important */
	uint32_t vm_priority;	/* counts on top of it */
	bool clipboard;		/* it has the VM's */
	const char *label;	/* may be NULL or empty */
	bool was_off;		/* what QEMU shows is not of this guest's making */
};

struct desktop_info {
	const char *id, *vm;
	uint32_t scanout;
	const char *name;
	uint32_t priority;
	int width, height;
	bool live;
	uint64_t frames, bytes;		/* of all rungs */
	double fps;			/* of the rung that has most */
	const char *encoder;		/* of the largest rung that has one */
	unsigned int viewers;		/* also who watches no rung now */
	enum idle_state idle;
	unsigned int idle_s;		/* since somebody used it */
	unsigned int idle_left;		/* until it ends, while that is told */
	struct stream_info rung[RUNG_COUNT];
	/* flush to paint, of the largest rung of which somebody tells */
	struct latency_figures latency;
};

/* Starts listening to @console at once. */
struct desktop *desktop_new(const struct desktop_env *env,
			    struct console *console,
			    const struct desktop_config *config);
/* Tells the viewers that it is gone, and why, and forgets them. */
void desktop_free(struct desktop *desktop, const char *why);
/* A repeated request for the same output: new name, size, generation. */
void desktop_configure(struct desktop *desktop,
		       const struct desktop_config *config);

struct console *desktop_console(const struct desktop *desktop);
/* "VM:N": what the whole server knows it by. */
const char *desktop_id(const struct desktop *desktop);
const char *desktop_vm(const struct desktop *desktop);
uint32_t desktop_scanout(const struct desktop *desktop);
uint64_t desktop_generation(const struct desktop *desktop);
void desktop_describe(const struct desktop *desktop, struct desktop_info *info);

/*
 * The viewer has its role already. @tile: it shows the desktop as one of many,
 * whatever the rung. @gone is called when the desktop ends, after
 * its last message was queued; the viewer is not part of it any more then.
 */
void desktop_join(struct desktop *desktop, struct viewer *viewer,
		  enum rung rung, bool tile,
		  void (*gone)(struct viewer *viewer));
/* From now on another rung, or none. */
void desktop_watch(struct desktop *desktop, struct viewer *viewer,
		   enum rung rung, bool tile);
void desktop_leave(struct desktop *desktop, struct viewer *viewer);
/*
 * Asks the guest for a size, 16 to 8192 pixels each way, and a refresh rate, 0
 * for the present one. Returns 0, EINVAL, or EPERM: it has no size to ask for.
 */
int desktop_resize(struct desktop *desktop, uint32_t width, uint32_t height,
		   uint32_t refresh_mhz);
void desktop_input(struct desktop *desktop, struct viewer *viewer,
		   const struct message *msg);
/* Nobody controls it, until somebody does again. */
void desktop_release_control(struct desktop *desktop);
/* Somebody says that it is still wanted. False: it stays for ever as it is. */
bool desktop_keep(struct desktop *desktop);
/*
 * What is to become of it for not being used; @able: somebody could end it. What
 * a tile shows counts as @policy says, what is open in full always.
 */
enum idle_state desktop_idle(struct desktop *desktop,
			     const struct idle_policy *policy, bool able);
/* What the last look said. */
enum idle_state desktop_idle_state(const struct desktop *desktop);
/* See idle_is_due(). */
bool desktop_is_due(struct desktop *desktop);
/* See idle_ends_first(). */
bool desktop_ends_first(struct desktop *desktop);
/* The number of who controls it, 0: nobody. */
uint32_t desktop_controller(const struct desktop *desktop);
/* All who watch get a key frame. */
void desktop_key_frame(struct desktop *desktop);

struct desktop_viewer {
	uint32_t number;
	enum role role;
	enum rung rung;
	unsigned int queued_frames;
	size_t queued_bytes;
	uint64_t dropped;	/* frames, since it came */
};

void desktop_each_viewer(const struct desktop *desktop,
			 void (*each)(const struct desktop_viewer *viewer,
				      void *data),
			 void *data);
/* A viewer can take frames again, or time has passed: look what is due. */
void desktop_kick(struct desktop *desktop);
/* Every half second. */
void desktop_tick(struct desktop *desktop);

#endif
