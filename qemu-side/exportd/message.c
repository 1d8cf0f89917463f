// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parser of what browsers send: a pure function of its input, so that it
 * can be fuzzed. Unknown members are ignored, for viewers that are newer;
 * members that are there must have the right type and range.
 */
#include "message.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

#define MESSAGE_DEPTH	4	/* messages are flat: one object */

static struct json_object *message_load(const char *text, size_t len,
					const char **error)
{
	struct json_object *root = NULL;
	struct json_tokener *tok;

	if (len > MESSAGE_MAX) {
		*error = "message is longer than 4096 bytes";
		return NULL;
	}
	tok = json_tokener_new_ex(MESSAGE_DEPTH);
	if (!tok) {
		*error = "out of memory";
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
				    JSON_TOKENER_VALIDATE_UTF8);
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

static double message_clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

static bool message_key(struct json_object *root, struct message *msg,
			const char **error)
{
	struct json_object *code;
	size_t len;

	*error = "key needs \"code\", a string, and \"down\", a boolean";
	if (!json_object_object_get_ex(root, "code", &code) ||
	    !json_object_is_type(code, json_type_string) ||
	    !message_bool(root, "down", &msg->key.down))
		return false;
	len = (size_t)json_object_get_string_len(code);
	if (len == 0 || len >= sizeof(msg->key.code)) {
		*error = "key \"code\" must have 1 to 31 bytes";
		return false;
	}
	memset(msg->key.code, 0, sizeof(msg->key.code));
	memcpy(msg->key.code, json_object_get_string(code), len);
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
	if (!message_number(root, "button", &button) ||
	    !message_bool(root, "down", &msg->button.down))
		return false;
	if (button < 0 || button > 4 || button != floor(button))
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
	double seq;

	*error = "ack needs \"seq\", a 32-bit number";
	if (!message_number(root, "seq", &seq))
		return false;
	if (seq < 0 || seq > UINT32_MAX || seq != floor(seq))
		return false;
	msg->ack.seq = (uint32_t)seq;
	return true;
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
};

static bool message_from_object(struct json_object *root, struct message *msg,
				const char **error)
{
	struct json_object *type;
	const char *name;
	size_t i;

	if (!json_object_object_get_ex(root, "type", &type) ||
	    !json_object_is_type(type, json_type_string)) {
		*error = "message has no \"type\"";
		return false;
	}
	name = json_object_get_string(type);
	for (i = 0; i < sizeof(message_kinds) / sizeof(message_kinds[0]); i++) {
		if (strcmp(name, message_kinds[i].name))
			continue;
		msg->type = message_kinds[i].type;
		return message_kinds[i].parse(root, msg, error);
	}
	*error = "message has an unknown \"type\"";
	return false;
}

bool message_parse(const char *text, size_t len, struct message *msg,
		   const char **error)
{
	struct json_object *root = message_load(text, len, error);
	bool ok;

	if (!root)
		return false;
	ok = message_from_object(root, msg, error);
	json_object_put(root);
	return ok;
}
