// SPDX-License-Identifier: MIT
/*
 * One table per structure says its members' names, types and places; writing
 * and reading both walk it, so they cannot disagree.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "codec.h"
#include "error.h"
#include "names.h"

#define JSON_DEPTH	6
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum member_type { U32, U64, BOOL, TEXT, STATE, WAIT, HOST, WHO, PCI };

struct member {
	const char *name;
	enum member_type type;
	size_t offset;
	size_t size;
	bool optional;		/* not in the protocol's first version */
};

#define MEMBER(s, m, t) { #m, t, offsetof(struct s, m), sizeof(((struct s *)0)->m), false }
#define LATER(s, m, t) { #m, t, offsetof(struct s, m), sizeof(((struct s *)0)->m), true }

static const struct member info_members[] = {
	MEMBER(hl_info, abi_version, U32),
	MEMBER(hl_info, nr_gpus, U32),
	MEMBER(hl_info, nr_scanouts, U32),
	MEMBER(hl_info, host_state, HOST),
};

static const struct member lease_members[] = {
	MEMBER(hl_lease, scanout, U32),
	MEMBER(hl_lease, generation, U64),
	MEMBER(hl_lease, width, U32),
	MEMBER(hl_lease, height, U32),
	MEMBER(hl_lease, refresh_mhz, U32),
	MEMBER(hl_lease, connector_id, U32),
	MEMBER(hl_lease, crtc_id, U32),
	MEMBER(hl_lease, primary_plane_id, U32),
	MEMBER(hl_lease, cursor_plane_id, U32),
	MEMBER(hl_lease, node, TEXT),
};

static const struct member scanout_members[] = {
	MEMBER(hl_scanout, scanout, U32),
	MEMBER(hl_scanout, state, STATE),
	MEMBER(hl_scanout, generation, U64),
	MEMBER(hl_scanout, width, U32),
	MEMBER(hl_scanout, height, U32),
	MEMBER(hl_scanout, refresh_mhz, U32),
	MEMBER(hl_scanout, wait_for, WAIT),
	MEMBER(hl_scanout, wait_ms, U32),
	MEMBER(hl_scanout, opens, U32),
	MEMBER(hl_scanout, owner_pid, U32),
	MEMBER(hl_scanout, owner_uid, U32),
	MEMBER(hl_scanout, owner_cgroup, U64),
	MEMBER(hl_scanout, state_ms, U64),
	MEMBER(hl_scanout, grants, U64),
	MEMBER(hl_scanout, denials, U64),
	MEMBER(hl_scanout, connector_id, U32),
	MEMBER(hl_scanout, crtc_id, U32),
	MEMBER(hl_scanout, primary_plane_id, U32),
	MEMBER(hl_scanout, cursor_plane_id, U32),
	MEMBER(hl_scanout, gpu, PCI),
	MEMBER(hl_scanout, output, U32),
	MEMBER(hl_scanout, dev_major, U32),
	MEMBER(hl_scanout, dev_minor, U32),
	MEMBER(hl_scanout, label, TEXT),
	MEMBER(hl_scanout, node, TEXT),
	LATER(hl_scanout, priority, U32),
	LATER(hl_scanout, stalled_ms, U32),
	LATER(hl_scanout, stalls, U64),
	LATER(hl_scanout, quarantines, U64),
	LATER(hl_scanout, lease_ms, U64),
	LATER(hl_scanout, wait_name, TEXT),
	LATER(hl_scanout, cgroup_alone, BOOL),
	LATER(hl_scanout, hidden, BOOL),
};

/* Of hl_event.scanout; the others are in a dump only. */
static const struct member event_members[] = {
	MEMBER(hl_scanout, scanout, U32),
	MEMBER(hl_scanout, state, STATE),
	MEMBER(hl_scanout, generation, U64),
	MEMBER(hl_scanout, label, TEXT),
	MEMBER(hl_scanout, width, U32),
	MEMBER(hl_scanout, height, U32),
	MEMBER(hl_scanout, refresh_mhz, U32),
	MEMBER(hl_scanout, priority, U32),
	MEMBER(hl_scanout, owner_pid, U32),
	MEMBER(hl_scanout, owner_uid, U32),
	MEMBER(hl_scanout, owner_cgroup, U64),
	MEMBER(hl_scanout, wait_for, WAIT),
	MEMBER(hl_scanout, wait_ms, U32),
	MEMBER(hl_scanout, wait_name, TEXT),
};

