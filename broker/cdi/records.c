// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/major.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "filter.h"
#include "records.h"

#define RECORD_MAX	65536	/* bytes; udev's are a few hundred */
#define IDS_MAX		(4 + 2 * CDI_INPUTS_MAX)
#define ID_LEN		32

/* What udev calls the devices of one scanout: "c13:64", "+input:input5". */
struct ids {
	char id[IDS_MAX][ID_LEN];
	size_t n;
};

/* ---- files ---- */

static int make_folders(const char *path, struct hl_error *err)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return hl_error_set(err, errno, "cannot make %s: %s", part, strerror(errno));
		*slash = '/';
	}
	return 0;
}

/* -1, or the length of what was read; false where it does not fit. */
static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += n;
	close(fd);
	return n < 0 || len == size ? -1 : (ssize_t)len;
}

static bool says_the_same(const char *path, const char *text, size_t len)
{
	char *now = malloc(len + 1);
	bool same = now && read_file(path, now, len + 1) == (ssize_t)len && !memcmp(now, text, len);

	free(now);
	return same;
}

static int write_new(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int code = 0;

	if (fd < 0)
		return errno;
	/* Whatever the umask: others read it. */
	if (fchmod(fd, 0644) < 0)
		code = errno;
	for (size_t done = 0; !code && done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0)
			code = errno;
		else
			done += n;
	}
	if (close(fd) < 0 && !code)
		code = errno;
	return code;
}

int cdi_file_write(const char *path, const char *text, size_t len, struct hl_error *err)
{
	char temporary[PATH_MAX];
	int code, ret;

	if (says_the_same(path, text, len))
		return 0;
	ret = make_folders(path, err);
	if (ret)
		return ret;
	/* No ".json" at the end: runtimes read every file that has it. */
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	code = write_new(temporary, text, len);
	if (!code && rename(temporary, path) < 0)
		code = errno;
	if (!code)
		return 0;
	unlink(temporary);
	return hl_error_set(err, code, "cannot write %s: %s", path, strerror(code));
}

/* ---- records ---- */

static void add_device(struct ids *ids, const struct cdi_node *node)
{
	if (node->path[0] && ids->n < IDS_MAX)
		snprintf(ids->id[ids->n++], ID_LEN, "c%u:%u", node->major, node->minor);
}

static void ids_of(const struct cdi_scanout *s, struct ids *ids)
{
	ids->n = 0;
	add_device(ids, &s->scanout);
	add_device(ids, &s->card);
	add_device(ids, &s->render);
	for (size_t i = 0; i < s->nr_inputs; i++) {
		add_device(ids, &s->inputs[i].node);
		if (ids->n < IDS_MAX)
			snprintf(ids->id[ids->n++], ID_LEN, "+input:%s", s->inputs[i].parent);
	}
}

static bool has(const struct ids *ids, const char *name)
{
	for (size_t i = 0; i < ids->n; i++)
		if (!strcmp(ids->id[i], name))
			return true;
	return false;
}

