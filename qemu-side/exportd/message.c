// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parser of what browsers send: a pure function of its input, so that it
 * can be fuzzed. Unknown members are ignored, for viewers that are newer;
 * members that are there must have the right type and range.
 */
#include "message.h"

#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_DEPTH	5	/* an object, its list, the list's objects */
#define MESSAGE_CLIPBOARD_START	"{\"type\":\"clipboard\""
#define MESSAGE_CLIPBOARD_MIME	"text/plain;charset=utf-8"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static const char *const rung_names[] = {
	[RUNG_FULL] = "full",
	[RUNG_THUMB] = "thumb",
	[RUNG_NONE] = "none",
};

static const char *const action_names[] = {
	[ACTION_REQUEST] = "request",
	[ACTION_RELEASE] = "release",
	[ACTION_GRANT] = "grant",
	[ACTION_DENY] = "deny",
	[ACTION_TAKE] = "take",
};

static const char *const phase_names[] = {
	[TOUCH_BEGIN] = "begin",
	[TOUCH_UPDATE] = "update",
	[TOUCH_END] = "end",
	[TOUCH_CANCEL] = "cancel",
};

/*
 * json-c 0.18 in its strict mode takes every byte of a character beyond ASCII
 * for a control character (its issue 875). So strict is what can be; what the
 * lax mode lets pass, single quotes and the like, hurts nobody.
 */
static int message_strictness(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return JSON_TOKENER_VALIDATE_UTF8;
	return JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8;
}

/*
 * What parsing costs is what it makes: half a megabyte of empty objects is a tenth of
 * a second, and a hundred times its size in memory. So what it may make is looked at
 * before, and only strings are long. Outside of a string there is no quote but the
 * one that begins it, and no comment: the lax mode, above, would read on elsewhere.
 */
static bool message_is_modest(const char *text, size_t len, const char **error)
{
	size_t i, outside = 0, parts = 0;
	bool string = false;

	for (i = 0; i < len; i++) {
		char c = text[i];

		if (string) {
			i += c == '\\';
			string = c != '"';
			continue;
		}
		string = c == '"';
		parts += c == '{' || c == '[' || c == ',';
		outside++;
		if (c == '\'' || c == '/') {
			*error = "message is not one JSON object";
			return false;
		}
	}
	*error = "message has too many parts";
	return parts <= MESSAGE_PARTS_MAX && outside <= MESSAGE_MAX;
}

static struct json_object *message_load(const char *text, size_t len,
					const char **error)
{
	struct json_object *root = NULL;
	struct json_tokener *tok;

	if (len > message_limit(text, len)) {
		*error = "message is too long";
		return NULL;
	}
	if (!message_is_modest(text, len, error))
		return NULL;
	tok = json_tokener_new_ex(MESSAGE_DEPTH);
	if (!tok) {
		*error = "out of memory";
		return NULL;
	}
	json_tokener_set_flags(tok, message_strictness(text, len));
	root = json_tokener_parse_ex(tok, text, (int)len);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) != len ||
	    !json_object_is_type(root, json_type_object)) {
		json_object_put(root);
		root = NULL;
		*error = "message is not one JSON object";
	}
	json_tokener_free(tok);
	return root;
}

static bool message_bool(struct json_object *root, const char *name, bool *out)
{
	struct json_object *value;

	if (!json_object_object_get_ex(root, name, &value) ||
	    !json_object_is_type(value, json_type_boolean))
		return false;
	*out = json_object_get_boolean(value);
	return true;
}

static bool message_number(struct json_object *root, const char *name,
			   double *out)
{
	struct json_object *value;

	if (!json_object_object_get_ex(root, name, &value) ||
	    (!json_object_is_type(value, json_type_int) &&
	     !json_object_is_type(value, json_type_double)))
		return false;
	*out = json_object_get_double(value);
	return isfinite(*out);
}

