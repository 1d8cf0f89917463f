// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layouts that programs are built against, on 64 bits, and that both headers are C
 * and C++: compiled as either by test-library.sh. What fails here needs a new soname.
 */
#include <helix-lease-client.h>
#include <dlmclient.h>
#include <stdio.h>

#ifdef __cplusplus
#define IS(what)	static_assert(what, #what)
#else
#define IS(what)	_Static_assert(what, #what)
#endif

IS(sizeof(void *) == 8);
IS(sizeof(struct hl_error) == 512);
IS(sizeof(struct hl_info) == 16);
IS(sizeof(struct hl_acquire_args) == 48);
IS(offsetof(struct hl_acquire_args, label) == 24 && offsetof(struct hl_acquire_args, pidfd) == 40);
IS(sizeof(struct hl_resize_args) == 32);
IS(sizeof(struct hl_policy) == 24);
IS(sizeof(struct hl_lease) == 96);
IS(offsetof(struct hl_lease, handle_fd) == 44 && offsetof(struct hl_lease, node) == 52);
IS(sizeof(struct hl_scanout) == 296);
IS(offsetof(struct hl_scanout, label) == 112 && offsetof(struct hl_scanout, hidden) == 292);
IS(offsetof(struct hl_scanout, cgroup_alone) == 289);
IS(sizeof(struct hl_event) == 320);
IS(offsetof(struct hl_event, scanout) == 16 && offsetof(struct hl_event, lost) == 316);

int main(void)
{
	printf("%s %s %d\n", hl_state_name(0), hl_event_name(1), dlm_lease_fd(NULL));
	return 0;
}
