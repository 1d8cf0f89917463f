// SPDX-License-Identifier: GPL-2.0-only
/* Surfaces and their damage. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "standin_gpu.h"
#include "surface.h"
#include "test.h"

#define XRGB 0x20020888
#define XBGR 0x20030888

static void test_damage_stays_inside(void **state)
{
	const struct rect all = { INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX };
	const struct rect huge = { -5, -5, INT32_MAX, INT32_MAX };
	const struct rect negative = { 5, 5, -3, 4 };
	const struct rect outside = { 100, 0, 5, 5 };
	struct damage damage = { 0 };

	(void)state;
	damage_add(&damage, &all, 64, 48);
	damage_add(&damage, &negative, 64, 48);
	damage_add(&damage, &outside, 64, 48);
	assert_true(damage_is_empty(&damage));
	damage_add(&damage, &huge, 64, 48);
	assert_int_equal(damage.count, 1);
	assert_int_equal(damage.rects[0].x, 0);
	assert_int_equal(damage.rects[0].width, 64);
	assert_int_equal(damage.rects[0].height, 48);
}

static void test_damage_never_shrinks(void **state)
{
	struct damage damage = { 0 };
	unsigned char covered[64] = { 0 };
	unsigned int i;
	int x;

	(void)state;
	for (i = 0; i < 2 * DAMAGE_RECTS_MAX; i++) {
		struct rect rect = { (int)i * 2, 3, 1, 1 };

		damage_add(&damage, &rect, 64, 48);
		assert_true(damage.count <= DAMAGE_RECTS_MAX);
	}
	for (i = 0; i < damage.count; i++)
		for (x = 0; x < damage.rects[i].width; x++)
			covered[damage.rects[i].x + x] = 1;
	for (i = 0; i < 2 * DAMAGE_RECTS_MAX; i++)
		assert_true(covered[i * 2]);
}

static void test_damage_contained_is_not_added(void **state)
{
	const struct rect big = { 0, 0, 10, 10 }, small = { 2, 2, 3, 3 };
	struct damage damage = { 0 };

	(void)state;
	damage_add(&damage, &small, 64, 48);
	damage_add(&damage, &big, 64, 48);
	damage_add(&damage, &small, 64, 48);
	assert_int_equal(damage.count, 1);
	assert_int_equal(damage.rects[0].width, 10);
}

static struct surface *copy(size_t len, uint32_t width, uint32_t height,
			    uint32_t stride, uint32_t format)
{
	void *data = calloc(1, len);
	const char *error = NULL;
	struct surface *surface;

	surface = surface_copy(data, len, width, height, stride, format, &error);
	free(data);
	if (!surface)
		assert_non_null(error);
	return surface;
}

static void test_sizes_are_checked(void **state)
{
	struct surface *surface;

	(void)state;
	surface = copy(64 * 48 * 4, 64, 48, 256, XRGB);
	assert_non_null(surface);
	assert_int_equal(surface_width(surface), 64);
	surface_unref(surface);
	assert_null(copy(64 * 48 * 4 - 1, 64, 48, 256, XRGB));
	assert_null(copy(64, 0, 48, 256, XRGB));
	assert_null(copy(64, 64, 0, 256, XRGB));
	assert_null(copy(64, 16385, 1, 65540, XRGB));
	assert_null(copy(1 << 16, 64, 48, 255, XRGB));
	assert_null(copy(64, 1, UINT32_MAX, 256, XRGB));
	assert_null(copy(64, 0x40000001, 1, 4, XRGB));
	assert_null(copy(1 << 16, 64, 48, 256, 0x10020565));
}

static void test_map_is_checked_against_its_memory(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct surface *surface;
	const char *error;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096 + 64 * 48 * 4), 0);
	surface = surface_map(fd, 0, 64, 48, 256, XRGB, &error);
	assert_non_null(surface);
	surface_unref(surface);
	surface = surface_map(fd, 4096, 64, 48, 256, XRGB, &error);
	assert_non_null(surface);
	surface_unref(surface);
	assert_null(surface_map(fd, 4100, 64, 48, 256, XRGB, &error));
	assert_null(surface_map(fd, UINT32_MAX, 64, 48, 256, XRGB, &error));
	assert_null(surface_map(-1, 0, 64, 48, 256, XRGB, &error));
	close(fd);
}

static void test_memory_that_is_cut_off_is_black(void **state)
{
	struct damage all = { 1, { { 0, 0, 64, 64 } } };
	uint8_t y[64 * 64], u[32 * 32], v[32 * 32], white[4096];
	const struct planes planes = { { y, u, v }, { 64, 32, 32 } };
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct surface *surface;
	const char *error;
	unsigned int i;

	(void)state;
	memset(white, 0xff, sizeof(white));
	for (i = 0; i < 4; i++)
		assert_int_equal(write(fd, white, sizeof(white)),
				 sizeof(white));
	surface = surface_map(fd, 0, 64, 64, 256, XRGB, &error);
	assert_non_null(surface);
	surface_convert(surface, &all, &planes);
	assert_true(y[0] > 200 && y[64 * 64 - 1] > 200);
	assert_int_equal(ftruncate(fd, 0), 0);
	for (i = 0; i < 2; i++) {
		surface_convert(surface, &all, &planes);
		assert_true(y[0] < 32 && y[64 * 64 - 1] < 32);
	}
	surface_unref(surface);
	/* another one is not hurt by that */
	assert_int_equal(ftruncate(fd, 64 * 64 * 4), 0);
	surface = surface_map(fd, 0, 64, 64, 256, XRGB, &error);
	assert_non_null(surface);
	surface_convert(surface, &all, &planes);
	surface_unref(surface);
	close(fd);
}