/* A whole number within the limits. */
static bool message_whole(struct json_object *root, const char *name,
			  double low, double high, double *out)
{
	return message_number(root, name, out) && *out >= low &&
	       *out <= high && *out == floor(*out);
}

/* As message_whole(); @out stays as it is if there is no such member. */
static bool message_maybe(struct json_object *root, const char *name,
			  double low, double high, double *out)
{
	return !json_object_object_get_ex(root, name, NULL) ||
	       message_whole(root, name, low, high, out);
}

/* NULL unless it is a string, without a NUL in it. */
static const char *message_string(struct json_object *root, const char *name,
				  size_t *len)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(root, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	text = json_object_get_string(value);
	*len = (size_t)json_object_get_string_len(value);
	return strlen(text) == *len ? text : NULL;
}

/* Which of @names the member is, -1 if none. */
static int message_choice(struct json_object *root, const char *name,
			  const char *const *names, size_t count)
{
	const char *text;
	size_t i, len;

	text = message_string(root, name, &len);
	for (i = 0; text && i < count; i++)
		if (!strcmp(text, names[i]))
			return (int)i;
	return -1;
}

static double message_clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

static bool message_key(struct json_object *root, struct message *msg,
			const char **error)
{
	const char *code;
	size_t len;

	*error = "key needs \"code\", a string, and \"down\", a boolean";
	code = message_string(root, "code", &len);
	if (!code || !message_bool(root, "down", &msg->key.down))
		return false;
	if (len == 0 || len >= sizeof(msg->key.code)) {
		*error = "key \"code\" must have 1 to 31 bytes";
		return false;
	}
	memcpy(msg->key.code, code, len);
	return true;
}

static bool message_move(struct json_object *root, struct message *msg,
			 const char **error)
{
	double x, y;

	*error = "move needs \"x\" and \"y\", numbers";
	if (!message_number(root, "x", &x) || !message_number(root, "y", &y))
		return false;
	msg->move.x = (uint32_t)message_clamp(x, 0, 65535);
	msg->move.y = (uint32_t)message_clamp(y, 0, 65535);
	return true;
}

static bool message_button(struct json_object *root, struct message *msg,
			   const char **error)
{
	double button;

	*error = "button needs \"button\", 0 to 4, and \"down\", a boolean";
	if (!message_whole(root, "button", 0, 4, &button) ||
	    !message_bool(root, "down", &msg->button.down))
		return false;
	msg->button.button = (unsigned int)button;
	return true;
}

static bool message_wheel(struct json_object *root, struct message *msg,
			  const char **error)
{
	double dx, dy;

	*error = "wheel needs \"dx\" and \"dy\", numbers";
	if (!message_number(root, "dx", &dx) ||
	    !message_number(root, "dy", &dy))
		return false;
	msg->wheel.dx = message_clamp(dx, -MESSAGE_WHEEL_MAX, MESSAGE_WHEEL_MAX);
	msg->wheel.dy = message_clamp(dy, -MESSAGE_WHEEL_MAX, MESSAGE_WHEEL_MAX);
	return true;
}

static bool message_ack(struct json_object *root, struct message *msg,
			const char **error)
{
	double seq, received = 0, decoded = 0, painted = 0;

	*error = "ack needs \"seq\", a 32-bit number";
	if (!message_whole(root, "seq", 0, UINT32_MAX, &seq))
		return false;
	*error = "ack \"received\", \"decoded\" and \"painted\" are whole microseconds below 2^53";
	if (!message_maybe(root, "received", 0, MESSAGE_TIME_MAX, &received) ||
	    !message_maybe(root, "decoded", 0, MESSAGE_TIME_MAX, &decoded) ||
	    !message_maybe(root, "painted", 0, MESSAGE_TIME_MAX, &painted))
		return false;
	msg->ack.seq = (uint32_t)seq;
	msg->ack.received = (uint64_t)received;
	msg->ack.decoded = (uint64_t)decoded;
	msg->ack.painted = (uint64_t)painted;
	return true;
}

