// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <string.h>

#include "cursor.h"
#include "test.h"

#define PATIENCE_US (10 * G_USEC_PER_SEC)	/* a guard against hanging */

static struct cursor *cursor;
static const char alice, bob;	/* two viewers */
static unsigned int shapes, pointers;
static struct packet *shape;	/* told last */
static char pointer[64];
static const void *skipped;	/* by the last pointer */

static void tell(struct packet *packet, const void *except, void *data)
{
	(void)data;
	if (packet->binary) {
		assert_int_equal(packet->latest, PACKET_CURSOR);
		packet_unref(shape);
		shape = packet_ref(packet);
		shapes++;
		return;
	}
	assert_int_equal(packet->latest, PACKET_POINTER);
	assert_true(packet->len < sizeof(pointer));
	memcpy(pointer, packet->data, packet->len);
	pointer[packet->len] = '\0';
	skipped = except;
	pointers++;
}

static int setup(void **state)
{
	(void)state;
	shapes = pointers = 0;
	skipped = NULL;
	cursor = cursor_new(tell, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cursor_free(cursor);
	packet_unref(shape);
	shape = NULL;
	return 0;
}

/* Until @count has reached @wanted. */
static void wait_for(const unsigned int *count, unsigned int wanted)
{
	gint64 end = g_get_monotonic_time() + PATIENCE_US;

	while (*count < wanted && g_get_monotonic_time() < end)
		g_main_context_iteration(NULL, FALSE);
	assert_int_equal(*count, wanted);
}

/* What is due is told, and nothing else. */
static void settle(void)
{
	gint64 end = g_get_monotonic_time() + 100 * 1000;

	while (g_get_monotonic_time() < end)
		g_main_context_iteration(NULL, FALSE);
}

static struct cursor_image *image_of(uint32_t pixel, int width, int height)
{
	uint32_t *pixels = g_new(uint32_t, (size_t)(width * height));
	struct cursor_image *image;
	const char *error;
	int i;

	for (i = 0; i < width * height; i++)
		pixels[i] = pixel;
	image = cursor_image_new(pixels, (size_t)(width * height) * 4, width,
				 height, 1, 2, &error);
	g_free(pixels);
	assert_non_null(image);
	return image;
}

static unsigned int shape16(unsigned int offset)
{
	return (unsigned int)(shape->data[offset] | shape->data[offset + 1] << 8);
}

static void test_image_is_straight_rgba(void **state)
{
	static const uint32_t pixels[] = {
		0xff102030, 0x00ffffff, 0x80400020, 0x01ff0100,
	};
	static const uint8_t wanted[] = {
		0x10, 0x20, 0x30, 0xff, 0, 0, 0, 0,
		/* half of 0x80: what was 0x40 in half is 0x80 in full */
		0x80, 0, 0x40, 0x80,
		/* more colour than its alpha allows is no more than all of it */
		0xff, 0xff, 0, 0x01,
	};
	struct cursor_image *image;
	const char *error;

	(void)state;
	image = cursor_image_new(pixels, sizeof(pixels), 2, 2, 0, 0, &error);
	assert_non_null(image);
	assert_memory_equal(image->rgba, wanted, sizeof(wanted));
	g_free(image);
}

static void test_image_sizes_are_bounded(void **state)
{
	static const uint32_t pixels[CURSOR_DIMENSION_MAX * CURSOR_DIMENSION_MAX];
	static const int sizes[][2] = {
		{ 0, 1 }, { 1, 0 }, { -1, 1 }, { 1, G_MININT },
		{ CURSOR_DIMENSION_MAX + 1, 1 }, { G_MAXINT, G_MAXINT },
	};
	struct cursor_image *image;
	const char *error;
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
		error = NULL;
		assert_null(cursor_image_new(pixels, sizeof(pixels), sizes[i][0],
					     sizes[i][1], 0, 0, &error));
		assert_non_null(error);
	}
	assert_null(cursor_image_new(pixels, 2 * 2 * 4 - 1, 2, 2, 0, 0, &error));
	image = cursor_image_new(pixels, sizeof(pixels), CURSOR_DIMENSION_MAX,
				 CURSOR_DIMENSION_MAX, G_MAXINT, G_MININT,
				 &error);
	assert_non_null(image);
	assert_int_equal(image->hot_x, CURSOR_DIMENSION_MAX - 1);
	assert_int_equal(image->hot_y, 0);
	g_free(image);
}

