// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: what comes with the calls of a display listener: pictures,
 * updates, damage, cursors, and a guest's clipboard. The conversion runs into
 * planes of just the right size, so that a pixel too many is noticed.
 */
#include <drm_fourcc.h>
#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clipboard.h"
#include "cursor.h"
#include "fuzz.h"
#include "message.h"
#include "surface.h"

#define SIDE	64	/* of most pictures */

static const uint32_t formats[] = {
	0x20020888, 0x20028888, 0x20030888, 0x20038888,
	0x20080888, 0x20088888, 0x20090888, 0x20098888, 0,
};

static uint8_t pixels[(SIDE + 2) * (SIDE + 2) * 8];

struct shape {
	uint32_t width, height, stride, format;
	size_t len;
};

static struct shape take_shape(struct fuzz *fuzz)
{
	struct shape shape;

	shape.width = fuzz_near(fuzz, SIDE);
	shape.height = fuzz_near(fuzz, SIDE);
	shape.stride = fuzz_byte(fuzz) & 1 ? shape.width * 4 :
		       fuzz_near(fuzz, SIDE * 4);
	shape.format = formats[fuzz_byte(fuzz) % G_N_ELEMENTS(formats)];
	shape.len = fuzz_word(fuzz) % sizeof(pixels);
	return shape;
}

static struct rect take_rect(struct fuzz *fuzz)
{
	struct rect rect;

	rect.x = (int)fuzz_near(fuzz, SIDE);
	rect.y = (int)fuzz_near(fuzz, SIDE);
	rect.width = (int)fuzz_near(fuzz, SIDE);
	rect.height = (int)fuzz_near(fuzz, SIDE);
	return rect;
}

static struct surface *map(const struct shape *shape, uint32_t offset)
{
	const char *error = NULL;
	struct surface *surface;
	int fd = memfd_create("picture", MFD_CLOEXEC);

	expect(fd >= 0 && !ftruncate(fd, (off_t)shape->len));
	surface = surface_map(fd, offset, shape->width, shape->height,
			      shape->stride, shape->format, &error);
	close(fd);
	expect(surface || error);
	return surface;
}

static struct surface *map_dmabuf(const struct shape *shape, struct fuzz *fuzz)
{
	static const uint32_t fourccs[] = {
		DRM_FORMAT_XRGB8888, DRM_FORMAT_ABGR8888, DRM_FORMAT_RGBA8888,
		DRM_FORMAT_BGRX8888, DRM_FORMAT_NV12,
	};
	struct dmabuf dmabuf = {
		.fd = memfd_create("dma-buf", MFD_CLOEXEC),
		.width = shape->width,
		.height = shape->height,
		.stride = shape->stride,
		.fourcc = fourccs[fuzz_byte(fuzz) % G_N_ELEMENTS(fourccs)],
		.modifier = fuzz_byte(fuzz) & 7 ? 0 : fuzz_word(fuzz),
		.y0_top = fuzz_byte(fuzz) & 1,
	};
	const char *error = NULL;
	struct surface *surface;

	expect(dmabuf.fd >= 0 && !ftruncate(dmabuf.fd, (off_t)shape->len));
	surface = surface_map_dmabuf(&dmabuf, &error);
	close(dmabuf.fd);
	expect(surface || error);
	expect(!surface || !surface_dmabuf(surface));
	return surface;
}

static struct surface *copy(const struct shape *shape)
{
	/* exactly as long as it says: what is read beyond is noticed */
	uint8_t *data = g_memdup2(pixels, shape->len);
	const char *error = NULL;
	struct surface *surface;

	surface = surface_copy(data, shape->len, shape->width, shape->height,
			       shape->stride, shape->format, &error);
	expect(surface || error);
	g_free(data);
	return surface;
}

static void update(struct surface *surface, struct fuzz *fuzz)
{
	struct rect rect = take_rect(fuzz);
	struct shape shape = take_shape(fuzz);
	uint8_t *data = g_memdup2(pixels, shape.len);
	const char *error = NULL;

	if (!surface_update(surface, &rect, data, shape.len, shape.stride,
			    shape.format, &error))
		expect(error != NULL);
	g_free(data);
}

static void convert(struct surface *surface, const struct damage *damage)
{
	int width = (surface_width(surface) + 1) & ~1;
	int height = (surface_height(surface) + 1) & ~1;
	size_t luma = (size_t)width * (size_t)height;
	struct planes planes = {
		.data = { g_malloc(luma), g_malloc(luma / 4), g_malloc(luma / 4) },
		.stride = { width, width / 2, width / 2 },
	};
	unsigned int i;

	surface_convert(surface, damage, &planes);
	for (i = 0; i < G_N_ELEMENTS(planes.data); i++)
		g_free(planes.data[i]);
}

static void picture(struct fuzz *fuzz)
{
	uint8_t how = fuzz_byte(fuzz) % 4;
	struct shape shape = take_shape(fuzz);
	struct surface *surface;
	struct damage damage;
	struct rect rect;

	surface = how & 1 ? map(&shape, fuzz_near(fuzz, 4096)) :
		  how ? map_dmabuf(&shape, fuzz) : copy(&shape);
	if (!surface)
		return;
	damage_clear(&damage);
	while (fuzz->size) {
		if (fuzz_byte(fuzz) & 1)
			update(surface, fuzz);
		rect = take_rect(fuzz);
		damage_add(&damage, &rect, surface_width(surface),
			   surface_height(surface));
		expect(damage.count <= DAMAGE_RECTS_MAX);
		convert(surface, &damage);
	}
	surface_unref(surface);
}

static void cursor(struct fuzz *fuzz)
{
	struct shape shape = take_shape(fuzz);
	uint8_t *data = g_memdup2(pixels, shape.len);
	struct cursor_image *image;
	const char *error = NULL;

	image = cursor_image_new(data, shape.len, (int)shape.width,
				 (int)shape.height, (int)fuzz_word(fuzz),
				 (int)fuzz_word(fuzz), &error);
	g_free(data);
	expect(image || error);
	if (!image)
		return;
	expect(image->hot_x >= 0 && image->hot_x < image->width);
	expect(image->hot_y >= 0 && image->hot_y < image->height);
	g_free(image);
}

static void text(struct fuzz *fuzz)
{
	if (clipboard_text_valid((const char *)fuzz->data, fuzz->size))
		expect(fuzz->size <= MESSAGE_TEXT_MAX &&
		       !memchr(fuzz->data, 0, fuzz->size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { data, size };

	switch (fuzz_byte(&fuzz) % 8) {
	case 0:
		cursor(&fuzz);
		break;
	case 1:
		text(&fuzz);
		break;
	default:
		picture(&fuzz);
		break;
	}
	return 0;
}
