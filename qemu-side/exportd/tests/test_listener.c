// SPDX-License-Identifier: GPL-2.0-only
/* A listener and a stand-in for QEMU. */
#include "fake_qemu.h"
#include "listener.h"
#include "standin_gpu.h"

static struct listener *listener;
static unsigned int scanouts, damages;
static gint64 damaged_at;
static struct rect rects[DAMAGE_RECTS_MAX];
static bool imported;
static unsigned int disabled;
static unsigned int rect_count;

static void on_scanout(struct surface *surface, void *data)
{
	(void)data;
	assert_int_equal(surface_width(surface), SIZE);
	imported = surface_dmabuf(surface);
	scanouts++;
}

static void on_damage(const struct rect *list, unsigned int count, gint64 at,
		      void *data)
{
	(void)data;
	damages++;
	damaged_at = at;
	rect_count = count;
	memcpy(rects, list, count * sizeof(*list));
}

static void on_nothing(void *data)
{
	(void)data;
}

static void on_disable(void *data)
{
	(void)data;
	disabled++;
}

static void on_cursor(struct cursor_image *image, void *data)
{
	(void)image;
	(void)data;
	fail();
}

static void on_place(int x, int y, bool on, void *data)
{
	(void)x;
	(void)y;
	(void)on;
	(void)data;
	fail();
}

static const struct listener_ops ops = {
	.scanout = on_scanout,
	.damage = on_damage,
	.disable = on_disable,
	.cursor = on_cursor,
	.place = on_place,
	.closed = on_nothing,
};

static int setup_bare(void **state)
{
	(void)state;
	scanouts = damages = disabled = 0;
	if (fake_open())
		return -1;
	listener = listener_new(&console, false, &ops, NULL);
	until(qemu);
	return 0;
}

