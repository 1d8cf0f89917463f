// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the names. Rules of the format: all samples of a name together, after
 * its HELP and TYPE; units in the name, seconds and bytes; counters end in
 * _total and only rise while the desktop lives.
 */
#include "metrics.h"

#include <sys/resource.h>

#include "log.h"

#define METRICS_PREFIX	"helix_exportd_"

struct metrics {
	GString *text;
	const char *name;	/* of the family being written */
};

static void metrics_family(struct metrics *m, const char *name,
			   const char *type, const char *help)
{
	m->name = name;
	g_string_append_printf(m->text,
			       "# HELP " METRICS_PREFIX "%s %s\n"
			       "# TYPE " METRICS_PREFIX "%s %s\n", name, help,
			       name, type);
}

/* @labels is printf's, with what is needed escaped; "" for none. */
static void metrics_part(struct metrics *m, const char *suffix, double value,
			 const char *labels)
{
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	g_ascii_dtostr(number, sizeof(number), value);
	g_string_append_printf(m->text, METRICS_PREFIX "%s%s%s%s%s %s\n",
			       m->name, suffix, *labels ? "{" : "", labels,
			       *labels ? "}" : "", number);
}

static void metrics_sample(struct metrics *m, double value, const char *labels)
{
	metrics_part(m, "", value, labels);
}

/* --- desktops --- */

/* Names of VMs need no escaping: see vm_name_valid(). */
static char *metrics_desktop_labels(const struct desktop_info *info)
{
	return g_strdup_printf("vm=\"%s\",scanout=\"%u\"", info->vm,
			       info->scanout);
}

static void metrics_each_desktop(struct metrics *m, const struct hub *hub,
				 double (*value)(const struct desktop_info *))
{
	unsigned int i;

	for (i = 0; i < hub_count(hub); i++) {
		g_autofree char *labels = NULL;
		struct desktop_info info;

		desktop_describe(hub_get(hub, i), &info);
		labels = metrics_desktop_labels(&info);
		metrics_sample(m, value(&info), labels);
	}
}

static void metrics_each_rung(struct metrics *m, const struct hub *hub,
			      double (*value)(const struct stream_info *))
{
	unsigned int i, rung;

	for (i = 0; i < hub_count(hub); i++) {
		g_autofree char *labels = NULL;
		struct desktop_info info;

		desktop_describe(hub_get(hub, i), &info);
		labels = metrics_desktop_labels(&info);
		for (rung = 0; rung < RUNG_COUNT; rung++) {
			g_autofree char *all = NULL;

			all = g_strdup_printf("%s,rung=\"%s\"", labels,
					      rung_name((enum rung)rung));
			metrics_sample(m, value(&info.rung[rung]), all);
		}
	}
}

/* Percentiles of the last half minute or so; what is not known is left out. */
static void metrics_latency(struct metrics *m, const struct desktop_info *info,
			    enum rung rung, enum latency_part part)
{
	const struct latency_figures *figures = &info->rung[rung].latency[part];
	const struct {
		const char *name;
		double ms;
	} quantiles[] = {
		{ "0.5", figures->p50 }, { "0.95", figures->p95 },
		{ "0.99", figures->p99 },
	};
	unsigned int i;

	for (i = 0; figures->count && i < G_N_ELEMENTS(quantiles); i++) {
		g_autofree char *labels = NULL;

		labels = g_strdup_printf("vm=\"%s\",scanout=\"%u\",rung=\"%s\",part=\"%s\",quantile=\"%s\"",
					 info->vm, info->scanout,
					 rung_name(rung),
					 latency_part_name(part),
					 quantiles[i].name);
		metrics_sample(m, quantiles[i].ms / 1000, labels);
	}
}

static void metrics_latencies(struct metrics *m, const struct hub *hub)
{
	unsigned int i, rung, part;

	metrics_family(m, "latency_quantile_seconds", "gauge",
		       "Time from the guest's flush, in parts, lately.");
	for (i = 0; i < hub_count(hub); i++) {
		struct desktop_info info;

		desktop_describe(hub_get(hub, i), &info);
		for (rung = 0; rung < RUNG_COUNT; rung++)
			for (part = 0; part < LATENCY_PARTS; part++)
				metrics_latency(m, &info, (enum rung)rung,
						(enum latency_part)part);
	}
}

static void metrics_histogram(struct metrics *m, const char *labels,
			      const struct latency_total *all)
{
	char bound[G_ASCII_DTOSTR_BUF_SIZE];
	uint64_t below = 0;
	unsigned int i;

	for (i = 0; i <= LATENCY_STEPS; i++) {
		g_autofree char *with = NULL;

		below += all->steps[i];
		if (i < LATENCY_STEPS)
			g_ascii_formatd(bound, sizeof(bound), "%g",
					latency_step_us(i) / 1e6);
		with = g_strdup_printf("%s,le=\"%s\"", labels,
				       i < LATENCY_STEPS ? bound : "+Inf");
		metrics_part(m, "_bucket", (double)below, with);
	}
	metrics_part(m, "_sum", (double)all->sum_us / 1e6, labels);
	metrics_part(m, "_count", (double)all->count, labels);
}