/* Of @from the files that @ids name, and in @to no others. Either may be missing. */
static int mirror(const char *from, const char *to, const struct ids *ids, struct hl_error *err)
{
	char path[PATH_MAX + 64], *text = malloc(RECORD_MAX);
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	if (!text)
		return hl_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; !ret && i < ids->n; i++) {
		ssize_t len;

		snprintf(path, sizeof(path), "%s/%s", from, ids->id[i]);
		len = read_file(path, text, RECORD_MAX);
		snprintf(path, sizeof(path), "%s/%s", to, ids->id[i]);
		if (len >= 0)
			ret = cdi_file_write(path, text, len, err);
		else
			unlink(path);
	}
	free(text);
	dir = opendir(to);
	while (dir && !ret && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && !has(ids, entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
	return ret;
}

/* Every tag that udev knows or, with @names those that were mirrored, that it knows no more. */
static int mirror_tags(const char *names, const char *from, const char *to, const struct ids *ids,
		       struct hl_error *err)
{
	DIR *dir = opendir(names);
	struct dirent *entry;
	int ret = 0;

	while (dir && !ret && (entry = readdir(dir))) {
		char a[PATH_MAX], b[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(a, sizeof(a), "%s/%s", from, entry->d_name) < PATH_MAX &&
		    snprintf(b, sizeof(b), "%s/%s", to, entry->d_name) < PATH_MAX &&
		    (names == from || access(a, F_OK)))
			ret = mirror(a, b, ids, err);
	}
	if (dir)
		closedir(dir);
	return ret;
}

void cdi_records_absent(const struct cdi_options *options, struct cdi_scanout *s)
{
	struct dirent *entry;
	char path[256];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%u/udev/data", options->state_dir, s->number);
	dir = opendir(path);
	while (dir && s->nr_inputs < CDI_INPUTS_MAX && (entry = readdir(dir))) {
		struct cdi_input input = { 0 };
		int end = 0;

		if (sscanf(entry->d_name, "c%u:%u%n", &input.node.major, &input.node.minor, &end) != 2 ||
		    entry->d_name[end] || input.node.major != INPUT_MAJOR ||
		    cdi_is_own(s, input.node.major, input.node.minor))
			continue;
		snprintf(input.node.path, sizeof(input.node.path), "c%u:%u", input.node.major,
			 input.node.minor);
		s->inputs[s->nr_inputs++] = input;
	}
	if (dir)
		closedir(dir);
}

/* ---- for what knows nothing of CDI ---- */

/* The same as arguments of systemd-nspawn, one in a line. */
static int write_nspawn(const struct cdi_scanout *s, const struct cdi_options *options,
			struct hl_error *err)
{
	const char *scanout = s->scanout.path;
	char path[256], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int ret;

	if (!out)
		return hl_error_set(err, ENOMEM, "out of memory");
	fprintf(out, "--bind=%s:/dev/dri/card0\n--bind=%s:/dev/dri/card%u\n--bind=%s\n", scanout,
		scanout, s->scanout.minor, scanout);
	if (s->render.path[0])
		fprintf(out, "--bind=%s\n", s->render.path);
	for (size_t i = 0; i < s->nr_inputs; i++)
		fprintf(out, "--bind=%s\n", s->inputs[i].node.path);
	fprintf(out, "--bind-ro=%s/%u/udev:/run/udev\n", options->state_dir, s->number);
	for (const char *const *env = cdi_environment; *env; env++)
		fprintf(out, "--setenv=%s\n", *env);
	ret = fclose(out) ? hl_error_set(err, ENOMEM, "out of memory") : 0;
	snprintf(path, sizeof(path), "%s/%u/nspawn", options->state_dir, s->number);
	if (!ret)
		ret = cdi_file_write(path, text, len, err);
	free(text);
	return ret;
}

static int write_scanout(const char *sysroot, const struct cdi_scanout *s,
			 const struct cdi_options *options, struct hl_error *err)
{
	char udev[256], from[300], to[300];
	struct ids ids;
	int ret;

	ids_of(s, &ids);
	snprintf(udev, sizeof(udev), "%s/run/udev", sysroot);
	snprintf(from, sizeof(from), "%s/data", udev);
	snprintf(to, sizeof(to), "%s/%u/udev/data", options->state_dir, s->number);
	ret = make_folders(to, err);
	if (!ret)
		ret = mirror(from, to, &ids, err);
	snprintf(from, sizeof(from), "%s/tags", udev);
	snprintf(to, sizeof(to), "%s/%u/udev/tags", options->state_dir, s->number);
	if (!ret)
		ret = mirror_tags(from, from, to, &ids, err);
	if (!ret)
		ret = mirror_tags(to, from, to, &ids, err);
	/* Without it libudev takes nothing for running, and listens to nobody: see hotplug.h. */
	snprintf(to, sizeof(to), "%s/%u/udev/control", options->state_dir, s->number);
	if (!ret)
		ret = cdi_file_write(to, "", 0, err);
	if (!ret)
		ret = write_nspawn(s, options, err);
	return ret;
}

int cdi_records_write(const char *sysroot, const struct cdi_devices *devices,
		      const struct cdi_options *options, struct hl_error *err)
{
	char path[256];
	mode_t mask = umask(022);
	int ret;

	/* Where the hook puts the records of the scanout that it got. */
	snprintf(path, sizeof(path), "%s/" CDI_ANY "/udev/", options->state_dir);
	ret = make_folders(path, err);
	for (size_t i = 0; !ret && i < devices->n; i++)
		ret = write_scanout(sysroot, &devices->scanouts[i], options, err);
	umask(mask);
	return ret;
}

/* ---- all of it ---- */

static int write_spec(const struct cdi_devices *devices, const struct cdi_options *options,
		      const char *path, struct hl_error *err)
{
	json_object *spec = cdi_spec(devices, options);
	const char *text = NULL;
	mode_t mask;
	int ret = 0;

	if (spec)
		text = json_object_to_json_string_ext(spec, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text) {
		ret = hl_error_set(err, ENOMEM, "out of memory");
	} else if (!strcmp(path, "-")) {
		if (puts(text) < 0 || fflush(stdout))
			ret = hl_error_set(err, EIO, "cannot write the specification");
	} else {
		mask = umask(022);
		ret = cdi_file_write(path, text, strlen(text), err);
		umask(mask);
	}
	json_object_put(spec);
	return ret;
}

int cdi_generate(const struct hl_scanout *list, size_t n, const char *path, struct hl_error *err)
{
	struct cdi_options options = cdi_options_default();
	struct cdi_devices devices;
	int ret = cdi_devices_read("", list, n, &devices, err);

	if (ret)
		return ret;
	/* Before it: what it says has to be there. */
	if (strcmp(path, "-"))
		ret = cdi_records_write("", &devices, &options, err);
	if (!ret)
		ret = write_spec(&devices, &options, path, err);
	cdi_devices_free(&devices);
	return ret;
}
