// SPDX-License-Identifier: GPL-2.0-only
/*
 * For builds with the thread sanitizer alone, which knows nothing of what libraries
 * do that are not built with it: what GLib and libyuv do to our memory, and what
 * GLib orders between two threads. All that we call is linked with --wrap: see
 * exportd/meson.build. Nothing of this makes a race of our own invisible: an
 * access is added to what is seen, and the only order, that of a task, is GLib's.
 */
#include <gio/gio.h>
#include <libyuv.h>
#include <sanitizer/tsan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the sanitizer, which has no header for them; as compilers know them. */
void __tsan_read_range(void *from, long size);
void __tsan_write_range(void *to, long size);

/* --- memory --- */

void __wrap_g_free(gpointer memory);
gsize __wrap_g_strlcpy(char *to, const char *from, gsize size);
gint __wrap_g_snprintf(char *to, gulong size, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/* It is malloc()'s; and who uses it still in another thread is found here. */
void __wrap_g_free(gpointer memory)
{
	free(memory);
}

gsize __wrap_g_strlcpy(char *to, const char *from, gsize size)
{
	gsize len = strlen(from);

	if (size) {
		memcpy(to, from, MIN(len, size - 1));
		to[MIN(len, size - 1)] = '\0';
	}
	return len;
}

gint __wrap_g_snprintf(char *to, gulong size, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(to, size, format, args);
	va_end(args);
	return len;
}

/* --- queues, of which the links are GLib's and the ends are ours --- */

void __real_g_queue_push_tail(GQueue *queue, gpointer data);
gpointer __real_g_queue_pop_head(GQueue *queue);
void __real_g_queue_insert_sorted(GQueue *queue, gpointer data,
				  GCompareDataFunc compare, gpointer with);
void __wrap_g_queue_push_tail(GQueue *queue, gpointer data);
gpointer __wrap_g_queue_pop_head(GQueue *queue);
void __wrap_g_queue_insert_sorted(GQueue *queue, gpointer data,
				  GCompareDataFunc compare, gpointer with);

void __wrap_g_queue_push_tail(GQueue *queue, gpointer data)
{
	__tsan_write_range(queue, sizeof(*queue));
	__real_g_queue_push_tail(queue, data);
}

gpointer __wrap_g_queue_pop_head(GQueue *queue)
{
	__tsan_write_range(queue, sizeof(*queue));
	return __real_g_queue_pop_head(queue);
}

void __wrap_g_queue_insert_sorted(GQueue *queue, gpointer data,
				  GCompareDataFunc compare, gpointer with)
{
	__tsan_write_range(queue, sizeof(*queue));
	__real_g_queue_insert_sorted(queue, data, compare, with);
}

/* --- pictures --- */

#define ROWS(access, at, stride, bytes, rows) do {			\
		int row_;						\
									\
		for (row_ = 0; row_ < (rows); row_++)			\
			access((void *)((at) + (ptrdiff_t)row_ * (stride)), \
			       bytes);					\
	} while (0)

#define CONVERTS(name)							\
int __real_##name(const uint8_t *src, int src_stride, uint8_t *y,	\
		  int y_stride, uint8_t *u, int u_stride, uint8_t *v,	\
		  int v_stride, int width, int height);			\
int __wrap_##name(const uint8_t *src, int src_stride, uint8_t *y,	\
		  int y_stride, uint8_t *u, int u_stride, uint8_t *v,	\
		  int v_stride, int width, int height);			\
									\
int __wrap_##name(const uint8_t *src, int src_stride, uint8_t *y,	\
		  int y_stride, uint8_t *u, int u_stride, uint8_t *v,	\
		  int v_stride, int width, int height)			\
{									\
	int half = (width + 1) / 2, rows = (height + 1) / 2;		\
									\
	ROWS(__tsan_read_range, src, src_stride, width * 4, height);	\
	ROWS(__tsan_write_range, y, y_stride, width, height);		\
	ROWS(__tsan_write_range, u, u_stride, half, rows);		\
	ROWS(__tsan_write_range, v, v_stride, half, rows);		\
	return __real_##name(src, src_stride, y, y_stride, u, u_stride,	\
			     v, v_stride, width, height);		\
}

CONVERTS(ARGBToI420)
CONVERTS(ABGRToI420)
CONVERTS(BGRAToI420)
CONVERTS(RGBAToI420)

/* --- the order of a task: what its thread did is before who is told --- */

void __real_g_task_return_pointer(GTask *task, gpointer result,
				  GDestroyNotify destroy);
void __real_g_task_return_error(GTask *task, GError *error);
gpointer __real_g_task_propagate_pointer(GTask *task, GError **error);
void __wrap_g_task_return_pointer(GTask *task, gpointer result,
				  GDestroyNotify destroy);
void __wrap_g_task_return_error(GTask *task, GError *error);
gpointer __wrap_g_task_propagate_pointer(GTask *task, GError **error);

void __wrap_g_task_return_pointer(GTask *task, gpointer result,
				  GDestroyNotify destroy)
{
	__tsan_release(task);
	__real_g_task_return_pointer(task, result, destroy);
}

void __wrap_g_task_return_error(GTask *task, GError *error)
{
	__tsan_release(task);
	__real_g_task_return_error(task, error);
}

gpointer __wrap_g_task_propagate_pointer(GTask *task, GError **error)
{
	gpointer result = __real_g_task_propagate_pointer(task, error);

	__tsan_acquire(task);
	return result;
}
