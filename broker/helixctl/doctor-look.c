// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/helix_control.h>

#include "doctor.h"
#include "error.h"
#include "files.h"

#define LINE	256

static bool exists(const char *root, const char *path)
{
	char full[FILES_PATH];

	return !access(files_path(full, root, "%s", path), F_OK);
}

static unsigned int count_glob(const char *root, const char *pattern)
{
	char full[FILES_PATH];
	unsigned int n = 0;
	glob_t found;

	if (!glob(files_path(full, root, "%s", pattern), 0, NULL, &found)) {
		n = found.gl_pathc;
		globfree(&found);
	}
	return n;
}

static void look_at_node(const char *path, struct node *node)
{
	struct stat st;

	*node = (struct node) { 0 };
	if (stat(path, &st) < 0)
		return;
	*node = (struct node) {
		.there = true,
		.device = S_ISCHR(st.st_mode),
		.mode = st.st_mode & 07777,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.major = major(st.st_rdev),
		.minor = minor(st.st_rdev),
	};
}

/* ---- the machine ---- */

static bool is_built(const char *root, const char *kernel)
{
	static const char *const folders[] = { "updates/dkms", "updates", "extra", "kernel/drivers/gpu" };
	char pattern[FILES_PATH];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		files_path(pattern, "/lib/modules/", "%s/%s/helix_lease.ko*", kernel, folders[i]);
		if (count_glob(root, pattern))
			return true;
	}
	return false;
}

static bool is_id(const char *dir, const char *name, unsigned long id)
{
	char path[FILES_PATH], text[16];

	return files_line(files_path(path, dir, "/%s", name), text, sizeof(text)) &&
	       strtoul(text, NULL, 16) == id;
}

static unsigned int count_control(const char *root)
{
	char pattern[FILES_PATH];
	unsigned int n = 0;
	glob_t found;

	if (glob(files_path(pattern, root, "/sys/bus/pci/devices/*"), 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++)
		n += is_id(found.gl_pathv[i], "vendor", HELIX_CTL_PCI_VENDOR_ID) &&
		     is_id(found.gl_pathv[i], "device", HELIX_CTL_PCI_DEVICE_ID);
	globfree(&found);
	return n;
}

/* A line of clients: the command in 20 columns, then its process, and further on y or n. */
static bool is_master(const char *line, char name[21], int *pid)
{
	int minor;
	char master;

	if (strlen(line) < 20 || sscanf(line + 20, "%d %d %c", pid, &minor, &master) != 3)
		return false;
	memcpy(name, line + strspn(line, " "), 20 - strspn(line, " "));
	name[20 - strspn(line, " ")] = '\0';
	return master == 'y';
}

/* For people, and for root: so what does not look as expected says nothing. */
static void look_for_master(const char *root, char *out, size_t size)
{
	char pattern[FILES_PATH], line[LINE], name[21];
	glob_t found;
	int pid;

	out[0] = '\0';
	if (glob(files_path(pattern, root, "/sys/kernel/debug/dri/[0-9]*/clients"), 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc && !out[0]; i++) {
		FILE *file = fopen(found.gl_pathv[i], "re");

		while (file && !out[0] && fgets(line, sizeof(line), file))
			if (is_master(line, name, &pid))
				snprintf(out, size, "%s (pid %d)", name, pid);
		if (file)
			fclose(file);
	}
	globfree(&found);
}

/* ---- those who answer ---- */

static int ask(struct hl_conn *conn, struct facts *facts, struct hl_error *err)
{
	int ret = hl_get_info(conn, &facts->info, err);

	if (!ret && facts->info.nr_gpus)
		ret = hl_list(conn, &facts->list, &facts->n, err);
	return ret;
}

/* The broker tells what the module does; only where it does not the module is asked itself. */
static void look_at_module(const struct context *ctx, const char *root, struct facts *facts)
{
	struct hl_conn *conn = NULL;
	char path[FILES_PATH];

	facts->module = -ENODATA;
	facts->broker = hl_connect(ctx->socket, &conn, &facts->broker_err);
	if (!facts->broker)
		facts->broker = ask(conn, facts, &facts->broker_err);
	hl_close(conn);
	if (!facts->broker)
		return;
	conn = NULL;
	files_path(path, root, "%s", HL_MODULE_PATH);
	facts->module = hl_open_module(path, &conn, &facts->module_err);
	if (!facts->module)
		facts->module = ask(conn, facts, &facts->module_err);
	hl_close(conn);
}

static void look_at_nodes(const char *root, struct facts *facts)
{
	char path[FILES_PATH];

	look_at_node(files_path(path, root, "%s", HL_MODULE_PATH), &facts->node);
	facts->nodes = calloc(facts->n ? facts->n : 1, sizeof(*facts->nodes));
	for (size_t i = 0; facts->nodes && i < facts->n; i++)
		look_at_node(files_path(path, root, "%s", facts->list[i].node), &facts->nodes[i]);
}

/* For root: what helix-leased keeps of a scanout's input has a line of what went wrong. */
static void look_at_input(const char *root, uint32_t scanout, char fault[DOCTOR_TEXT / 2])
{
	char path[FILES_PATH], line[DOCTOR_TEXT];
	FILE *file = fopen(files_path(path, root, "/run/helix/input/%u", scanout), "re");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "fault ", 6))
			snprintf(fault, DOCTOR_TEXT / 2, "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
	if (file)
		fclose(file);
}

static void look_at_inputs(const char *root, struct facts *facts)
{
	facts->faults = calloc(facts->n ? facts->n : 1, sizeof(*facts->faults));
	for (size_t i = 0; facts->faults && i < facts->n; i++)
		look_at_input(root, facts->list[i].scanout, facts->faults[i]);
}

void doctor_look(const struct context *ctx, const char *root, struct facts *facts)
{
	char path[FILES_PATH], text[16];

	*facts = (struct facts) { 0 };
	files_line(files_path(path, root, "/proc/sys/kernel/osrelease"), facts->kernel,
		   sizeof(facts->kernel));
	facts->module_loaded = exists(root, "/sys/module/helix_lease");
	facts->module_built = is_built(root, facts->kernel);
	facts->module_host = !files_line(files_path(path, root, "/sys/module/helix_lease/parameters/host"),
					 text, sizeof(text)) || text[0] != 'N';
	facts->gpus = count_glob(root, "/sys/bus/virtio/drivers/virtio_gpu/virtio*");
	facts->control = count_control(root);
	facts->udev = exists(root, "/run/udev/control");
	facts->udev_rules = exists(root, "/usr/lib/udev/rules.d/60-helix-lease.rules") ||
			    exists(root, "/lib/udev/rules.d/60-helix-lease.rules") ||
			    exists(root, "/etc/udev/rules.d/60-helix-lease.rules");
	look_at_module(ctx, root, facts);
	look_at_nodes(root, facts);
	look_at_inputs(root, facts);
	if (facts->info.nr_gpus < facts->gpus)
		look_for_master(root, facts->master, sizeof(facts->master));
}

void facts_free(struct facts *facts)
{
	free(facts->list);
	free(facts->nodes);
	free(facts->faults);
}

bool facts_answered(const struct facts *facts)
{
	return !facts->broker || !facts->module;
}

bool facts_refused(const struct facts *facts)
{
	return (facts->module == -EACCES || facts->module == -EPERM) && facts->broker;
}
