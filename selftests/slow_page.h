/* SPDX-License-Identifier: GPL-2.0-only */
/* A page of memory that is missing until a test says so: userfaultfd's. */
#ifndef HELIX_SLOW_PAGE_H
#define HELIX_SLOW_PAGE_H

#include <linux/userfaultfd.h>
#include <sys/syscall.h>

#include "helix_test.h"

struct slow_page {
	int uffd;
	void *page;	/* the one before it is there */
	size_t size;
};

static inline int slow_page_init(struct slow_page *slow)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	void *before;

	slow->page = NULL;
	slow->size = sysconf(_SC_PAGESIZE);
	slow->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (slow->uffd < 0)
		return -errno;
	before = mmap(NULL, 2 * slow->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (before == MAP_FAILED)
		return -errno;
	slow->page = (char *)before + slow->size;
	reg.range.start = (uintptr_t)slow->page;
	reg.range.len = slow->size;
	if (ioctl(slow->uffd, UFFDIO_API, &api) || ioctl(slow->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

static inline void slow_page_fini(struct slow_page *slow)
{
	close(slow->uffd);
	munmap((char *)slow->page - slow->size, 2 * slow->size);
}

/* 0 once somebody waits for the page. */
static inline int slow_page_is_wanted(struct slow_page *slow)
{
	struct pollfd pfd = { .fd = slow->uffd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&pfd, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	return read(slow->uffd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

/* With this in it, or with zeroes. */
static inline int slow_page_comes(struct slow_page *slow, const void *content)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)slow->page, .len = slow->size },
	};
	struct uffdio_copy copy = {
		.dst = (uintptr_t)slow->page,
		.src = (uintptr_t)content,
		.len = slow->size,
	};

	if (!content)
		return sys_ioctl(slow->uffd, UFFDIO_ZEROPAGE, &zero);
	return sys_ioctl(slow->uffd, UFFDIO_COPY, &copy);
}

#endif /* HELIX_SLOW_PAGE_H */