static void test_nothing_is_told_before_it_is_known_whether_it_shows(void **state)
{
	struct packet *one, *two;

	(void)state;
	cursor_describe(cursor, &one, &two);
	assert_null(one);
	assert_null(two);
	cursor_define(cursor, image_of(0xff000000, 4, 4));
	settle();
	assert_int_equal(shapes, 0);
	cursor_describe(cursor, &one, &two);
	assert_null(one);
	assert_null(two);
}

static void test_a_hidden_one_is_not_told_before_it_shows(void **state)
{
	(void)state;
	cursor_place(cursor, 0, 0, false);	/* what QEMU says at first */
	settle();
	assert_int_equal(shapes, 0);
	cursor_define(cursor, image_of(0xff010203, 8, 4));
	settle();
	assert_int_equal(shapes, 0);
	cursor_place(cursor, 10, 20, true);
	wait_for(&shapes, 1);
	assert_int_equal(shape->len, 16 + 8 * 4 * 4);
}

static void test_shape_and_place_are_told(void **state)
{
	(void)state;
	cursor_define(cursor, image_of(0xff010203, 8, 4));
	cursor_place(cursor, 10, 20, true);
	wait_for(&shapes, 1);
	assert_int_equal(shape->len, 16 + 8 * 4 * 4);
	assert_int_equal(shape->data[0], 2);
	assert_int_equal(shape16(4), 1);
	assert_int_equal(shape16(8), 8);
	assert_int_equal(shape16(10), 4);
	assert_int_equal(shape16(12), 1);
	assert_int_equal(shape16(14), 2);
	assert_int_equal(shape->data[16], 1);
	assert_int_equal(shape->data[18], 3);
	wait_for(&pointers, 1);
	/* where its hot spot is */
	assert_string_equal(pointer, "{\"type\":\"pointer\",\"x\":11,\"y\":22}");
}

static void test_hidden_is_a_shape_of_no_size(void **state)
{
	struct packet *one, *two;

	(void)state;
	cursor_define(cursor, image_of(0xff010203, 8, 4));
	cursor_place(cursor, 10, 20, true);
	wait_for(&shapes, 1);
	cursor_place(cursor, 10, 20, false);
	wait_for(&shapes, 2);
	assert_int_equal(shape->len, 16);
	assert_int_equal(shape16(8), 0);
	cursor_describe(cursor, &one, &two);
	assert_int_equal(one->len, 16);
	assert_null(two);
	packet_unref(one);
	cursor_place(cursor, 10, 20, true);
	wait_for(&shapes, 3);
	assert_int_equal(shape->len, 16 + 8 * 4 * 4);
}

static void test_the_same_shape_again_is_no_news(void **state)
{
	(void)state;
	cursor_define(cursor, image_of(0xff010203, 8, 4));
	cursor_place(cursor, 10, 20, true);
	wait_for(&shapes, 1);
	cursor_define(cursor, image_of(0xff010203, 8, 4));
	cursor_place(cursor, 10, 20, true);
	settle();
	assert_int_equal(shapes, 1);
	assert_int_equal(pointers, 1);
	cursor_define(cursor, image_of(0xff010204, 8, 4));
	wait_for(&shapes, 2);
	assert_int_equal(shape16(4), 2);
}

