// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owns the pixels. Rule: sizes are checked against the memory behind them
 * once, when the surface is made; after that they never change. A mapping may
 * be written by QEMU while it is read (that frame tears, and the damage that
 * follows repairs it); a copy has a lock. A dma-buf is only kept; or it is mapped, and
 * read between two calls that wait for the GPU. A picture whose memory QEMU cuts off
 * is black, and no other picture is hurt.
 */
#include "surface.h"

#include <fcntl.h>
#include <glib.h>
#include <libyuv.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define SURFACE_WAIT_MS	100	/* a frame that takes longer is late anyway */

/* libyuv names words, pixman names words too, but of the other end first. */
typedef int (*surface_converter)(const uint8_t *src, int src_stride,
				 uint8_t *y, int y_stride, uint8_t *u,
				 int u_stride, uint8_t *v, int v_stride,
				 int width, int height);

static const struct {
	uint32_t pixman;
	surface_converter convert;
} surface_formats[] = {
	{ 0x20020888, ARGBToI420 },	/* x8r8g8b8 */
	{ 0x20028888, ARGBToI420 },	/* a8r8g8b8 */
	{ 0x20030888, ABGRToI420 },	/* x8b8g8r8 */
	{ 0x20038888, ABGRToI420 },	/* a8b8g8r8 */
	{ 0x20080888, BGRAToI420 },	/* b8g8r8x8 */
	{ 0x20088888, BGRAToI420 },	/* b8g8r8a8 */
	{ 0x20090888, RGBAToI420 },	/* r8g8b8x8 */
	{ 0x20098888, RGBAToI420 },	/* r8g8b8a8 */
};

struct surface {
	gatomicrefcount refs;
	int width, height;
	ptrdiff_t stride;	/* to the row below */
	uint32_t format;
	surface_converter convert;
	uint8_t *pixels;	/* of the first row; NULL of a surface_import() */

	void *map;		/* of a surface_map(), else NULL */
	size_t map_len;
	volatile sig_atomic_t cut_off;	/* nothing is behind the map any more */
	pthread_mutex_t lock;		/* pixels of a surface_copy() */
	struct dmabuf dmabuf;		/* fd -1: it is none */
};

/* --- memory that goes while it is read --- */

/* QEMU does not seal what it shares, so that it could be made shorter. */
static __thread struct surface *volatile surface_reading;

static void surface_fault(int number, siginfo_t *info, void *context)
{
	struct surface *surface = surface_reading;
	uint8_t *at = info->si_addr;

	(void)number;
	(void)context;
	if (surface && surface->map && at >= (uint8_t *)surface->map &&
	    at < (uint8_t *)surface->map + surface->map_len &&
	    mmap(surface->map, surface->map_len, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
		surface->cut_off = 1;
		return;
	}
	/* of something else: it comes again, and ends us */
	signal(SIGBUS, SIG_DFL);
}

/* Anew for each: a library may have taken it meanwhile, and there are few. */
static void surface_guard(void)
{
	struct sigaction action = {
		.sa_sigaction = surface_fault, .sa_flags = SA_SIGINFO,
	};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

/* --- making one --- */

static surface_converter surface_find_format(uint32_t format)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(surface_formats); i++)
		if (surface_formats[i].pixman == format)
			return surface_formats[i].convert;
	return NULL;
}

static const char *surface_check(uint32_t width, uint32_t height,
				 uint32_t stride, uint32_t format)
{
	if (!width || !height || width > SURFACE_DIMENSION_MAX ||
	    height > SURFACE_DIMENSION_MAX)
		return "picture has an impossible size";
	if (!surface_find_format(format))
		return "picture has a format that is not 32-bit RGB";
	/* 1 MiB: beyond any real stride, and rows times this fits 64 bits */
	if (stride < width * 4 || stride > 1 << 20)
		return "picture has an impossible stride";
	return NULL;
}

/* Bytes from the first pixel to the last. */
static size_t surface_bytes(uint32_t width, uint32_t height, uint32_t stride)
{
	return (size_t)stride * (height - 1) + (size_t)width * 4;
}

