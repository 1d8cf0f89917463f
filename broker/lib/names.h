/* SPDX-License-Identifier: MIT */
/* The way back from the words of hl_state_name() and its like. */
#ifndef HL_NAMES_H
#define HL_NAMES_H

#include <stdint.h>

#include "helix-lease-client.h"

/* A word from a newer broker: prints as "unknown" again. */
#define HL_NAME_UNKNOWN UINT32_MAX

uint32_t hl_state_value(const char *name);
uint32_t hl_wait_value(const char *name);
uint32_t hl_host_value(const char *name);
uint32_t hl_who_value(const char *name);

#endif
