/* SPDX-License-Identifier: GPL-2.0-only */
/* The service manager's side: what it is told, and the sockets that it gave. */
#ifndef HELIX_SERVICE_H
#define HELIX_SERVICE_H

#include <glib.h>

/* The listening socket of this FileDescriptorName=, or -1. */
int service_socket(const char *name);

void service_ready(const char *status);
void service_reloading(void);
void service_stopping(void);
/* Said only when it is another than the last. */
void service_status(const char *status);

/* Begins to tell the watchdog, if there is one, from the main loop. */
void service_watch(void);

#endif
