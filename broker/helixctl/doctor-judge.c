// SPDX-License-Identifier: GPL-2.0-only
/*
 * One function for each thing that can be wrong, in the order in which one depends on
 * the next: where the module is not loaded nothing is said of its nodes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/helix_lease.h>

#include "doctor.h"

#define KERNEL_MAJOR	6	/* see BUILD_EXCLUSIVE_KERNEL_MIN of dkms.conf */
#define KERNEL_MINOR	1
#define CHANGING_MS	30000	/* on the way from one state to another for longer is no way */

static struct finding *add(struct findings *out, const char *id, enum severity severity,
			   uint32_t scanout, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Never NULL: what there is no memory for is written over. */
static struct finding *add(struct findings *out, const char *id, enum severity severity,
			   uint32_t scanout, const char *fmt, ...)
{
	static struct finding spare;
	struct finding *grown = realloc(out->list, (out->n + 1) * sizeof(*grown)), *f = &spare;
	va_list ap;

	if (grown) {
		out->list = grown;
		f = &grown[out->n++];
	} else {
		out->lost = true;
	}
	*f = (struct finding) { .id = id, .severity = severity, .scanout = scanout };
	va_start(ap, fmt);
	vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
	return f;
}

static void remedy(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void remedy(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->remedy, sizeof(f->remedy), fmt, ap);
	va_end(ap);
}

/* ---- the machine ---- */

static void judge_kernel(const struct facts *facts, struct findings *out)
{
	int major, minor;

	if (sscanf(facts->kernel, "%d.%d", &major, &minor) != 2 || major > KERNEL_MAJOR ||
	    (major == KERNEL_MAJOR && minor >= KERNEL_MINOR))
		return;
	remedy(add(out, "kernel-too-old", SEVERITY_ERROR, 0, "Linux %s is too old for helix_lease",
		   facts->kernel),
	       "boot Linux %d.%d or later", KERNEL_MAJOR, KERNEL_MINOR);
}

static void judge_gpu(const struct facts *facts, struct findings *out)
{
	if (facts->gpus || facts->info.nr_gpus)
		return;
	remedy(add(out, "no-gpu", SEVERITY_ERROR, 0, "no virtio-gpu is driven by virtio_gpu"),
	       "give the VM a virtio-gpu with max_outputs above 1 (Documentation/host.rst), and load virtio_gpu");
}

static void judge_module(const struct facts *facts, struct findings *out)
{
	struct finding *f;

	if (facts->module_loaded || facts_answered(facts))
		return;
	f = add(out, "module-not-loaded", SEVERITY_ERROR, 0, "the module helix_lease is not loaded%s",
		facts->module_built ? "" : ", and there is none for this kernel");
	if (facts->module_built)
		remedy(f, "modprobe helix_lease; dmesg says what it does not like");
	else
		remedy(f, "dkms status; dkms autoinstall, with the headers of Linux %s", facts->kernel);
}

static void judge_module_answer(const struct facts *facts, struct findings *out)
{
	if (!facts->module_loaded || facts_answered(facts) || facts_refused(facts) ||
	    !facts->node.there)
		return;
	remedy(add(out, "module-not-answering", SEVERITY_ERROR, 0, "the module cannot be asked: %s",
		   facts->module_err.message),
	       "is this helixctl of another version, or %s no device? dmesg may say more", HL_MODULE_PATH);
}

/* ---- who may open what ---- */

static void judge_udev(const struct facts *facts, struct findings *out)
{
	if (!facts->udev || facts->udev_rules)
		return;
	remedy(add(out, "udev-rules-missing", SEVERITY_WARNING, 0,
		   "udev has no 60-helix-lease.rules: nothing starts the broker with the module"),
	       "install the package of the guest's tools, or kmod/60-helix-lease.rules to /etc/udev/rules.d; udevadm control --reload");
}

static void judge_node(const struct facts *facts, struct findings *out)
{
	if (!facts->module_loaded)
		return;
	if (!facts->node.there) {
		remedy(add(out, "node-missing", SEVERITY_ERROR, 0, "the module is loaded, but there is no %s",
			   HL_MODULE_PATH),
		       "is devtmpfs on /dev? In a container: ask the broker, whose socket is to be mounted there");
		return;
	}
	if (facts->node.mode & 07 || (facts->node.mode & 070 && facts->node.gid))
		remedy(add(out, "node-permissions", SEVERITY_WARNING, 0,
			   "%s has mode %04o and group %u: others than root may acquire past the broker",
			   HL_MODULE_PATH, facts->node.mode, facts->node.gid),
		       "chown root:root and chmod 0600 it, and see which udev rule sets that");
}

static void judge_scanout_node(const struct hl_scanout *s, const struct node *node,
			       struct findings *out)
{
	if (!node->there) {
		remedy(add(out, "scanout-node-missing", SEVERITY_ERROR, s->scanout,
			   "there is no %s: no container can be given scanout %u", s->node, s->scanout),
		       "is devtmpfs on /dev? Else: mknod -m 0600 %s c %u %u", s->node, s->dev_major,
		       s->dev_minor);
		return;
	}
	if (node->device && (node->major != s->dev_major || node->minor != s->dev_minor))
		remedy(add(out, "scanout-node-wrong", SEVERITY_ERROR, s->scanout,
			   "%s is device %u:%u, and scanout %u is %u:%u", s->node, node->major,
			   node->minor, s->scanout, s->dev_major, s->dev_minor),
		       "remove it, and udevadm trigger --subsystem-match=helix");
	if (node->mode & 06)
		remedy(add(out, "scanout-node-permissions", SEVERITY_WARNING, s->scanout,
			   "%s has mode %04o: everybody may draw on scanout %u", s->node, node->mode,
			   s->scanout),
		       "chmod 0600 it, and see which udev rule sets that");
}

/* ---- who serves ---- */

static void judge_broker(const struct facts *facts, struct findings *out)
{
	struct finding *f;

	switch (-facts->broker) {
	case 0:
		return;
	case ENOENT:
	case ECONNREFUSED:
		f = add(out, "broker-not-running", SEVERITY_ERROR, 0, "helix-leased is not running: %s",
			facts->broker_err.message);
		remedy(f, "systemctl start helix-leased; journalctl -u helix-leased says why it is not");
		break;
	case EACCES:
	case EPERM:
		f = add(out, "broker-denies", SEVERITY_WARNING, 0, "the broker may not be asked: %s",
			facts->broker_err.message);
		remedy(f, "be root or in the group that the socket is for (helix), or start helix-leased with another --group or --allow-group");
		break;
	default:
		f = add(out, "broker-not-answering", SEVERITY_ERROR, 0, "helix-leased does not answer: %s",
			facts->broker_err.message);
		remedy(f, "systemctl restart helix-leased: no lease ends by that");
	}
}

static void judge_bound(const struct facts *facts, struct findings *out)
{
	struct finding *f;

	if (!facts_answered(facts) || !facts->gpus || facts->info.nr_gpus >= facts->gpus)
		return;
	f = add(out, facts->info.nr_gpus ? "gpu-not-bound" : "no-gpu-bound",
		facts->info.nr_gpus ? SEVERITY_WARNING : SEVERITY_ERROR, 0,
		"%u of %u virtio-gpus are bound to the module%s%s", facts->info.nr_gpus, facts->gpus,
		facts->master[0] ? "; the master of a card is " : "", facts->master);
	if (facts->master[0] && strncmp(facts->master, "helix-leased", 12))
		remedy(f, "end that process, so that helix-leased can become master, then systemctl restart helix-leased");
	else
		remedy(f, "systemctl restart helix-leased, which binds what there is; --card or --no-bind may keep it from it");
}

static void judge_host(const struct facts *facts, struct findings *out)
{
	if (!facts_answered(facts))
		return;
	if (facts->info.host_state == HELIX_LEASE_HOST_DOWN)
		remedy(add(out, "host-down", SEVERITY_ERROR, 0,
			   "nobody on the host is behind the control device: no scanout can be acquired or freed"),
		       "on the host: systemctl status helix-exportd; has it the VM's control socket (exportd.conf(5))?");
	if (facts->info.host_state != HELIX_LEASE_HOST_NONE || !facts->module_host)
		return;
	if (facts->control)
		remedy(add(out, "control-device-unused", SEVERITY_ERROR, 0,
			   "there is a helix-control device, but the module does not drive it"),
		       "dmesg | grep helix_lease: it wants MSI-X, and no other driver on it");
	else
		remedy(add(out, "no-control-device", SEVERITY_WARNING, 0,
			   "the VM has no helix-control device: outputs are enabled by other means, and cannot be resized"),
		       "add -device helix-control to QEMU (Documentation/host.rst); or load the module with host=0, if that is meant");
}

/* ---- scanouts ---- */

static void wait_words(const struct hl_scanout *s, char text[DOCTOR_TEXT / 2])
{
	snprintf(text, DOCTOR_TEXT / 2, "%u.%u s for %s%s%s%s", s->wait_ms / 1000,
		 s->wait_ms % 1000 / 100, hl_wait_name(s->wait_for), s->wait_name[0] ? " (" : "",
		 wait_object(s), s->wait_name[0] ? ")" : "");
}

/* Who it is that waits; empty for those who are not told. */
static void owner_words(const struct hl_scanout *s, char text[DOCTOR_TEXT / 4])
{
	if (s->hidden)
		snprintf(text, DOCTOR_TEXT / 4, "of another user");
	else
		snprintf(text, DOCTOR_TEXT / 4, "of pid %u, user %s%s%s%s", s->owner_pid,
			 user_name(s->owner_uid), s->label[0] ? ", \"" : "", s->label,
			 s->label[0] ? "\"" : "");
}

static void judge_scanout(const struct hl_scanout *s, struct findings *out)
{
	char wait[DOCTOR_TEXT / 2], owner[DOCTOR_TEXT / 4];
	struct finding *f;

	wait_words(s, wait);
	owner_words(s, owner);
	if (s->state == HELIX_LEASE_STATE_QUARANTINED) {
		f = add(out, "scanout-quarantined", SEVERITY_ERROR, s->scanout,
			"scanout %u could not be turned off after its lease, and is given to nobody: it has waited %s",
			s->scanout, wait);
		if (s->wait_for == HELIX_LEASE_WAIT_HOST)
			remedy(f, "it is the host that does not answer: look after helix-exportd there; it is tried again by itself");
		else
			remedy(f, "it is tried again by itself; if what it waits for belongs to a process of the last tenant, end that");
		return;
	}
	if (s->stalled_ms) {
		f = add(out, "scanout-stalled", SEVERITY_ERROR, s->scanout,
			"scanout %u %s is stalled: it has waited %s", s->scanout, owner, wait);
		remedy(f, "the others are not held up. End what keeps that from signalling, or take it away: helixctl revoke -g %" PRIu64 " %u",
		       s->generation, s->scanout);
		return;
	}
	if (s->state == HELIX_LEASE_STATE_FREE || s->state == HELIX_LEASE_STATE_LEASED ||
	    s->state_ms < CHANGING_MS)
		return;
	remedy(add(out, "scanout-stuck", SEVERITY_WARNING, s->scanout,
		   "scanout %u has been %s for %" PRIu64 " s: it has waited %s", s->scanout,
		   hl_state_name(s->state), s->state_ms / 1000, wait),
	       "see dmesg and, on the host, the log of helix-exportd");
}

static void judge_input(uint32_t scanout, const char *fault, struct findings *out)
{
	if (!fault[0])
		return;
	remedy(add(out, "input-heard", SEVERITY_WARNING, scanout,
		   "who had scanout %u before may hear what is typed for who has it: %s", scanout, fault),
	       "end that container; helix-leased has to be able to write below /sys/bus/virtio/drivers, and the kernel to have CONFIG_CGROUP_BPF");
}

void doctor_judge(const struct facts *facts, struct findings *out)
{
	*out = (struct findings) { 0 };
	judge_kernel(facts, out);
	judge_gpu(facts, out);
	judge_module(facts, out);
	judge_node(facts, out);
	judge_module_answer(facts, out);
	judge_udev(facts, out);
	judge_broker(facts, out);
	judge_bound(facts, out);
	if (facts->info.nr_gpus || !facts->gpus)
		judge_host(facts, out);
	for (size_t i = 0; i < facts->n; i++) {
		judge_scanout(&facts->list[i], out);
		if (facts->nodes)
			judge_scanout_node(&facts->list[i], &facts->nodes[i], out);
		if (facts->faults)
			judge_input(facts->list[i].scanout, facts->faults[i], out);
	}
}

void findings_free(struct findings *findings)
{
	free(findings->list);
}
