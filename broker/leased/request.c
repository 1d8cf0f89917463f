// SPDX-License-Identifier: GPL-2.0-only
/* One table per operation: its members, their limits, and where they go. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "codec.h"
#include "error.h"
#include "names.h"
#include "request.h"

#define NAME_SHOWN	32	/* bytes of what is not known */

enum field_type { FIELD_U32, FIELD_U64, FIELD_LABEL, FIELD_FLAG, FIELD_WHO };

struct field {
	const char *name;
	enum field_type type;
	bool required;
	uint64_t min;
	uint64_t max;		/* FIELD_FLAG: the bit that true sets */
	size_t offset;
};

struct operation {
	const char *name;
	enum request_op op;
	const struct field *fields;
};

#define AT(m) offsetof(struct request, m)

static const struct field hello_fields[] = {
	{ "version", FIELD_U32, true, 1, UINT32_MAX, AT(version) },
	{ 0 },
};

static const struct field info_fields[] = {
	{ 0 },
};

static const struct field list_fields[] = {
	{ "first", FIELD_U32, false, 1, UINT32_MAX, AT(first) },
	{ 0 },
};

static const struct field query_fields[] = {
	{ "scanout", FIELD_U32, true, 1, UINT32_MAX, AT(scanout) },
	{ 0 },
};

/* The refresh rate has a hole in its range (0, then 1000 on): hl_acquire_check() knows. */
static const struct field acquire_fields[] = {
	{ "width", FIELD_U32, true, 1, HL_SIZE_MAX, AT(acquire.width) },
	{ "height", FIELD_U32, true, 1, HL_SIZE_MAX, AT(acquire.height) },
	{ "refresh_mhz", FIELD_U32, false, 0, HL_REFRESH_MAX_MHZ, AT(acquire.refresh_mhz) },
	{ "scanout", FIELD_U32, false, 0, UINT32_MAX, AT(acquire.scanout) },
	{ "timeout_ms", FIELD_U32, false, 0, HELIX_LEASE_TIMEOUT_MAX_MS, AT(acquire.timeout_ms) },
	{ "label", FIELD_LABEL, false, 0, 0, AT(label) },
	{ "priority", FIELD_U32, false, 0, HL_PRIORITY_MAX, AT(acquire.priority) },
	{ "end_on_close", FIELD_FLAG, false, 0, HL_ACQUIRE_END_ON_CLOSE, AT(acquire.flags) },
	{ "pidfd", FIELD_FLAG, false, 0, HL_ACQUIRE_PIDFD, AT(acquire.flags) },
	{ "cgroup", FIELD_FLAG, false, 0, HL_ACQUIRE_CGROUP, AT(acquire.flags) },
	{ 0 },
};

static const struct field revoke_fields[] = {
	{ "scanout", FIELD_U32, true, 1, UINT32_MAX, AT(scanout) },
	{ "generation", FIELD_U64, true, 1, UINT64_MAX, AT(generation) },
	{ "timeout_ms", FIELD_U32, false, 0, HELIX_LEASE_TIMEOUT_MAX_MS, AT(timeout_ms) },
	{ 0 },
};

static const struct field resize_fields[] = {
	{ "scanout", FIELD_U32, true, 1, UINT32_MAX, AT(resize.scanout) },
	{ "generation", FIELD_U64, true, 1, UINT64_MAX, AT(resize.generation) },
	{ "width", FIELD_U32, true, 1, HL_SIZE_MAX, AT(resize.width) },
	{ "height", FIELD_U32, true, 1, HL_SIZE_MAX, AT(resize.height) },
	{ "refresh_mhz", FIELD_U32, false, 0, HL_REFRESH_MAX_MHZ, AT(resize.refresh_mhz) },
	{ "timeout_ms", FIELD_U32, false, 0, HELIX_LEASE_TIMEOUT_MAX_MS, AT(resize.timeout_ms) },
	{ 0 },
};