static int setup(void **state)
{
	if (setup_bare(state))
		return -1;
	call_scanout();
	until(answers == 1 && scanouts == 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	listener_free(listener);
	fake_close();
	return 0;
}

static void test_an_update_is_answered_when_it_was_read(void **state)
{
	(void)state;
	assert_false(listener_owes(listener));
	call_update(1);
	until(damages == 1);
	assert_true(listener_owes(listener));
	assert_int_equal(rect_count, 2);
	assert_int_equal(rects[1].height, 8);
	assert_int_equal(answers, 1);
	listener_answer(listener);
	assert_false(listener_owes(listener));
	until(answers == 2);
	listener_answer(listener);	/* nothing is owed */
}

static void test_it_is_answered_in_any_case(void **state)
{
	(void)state;
	call_update(1);
	until(damages == 1);
	until(answers == 2);
	assert_false(listener_owes(listener));
}

static void test_one_that_does_not_wait_owes_nothing_for_the_first(void **state)
{
	(void)state;
	call_update(1);
	call_update(1);
	until(damages == 2 && answers == 2);
	assert_true(listener_owes(listener));
	listener_answer(listener);
	until(answers == 3);
}

static void test_a_listener_that_goes_answers(void **state)
{
	(void)state;
	call_update(1);
	until(damages == 1);
	listener_free(listener);
	listener = NULL;
	until(answers + errors == 2);
}

static void test_the_time_of_the_flush_is_not_in_the_future(void **state)
{
	gint64 begun = g_get_monotonic_time();

	(void)state;
	call_update(5000);
	until(damages == 1);
	assert_int_equal(damaged_at, 5);
	call_update(UINT64_MAX);
	until(damages == 2);
	assert_true(damaged_at >= begun);
	assert_true(damaged_at <= g_get_monotonic_time());
}

static void test_an_update_of_nothing_is_refused(void **state)
{
	GVariantBuilder list;

	(void)state;
	g_variant_builder_init(&list, G_VARIANT_TYPE("a(iiii)"));
	call("org.qemu.Display1.Listener.Unix.Damage", "UpdateMap2",
	     g_variant_new("(ta(iiii))", (guint64)1, &list), NULL);
	until(errors == 1);
	assert_false(listener_owes(listener));
	assert_int_equal(damages, 0);
}

static int setup_import(void **state)
{
	(void)state;
	scanouts = damages = disabled = 0;
	if (fake_open())
		return -1;
	listener = listener_new(&console, true, &ops, NULL);
	until(qemu);
	return 0;
}

static void test_a_dma_buf_is_taken_as_it_is(void **state)
{
	struct dmabuf dmabuf = standin_dmabuf(SIZE, SIZE);

	(void)state;
	call_scanout_dmabuf(dmabuf.fd, &dmabuf);
	call_update_dmabuf();
	until(answers == 1 && scanouts == 1 && damages == 1);
	assert_true(imported);
	assert_true(listener_owes(listener));
	assert_int_equal(damaged_at, 0);
	listener_answer(listener);
	until(answers == 2);
	close(dmabuf.fd);
}

static void test_a_dma_buf_is_held_for_a_bounded_time(void **state)
{
	struct dmabuf dmabuf = standin_dmabuf(SIZE, SIZE);

	(void)state;
	call_scanout_dmabuf(dmabuf.fd, &dmabuf);
	call_update_dmabuf();
	until(answers == 2);	/* nobody read it */
	assert_false(listener_owes(listener));
	close(dmabuf.fd);
}

static void expect_refused(struct dmabuf lie)
{
	unsigned int before = unknown, pictures = scanouts;

	call_scanout_dmabuf(lie.fd, &lie);
	until(unknown == before + 1);
	assert_int_equal(scanouts, pictures);
}

static void test_what_no_picture_can_be_is_refused(void **state)
{
	struct dmabuf good = standin_dmabuf(SIZE, SIZE), lie;

	(void)state;
	lie = good, lie.width = 0, expect_refused(lie);
	lie = good, lie.height = UINT32_MAX, expect_refused(lie);
	lie = good, lie.stride = SIZE * 4 - 4, expect_refused(lie);
	lie = good, lie.stride = UINT32_MAX, expect_refused(lie);
	lie = good, lie.fourcc = DRM_FORMAT_NV12, expect_refused(lie);
	lie = good, lie.modifier = I915_FORMAT_MOD_Y_TILED_CCS;
	expect_refused(lie);
	lie = good, lie.height = SIZE + 16, expect_refused(lie);
	/* and what can be is still taken */
	call_scanout_dmabuf(good.fd, &good);
	until(scanouts == 1 && imported);
	close(good.fd);
}

static void test_a_dma_buf_without_a_descriptor_is_an_error(void **state)
{
	(void)state;
	call("org.qemu.Display1.Listener", "ScanoutDMABUF",
	     g_variant_new("(huuuutb)", 0, SIZE, SIZE, SIZE * 4,
			   DRM_FORMAT_XRGB8888, (guint64)0, FALSE), NULL);
	until(errors == 1);
	assert_int_equal(unknown, 0);
	assert_int_equal(scanouts, 0);
}

static void test_a_descriptor_that_did_not_come_along_is_an_error(void **state)
{
	static const gint32 handles[] = { 1, INT32_MAX, -1, -2, INT32_MIN };
	g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
	struct dmabuf dmabuf = standin_dmabuf(SIZE, SIZE);
	unsigned int i;

	(void)state;
	g_unix_fd_list_append(fds, dmabuf.fd, NULL);
	close(dmabuf.fd);
	for (i = 0; i < G_N_ELEMENTS(handles); i++) {
		call("org.qemu.Display1.Listener", "ScanoutDMABUF",
		     g_variant_new("(huuuutb)", handles[i], SIZE, SIZE, SIZE * 4,
				   DRM_FORMAT_XRGB8888, (guint64)0, FALSE), fds);
		until(errors == 2 * i + 1);
		call("org.qemu.Display1.Listener.Unix.Map", "ScanoutMap",
		     g_variant_new("(huuuuu)", handles[i], 0, SIZE, SIZE,
				   SIZE * 4, XRGB), fds);
		until(errors == 2 * i + 2);
	}
	assert_int_equal(unknown, 0);
	assert_int_equal(scanouts, 0);
}

static void test_qemu_is_asked_to_read_back(void **state)
{
	struct dmabuf dmabuf = standin_dmabuf(SIZE, SIZE);

	(void)state;
	call_scanout_dmabuf(dmabuf.fd, &dmabuf);
	call_update_dmabuf();
	/* nobody waits for a picture that nobody has */
	until(unknown == 1 && answers == 1);
	assert_int_equal(damages, 0);
	call_scanout();
	until(scanouts == 1);
	assert_false(imported);
	call_update(1);
	until(damages == 1);
	assert_true(listener_owes(listener));
	close(dmabuf.fd);
}

static void test_what_qemu_cannot_read_back_is_mapped(void **state)
{
	struct dmabuf dmabuf = standin_dmabuf(SIZE, SIZE);

	(void)state;
	call_scanout_dmabuf(dmabuf.fd, &dmabuf);
	until(unknown == 1);
	until(scanouts == 1);	/* of itself */
	assert_false(imported);
	call_update_dmabuf();
	until(damages == 1);
	/* from now on at once */
	call_scanout_dmabuf(dmabuf.fd, &dmabuf);
	until(scanouts == 2);
	assert_int_equal(unknown, 1);
	close(dmabuf.fd);
}

static void test_what_nobody_can_read_is_no_picture(void **state)
{
	struct dmabuf dmabuf = standin_dmabuf(SIZE, SIZE);

	(void)state;
	dmabuf.modifier = I915_FORMAT_MOD_X_TILED;
	call_scanout_dmabuf(dmabuf.fd, &dmabuf);
	until(disabled == 1);
	assert_int_equal(scanouts, 0);
	call_update_dmabuf();
	until(answers + errors == 2);
	assert_int_equal(damages, 0);
	close(dmabuf.fd);
}

#define T_IMPORT(name) cmocka_unit_test_setup_teardown(name, setup_import, teardown)
#define T_BARE(name) cmocka_unit_test_setup_teardown(name, setup_bare, teardown)
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_update_is_answered_when_it_was_read),
		T(test_it_is_answered_in_any_case),
		T(test_one_that_does_not_wait_owes_nothing_for_the_first),
		T(test_a_listener_that_goes_answers),
		T(test_the_time_of_the_flush_is_not_in_the_future),
		T(test_an_update_of_nothing_is_refused),
		T_IMPORT(test_a_dma_buf_is_taken_as_it_is),
		T_IMPORT(test_a_dma_buf_is_held_for_a_bounded_time),
		T_IMPORT(test_what_no_picture_can_be_is_refused),
		T_IMPORT(test_a_dma_buf_without_a_descriptor_is_an_error),
		T_IMPORT(test_a_descriptor_that_did_not_come_along_is_an_error),
		T_BARE(test_qemu_is_asked_to_read_back),
		T_BARE(test_what_qemu_cannot_read_back_is_mapped),
		T_BARE(test_what_nobody_can_read_is_no_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
