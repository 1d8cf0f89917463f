/* SPDX-License-Identifier: MIT */
/*
 * JSON of the broker's protocol: how the structures of helix-lease-client.h are
 * written and read, and the limits of what may be asked for.
 *
 * Writers return a new object, or NULL when out of memory. Readers pass over
 * members they do not know, so that an old client understands a new broker, and
 * demand those of the protocol's first version with their types; the later ones
 * read as zero where an old broker does not send them.
 */
#ifndef HL_CODEC_H
#define HL_CODEC_H

#include <stdbool.h>

#include <json-c/json.h>

#include "helix-lease-client.h"

#define HL_SIZE_MAX		16384
#define HL_REFRESH_MIN_MHZ	1000
#define HL_REFRESH_MAX_MHZ	1000000
#define HL_REFRESH_DEFAULT_MHZ	60000
#define HL_PRIORITY_MAX		255
#define HL_NODE_PREFIX		"/dev/helix/scanout"

/* Says which argument is out of which range, or returns 0. */
int hl_acquire_check(const struct hl_acquire_args *args, struct hl_error *err);
int hl_resize_check(const struct hl_resize_args *args, struct hl_error *err);
int hl_policy_check(const struct hl_policy *policy, struct hl_error *err);

/* A label is short, valid UTF-8 and has nothing that a terminal would obey. */
int hl_label_check(const char *label, struct hl_error *err);

/* What the module reports may come from anybody: every other byte becomes '?'. */
void hl_label_clean(char *label);

/* Leaves of a scanout what those may know who do not own it. */
void hl_scanout_hide(struct hl_scanout *scanout);

void hl_node_name(uint32_t scanout, char node[HL_NODE_LEN]);

/* The whole of @buf must be one JSON object, nested at most a few levels. */
int hl_json_parse(const char *buf, size_t len, json_object **obj, struct hl_error *err);

json_object *hl_info_to_json(const struct hl_info *info);
int hl_info_from_json(json_object *obj, struct hl_info *info, struct hl_error *err);

/* Of a lease all but its descriptors. */
json_object *hl_lease_to_json(const struct hl_lease *lease);
int hl_lease_from_json(json_object *obj, struct hl_lease *lease, struct hl_error *err);

json_object *hl_scanout_to_json(const struct hl_scanout *scanout);
int hl_scanout_from_json(json_object *obj, struct hl_scanout *scanout, struct hl_error *err);

/* The HELIX_LEASE_POLICY_* of a member; "gid" goes with "who". */
uint32_t hl_policy_bit(const char *member);

/* Of a policy all but its mask. */
json_object *hl_policy_to_json(const struct hl_policy *policy);
int hl_policy_from_json(json_object *obj, struct hl_policy *policy, struct hl_error *err);

/* Is it about a context of a GPU, with or without a scanout that shows what it draws? */
bool hl_event_of_context(const struct hl_event *event);

/* {"event":"granted","time_ns":...} and, of a scanout, what events tell of one. */
json_object *hl_event_to_json(const struct hl_event *event);

/* {"code":"EINVAL","message":"..."} */
json_object *hl_error_to_json(const struct hl_error *err);

/* Returns -code of what the object says; -EPROTO where it says nothing. */
int hl_error_from_json(json_object *obj, struct hl_error *err);

/* Takes @value; false, and @value freed, when out of memory. */
bool hl_json_add(json_object *obj, const char *key, json_object *value);

#endif