static const struct field policy_fields[] = {
	{ "who", FIELD_WHO, false, 0, 0, AT(policy.who) },
	{ "gid", FIELD_U32, false, 0, UINT32_MAX - 1, AT(policy.gid) },
	{ "max_per_uid", FIELD_U32, false, 0, UINT32_MAX, AT(policy.max_per_uid) },
	{ "max_per_cgroup", FIELD_U32, false, 0, UINT32_MAX, AT(policy.max_per_cgroup) },
	{ "grace_ms", FIELD_U32, false, 0, HELIX_LEASE_GRACE_MAX_MS, AT(policy.grace_ms) },
	{ 0 },
};

static const struct operation operations[] = {
	{ "hello", OP_HELLO, hello_fields },
	{ "info", OP_INFO, info_fields },
	{ "list", OP_LIST, list_fields },
	{ "query", OP_QUERY, query_fields },
	{ "acquire", OP_ACQUIRE, acquire_fields },
	{ "revoke", OP_REVOKE, revoke_fields },
	{ "resize", OP_RESIZE, resize_fields },
	{ "policy", OP_POLICY, policy_fields },
	{ 0 },
};

static int wrong_type(const struct operation *op, const struct field *field, json_object *value,
		      const char *wanted, struct hl_error *err)
{
	return hl_error_set(err, EINVAL, "%s: %s is a %s, not %s", op->name, field->name,
			    json_type_to_name(json_object_get_type(value)), wanted);
}

static int parse_number(const struct operation *op, const struct field *field,
			json_object *value, void *at, struct hl_error *err)
{
	uint64_t u64 = json_object_get_uint64(value);
	uint32_t u32 = u64;

	if (!json_object_is_type(value, json_type_int))
		return wrong_type(op, field, value, "an integer", err);
	if (json_object_get_int64(value) < 0)
		return hl_error_set(err, EINVAL, "%s: %s %" PRId64 " is not in %" PRIu64 "..%" PRIu64,
				    op->name, field->name, json_object_get_int64(value),
				    field->min, field->max);
	if (u64 < field->min || u64 > field->max)
		return hl_error_set(err, EINVAL, "%s: %s %" PRIu64 " is not in %" PRIu64 "..%" PRIu64,
				    op->name, field->name, u64, field->min, field->max);
	if (field->type == FIELD_U32)
		memcpy(at, &u32, sizeof(u32));
	else
		memcpy(at, &u64, sizeof(u64));
	return 0;
}

static int parse_flag(const struct operation *op, const struct field *field, json_object *value,
		      void *at, struct hl_error *err)
{
	uint32_t flags;

	if (!json_object_is_type(value, json_type_boolean))
		return wrong_type(op, field, value, "true or false", err);
	memcpy(&flags, at, sizeof(flags));
	if (json_object_get_boolean(value))
		flags |= field->max;
	memcpy(at, &flags, sizeof(flags));
	return 0;
}

static int parse_who(const struct operation *op, const struct field *field, json_object *value,
		     void *at, struct hl_error *err)
{
	uint32_t who;

	if (!json_object_is_type(value, json_type_string))
		return wrong_type(op, field, value, "a string", err);
	who = hl_who_value(json_object_get_string(value));
	if (who == HL_NAME_UNKNOWN)
		return hl_error_set(err, EINVAL, "%s: %s is none of any, admin and group", op->name,
				    field->name);
	memcpy(at, &who, sizeof(who));
	return 0;
}

static int parse_label(const struct operation *op, const struct field *field,
		       json_object *value, struct request *req, struct hl_error *err)
{
	const char *text = json_object_get_string(value);
	size_t len = json_object_get_string_len(value);
	int ret;

	if (!json_object_is_type(value, json_type_string))
		return wrong_type(op, field, value, "a string", err);
	if (strlen(text) != len)
		return hl_error_set(err, EINVAL, "%s: %s has a NUL in it", op->name, field->name);
	ret = hl_label_check(text, err);
	if (ret)
		return ret;
	memcpy(req->label, text, len + 1);
	req->acquire.label = req->label;
	return 0;
}

