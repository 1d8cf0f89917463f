// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: the mediator of a control device, as a whole: a guest that
 * writes anything into the memory and rings, resets at any moment, a QEMU whose
 * messages are cut or wrong, and an owner that answers late or too often.
 */
#include <endian.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "fuzz.h"
#include "log.h"
#include "send_fds.h"

#define STEPS		64
#define TURNS		8	/* of the main loop after each */

static int memory, doorbell, completion;
static struct helix_ctl_shm *shm;

static struct control *control;
static uint32_t token;		/* of the request last seen */
static bool open_request;	/* it has no answer yet */
static unsigned int attached;

static void on_attached(bool fresh, void *data)
{
	(void)fresh;
	(void)data;
	expect(control_is_attached(control) && !attached++);
}

static void on_request(const struct ring_request *req, uint32_t of, void *data)
{
	(void)data;
	/* one at a time, and only such as may be served */
	expect(attached && !open_request);
	expect(memchr(req->label, 0, sizeof(req->label)) != NULL);
	expect(req->output <= 15 && req->generation);
	expect(req->op == HELIX_CTL_OP_OUTPUT_DISABLE ||
	       (req->op == HELIX_CTL_OP_OUTPUT_ENABLE &&
		req->width >= 1 && req->width <= 16384 &&
		req->height >= 1 && req->height <= 16384));
	token = of;
	open_request = true;
}

static void on_reset(void *data)
{
	(void)data;
	expect(attached);
	open_request = false;
}

static void on_closed(void *data)
{
	(void)data;
	control_free(control);
	control = NULL;
}

static const struct control_ops ops = {
	on_attached, on_request, on_reset, on_closed
};

static void prepare(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	memory = memfd_create("control", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	completion = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	expect(memory >= 0 && doorbell >= 0 && completion >= 0);
	expect(!ftruncate(memory, HELIX_CTL_SHM_SIZE));
	expect(!fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK));
	shm = mmap(NULL, HELIX_CTL_SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   memory, 0);
	expect(shm != MAP_FAILED);
}

/* Who is there no more is not told: that is no error. */
static void say(int sock, const void *data, size_t len, unsigned int fds)
{
	const int all[] = { memory, doorbell, completion, memory };
	ssize_t n;

	if (!len)
		return;
	n = send_fds(sock, data, len, all, fds, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)n;
}

static void say_message(int sock, struct fuzz *fuzz, uint32_t type)
{
	struct helix_ctl_msg msg = {
		.magic = htole32(HELIX_CTL_MAGIC),
		.version = htole32(HELIX_CTL_VERSION),
		.type = htole32(type),
		.shm_size = htole32(HELIX_CTL_SHM_SIZE),
	};
	unsigned int fds = type == HELIX_CTL_MSG_HELLO ? 3 : 0;
	uint8_t how = fuzz_byte(fuzz);
	size_t len = sizeof(msg);

	if (how & 0x80) {	/* else as it should be */
		((uint8_t *)&msg)[fuzz_byte(fuzz) % sizeof(msg)] ^=
			fuzz_byte(fuzz);
		if (how & 1)
			len = fuzz_byte(fuzz) % sizeof(msg);
		if (how & 2)
			fds = fuzz_byte(fuzz) % 5;
	}
	say(sock, &msg, len, fds);
}

static void ring(void)
{
	uint64_t one = 1;

	expect(write(doorbell, &one, sizeof(one)) == sizeof(one));
}

static void scribble(struct fuzz *fuzz)
{
	uint8_t *bytes = (uint8_t *)shm;
	size_t at = fuzz_word(fuzz) % sizeof(*shm);
	size_t len = fuzz_byte(fuzz);

	if (len > sizeof(*shm) - at)
		len = sizeof(*shm) - at;
	fuzz_take(fuzz, bytes + at, len);
}

static void request(struct fuzz *fuzz)
{
	uint32_t head = le32toh(shm->req.head);
	struct helix_ctl_request req = {
		.id = htole32(head),
		.op = htole16((uint16_t)(fuzz_byte(fuzz) % 5)),
		.output = htole32(fuzz_byte(fuzz) % 18),
		.width = htole32(fuzz_near(fuzz, 16384)),
		.height = htole32(fuzz_near(fuzz, 16384)),
		.generation = htole64(fuzz_byte(fuzz)),
	};

	shm->reqs[head % HELIX_CTL_RING_SLOTS] = req;
	shm->req.head = htole32(head + 1);
	ring();
}

static void step(int sock, struct fuzz *fuzz)
{
	switch (fuzz_byte(fuzz) % 8) {
	case 0:
		scribble(fuzz);
		break;
	case 1:
		ring();
		break;
	case 2:
	case 3:
		request(fuzz);
		break;
	case 4:
		/* the guest takes what was completed */
		shm->cmp.tail = shm->cmp.head;
		break;
	case 5:
		say_message(sock, fuzz, HELIX_CTL_MSG_RESET);
		break;
	case 6:
		if (open_request) {
			open_request = false;
			control_complete(control, token, fuzz_byte(fuzz));
		}
		break;
	case 7:
		/* an answer of before a reset, or a second one */
		if (!open_request)
			control_complete(control, token, 0);
		break;
	}
}

static void turn(void)
{
	unsigned int i;

	for (i = 0; i < TURNS && g_main_context_iteration(NULL, FALSE); i++)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { data, size };
	uint64_t count;
	unsigned int i;
	int pair[2], next;

	if (!shm)
		prepare();
	memset(shm, 0, sizeof(*shm));
	open_request = false;
	attached = 0;
	expect(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   0, pair));
	control = control_new(pair[0], "vm", &ops, NULL);
	if (fuzz_byte(&fuzz) & 1)
		scribble(&fuzz);	/* as a former mediator left it */
	say_message(pair[1], &fuzz, HELIX_CTL_MSG_HELLO);
	turn();
	for (i = 0; i < STEPS && fuzz.size && control; i++) {
		step(pair[1], &fuzz);
		turn();
	}
	if (control)
		on_closed(NULL);
	close(pair[1]);
	if (read(doorbell, &count, sizeof(count)) < 0 ||
	    read(completion, &count, sizeof(count)) < 0)
		count = 0;
	/* nothing was left open */
	next = dup(0);
	expect(next == pair[0] && !close(next));
	return 0;
}
