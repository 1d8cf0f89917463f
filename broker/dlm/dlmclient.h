/* SPDX-License-Identifier: MIT */
/*
 * The client interface of AGL's DRM lease manager, offered on top of libhelix_lease:
 * a program that was written for libdlmclient is built, or just run, with this one in
 * its place. libdlmclient(3) says which lease a name means.
 *
 * These calls may be made by several threads at once, but not on one lease.
 */
#ifndef DLM_CLIENT_H
#define DLM_CLIENT_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** struct dlm_lease - a lease; opaque */
struct dlm_lease;

/**
 * dlm_enable_debug_log() - say on standard error what fails and why
 * @enable: whether to; off until this is called
 */
void dlm_enable_debug_log(bool enable);

/**
 * dlm_get_lease() - acquire a scanout
 * @name: "helix-any", "helix-N", or a connector's: "card0-Virtual-3", "card0-HDMI-A-1"
 *
 * Waits until the output is there, at most a minute.
 *
 * Return: the lease, to be given to dlm_release_lease(); NULL with errno:
 * ENOENT: no broker, or the name means no scanout; EACCES: it is taken, this user
 * may have no more, or may not talk to the broker; ENAMETOOLONG: the path of the
 * broker's socket is; ENOMEM; EPROTO: the broker makes no sense; EINVAL: @name is
 * NULL, or HELIX_DLM_SIZE is no size; ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH: the host
 * did not enable the output; and what sockets fail with
 */
struct dlm_lease *dlm_get_lease(const char *name);

/**
 * dlm_release_lease() - end a lease and close its descriptor
 * @lease: the lease, not to be used afterwards; or NULL
 */
void dlm_release_lease(struct dlm_lease *lease);

/**
 * dlm_lease_fd() - the DRM file of a lease
 * @lease: the lease, or NULL
 *
 * Has one connector, one CRTC and their planes, and is master as far as these go.
 * Readable when there is a DRM event. It stays the lease's: do not close it; the
 * lease does not live on in a copy of it.
 *
 * Return: a descriptor, close-on-exec; -1 for NULL
 */
int dlm_lease_fd(struct dlm_lease *lease);

#ifdef __cplusplus
}
#endif

#endif /* DLM_CLIENT_H */