static void test_updates_stay_inside(void **state)
{
	static const struct rect bad[] = {
		{ -1, 0, 4, 4 }, { 0, -1, 4, 4 }, { 61, 0, 4, 4 },
		{ 0, 45, 4, 4 }, { 0, 0, 0, 4 }, { 0, 0, 4, -4 },
		{ INT32_MAX, 0, 4, 4 }, { 0, 0, INT32_MAX, 4 },
	};
	struct surface *surface = copy(64 * 48 * 4, 64, 48, 256, XRGB);
	const struct rect good = { 60, 44, 4, 4 };
	uint8_t data[64] = { 0 };
	const char *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(surface_update(surface, &bad[i], data,
					    sizeof(data), 16, XRGB, &error));
	assert_true(surface_update(surface, &good, data, 64, 16, XRGB, &error));
	assert_false(surface_update(surface, &good, data, 63, 16, XRGB, &error));
	assert_false(surface_update(surface, &good, data, 64, 15, XRGB, &error));
	assert_false(surface_update(surface, &good, data, 64, 16, XBGR, &error));
	surface_unref(surface);
}

/* One plane set for pictures of up to 64x64. */
static uint8_t luma[66 * 66], cb[33 * 33], cr[33 * 33];
static const struct planes planes = {
	{ luma, cb, cr }, { 66, 33, 33 }
};

static struct surface *filled(uint32_t width, uint32_t height,
			      uint32_t pixel, uint32_t format)
{
	uint32_t *data = malloc(width * height * 4);
	struct surface *surface;
	const char *error;
	uint32_t i;

	for (i = 0; i < width * height; i++)
		data[i] = pixel;
	surface = surface_copy(data, width * height * 4, width, height,
			       width * 4, format, &error);
	free(data);
	assert_non_null(surface);
	return surface;
}

static void test_colours(void **state)
{
	static const struct {
		uint32_t format, red;
	} formats[] = {
		{ 0x20020888, 0x00ff0000 }, { 0x20028888, 0xffff0000 },
		{ 0x20030888, 0x000000ff }, { 0x20038888, 0xff0000ff },
		{ 0x20080888, 0x0000ff00 }, { 0x20088888, 0x0000ffff },
		{ 0x20090888, 0xff000000 }, { 0x20098888, 0xff0000ff },
	};
	const struct damage all = { 1, { { 0, 0, 16, 16 } } };
	struct surface *surface;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		surface = filled(16, 16, formats[i].red, formats[i].format);
		surface_convert(surface, &all, &planes);
		/* red in BT.601, limited range */
		assert_in_range(luma[5], 80, 83);
		assert_in_range(cb[5], 88, 92);
		assert_in_range(cr[5], 238, 241);
		surface_unref(surface);
	}
}

static void test_only_damage_is_converted(void **state)
{
	struct surface *surface = filled(64, 64, 0x00ffffff, XRGB);
	const struct damage some = { 2, { { 11, 11, 3, 3 }, { 63, 63, 1, 1 } } };
	int x, y;

	(void)state;
	memset(luma, 1, sizeof(luma));
	surface_convert(surface, &some, &planes);
	for (y = 11; y < 14; y++)
		for (x = 11; x < 14; x++)
			assert_int_equal(luma[y * 66 + x], 235);
	assert_int_equal(luma[63 * 66 + 63], 235);
	assert_int_equal(luma[30 * 66 + 30], 1);
	assert_int_equal(luma[11 * 66 + 9], 1);
	assert_int_equal(luma[11 * 66 + 14], 1);
	surface_unref(surface);
}

static void test_odd_sizes_are_padded(void **state)
{
	struct surface *surface = filled(5, 7, 0x00ffffff, XRGB);
	const struct damage all = { 1, { { 0, 0, 5, 7 } } };
	int x;

	(void)state;
	memset(luma, 1, sizeof(luma));
	surface_convert(surface, &all, &planes);
	for (x = 0; x < 6; x++)
		assert_int_equal(luma[7 * 66 + x], 235);
	assert_int_equal(luma[3 * 66 + 5], 235);
	assert_int_equal(luma[3 * 66 + 6], 1);
	surface_unref(surface);
}

