// SPDX-License-Identifier: GPL-2.0-only
/*
 * JSON text of the server into a structure of bounded size. What is longer than
 * its field is cut: these texts are for people.
 */
#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "message.h"

static void copy_string(struct json_object *object, const char *key,
			char to[MESSAGE_TEXT_MAX])
{
	struct json_object *value;

	to[0] = '\0';
	if (json_object_object_get_ex(object, key, &value) &&
	    json_object_is_type(value, json_type_string))
		snprintf(to, MESSAGE_TEXT_MAX, "%s",
			 json_object_get_string(value));
}

static bool get_uint(struct json_object *object, const char *key,
		     unsigned int *number)
{
	struct json_object *value;
	int64_t wide;

	*number = 0;
	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return false;
	wide = json_object_get_int64(value);
	if (wide < 0 || wide > INT_MAX)
		return false;
	*number = (unsigned int)wide;
	return true;
}

static const char *parse_desktops(struct json_object *root,
				  struct server_message *msg)
{
	struct json_object *array, *item;
	size_t n;

	if (!json_object_object_get_ex(root, "desktops", &array) ||
	    !json_object_is_type(array, json_type_array))
		return "list of desktops without its array";
	n = json_object_array_length(array);
	if (n > MESSAGE_DESKTOPS_MAX)
		return "list of more desktops than there can be";
	for (size_t i = 0; i < n; i++) {
		struct desktop_entry *entry = &msg->desktops[i];

		item = json_object_array_get_idx(array, i);
		if (!get_uint(item, "scanout", &entry->scanout))
			return "desktop without a scanout in the list";
		copy_string(item, "name", entry->name);
	}
	msg->n_desktops = n;
	return NULL;
}

static const char *parse_config(struct json_object *root,
				struct server_message *msg)
{
	copy_string(root, "name", msg->name);
	copy_string(root, "codec", msg->codec);
	copy_string(root, "encoder", msg->encoder);
	if (!msg->codec[0])
		return "config without a codec";
	if (!get_uint(root, "width", &msg->width) || !msg->width ||
	    !get_uint(root, "height", &msg->height) || !msg->height)
		return "config without a size";
	return NULL;
}

static const char *parse_object(struct json_object *root,
				struct server_message *msg)
{
	char type[MESSAGE_TEXT_MAX];

	if (!json_object_is_type(root, json_type_object))
		return "JSON that is not an object";
	copy_string(root, "type", type);
	if (!type[0])
		return "message without a type";
	if (!strcmp(type, "desktops")) {
		msg->type = SERVER_DESKTOPS;
		return parse_desktops(root, msg);
	}
	if (!strcmp(type, "config")) {
		msg->type = SERVER_CONFIG;
		return parse_config(root, msg);
	}
	if (!strcmp(type, "state")) {
		msg->type = SERVER_STATE;
		copy_string(root, "state", msg->state);
		copy_string(root, "message", msg->text);
		return msg->state[0] ? NULL : "state message without a state";
	}
	if (!strcmp(type, "error")) {
		msg->type = SERVER_ERROR;
		copy_string(root, "message", msg->text);
		if (!msg->text[0])
			copy_string(root, "code", msg->text);
	}
	return NULL;
}

const char *server_message_parse(const char *json, size_t len,
				 struct server_message *msg)
{
	struct json_tokener *tokener;
	struct json_object *root;
	const char *error;

	memset(msg, 0, sizeof(*msg));
	if (len > INT_MAX)
		return "text that is too long";
	tokener = json_tokener_new();
	if (!tokener)
		return "no memory to parse it";
	root = json_tokener_parse_ex(tokener, json, (int)len);
	if (!root || json_tokener_get_parse_end(tokener) != len)
		error = "text that is not JSON";
	else
		error = parse_object(root, msg);
	json_object_put(root);
	json_tokener_free(tokener);
	if (error)
		memset(msg, 0, sizeof(*msg));
	return error;
}
