// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: packets on the socket where VMs are handed over, each with any
 * number of descriptors, through a real socket. All descriptors have to end.
 */
#include <glib.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attach.h"
#include "fuzz.h"
#include "log.h"
#include "send_fds.h"

#define FDS_MAX		SEND_FDS_MAX
#define TURNS_MAX	1000	/* of the main loop, for one packet */

static char path[64];
static struct attach *attach;
static unsigned int handed;

/* In place of vm.c and vms.c: what comes so far is good. */
bool vm_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len && len < DESKTOP_VM_LEN && g_ascii_isalnum(name[0]);
}

enum vms_status vms_hand_over(struct vms *vms, const struct vm_options *options,
			      int display, int control)
{
	(void)vms;
	handed++;
	expect(vm_name_valid(options->name) && !options->qmp);
	expect(options->priority <= VM_PRIORITY_MAX);
	expect(options->clipboard == VM_CLIPBOARD_OFF ||
	       (options->clipboard >= 0 && options->clipboard <= 65535));
	expect(display >= 0 && display != control && !close(display));
	expect(control < 0 || !close(control));
	return (enum vms_status)(strlen(options->name) % (VMS_FULL + 1));
}

static void prepare(void)
{
	snprintf(path, sizeof(path), "/tmp/helix-fuzz-attach-%d", getpid());
	log_set_level(LOG_LEVEL_ERROR);
	attach = attach_new(path, NULL);
	expect(attach != NULL);
}

static int visit(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, path, sizeof(path));
	expect(fd >= 0);
	expect(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

static void say(int fd, const uint8_t *data, size_t size, unsigned int fds)
{
	const int all[FDS_MAX] = { fd, fd, fd, fd };

	expect(send_fds(fd, data, size, all, fds, 0) == (ssize_t)size);
}

/* The answer is one packet, whatever was said; then it hangs up. */
static void hear(int fd)
{
	unsigned int turns = 0;
	char answer[1024];
	ssize_t n;

	do {
		expect(turns++ < TURNS_MAX);
		g_main_context_iteration(NULL, FALSE);
		n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	} while (n < 0);
	expect(n > 0 && answer[0] == '{' && answer[n - 1] == '}');
	while ((n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) < 0) {
		expect(turns++ < TURNS_MAX);
		g_main_context_iteration(NULL, FALSE);
	}
	expect(n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { data, size };
	unsigned int fds = fuzz_byte(&fuzz) % (FDS_MAX + 1);
	struct attach_request req;
	const char *error;
	bool good;
	int fd, next;

	if (!attach)
		prepare();
	if (!fuzz.size)
		return 0;
	fd = visit();
	handed = 0;
	say(fd, fuzz.data, fuzz.size, fds);
	hear(fd);
	close(fd);

	good = fds <= 2 && fuzz.size <= 4096 &&
	       attach_parse((const char *)fuzz.data, fuzz.size, fds, &req,
			    &error);
	expect(handed == good);
	/* the number that is free next is that of before: nothing was left open */
	next = dup(0);
	expect(next == fd && !close(next));
	return 0;
}
