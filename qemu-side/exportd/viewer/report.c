// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was seen, as JSON. A figure that could not be taken is null, never zero.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static struct json_object *number(double value, int decimals)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*f", decimals, value);
	return json_object_new_double_s(value, text);
}

/* NULL, which is JSON's null, if no frame told. */
static struct json_object *latency_object(const struct desktop *d)
{
	struct latency_figures figures;
	struct json_object *o;

	latency_describe(&d->latency, LATENCY_TOTAL, &figures);
	if (!figures.count)
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "p50", number(figures.p50, 1));
	json_object_object_add(o, "p95", number(figures.p95, 1));
	json_object_object_add(o, "p99", number(figures.p99, 1));
	return o;
}

static struct json_object *desktop_object(const struct desktop *d, double measured_s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "scanout", json_object_new_int((int)d->scanout));
	json_object_object_add(o, "name", json_object_new_string(d->name));
	json_object_object_add(o, "width", json_object_new_int((int)d->width));
	json_object_object_add(o, "height", json_object_new_int((int)d->height));
	json_object_object_add(o, "codec", json_object_new_string(d->codec));
	json_object_object_add(o, "encoder", json_object_new_string(d->encoder));
	json_object_object_add(o, "frames", json_object_new_uint64(d->frames));
	json_object_object_add(o, "key_frames", json_object_new_uint64(d->key_frames));
	json_object_object_add(o, "bytes", json_object_new_uint64(d->bytes));
	json_object_object_add(o, "fps", measured_s > 0 ?
			       number((double)(d->frames - d->frames_before) / measured_s, 2) : NULL);
	json_object_object_add(o, "kbit_s", measured_s > 0 ?
			       number((double)(d->bytes - d->bytes_before) * 8 / 1000 / measured_s, 1) : NULL);
	json_object_object_add(o, "latency_ms", latency_object(d));
	json_object_object_add(o, "first_frame_s", d->first_frame_s < 0 ? NULL :
			       number(d->first_frame_s, 3));
	json_object_object_add(o, "connections", json_object_new_int((int)d->connections));
	json_object_object_add(o, "violations", json_object_new_int((int)d->violations));
	if (d->violations)
		json_object_object_add(o, "violation", json_object_new_string(d->violation));
	return o;
}

char *report_text(const struct desktop *desktops, size_t n, double measured_s)
{
	struct json_object *root = json_object_new_object();
	struct json_object *array = json_object_new_array();
	const char *text;
	char *copy;

	json_object_object_add(root, "measured_s", number(measured_s, 3));
	json_object_object_add(root, "desktops", array);
	for (size_t i = 0; i < n; i++)
		json_object_array_add(array, desktop_object(&desktops[i], measured_s));
	text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
	copy = text ? strdup(text) : NULL;
	json_object_put(root);
	return copy;
}

static bool write_file(const char *text, const char *path)
{
	char *temporary = NULL;
	FILE *file;
	bool ok;

	if (asprintf(&temporary, "%s.tmp", path) < 0)
		return false;
	file = fopen(temporary, "w");
	ok = file && fprintf(file, "%s\n", text) > 0;
	if (file && fclose(file))
		ok = false;
	if (ok && rename(temporary, path))
		ok = false;
	if (!ok)
		fprintf(stderr, "helix-viewer: writing the report to %s: %s\n", path, strerror(errno));
	free(temporary);
	return ok;
}

bool report_write(const char *text, const char *path)
{
	if (path)
		return write_file(text, path);
	return printf("%s\n", text) > 0 && !fflush(stdout);
}