/* The part that is about a context; all there is where it draws on no leased scanout. */
static const struct member context_members[] = {
	MEMBER(hl_scanout, wait_for, WAIT),
	MEMBER(hl_scanout, wait_ms, U32),
	MEMBER(hl_scanout, wait_name, TEXT),
};

static const struct member policy_members[] = {
	MEMBER(hl_policy, who, WHO),
	MEMBER(hl_policy, gid, U32),
	MEMBER(hl_policy, max_per_uid, U32),
	MEMBER(hl_policy, max_per_cgroup, U32),
	MEMBER(hl_policy, grace_ms, U32),
};

/* ---- limits ---- */

/* Length of the UTF-8 sequence at @s, 0 where there is no valid one; *@cp: its code point. */
static size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (n > len || (n > 1 && s[0] < 0xc2) || s[0] > 0xf4)
		return 0;
	*cp = n == 1 ? s[0] : s[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3f);
	}
	if (*cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000))
		return 0;
	return n;
}

/* Of what a terminal shows rather than obeys; U+0080..9F are control characters as well. */
static size_t utf8_printable(const unsigned char *s, size_t len)
{
	uint32_t cp;
	size_t n = utf8_decode(s, len, &cp);

	return n && cp >= 0x20 && (cp < 0x7f || cp >= 0xa0) ? n : 0;
}

/* Offset of the first byte that is not UTF-8, @len if there is none. */
static size_t utf8_check(const char *buf, size_t len)
{
	size_t at = 0;
	uint32_t cp;

	while (at < len) {
		size_t n = utf8_decode((const unsigned char *)buf + at, len - at, &cp);

		if (!n)
			break;
		at += n;
	}
	return at;
}

int hl_label_check(const char *label, struct hl_error *err)
{
	const unsigned char *s = (const unsigned char *)label;
	size_t len = strlen(label);

	if (len >= HL_LABEL_LEN)
		return hl_error_set(err, EINVAL, "acquire: label has %zu bytes, at most %d may be given",
				    len, HL_LABEL_LEN - 1);
	while (*s) {
		size_t n = utf8_printable(s, strlen((const char *)s));

		if (!n)
			return hl_error_set(err, EINVAL,
					    "acquire: byte %zu of label is not printable UTF-8",
					    (size_t)(s - (const unsigned char *)label));
		s += n;
	}
	return 0;
}