static bool message_watch(struct json_object *root, struct message *msg,
			  const char **error)
{
	int rung = message_choice(root, "rung", rung_names,
				  ARRAY_SIZE(rung_names));

	*error = "watch needs \"rung\": full, thumb or none";
	if (rung < 0)
		return false;
	*error = "watch \"tile\" is a boolean";
	msg->watch.rung = (enum rung)rung;
	return !json_object_object_get_ex(root, "tile", NULL) ||
	       message_bool(root, "tile", &msg->watch.tile);
}

static bool message_time(struct json_object *root, struct message *msg,
			 const char **error)
{
	double client;

	*error = "time needs \"client\", whole microseconds below 2^53";
	if (!message_whole(root, "client", 0, MESSAGE_TIME_MAX, &client))
		return false;
	msg->time.client = (uint64_t)client;
	return true;
}

static bool message_control(struct json_object *root, struct message *msg,
			    const char **error)
{
	int action = message_choice(root, "action", action_names,
				    ARRAY_SIZE(action_names));
	double viewer = 0;

	*error = "control needs \"action\": request, release, grant, deny or take";
	if (action < 0)
		return false;
	*error = "control \"viewer\" is the number of one, 1 or more";
	if (!message_maybe(root, "viewer", 1, UINT32_MAX, &viewer))
		return false;
	msg->control.action = (enum message_action)action;
	msg->control.viewer = (uint32_t)viewer;
	return true;
}

static bool message_point(struct json_object *root, struct message_point *point)
{
	int phase = message_choice(root, "phase", phase_names,
				   ARRAY_SIZE(phase_names));
	double id, x, y;

	if (phase < 0 || !message_whole(root, "id", INT32_MIN, INT32_MAX, &id) ||
	    !message_number(root, "x", &x) || !message_number(root, "y", &y))
		return false;
	point->id = (int32_t)id;
	point->phase = (enum touch_phase)phase;
	point->x = (uint32_t)message_clamp(x, 0, 65535);
	point->y = (uint32_t)message_clamp(y, 0, 65535);
	return true;
}

static bool message_touch(struct json_object *root, struct message *msg,
			  const char **error)
{
	struct json_object *list, *item;
	size_t i, count;

	*error = "touch needs \"points\", a list of 1 to 10";
	if (!json_object_object_get_ex(root, "points", &list) ||
	    !json_object_is_type(list, json_type_array))
		return false;
	count = json_object_array_length(list);
	if (!count || count > MESSAGE_POINTS_MAX)
		return false;
	*error = "a point of a touch needs \"id\", \"phase\" (begin, update, end or cancel), \"x\" and \"y\"";
	for (i = 0; i < count; i++) {
		item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_object) ||
		    !message_point(item, &msg->touch.points[i]))
			return false;
	}
	msg->touch.count = (unsigned int)count;
	return true;
}

static bool message_rel(struct json_object *root, struct message *msg,
			const char **error)
{
	double dx, dy;

	*error = "rel needs \"dx\" and \"dy\", numbers";
	if (!message_number(root, "dx", &dx) ||
	    !message_number(root, "dy", &dy))
		return false;
	msg->rel.dx = message_clamp(dx, -MESSAGE_REL_MAX, MESSAGE_REL_MAX);
	msg->rel.dy = message_clamp(dy, -MESSAGE_REL_MAX, MESSAGE_REL_MAX);
	return true;
}

static bool message_resize(struct json_object *root, struct message *msg,
			   const char **error)
{
	double width, height, scale = 1;

	*error = "resize needs \"width\" and \"height\", 16 to 8192";
	if (!message_whole(root, "width", MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX,
			   &width) ||
	    !message_whole(root, "height", MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX,
			   &height))
		return false;
	*error = "resize \"scale\" is a number from 0.5 to 4";
	if (json_object_object_get_ex(root, "scale", NULL) &&
	    (!message_number(root, "scale", &scale) || scale < 0.5 || scale > 4))
		return false;
	msg->resize.width = (uint32_t)width;
	msg->resize.height = (uint32_t)height;
	msg->resize.scale = scale;
	return true;
}