static struct surface *surface_new(uint32_t width, uint32_t height,
				   uint32_t stride, uint32_t format)
{
	struct surface *surface = g_new0(struct surface, 1);

	g_atomic_ref_count_init(&surface->refs);
	pthread_mutex_init(&surface->lock, NULL);
	surface->width = (int)width;
	surface->height = (int)height;
	surface->stride = (ptrdiff_t)stride;
	surface->format = format;
	surface->convert = surface_find_format(format);
	surface->dmabuf.fd = -1;
	return surface;
}

struct surface *surface_map(int fd, uint32_t offset, uint32_t width,
			    uint32_t height, uint32_t stride, uint32_t format,
			    const char **error)
{
	size_t skip = offset % (size_t)sysconf(_SC_PAGESIZE), len;
	struct surface *surface;
	struct stat st;
	void *map;

	*error = surface_check(width, height, stride, format);
	if (*error)
		return NULL;
	len = surface_bytes(width, height, stride);
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)(offset + len)) {
		*error = "picture is larger than its shared memory";
		return NULL;
	}
	map = mmap(NULL, skip + len, PROT_READ, MAP_SHARED, fd,
		   (off_t)(offset - skip));
	if (map == MAP_FAILED) {
		*error = "shared memory cannot be mapped";
		return NULL;
	}
	surface_guard();
	surface = surface_new(width, height, stride, format);
	surface->map = map;
	surface->map_len = skip + len;
	surface->pixels = (uint8_t *)map + skip;
	return surface;
}

struct surface *surface_import(const struct dmabuf *dmabuf, const char **error)
{
	struct surface *surface;
	int fd;

	*error = dmabuf_check(dmabuf);
	if (*error)
		return NULL;
	fd = fcntl(dmabuf->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		*error = "too many files are open to keep a dma-buf";
		return NULL;
	}
	surface = surface_new(dmabuf->width, dmabuf->height, dmabuf->stride,
			      dmabuf_pixman(dmabuf));
	surface->dmabuf = *dmabuf;
	surface->dmabuf.fd = fd;
	return surface;
}

struct surface *surface_map_dmabuf(const struct dmabuf *dmabuf,
				   const char **error)
{
	struct surface *surface;
	size_t len;

	if (!dmabuf_is_linear(dmabuf)) {
		*error = "dma-buf is tiled";
		return NULL;
	}
	surface = surface_import(dmabuf, error);
	if (!surface)
		return NULL;
	len = surface_bytes(dmabuf->width, dmabuf->height, dmabuf->stride);
	surface->map = mmap(NULL, len, PROT_READ, MAP_SHARED,
			    surface->dmabuf.fd, 0);
	if (surface->map == MAP_FAILED) {
		surface->map = NULL;
		surface_unref(surface);
		*error = "dma-buf cannot be mapped";
		return NULL;
	}
	surface_guard();
	surface->map_len = len;
	surface->pixels = surface->map;
	if (dmabuf->y0_top) {
		surface->pixels += surface->stride * (surface->height - 1);
		surface->stride = -surface->stride;
	}
	return surface;
}

const struct dmabuf *surface_dmabuf(const struct surface *surface)
{
	return surface->pixels ? NULL : &surface->dmabuf;
}

struct surface *surface_copy(const void *data, size_t len, uint32_t width,
			     uint32_t height, uint32_t stride, uint32_t format,
			     const char **error)
{
	struct surface *surface;

	*error = surface_check(width, height, stride, format);
	if (*error)
		return NULL;
	if (len < surface_bytes(width, height, stride)) {
		*error = "picture is larger than its data";
		return NULL;
	}
	surface = surface_new(width, height, stride, format);
	surface->pixels = g_memdup2(data, surface_bytes(width, height, stride));
	return surface;
}

bool surface_update(struct surface *surface, const struct rect *rect,
		    const void *data, size_t len, uint32_t stride,
		    uint32_t format, const char **error)
{
	const uint8_t *from = data;
	uint8_t *to;
	int row;

	if (surface->map || !surface->pixels || format != surface->format) {
		*error = "update does not fit the picture before it";
		return false;
	}
	if (rect->x < 0 || rect->y < 0 || rect->width <= 0 ||
	    rect->height <= 0 || rect->width > surface->width - rect->x ||
	    rect->height > surface->height - rect->y) {
		*error = "update is outside of the picture";
		return false;
	}
	*error = surface_check((uint32_t)rect->width, (uint32_t)rect->height,
			       stride, format);
	if (*error)
		return false;
	if (len < surface_bytes((uint32_t)rect->width, (uint32_t)rect->height,
				stride)) {
		*error = "update is larger than its data";
		return false;
	}
	pthread_mutex_lock(&surface->lock);
	to = surface->pixels + rect->y * surface->stride + rect->x * 4;
	for (row = 0; row < rect->height; row++) {
		memcpy(to, from, (size_t)rect->width * 4);
		to += surface->stride;
		from += stride;
	}
	pthread_mutex_unlock(&surface->lock);
	return true;
}