void hl_label_clean(char *label)
{
	unsigned char *s = (unsigned char *)label;

	while (*s) {
		size_t n = utf8_printable(s, strlen((const char *)s));

		if (!n) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

static int check_range(const char *what, const char *name, uint32_t value, uint32_t min,
		       uint32_t max, struct hl_error *err)
{
	if (value >= min && value <= max)
		return 0;
	return hl_error_set(err, EINVAL, "%s: %s %u is not in %u..%u", what, name, value, min, max);
}

static int check_mode(const char *what, uint32_t width, uint32_t height, uint32_t refresh_mhz,
		      uint32_t timeout_ms, struct hl_error *err)
{
	int ret = check_range(what, "width", width, 1, HL_SIZE_MAX, err);

	if (!ret)
		ret = check_range(what, "height", height, 1, HL_SIZE_MAX, err);
	if (!ret && refresh_mhz)
		ret = check_range(what, "refresh_mhz", refresh_mhz, HL_REFRESH_MIN_MHZ,
				  HL_REFRESH_MAX_MHZ, err);
	if (!ret)
		ret = check_range(what, "timeout_ms", timeout_ms, 0, HELIX_LEASE_TIMEOUT_MAX_MS,
				  err);
	return ret;
}

int hl_acquire_check(const struct hl_acquire_args *args, struct hl_error *err)
{
	int ret = check_mode("acquire", args->width, args->height, args->refresh_mhz,
			     args->timeout_ms, err);

	if (!ret)
		ret = check_range("acquire", "priority", args->priority, 0, HL_PRIORITY_MAX, err);
	if (!ret && args->flags & ~(HL_ACQUIRE_END_ON_CLOSE | HL_ACQUIRE_PIDFD | HL_ACQUIRE_CGROUP))
		ret = hl_error_set(err, EINVAL, "acquire: flags 0x%x are not known", args->flags);
	if (!ret && args->flags & HL_ACQUIRE_PIDFD && args->pidfd < 0)
		ret = hl_error_set(err, EBADF, "acquire: pidfd %d is not open", args->pidfd);
	if (!ret && args->label)
		ret = hl_label_check(args->label, err);
	return ret;
}

int hl_resize_check(const struct hl_resize_args *args, struct hl_error *err)
{
	return check_mode("resize", args->width, args->height, args->refresh_mhz,
			  args->timeout_ms, err);
}

int hl_policy_check(const struct hl_policy *policy, struct hl_error *err)
{
	int ret = 0;

	if (policy->mask & HELIX_LEASE_POLICY_WHO) {
		if (policy->who > HELIX_LEASE_WHO_GROUP)
			ret = hl_error_set(err, EINVAL, "policy: who is none of any, admin and group");
		else if (policy->who != HELIX_LEASE_WHO_GROUP && policy->gid)
			ret = hl_error_set(err, EINVAL, "policy: a gid goes with who \"group\" only");
	}
	if (!ret && policy->mask & HELIX_LEASE_POLICY_GRACE_MS)
		ret = check_range("policy", "grace_ms", policy->grace_ms, 0,
				  HELIX_LEASE_GRACE_MAX_MS, err);
	return ret;
}

void hl_scanout_hide(struct hl_scanout *scanout)
{
	struct hl_scanout shown = {
		.scanout = scanout->scanout,
		.state = scanout->state,
		.wait_for = scanout->wait_for,
		.owner_uid = UINT32_MAX,
		.connector_id = scanout->connector_id,
		.crtc_id = scanout->crtc_id,
		.primary_plane_id = scanout->primary_plane_id,
		.cursor_plane_id = scanout->cursor_plane_id,
		.gpu = scanout->gpu,
		.output = scanout->output,
		.dev_major = scanout->dev_major,
		.dev_minor = scanout->dev_minor,
		.hidden = 1,
	};

	memcpy(shown.node, scanout->node, sizeof(shown.node));
	*scanout = shown;
}

void hl_node_name(uint32_t scanout, char node[HL_NODE_LEN])
{
	snprintf(node, HL_NODE_LEN, HL_NODE_PREFIX "%u", scanout);
}

/* ---- writing ---- */

bool hl_json_add(json_object *obj, const char *key, json_object *value)
{
	if (obj && value && !json_object_object_add(obj, key, value))
		return true;
	json_object_put(value);
	return false;
}

static json_object *pci_to_json(uint32_t gpu)
{
	char text[16];

	snprintf(text, sizeof(text), "%02x:%02x.%x", gpu >> 8 & 0xff, gpu >> 3 & 0x1f, gpu & 7);
	return json_object_new_string(text);
}

static json_object *member_to_json(const struct member *m, const void *base)
{
	const void *at = (const char *)base + m->offset;
	uint32_t u32 = 0;
	uint64_t u64;

	if (m->size == sizeof(u32))
		memcpy(&u32, at, sizeof(u32));
	else if (m->size == sizeof(uint8_t))
		u32 = *(const uint8_t *)at;

	switch (m->type) {
	case U32:
		return json_object_new_int64(u32);
	case U64:
		memcpy(&u64, at, sizeof(u64));
		return json_object_new_uint64(u64);
	case BOOL:
		return json_object_new_boolean(u32);
	case TEXT:
		return json_object_new_string(at);
	case STATE:
		return json_object_new_string(hl_state_name(u32));
	case WAIT:
		return json_object_new_string(hl_wait_name(u32));
	case HOST:
		return json_object_new_string(hl_host_name(u32));
	case WHO:
		return json_object_new_string(hl_who_name(u32));
	case PCI:
		return pci_to_json(u32);
	}
	return NULL;
}

static json_object *to_json(const struct member *m, size_t n, const void *base)
{
	json_object *obj = json_object_new_object();

	for (size_t i = 0; obj && i < n; i++) {
		if (!hl_json_add(obj, m[i].name, member_to_json(&m[i], base))) {
			json_object_put(obj);
			return NULL;
		}
	}
	return obj;
}

/* ---- reading ---- */

int hl_json_parse(const char *buf, size_t len, json_object **obj, struct hl_error *err)
{
	struct json_tokener *tok;
	enum json_tokener_error state;
	json_object *root;
	size_t end = utf8_check(buf, len);
	int ret = 0;

	if (end != len)
		return hl_error_set(err, EINVAL, "the message is not UTF-8 at byte %zu", end);
	tok = json_tokener_new_ex(JSON_DEPTH);
	if (!tok)
		return hl_error_set(err, ENOMEM, "out of memory");
	/*
	 * Not strict: json-c 0.18 takes a byte above 0x7f for a control character
	 * then and refuses it. The price is to let single quotes pass.
	 */
	root = json_tokener_parse_ex(tok, buf, len);
	state = json_tokener_get_error(tok);
	end = json_tokener_get_parse_end(tok);
	while (end < len && strchr(" \t\r\n", buf[end]) && buf[end])
		end++;

	if (state == json_tokener_continue)
		ret = hl_error_set(err, EINVAL, "the message is incomplete JSON");
	else if (state != json_tokener_success)
		ret = hl_error_set(err, EINVAL, "the message is not JSON: %s at byte %zu",
				   json_tokener_error_desc(state), end);
	else if (end != len)
		ret = hl_error_set(err, EINVAL, "the message has %zu bytes after its JSON",
				   len - end);
	else if (!json_object_is_type(root, json_type_object))
		ret = hl_error_set(err, EINVAL, "the message is not a JSON object");

	json_tokener_free(tok);
	if (ret) {
		json_object_put(root);
		return ret;
	}
	*obj = root;
	return 0;
}

static int read_number(const struct member *m, json_object *value, void *at, struct hl_error *err)
{
	uint64_t u64 = json_object_get_uint64(value);
	uint32_t u32 = u64;

	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    (m->type == U32 && u64 > UINT32_MAX))
		return hl_error_set(err, EPROTO, "%s is not a number of %d bits", m->name,
				    m->type == U32 ? 32 : 64);
	if (m->type == U32)
		memcpy(at, &u32, sizeof(u32));
	else
		memcpy(at, &u64, sizeof(u64));
	return 0;
}

static int read_text(const struct member *m, json_object *value, void *at, struct hl_error *err)
{
	const char *text = json_object_get_string(value);
	unsigned int bus, dev, fn;
	uint32_t u32;

	if (!json_object_is_type(value, json_type_string))
		return hl_error_set(err, EPROTO, "%s is not a string", m->name);
	switch (m->type) {
	case TEXT:
		if (strlen(text) >= m->size)
			return hl_error_set(err, EPROTO, "%s is longer than %zu bytes", m->name,
					    m->size - 1);
		memcpy(at, text, strlen(text) + 1);
		return 0;
	case STATE:
		u32 = hl_state_value(text);
		break;
	case WAIT:
		u32 = hl_wait_value(text);
		break;
	case HOST:
		u32 = hl_host_value(text);
		break;
	case WHO:
		u32 = hl_who_value(text);
		break;
	default:
		if (sscanf(text, "%2x:%2x.%1x", &bus, &dev, &fn) != 3)
			return hl_error_set(err, EPROTO, "%s is not a PCI address", m->name);
		u32 = bus << 8 | (dev & 0x1f) << 3 | (fn & 7);
	}
	memcpy(at, &u32, sizeof(u32));
	return 0;
}

static int read_bool(const struct member *m, json_object *value, void *at, struct hl_error *err)
{
	uint32_t u32 = json_object_get_boolean(value);

	if (!json_object_is_type(value, json_type_boolean))
		return hl_error_set(err, EPROTO, "%s is not true or false", m->name);
	if (m->size == sizeof(uint8_t))
		*(uint8_t *)at = u32;
	else
		memcpy(at, &u32, sizeof(u32));
	return 0;
}

static int from_json(const struct member *m, size_t n, json_object *obj, void *base,
		     struct hl_error *err)
{
	for (size_t i = 0; i < n; i++) {
		void *at = (char *)base + m[i].offset;
		json_object *value;
		int ret;

		if (!json_object_object_get_ex(obj, m[i].name, &value)) {
			if (!m[i].optional)
				return hl_error_set(err, EPROTO, "%s is missing", m[i].name);
			memset(at, 0, m[i].size);
			continue;
		}
		if (m[i].type == BOOL)
			ret = read_bool(&m[i], value, at, err);
		else if (m[i].type == U32 || m[i].type == U64)
			ret = read_number(&m[i], value, at, err);
		else
			ret = read_text(&m[i], value, at, err);
		if (ret)
			return ret;
	}
	return 0;
}

json_object *hl_info_to_json(const struct hl_info *info)
{
	return to_json(info_members, ARRAY_SIZE(info_members), info);
}

int hl_info_from_json(json_object *obj, struct hl_info *info, struct hl_error *err)
{
	return from_json(info_members, ARRAY_SIZE(info_members), obj, info, err);
}

json_object *hl_lease_to_json(const struct hl_lease *lease)
{
	return to_json(lease_members, ARRAY_SIZE(lease_members), lease);
}

int hl_lease_from_json(json_object *obj, struct hl_lease *lease, struct hl_error *err)
{
	return from_json(lease_members, ARRAY_SIZE(lease_members), obj, lease, err);
}

json_object *hl_scanout_to_json(const struct hl_scanout *scanout)
{
	return to_json(scanout_members, ARRAY_SIZE(scanout_members), scanout);
}

int hl_scanout_from_json(json_object *obj, struct hl_scanout *scanout, struct hl_error *err)
{
	return from_json(scanout_members, ARRAY_SIZE(scanout_members), obj, scanout, err);
}

uint32_t hl_policy_bit(const char *member)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} bits[] = {
		{ "who", HELIX_LEASE_POLICY_WHO },
		{ "gid", HELIX_LEASE_POLICY_WHO },
		{ "max_per_uid", HELIX_LEASE_POLICY_MAX_PER_UID },
		{ "max_per_cgroup", HELIX_LEASE_POLICY_MAX_PER_CGROUP },
		{ "grace_ms", HELIX_LEASE_POLICY_GRACE_MS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (!strcmp(bits[i].name, member))
			return bits[i].bit;
	return 0;
}

json_object *hl_policy_to_json(const struct hl_policy *policy)
{
	return to_json(policy_members, ARRAY_SIZE(policy_members), policy);
}

int hl_policy_from_json(json_object *obj, struct hl_policy *policy, struct hl_error *err)
{
	policy->mask = 0;
	return from_json(policy_members, ARRAY_SIZE(policy_members), obj, policy, err);
}

bool hl_event_of_context(const struct hl_event *event)
{
	return event->type == HELIX_LEASE_EVENT_CONTEXT_STALLED ||
	       event->type == HELIX_LEASE_EVENT_CONTEXT_KILLED;
}

static bool add_context(json_object *obj, const struct hl_event *event)
{
	return hl_json_add(obj, "gpu", json_object_new_uint64(event->scanout.gpu)) &&
	       hl_json_add(obj, "context", json_object_new_uint64(event->context));
}

json_object *hl_event_to_json(const struct hl_event *event)
{
	const struct member *members = event_members;
	json_object *obj = json_object_new_object();
	size_t n = ARRAY_SIZE(event_members);
	bool ok = obj && hl_json_add(obj, "event", json_object_new_string(hl_event_name(event->type))) &&
		  hl_json_add(obj, "time_ns", json_object_new_uint64(event->time_ns));

	if (ok && event->cause)
		ok = hl_json_add(obj, "cause", json_object_new_string(hl_cause_name(event->cause)));
	if (!event->scanout.scanout) {
		members = context_members;
		n = hl_event_of_context(event) ? ARRAY_SIZE(context_members) : 0;
	}
	if (ok && hl_event_of_context(event))
		ok = add_context(obj, event);
	for (size_t i = 0; ok && i < n; i++)
		ok = hl_json_add(obj, members[i].name,
				 member_to_json(&members[i], &event->scanout));
	if (ok)
		return obj;
	json_object_put(obj);
	return NULL;
}

json_object *hl_error_to_json(const struct hl_error *err)
{
	json_object *obj = json_object_new_object();

	if (obj && hl_json_add(obj, "code", json_object_new_string(hl_errno_name(err->code))) &&
	    hl_json_add(obj, "message", json_object_new_string(err->message)))
		return obj;
	json_object_put(obj);
	return NULL;
}

int hl_error_from_json(json_object *obj, struct hl_error *err)
{
	json_object *code, *message;
	int number;

	if (!json_object_object_get_ex(obj, "code", &code) ||
	    !json_object_is_type(code, json_type_string) ||
	    !json_object_object_get_ex(obj, "message", &message) ||
	    !json_object_is_type(message, json_type_string))
		return hl_error_set(err, EPROTO, "the broker refused without a reason");
	number = hl_errno_from_name(json_object_get_string(code));
	return hl_error_set(err, number ? number : EIO, "%s", json_object_get_string(message));
}
