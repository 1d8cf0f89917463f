/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON objects, for the parts of the API alone. */
#ifndef HELIX_API_JSON_H
#define HELIX_API_JSON_H

#include <json-c/json.h>
#include <stdint.h>

#include "hub.h"

struct grant;

void api_add_string(struct json_object *root, const char *name,
		    const char *value);
void api_add_number(struct json_object *root, const char *name, uint64_t value);
void api_add_decimal(struct json_object *root, const char *name, double value);
/* Percentiles; NULL if nothing is known. */
struct json_object *api_figures(const struct latency_figures *figures);
/* As text that the caller frees; takes @root. */
char *api_text(struct json_object *root);

struct json_object *api_desktop(const struct desktop *desktop);
/* Those that @grant covers; NULL: all. */
struct json_object *api_desktop_array(const struct hub *hub,
				      const struct grant *grant);

#endif
