// SPDX-License-Identifier: GPL-2.0-only
/*
 * A desktop that moves as much as it is told, without a GPU in the guest: a window
 * with text in the middle of a ground that stands still, drawn by the CPU into the
 * one buffer that the output shows. What changed is said with each picture, as a
 * compositor does.
 *
 * SIGUSR1  types: a letter for each picture
 * SIGUSR2  scrolls: the whole window moves up by a line for each picture
 * SIGHUP   stands still, which it does at first: no timer runs
 *
 * usage: moving NAME RRGGBB PICTURES_PER_SECOND
 */
#include "kms.h"

#define CELL_WIDTH	8
#define CELL_HEIGHT	16
#define COLUMNS		80
#define ROWS		25
#define GLYPHS		64
#define INK		0xd0d0d0
#define PAPER		0x101418

struct rect {
	unsigned int x, y, width, height;
};

struct screen {
	struct output output;
	uint32_t *pixels;
	unsigned int stride;			/* in pixels */
	uint32_t fb;
	struct rect window;
};

/* Draws the next picture and says what of the screen it changed. */
typedef struct rect (*scene)(struct screen *screen, uint64_t n);

static uint8_t glyphs[GLYPHS][CELL_HEIGHT];	/* a bit for each pixel */
static uint32_t seed = 1;
static volatile sig_atomic_t asked;

static uint32_t noise(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	return seed ^= seed << 5;
}

/* Letters are strokes: noise would be dearer to an encoder than any text. */
static void make_glyphs(void)
{
	for (unsigned int g = 1; g < GLYPHS; g++) {		/* the first is a space */
		uint32_t strokes = noise();

		for (unsigned int y = 3; y < 13; y++) {
			glyphs[g][y] |= strokes & (y < 8 ? 1 : 2) ? 0x40 : 0;
			glyphs[g][y] |= strokes & (y < 8 ? 4 : 8) ? 0x04 : 0;
			if ((y == 3 && strokes & 16) || (y == 8 && strokes & 32) || (y == 12 && strokes & 64))
				glyphs[g][y] |= 0x7c;
		}
	}
}

static void fill(struct screen *s, struct rect r, uint32_t colour)
{
	for (unsigned int y = r.y; y < r.y + r.height; y++)
		for (unsigned int x = r.x; x < r.x + r.width; x++)
			s->pixels[y * s->stride + x] = colour;
}

static struct rect letter(struct screen *s, unsigned int column, unsigned int row)
{
	struct rect cell = {
		s->window.x + column * CELL_WIDTH, s->window.y + row * CELL_HEIGHT, CELL_WIDTH, CELL_HEIGHT
	};
	uint32_t which = noise();
	const uint8_t *glyph = glyphs[which & 3 ? which >> 8 & (GLYPHS - 1) : 0];

	for (unsigned int y = 0; y < CELL_HEIGHT; y++)
		for (unsigned int x = 0; x < CELL_WIDTH; x++)
			s->pixels[(cell.y + y) * s->stride + cell.x + x] = glyph[y] & 0x80 >> x ? INK : PAPER;
	return cell;
}

static struct rect typing(struct screen *s, uint64_t n)
{
	return letter(s, n % COLUMNS, n / COLUMNS % ROWS);
}

static struct rect scrolling(struct screen *s, uint64_t n)
{
	(void)n;
	for (unsigned int y = s->window.y; y < s->window.y + s->window.height - CELL_HEIGHT; y++)
		memcpy(s->pixels + y * s->stride + s->window.x,
		       s->pixels + (y + CELL_HEIGHT) * s->stride + s->window.x, s->window.width * 4);
	for (unsigned int column = 0; column < COLUMNS; column++)
		letter(s, column, ROWS - 1);
	return s->window;
}

static void open_screen(struct screen *s)
{
	struct drm_mode_create_dumb create = { .bpp = 32 };
	struct drm_mode_map_dumb map = { 0 };

	output_open(&s->output);
	create.width = s->output.mode.hdisplay;
	create.height = s->output.mode.vdisplay;
	if (create.width < COLUMNS * CELL_WIDTH || create.height < ROWS * CELL_HEIGHT)
		end(ENDED_FAILED, "%ux%u is too small", create.width, create.height);
	if (drmIoctl(s->output.fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		end(ENDED_FAILED, "CREATE_DUMB: %s", strerror(errno));
	map.handle = create.handle;
	if (drmIoctl(s->output.fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
		end(ENDED_FAILED, "MAP_DUMB: %s", strerror(errno));
	s->pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->output.fd, (off_t)map.offset);
	if (s->pixels == MAP_FAILED)
		end(ENDED_FAILED, "mapping the buffer: %s", strerror(errno));
	if (drmModeAddFB(s->output.fd, create.width, create.height, 24, 32, create.pitch, create.handle, &s->fb))
		end(ENDED_FAILED, "ADDFB: %s", strerror(errno));
	s->stride = create.pitch / 4;
	s->window = (struct rect){
		(create.width - COLUMNS * CELL_WIDTH) / 2, (create.height - ROWS * CELL_HEIGHT) / 2,
		COLUMNS * CELL_WIDTH, ROWS * CELL_HEIGHT
	};
}

static int show(struct screen *s, struct rect r)
{
	drmModeClip clip = {
		(uint16_t)r.x, (uint16_t)r.y, (uint16_t)(r.x + r.width), (uint16_t)(r.y + r.height)
	};

	return drmModeDirtyFB(s->output.fd, s->fb, &clip, 1);
}

static void on_ask(int sig)
{
	asked = sig;
}

int main(int argc, char **argv)
{
	static const int asks[] = { SIGUSR1, SIGUSR2, SIGHUP };
	struct sigaction action = { .sa_handler = on_ask };
	volatile uint64_t *frames = frame_counter();
	struct screen s = { 0 };
	sigset_t blocked, open;
	scene draw = NULL;
	double pause, due;

	if (argc != 4)
		end(ENDED_FAILED, "usage: moving NAME RRGGBB PICTURES_PER_SECOND");
	begin(argv[1]);
	pause = 1.0 / number(argv[3]);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
		sigaction(asks[i], &action, NULL);
		sigaddset(&blocked, asks[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, &open);

	open_screen(&s);
	make_glyphs();
	fill(&s, (struct rect){ 0, 0, s.output.mode.hdisplay, s.output.mode.vdisplay },
	     (uint32_t)strtoul(argv[2], NULL, 16));
	fill(&s, s.window, PAPER);
	for (unsigned int n = 0; n < COLUMNS * ROWS; n++)
		typing(&s, n);
	if (output_show(&s.output, s.fb))
		end(ENDED_LOST, "showing the picture: %s", strerror(errno));
	++*frames;

	due = now();
	while (!told_to_end) {
		struct timespec left = { 0 };

		/* Signals come in here and nowhere else. */
		if (draw) {
			double wait = due - now();

			left.tv_sec = wait > 0 ? (time_t)wait : 0;
			left.tv_nsec = wait > 0 ? (long)((wait - (double)left.tv_sec) * 1e9) : 0;
		}
		if (ppoll(NULL, 0, draw ? &left : NULL, &open) < 0) {
			if (asked == SIGUSR1)
				draw = typing;
			else if (asked == SIGUSR2)
				draw = scrolling;
			else if (asked == SIGHUP)
				draw = NULL;
			continue;
		}
		if (show(&s, draw(&s, *frames)))
			end(ENDED_LOST, "showing a picture: %s", strerror(errno));
		++*frames;
		due = due + pause > now() ? due + pause : now();
	}
	end(0, "ended after %lu pictures", (unsigned long)*frames);
}