static bool message_clipboard(struct json_object *root, struct message *msg,
			      const char **error)
{
	const char *mime, *text;
	size_t len;

	*error = "clipboard \"mime\" must be " MESSAGE_CLIPBOARD_MIME;
	mime = message_string(root, "mime", &len);
	if (!mime || strcmp(mime, MESSAGE_CLIPBOARD_MIME))
		return false;
	*error = "clipboard needs \"text\", at most 262144 bytes and no NUL";
	text = message_string(root, "text", &len);
	if (!text || len > MESSAGE_TEXT_MAX)
		return false;
	*error = "out of memory";
	msg->clipboard.text = strdup(text);
	return msg->clipboard.text;
}

static bool message_nothing(struct json_object *root, struct message *msg,
			    const char **error)
{
	(void)root;
	(void)msg;
	(void)error;
	return true;
}

static const struct {
	const char *name;
	enum message_type type;
	bool (*parse)(struct json_object *root, struct message *msg,
		      const char **error);
} message_kinds[] = {
	{ "key", MESSAGE_KEY, message_key },
	{ "move", MESSAGE_MOVE, message_move },
	{ "button", MESSAGE_BUTTON, message_button },
	{ "wheel", MESSAGE_WHEEL, message_wheel },
	{ "release", MESSAGE_RELEASE, message_nothing },
	{ "keyframe", MESSAGE_KEYFRAME, message_nothing },
	{ "ack", MESSAGE_ACK, message_ack },
	{ "watch", MESSAGE_WATCH, message_watch },
	{ "time", MESSAGE_TIME, message_time },
	{ "control", MESSAGE_CONTROL, message_control },
	{ "touch", MESSAGE_TOUCH, message_touch },
	{ "rel", MESSAGE_REL, message_rel },
	{ "resize", MESSAGE_RESIZE, message_resize },
	{ "clipboard", MESSAGE_CLIPBOARD, message_clipboard },
};

static bool message_from_object(struct json_object *root, struct message *msg,
				const char **error)
{
	const char *name;
	size_t i, len;

	name = message_string(root, "type", &len);
	if (!name) {
		*error = "message has no \"type\"";
		return false;
	}
	for (i = 0; i < ARRAY_SIZE(message_kinds); i++) {
		if (strcmp(name, message_kinds[i].name))
			continue;
		msg->type = message_kinds[i].type;
		return message_kinds[i].parse(root, msg, error);
	}
	*error = "message has an unknown \"type\"";
	return false;
}

size_t message_limit(const char *text, size_t len)
{
	static const char start[] = MESSAGE_CLIPBOARD_START;

	if (len >= sizeof(start) - 1 && !memcmp(text, start, sizeof(start) - 1))
		return MESSAGE_LONG_MAX;
	return MESSAGE_MAX;
}

bool message_parse(const char *text, size_t len, struct message *msg,
		   const char **error)
{
	struct json_object *root;
	bool ok;

	memset(msg, 0, sizeof(*msg));
	root = message_load(text, len, error);
	if (!root)
		return false;
	ok = message_from_object(root, msg, error);
	json_object_put(root);
	return ok;
}

void message_clear(struct message *msg)
{
	if (msg->type == MESSAGE_CLIPBOARD)
		free(msg->clipboard.text);
	memset(msg, 0, sizeof(*msg));
}

bool rung_parse(const char *name, enum rung *rung)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rung_names); i++) {
		if (strcmp(name, rung_names[i]))
			continue;
		*rung = (enum rung)i;
		return true;
	}
	return false;
}

const char *rung_name(enum rung rung)
{
	return rung_names[rung];
}