static int parse_field(const struct operation *op, const struct field *field, json_object *value,
		       void *at, struct request *req, struct hl_error *err)
{
	switch (field->type) {
	case FIELD_LABEL:
		return parse_label(op, field, value, req, err);
	case FIELD_FLAG:
		return parse_flag(op, field, value, at, err);
	case FIELD_WHO:
		return parse_who(op, field, value, at, err);
	default:
		return parse_number(op, field, value, at, err);
	}
}

static int parse_fields(const struct operation *op, json_object *root, struct request *req,
			struct hl_error *err)
{
	for (const struct field *field = op->fields; field->name; field++) {
		void *at = (char *)req + field->offset;
		json_object *value;
		int ret;

		if (!json_object_object_get_ex(root, field->name, &value)) {
			if (!field->required)
				continue;
			return hl_error_set(err, EINVAL, "%s: %s is missing", op->name, field->name);
		}
		ret = parse_field(op, field, value, at, req, err);
		if (ret)
			return ret;
		if (op->op == OP_POLICY)
			req->policy.mask |= hl_policy_bit(field->name);
	}
	return 0;
}

/* How much of @name an error shows: no part of a character, which no client would read. */
static int shown(const char *name)
{
	size_t len = strnlen(name, NAME_SHOWN);

	while (len && ((unsigned char)name[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static bool knows_field(const struct operation *op, const char *name)
{
	for (const struct field *field = op->fields; field->name; field++)
		if (!strcmp(field->name, name))
			return true;
	return !strcmp(name, "op");
}

static int refuse_unknown(const struct operation *op, json_object *root, struct hl_error *err)
{
	json_object_object_foreach(root, key, value) {
		(void)value;
		if (!knows_field(op, key))
			return hl_error_set(err, EINVAL, "%s: there is no member \"%.*s\"",
					    op->name, shown(key), key);
	}
	return 0;
}

static int find_operation(json_object *root, const struct operation **found, struct hl_error *err)
{
	json_object *value;
	const char *name;

	if (!json_object_object_get_ex(root, "op", &value))
		return hl_error_set(err, EINVAL, "request: op is missing");
	if (!json_object_is_type(value, json_type_string))
		return hl_error_set(err, EINVAL, "request: op is a %s, not a string",
				    json_type_to_name(json_object_get_type(value)));
	name = json_object_get_string(value);
	for (const struct operation *op = operations; op->name; op++) {
		if (!strcmp(op->name, name)) {
			*found = op;
			return 0;
		}
	}
	return hl_error_set(err, EINVAL, "request: there is no op \"%.*s\"", shown(name), name);
}

/* What no single member shows. */
static int check_request(const struct request *req, struct hl_error *err)
{
	struct hl_acquire_args acquire = req->acquire;

	switch (req->op) {
	case OP_ACQUIRE:
		acquire.flags &= ~HL_ACQUIRE_PIDFD;	/* the descriptor is not here */
		return hl_acquire_check(&acquire, err);
	case OP_RESIZE:
		return hl_resize_check(&req->resize, err);
	case OP_POLICY:
		return hl_policy_check(&req->policy, err);
	default:
		return 0;
	}
}

int request_parse(const char *buf, size_t len, struct request *req, struct hl_error *err)
{
	const struct operation *op = NULL;
	json_object *root;
	int ret = hl_json_parse(buf, len, &root, err);

	if (ret)
		return hl_error_wrap(err, ret, "request");

	*req = (struct request) { .first = 1, .acquire.pidfd = -1 };
	ret = find_operation(root, &op, err);
	if (!ret) {
		req->op = op->op;
		ret = refuse_unknown(op, root, err);
	}
	if (!ret)
		ret = parse_fields(op, root, req, err);
	if (!ret)
		ret = check_request(req, err);
	json_object_put(root);
	return ret;
}