static void test_a_guest_that_never_stops_is_told_of_now_and_then(void **state)
{
	unsigned int i;

	(void)state;
	cursor_place(cursor, 0, 0, true);
	for (i = 0; i < 1000; i++) {
		cursor_define(cursor, image_of(0xff000000 | i, 2, 2));
		cursor_place(cursor, (int)i, 0, true);
	}
	settle();
	assert_true(shapes < 100 && pointers < 100);
	assert_int_equal(shape->data[18], 999 & 0xff);
	assert_string_equal(pointer, "{\"type\":\"pointer\",\"x\":1000,\"y\":1}");
}

static void test_an_echo_is_told_to_the_others(void **state)
{
	(void)state;
	cursor_place(cursor, 0, 0, true);
	wait_for(&pointers, 1);
	cursor_moved(cursor, &alice, 100, 100);
	cursor_moved(cursor, &alice, 200, 200);
	cursor_place(cursor, 101, 99, true);	/* guests round */
	wait_for(&pointers, 2);
	assert_ptr_equal(skipped, &alice);
	cursor_place(cursor, 200, 200, true);
	wait_for(&pointers, 3);
	assert_ptr_equal(skipped, &alice);
	cursor_moved(cursor, &bob, 300, 300);
	cursor_place(cursor, 300, 300, true);
	wait_for(&pointers, 4);
	assert_ptr_equal(skipped, &bob);
}

static void test_a_warp_is_told_to_all(void **state)
{
	(void)state;
	cursor_place(cursor, 0, 0, true);
	wait_for(&pointers, 1);
	cursor_moved(cursor, &alice, 100, 100);
	cursor_place(cursor, 500, 400, true);
	wait_for(&pointers, 2);
	assert_null(skipped);
	assert_string_equal(pointer, "{\"type\":\"pointer\",\"x\":500,\"y\":400}");
	/* also when an echo follows before it was told */
	cursor_place(cursor, 600, 400, true);
	cursor_place(cursor, 100, 100, true);
	wait_for(&pointers, 3);
	assert_null(skipped);
}

static void test_who_left_is_not_skipped(void **state)
{
	(void)state;
	cursor_place(cursor, 0, 0, true);
	wait_for(&pointers, 1);
	cursor_moved(cursor, &alice, 100, 100);
	cursor_forget(cursor, &bob);
	cursor_forget(cursor, &alice);
	cursor_place(cursor, 100, 100, true);
	wait_for(&pointers, 2);
	assert_null(skipped);
}

static void test_a_former_tenants_cursor_is_not_told(void **state)
{
	(void)state;
	cursor_restart(cursor, true);
	cursor_define(cursor, image_of(0xffffffff, 4, 4));
	cursor_place(cursor, 1, 1, true);
	settle();
	assert_int_equal(shapes, 0);
	assert_int_equal(pointers, 0);
	cursor_define(cursor, image_of(0xff000000, 2, 2));
	cursor_place(cursor, 1, 1, true);
	wait_for(&shapes, 1);
	assert_int_equal(shape->len, 16 + 2 * 2 * 4);
}

static void test_impossible_places_are_survived(void **state)
{
	(void)state;
	cursor_define(cursor, image_of(0xff000000, 4, 4));
	cursor_moved(cursor, &alice, G_MAXINT, G_MAXINT);
	cursor_place(cursor, G_MAXINT, G_MININT, true);
	cursor_place(cursor, G_MININT, G_MAXINT, true);
	settle();
	assert_true(pointers >= 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_image_is_straight_rgba),
		TEST(test_image_sizes_are_bounded),
		TEST(test_nothing_is_told_before_it_is_known_whether_it_shows),
		TEST(test_a_hidden_one_is_not_told_before_it_shows),
		TEST(test_shape_and_place_are_told),
		TEST(test_hidden_is_a_shape_of_no_size),
		TEST(test_the_same_shape_again_is_no_news),
		TEST(test_a_guest_that_never_stops_is_told_of_now_and_then),
		TEST(test_an_echo_is_told_to_the_others),
		TEST(test_a_warp_is_told_to_all),
		TEST(test_who_left_is_not_skipped),
		TEST(test_a_former_tenants_cursor_is_not_told),
		TEST(test_impossible_places_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
