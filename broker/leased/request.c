// SPDX-License-Identifier: GPL-2.0-only
/* One table per operation: its members, their limits, and where they go. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "codec.h"
#include "error.h"
#include "request.h"

enum field_type { FIELD_U32, FIELD_U64, FIELD_LABEL };

struct field {
	const char *name;
	enum field_type type;
	bool required;
	uint64_t min;
	uint64_t max;
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
	{ 0 },
};

static const struct field revoke_fields[] = {
	{ "scanout", FIELD_U32, true, 1, UINT32_MAX, AT(scanout) },
	{ "generation", FIELD_U64, true, 1, UINT64_MAX, AT(generation) },
	{ "timeout_ms", FIELD_U32, false, 0, HELIX_LEASE_TIMEOUT_MAX_MS, AT(timeout_ms) },
	{ 0 },
};

static const struct operation operations[] = {
	{ "hello", OP_HELLO, hello_fields },
	{ "info", OP_INFO, info_fields },
	{ "list", OP_LIST, list_fields },
	{ "query", OP_QUERY, query_fields },
	{ "acquire", OP_ACQUIRE, acquire_fields },
	{ "revoke", OP_REVOKE, revoke_fields },
	{ 0 },
};

static int parse_number(const struct operation *op, const struct field *field,
			json_object *value, void *at, struct hl_error *err)
{
	uint64_t u64 = json_object_get_uint64(value);
	uint32_t u32 = u64;

	if (!json_object_is_type(value, json_type_int))
		return hl_error_set(err, EINVAL, "%s: %s is a %s, not an integer", op->name,
				    field->name, json_type_to_name(json_object_get_type(value)));
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

static int parse_label(const struct operation *op, const struct field *field,
		       json_object *value, struct request *req, struct hl_error *err)
{
	const char *text = json_object_get_string(value);
	size_t len = json_object_get_string_len(value);
	int ret;

	if (!json_object_is_type(value, json_type_string))
		return hl_error_set(err, EINVAL, "%s: %s is a %s, not a string", op->name,
				    field->name, json_type_to_name(json_object_get_type(value)));
	if (strlen(text) != len)
		return hl_error_set(err, EINVAL, "%s: %s has a NUL in it", op->name, field->name);
	ret = hl_label_check(text, err);
	if (ret)
		return ret;
	memcpy(req->label, text, len + 1);
	req->acquire.label = req->label;
	return 0;
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
		if (field->type == FIELD_LABEL)
			ret = parse_label(op, field, value, req, err);
		else
			ret = parse_number(op, field, value, at, err);
		if (ret)
			return ret;
	}
	return 0;
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
			return hl_error_set(err, EINVAL, "%s: there is no member \"%.32s\"",
					    op->name, key);
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
	return hl_error_set(err, EINVAL, "request: there is no op \"%.32s\"", name);
}

int request_parse(const char *buf, size_t len, struct request *req, struct hl_error *err)
{
	const struct operation *op = NULL;
	json_object *root;
	int ret = hl_json_parse(buf, len, &root, err);

	if (ret)
		return hl_error_wrap(err, ret, "request");

	*req = (struct request) { .first = 1 };
	ret = find_operation(root, &op, err);
	if (!ret) {
		req->op = op->op;
		ret = refuse_unknown(op, root, err);
	}
	if (!ret)
		ret = parse_fields(op, root, req, err);
	if (!ret && op->op == OP_ACQUIRE)
		ret = hl_acquire_check(&req->acquire, err);
	json_object_put(root);
	return ret;
}