struct surface *surface_ref(struct surface *surface)
{
	g_atomic_ref_count_inc(&surface->refs);
	return surface;
}

void surface_unref(struct surface *surface)
{
	if (!surface || !g_atomic_ref_count_dec(&surface->refs))
		return;
	if (surface->map)
		munmap(surface->map, surface->map_len);
	else
		g_free(surface->pixels);
	if (surface->dmabuf.fd >= 0)
		close(surface->dmabuf.fd);
	pthread_mutex_destroy(&surface->lock);
	g_free(surface);
}

int surface_width(const struct surface *surface)
{
	return surface->width;
}

int surface_height(const struct surface *surface)
{
	return surface->height;
}

/* Chroma covers two by two pixels: a rectangle starts on even ones. */
static void surface_convert_rect(struct surface *surface,
				 const struct rect *rect,
				 const struct planes *planes)
{
	int x = rect->x & ~1, y = rect->y & ~1;
	int width = rect->x + rect->width - x;
	int height = rect->y + rect->height - y;

	if (x + width < surface->width)
		width += width & 1;
	if (y + height < surface->height)
		height += height & 1;
	surface->convert(surface->pixels + y * surface->stride + x * 4,
			 (int)surface->stride,
			 planes->data[0] + y * planes->stride[0] + x,
			 planes->stride[0],
			 planes->data[1] + y / 2 * planes->stride[1] + x / 2,
			 planes->stride[1],
			 planes->data[2] + y / 2 * planes->stride[2] + x / 2,
			 planes->stride[2], width, height);
}

/* The encoder's picture has even dimensions: repeat the last row or column. */
static void surface_pad(const struct surface *surface,
			const struct planes *planes)
{
	uint8_t *luma = planes->data[0];
	int stride = planes->stride[0], row;

	if (surface->width & 1)
		for (row = 0; row < surface->height; row++)
			luma[row * stride + surface->width] =
				luma[row * stride + surface->width - 1];
	if (surface->height & 1)
		memcpy(luma + surface->height * stride,
		       luma + (surface->height - 1) * stride,
		       (size_t)(surface->width + 1) & ~(size_t)1);
}

/*
 * Waits for who draws on it, and not for ever: then what there is will do. What
 * is no real dma-buf, as shared memory in the place of one, has no such call.
 */
static bool surface_wait(const struct surface *surface, int ms)
{
	struct pollfd drawn = { .fd = surface->dmabuf.fd, .events = POLLIN };

	return poll(&drawn, 1, ms) > 0;
}

bool surface_is_drawn(const struct surface *surface)
{
	return surface->dmabuf.fd >= 0 && !surface_wait(surface, 0);
}

static bool surface_begin(const struct surface *surface)
{
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_START,
	};

	return surface->dmabuf.fd >= 0 &&
	       surface_wait(surface, SURFACE_WAIT_MS) &&
	       !ioctl(surface->dmabuf.fd, DMA_BUF_IOCTL_SYNC, &sync);
}

static void surface_end(const struct surface *surface)
{
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_END,
	};

	ioctl(surface->dmabuf.fd, DMA_BUF_IOCTL_SYNC, &sync);
}

void surface_convert(struct surface *surface, const struct damage *damage,
		     const struct planes *planes)
{
	unsigned int i;
	bool begun, before;

	pthread_mutex_lock(&surface->lock);
	begun = surface_begin(surface);
	before = surface->cut_off;
	surface_reading = surface;
	for (i = 0; i < damage->count; i++)
		surface_convert_rect(surface, &damage->rects[i], planes);
	surface_reading = NULL;
	if (surface->cut_off && !before)
		log_warn("a picture of QEMU's was cut off while it was shown");
	if (begun)
		surface_end(surface);
	pthread_mutex_unlock(&surface->lock);
	surface_pad(surface, planes);
}