static void expect_mapped(const struct dmabuf *dmabuf, int first, int last)
{
	const struct damage all = { 1, { { 0, 0, 64, 48 } } };
	const struct damage some = { 1, { { 8, 2, 8, 4 } } };
	struct surface *surface;
	const char *error;

	surface = surface_map_dmabuf(dmabuf, &error);
	assert_non_null(surface);
	assert_null(surface_dmabuf(surface));
	surface_convert(surface, &all, &planes);
	assert_int_equal(luma[0], first);
	assert_int_equal(luma[23 * 66 + 63], first);
	assert_int_equal(luma[24 * 66], last);
	assert_int_equal(luma[47 * 66 + 63], last);
	memset(luma, 1, sizeof(luma));
	surface_convert(surface, &some, &planes);
	assert_int_equal(luma[2 * 66 + 8], first);
	assert_int_equal(luma[5 * 66 + 15], first);
	assert_int_equal(luma[66 + 8], 1);
	assert_int_equal(luma[6 * 66 + 8], 1);
	surface_unref(surface);
}

static void test_a_dma_buf_is_mapped_either_way_up(void **state)
{
	struct dmabuf dmabuf = standin_dmabuf(64, 48);

	(void)state;
	standin_draw(&dmabuf, 24, 0x00ffffff, 0);
	expect_mapped(&dmabuf, 235, 16);
	dmabuf.y0_top = true;
	expect_mapped(&dmabuf, 16, 235);
	close(dmabuf.fd);
}

static void test_a_dma_buf_is_checked_against_its_memory(void **state)
{
	static const uint64_t modifiers[] = {
		I915_FORMAT_MOD_Y_TILED_CCS, DRM_FORMAT_MOD_VIVANTE_TILED,
		DRM_FORMAT_MOD_NVIDIA_BLOCK_LINEAR_2D(1, 2, 2, 6, 0),
		AMD_FMT_MOD | AMD_FMT_MOD_SET(DCC, 1), 1ull << 63, 1,
		I915_FORMAT_MOD_4_TILED_DG2_RC_CCS,
	};
	struct dmabuf good = standin_dmabuf(64, 48), bad;
	struct surface *surface;
	const char *error;
	size_t i;

	(void)state;
	assert_null(dmabuf_check(&good));
	bad = good, bad.height++;
	assert_non_null(dmabuf_check(&bad));
	bad = good, bad.stride += 4;
	assert_non_null(dmabuf_check(&bad));
	bad = good, bad.stride = 255;
	assert_non_null(dmabuf_check(&bad));
	bad = good, bad.width = 1u << 30, bad.stride = 0;
	assert_non_null(dmabuf_check(&bad));
	bad = good, bad.fd = -1;
	assert_non_null(dmabuf_check(&bad));
	for (i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++) {
		bad = good, bad.modifier = modifiers[i];
		assert_non_null(dmabuf_check(&bad));
	}
	/* the last tiles are there whole */
	bad = good, bad.modifier = I915_FORMAT_MOD_X_TILED;
	assert_null(dmabuf_check(&bad));
	bad.height -= 7;
	assert_null(dmabuf_check(&bad));
	bad = good, bad.modifier = I915_FORMAT_MOD_Y_TILED;
	assert_non_null(dmabuf_check(&bad));
	bad.height = 32;
	assert_null(dmabuf_check(&bad));
	bad = good, bad.modifier = DRM_FORMAT_MOD_NVIDIA_BLOCK_LINEAR_2D(0, 2, 2, 6, 4);
	assert_non_null(dmabuf_check(&bad));
	bad.modifier = DRM_FORMAT_MOD_NVIDIA_BLOCK_LINEAR_2D(0, 2, 2, 6, 1);
	assert_null(dmabuf_check(&bad));
	/* tiled in one plane: for a GPU, and not for us */
	bad = good, bad.modifier = AMD_FMT_MOD;
	assert_null(dmabuf_check(&bad));
	assert_null(surface_map_dmabuf(&bad, &error));
	surface = surface_import(&bad, &error);
	assert_non_null(surface);
	assert_true(surface_dmabuf(surface)->modifier == AMD_FMT_MOD);
	assert_true(surface_dmabuf(surface)->fd != good.fd);
	surface_unref(surface);
	close(good.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage_stays_inside),
		cmocka_unit_test(test_damage_never_shrinks),
		cmocka_unit_test(test_damage_contained_is_not_added),
		cmocka_unit_test(test_sizes_are_checked),
		cmocka_unit_test(test_map_is_checked_against_its_memory),
		cmocka_unit_test(test_memory_that_is_cut_off_is_black),
		cmocka_unit_test(test_updates_stay_inside),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_only_damage_is_converted),
		cmocka_unit_test(test_odd_sizes_are_padded),
		cmocka_unit_test(test_a_dma_buf_is_mapped_either_way_up),
		cmocka_unit_test(test_a_dma_buf_is_checked_against_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