/* Only of what there was: most desktops are watched in one rung. */
static void metrics_histograms(struct metrics *m, const struct hub *hub)
{
	unsigned int i, rung, part;

	metrics_family(m, "latency_seconds", "histogram",
		       "Time from the guest's flush, in parts.");
	for (i = 0; i < hub_count(hub); i++) {
		struct desktop_info info;

		desktop_describe(hub_get(hub, i), &info);
		for (rung = 0; rung < RUNG_COUNT; rung++)
			for (part = 0; part < LATENCY_PARTS; part++) {
				g_autofree char *labels = NULL;

				if (!info.rung[rung].latency_all[part].count)
					continue;
				labels = g_strdup_printf("vm=\"%s\",scanout=\"%u\",rung=\"%s\",part=\"%s\"",
							 info.vm, info.scanout,
							 rung_name((enum rung)rung),
							 latency_part_name((enum latency_part)part));
				metrics_histogram(m, labels,
						  &info.rung[rung].latency_all[part]);
			}
	}
}

static double desktop_live(const struct desktop_info *info)
{
	return info->live;
}

static double desktop_width(const struct desktop_info *info)
{
	return info->width;
}

static double desktop_height(const struct desktop_info *info)
{
	return info->height;
}

static double desktop_viewers(const struct desktop_info *info)
{
	return info->viewers;
}

static double desktop_unused(const struct desktop_info *info)
{
	return info->idle_s;
}

/* Only of those that are about to: 0 would say that it is now. */
static void metrics_ending(struct metrics *m, const struct hub *hub)
{
	unsigned int i;

	metrics_family(m, "desktop_ends_in_seconds", "gauge",
		       "Until it ends for not being used; absent if it does not.");
	for (i = 0; i < hub_count(hub); i++) {
		g_autofree char *labels = NULL;
		struct desktop_info info;

		desktop_describe(hub_get(hub, i), &info);
		if (info.idle != IDLE_ENDING && info.idle != IDLE_OVER)
			continue;
		labels = metrics_desktop_labels(&info);
		metrics_sample(m, info.idle_left, labels);
	}
}

static double rung_frames(const struct stream_info *info)
{
	return (double)info->frames;
}

static double rung_bytes(const struct stream_info *info)
{
	return (double)info->bytes;
}

static double rung_fps(const struct stream_info *info)
{
	return info->fps;
}

static double rung_bitrate(const struct stream_info *info)
{
	return info->kbit * 1000.0;
}

static double rung_viewers(const struct stream_info *info)
{
	return info->viewers;
}

/* Which one makes a stream, as labels, of those that were made. */
static void metrics_stream_encoders(struct metrics *m, const struct hub *hub)
{
	unsigned int i, rung;

	metrics_family(m, "stream_encoder_info", "gauge",
		       "Always 1: what the stream was encoded with last.");
	for (i = 0; i < hub_count(hub); i++) {
		g_autofree char *labels = NULL;
		struct desktop_info info;

		desktop_describe(hub_get(hub, i), &info);
		labels = metrics_desktop_labels(&info);
		for (rung = 0; rung < RUNG_COUNT; rung++) {
			const struct stream_info *stream = &info.rung[rung];
			g_autofree char *all = NULL;

			if (!stream->encoder)
				continue;
			all = g_strdup_printf("%s,rung=\"%s\",encoder=\"%s\",codec=\"%s\",import=\"%s\"",
					      labels,
					      rung_name((enum rung)rung),
					      stream->encoder,
					      codec_name(stream->codec),
					      stream_import_name(stream));
			metrics_sample(m, 1, all);
		}
	}
}

static void metrics_desktops(struct metrics *m, const struct hub *hub)
{
	metrics_family(m, "desktop_live", "gauge",
		       "Whether the guest has drawn a picture on the output.");
	metrics_each_desktop(m, hub, desktop_live);
	metrics_family(m, "desktop_width_pixels", "gauge", "Width of the picture.");
	metrics_each_desktop(m, hub, desktop_width);
	metrics_family(m, "desktop_height_pixels", "gauge", "Height of the picture.");
	metrics_each_desktop(m, hub, desktop_height);
	metrics_family(m, "desktop_viewers", "gauge",
		       "Clients connected to the desktop, watching or not.");
	metrics_each_desktop(m, hub, desktop_viewers);
	metrics_family(m, "desktop_unused_seconds", "gauge",
		       "Since somebody used it; 0 where that is not counted.");
	metrics_each_desktop(m, hub, desktop_unused);
	metrics_ending(m, hub);
	metrics_family(m, "frames_total", "counter", "Frames encoded.");
	metrics_each_rung(m, hub, rung_frames);
	metrics_family(m, "stream_bytes_total", "counter", "Bytes encoded.");
	metrics_each_rung(m, hub, rung_bytes);
	metrics_family(m, "frames_per_second", "gauge",
		       "Frames encoded per second, over the last two.");
	metrics_each_rung(m, hub, rung_fps);
	metrics_family(m, "stream_bitrate_limit_bits_per_second", "gauge",
		       "What the encoder is held to now.");
	metrics_each_rung(m, hub, rung_bitrate);
	metrics_latencies(m, hub);
	metrics_histograms(m, hub);
	metrics_family(m, "stream_viewers", "gauge", "Clients watching the stream.");
	metrics_each_rung(m, hub, rung_viewers);
	metrics_stream_encoders(m, hub);
}

