// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "filter.h"

#define PROGRAM_HEAD	5	/* up to the first device */
#define PROGRAM_TAIL	4	/* allow, refuse */
#define ATTACHED_MAX	64	/* programs on one group, as the kernel has it */

int cdi_is_own(const struct cdi_scanout *own, unsigned int major, unsigned int minor)
{
	const struct cdi_node *nodes[] = { &own->scanout, &own->render };

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (nodes[i]->path[0] && nodes[i]->major == major && nodes[i]->minor == minor)
			return 1;
	for (size_t i = 0; i < own->nr_inputs; i++)
		if (own->inputs[i].node.major == major && own->inputs[i].node.minor == minor)
			return 1;
	return 0;
}

/* ---- the program ---- */

struct builder {
	const struct cdi_scanout *own;
	struct bpf_insn *program;
	size_t room, len;
};

static void emit(struct builder *b, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	if (b->len < b->room)
		b->program[b->len] = (struct bpf_insn) {
			.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm,
		};
	b->len++;
}

/* What jumps to where it is refused does not know yet where that is: 0 stands for it. */
static void refuse(struct builder *b, const struct cdi_node *node)
{
	if (!node->path[0] || cdi_is_own(b->own, node->major, node->minor))
		return;
	emit(b, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 1, node->major);
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_4, 0, 0, node->minor);
}

int cdi_filter_program(const struct cdi_devices *all, const struct cdi_scanout *own,
		       struct bpf_insn *program, size_t room, struct hl_error *err)
{
	struct builder b = { .own = own, .program = program, .room = room };

	/* All of them are character devices. */
	emit(&b, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(&b, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(&b, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(&b, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	emit(&b, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 0, BPF_DEVCG_DEV_CHAR);
	for (size_t i = 0; i < all->n; i++) {
		refuse(&b, &all->scanouts[i].scanout);
		refuse(&b, &all->scanouts[i].render);
		for (size_t k = 0; k < all->scanouts[i].nr_inputs; k++)
			refuse(&b, &all->scanouts[i].inputs[k].node);
	}
	emit(&b, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
	emit(&b, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	emit(&b, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	emit(&b, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	if (b.len > room)
		return hl_error_set(err, E2BIG, "there are too many devices for one filter");
	program[PROGRAM_HEAD - 1].off = b.len - PROGRAM_TAIL - PROGRAM_HEAD;
	for (size_t i = PROGRAM_HEAD; i < b.len - PROGRAM_TAIL; i++)
		if (program[i].code == (BPF_JMP | BPF_JEQ | BPF_K))
			program[i].off = b.len - 2 - (i + 1);
	return b.len;
}

/* ---- the control group ---- */

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* Of version 2, as /proc has it: "0::/a/b". */
static int read_cgroup(const char *process, char *path, size_t size, struct hl_error *err)
{
	char file[64], line[PATH_MAX];
	int found = 0;
	FILE *in;

	snprintf(file, sizeof(file), "/proc/%s/cgroup", process);
	in = fopen(file, "re");
	if (!in)
		return hl_error_set(err, errno, "cannot open %s: %s", file, strerror(errno));
	while (!found && fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, "0::/", 4) && !strstr(line, "/..") && strlen(line + 3) < size;
	}
	fclose(in);
	if (!found)
		return hl_error_set(err, EOPNOTSUPP, "%s names no control group of version 2", file);
	strcpy(path, line + 3);
	return 0;
}

static int open_cgroup(pid_t pid, struct hl_error *err)
{
	char theirs[PATH_MAX - 32], ours[PATH_MAX - 32], path[PATH_MAX], process[16];
	int fd, ret;

	snprintf(process, sizeof(process), "%d", pid);
	ret = read_cgroup(process, theirs, sizeof(theirs), err);
	if (!ret)
		ret = read_cgroup("self", ours, sizeof(ours), err);
	if (ret)
		return ret;
	if (!strcmp(theirs, ours) || !strcmp(theirs, "/"))
		return hl_error_set(err, EOPNOTSUPP, "the container has no control group of its own");
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s", theirs);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return hl_error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

static int attach(int cgroup, const char *name, const struct bpf_insn *program, size_t len,
		  struct hl_error *err)
{
	union bpf_attr attr = { 0 };
	int fd, ret = 0;

	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.expected_attach_type = BPF_CGROUP_DEVICE;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = len;
	attr.license = (uintptr_t)"GPL";
	snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		return hl_error_set(err, errno, "the kernel does not take the device filter: %s",
				    strerror(errno));
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = cgroup;
	attr.attach_bpf_fd = fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		ret = hl_error_set(err, errno, "cannot put the device filter on the container: %s",
				   strerror(errno));
	close(fd);
	return ret;
}

int cdi_filter_attach(pid_t pid, const struct cdi_devices *all, const struct cdi_scanout *own,
		      struct hl_error *err)
{
	struct bpf_insn program[CDI_FILTER_MAX];
	int len = cdi_filter_program(all, own, program, CDI_FILTER_MAX, err);
	int cgroup, ret;

	if (len < 0)
		return len;
	cgroup = open_cgroup(pid, err);
	if (cgroup < 0)
		return cgroup;
	ret = attach(cgroup, "helix_own", program, len, err);
	close(cgroup);
	return ret;
}

/* ---- one that goes again ---- */

static bool is_named(int program, const char *name)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = { 0 };

	attr.info.bpf_fd = program;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return !bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) &&
	       !strncmp((const char *)info.name, name, sizeof(info.name));
}

static int detach(int cgroup, int program)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = cgroup;
	attr.attach_bpf_fd = program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return bpf(BPF_PROG_DETACH, &attr) < 0 ? -errno : 0;
}

int cdi_filter_lift(int cgroup, const char *name, struct hl_error *err)
{
	uint32_t ids[ATTACHED_MAX];
	union bpf_attr attr = { 0 };
	int ret = 0;

	attr.query.target_fd = cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = ATTACHED_MAX;
	/* Where there are no such programs none has to go. */
	if (bpf(BPF_PROG_QUERY, &attr) < 0)
		return errno == EINVAL ? 0 :
		       hl_error_set(err, errno, "cannot look for the device filter %s: %s", name,
				    strerror(errno));
	for (uint32_t i = 0; !ret && i < attr.query.prog_cnt; i++) {
		union bpf_attr get = { .prog_id = ids[i] };
		int program = bpf(BPF_PROG_GET_FD_BY_ID, &get);

		if (program < 0)
			continue;
		if (is_named(program, name))
			ret = detach(cgroup, program);
		close(program);
	}
	return ret ? hl_error_set(err, -ret, "cannot take the device filter %s away: %s", name,
				  strerror(-ret)) : 0;
}

int cdi_filter_put(int cgroup, const char *name, const struct cdi_devices *all, struct hl_error *err)
{
	const struct cdi_scanout nobodys = { 0 };
	struct bpf_insn program[CDI_FILTER_MAX];
	int len = cdi_filter_program(all, &nobodys, program, CDI_FILTER_MAX, err);

	return len < 0 ? len : attach(cgroup, name, program, len, err);
}