/* --- encoders, virtual machines and the process --- */

static void metrics_encoders(struct metrics *m, const struct choices *choices)
{
	unsigned int family, i;

	for (family = 0; family < 2; family++) {
		if (family == 0)
			metrics_family(m, "encoder_usable", "gauge",
				       "Whether the encoder worked when it was tried, and does not hang.");
		else
			metrics_family(m, "encoder_failures_total", "counter",
				       "How often a stream had to do without it.");
		for (i = 0; i < choices_count(choices); i++) {
			g_autofree char *labels = NULL;
			struct choice_info info;

			choices_describe(choices, i, &info);
			labels = g_strdup_printf("encoder=\"%s\"", info.name);
			metrics_sample(m, family == 0 ? info.works :
					  (double)info.failures, labels);
		}
	}
}

static double vm_connected(const struct vm_info *info)
{
	return info->connected;
}

static double vm_attached(const struct vm_info *info)
{
	return info->attached;
}

static double vm_ends_leases(const struct vm_info *info)
{
	return info->ends_leases;
}

static double vm_desktops(const struct vm_info *info)
{
	return info->desktops;
}

static double vm_connects(const struct vm_info *info)
{
	return info->connects;
}

static double vm_idle_ends(const struct vm_info *info)
{
	return info->idle_ends;
}

static void metrics_vms(struct metrics *m, const struct vms *vms)
{
	static const struct {
		const char *name, *type, *help;
		double (*value)(const struct vm_info *info);
	} families[] = {
		{ "vm_connected", "gauge",
		  "Whether the VM's display is connected.", vm_connected },
		{ "vm_control_attached", "gauge",
		  "Whether the VM's control device is attached.", vm_attached },
		{ "vm_ends_leases", "gauge",
		  "Whether the guest ends the leases that it is asked to.",
		  vm_ends_leases },
		{ "vm_desktops", "gauge", "Outputs that are enabled.",
		  vm_desktops },
		{ "vm_connects_total", "counter",
		  "How often the VM's display was connected.", vm_connects },
		{ "vm_idle_ends_total", "counter",
		  "Desktops that the guest was asked to end for not being used.",
		  vm_idle_ends },
	};
	unsigned int family, i;

	for (family = 0; family < G_N_ELEMENTS(families); family++) {
		metrics_family(m, families[family].name, families[family].type,
			       families[family].help);
		for (i = 0; i < vms_count(vms); i++) {
			g_autofree char *labels = NULL;
			struct vm_info info;

			vm_describe(vms_get(vms, i), &info);
			labels = g_strdup_printf("vm=\"%s\"", info.name);
			metrics_sample(m, families[family].value(&info), labels);
		}
	}
}

static void metrics_log(struct metrics *m)
{
	static const char *const levels[] = { "error", "warning" };
	unsigned int i;

	metrics_family(m, "log_lines_total", "counter",
		       "Lines of the log, those left out too.");
	for (i = 0; i < G_N_ELEMENTS(levels); i++) {
		g_autofree char *labels = g_strdup_printf("level=\"%s\"",
							  levels[i]);

		metrics_sample(m, (double)log_count((enum log_level)i), labels);
	}
}

static void metrics_process(struct metrics *m)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	metrics_family(m, "cpu_seconds_total", "counter",
		       "Time that processors spent on this program.");
	metrics_sample(m, (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			  (double)(usage.ru_utime.tv_usec +
				   usage.ru_stime.tv_usec) / 1e6, "");
	metrics_family(m, "memory_peak_bytes", "gauge",
		       "The most memory that was resident.");
	metrics_sample(m, (double)usage.ru_maxrss * 1024, "");
	metrics_family(m, "build_info", "gauge", "Always 1.");
	metrics_sample(m, 1, "version=\"" HELIX_VERSION "\"");
}

char *metrics_text(const struct hub *hub, const struct vms *vms,
		   const struct choices *choices)
{
	struct metrics m = { .text = g_string_new(NULL) };

	metrics_process(&m);
	metrics_log(&m);
	metrics_encoders(&m, choices);
	metrics_vms(&m, vms);
	metrics_desktops(&m, hub);
	return g_string_free(m.text, FALSE);
}
