// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tenants, in containers of their own: one that only draws, and those that nobody would
 * like to have. Each counts what it does in the file that HELIX_FRAMES names.
 *
 * draw FPS       flips between two pictures
 * hide           leaves the node to a grandchild that nobody knows, and ends
 * deaf           asks for an event with each flip, and never reads one
 * maps           maps a buffer as often as it is let
 * modesets       turns its output off and on, in all modes there are
 * buffers        makes buffers until it is refused one, or killed, and keeps them
 * memory         takes memory until it is killed
 *
 * usage: tenant WHAT [FPS]
 */
#include "kms.h"
#include "helix_test.h"

#define MAPPINGS	60000		/* a process may have 65530 */
#define BUFFER_WIDTH	1024
#define BUFFER_HEIGHT	1024		/* 4 MiB */
#define CHUNK		(1 << 20)

static volatile uint64_t *count;

static struct picture new_picture(struct output *o)
{
	struct picture p;
	int ret = picture_create(o->fd, o->mode.hdisplay, o->mode.vdisplay, DRM_FORMAT_XRGB8888, &p);

	if (ret)
		end(ENDED_FAILED, "a picture: %s", strerror(-ret));
	return p;
}

static uint8_t *map_picture(int fd, const struct picture *p)
{
	uint64_t offset;
	void *at;

	if (drmModeMapDumbBuffer(fd, p->handle, &offset))
		end(ENDED_FAILED, "MAP_DUMB: %s", strerror(errno));
	at = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (at == MAP_FAILED)
		end(ENDED_FAILED, "mmap: %s", strerror(errno));
	return at;
}

static int set_mode(struct output *o, uint32_t fb, drmModeModeInfo *mode)
{
	return drmModeSetCrtc(o->fd, o->crtc, fb, 0, 0, fb ? &o->connector : NULL, !!fb, fb ? mode : NULL);
}

/* Until it is told to end, or may draw no more: then it waits for its end. */
static void draw(struct output *o, unsigned long fps)
{
	struct picture p[2] = { new_picture(o), new_picture(o) };
	uint8_t *at[2] = { map_picture(o->fd, &p[0]), map_picture(o->fd, &p[1]) };
	double due = now();

	while (!told_to_end) {
		unsigned int side = *count & 1;
		unsigned int line = *count * 8 % (p[side].height - 8);

		/* What a viewer sees moves. */
		memset(at[side], 0x30, p[side].size);
		memset(at[side] + (size_t)line * p[side].pitch, 0xe0, 8 * p[side].pitch);
		if (output_show(o, p[side].fb) || (output_wait(o) && errno != EINTR)) {
			printf("after %lu pictures: %s\n", (unsigned long)*count, strerror(errno));
			while (!told_to_end)
				pause();
		}
		++*count;
		due = due + 1.0 / fps > now() ? due + 1.0 / fps : now();
		sleep_until(due);
	}
}

/* The node is open in a process that its first process knows nothing of. */
static void hide(struct output *o)
{
	uint64_t begun = *count;
	pid_t child = fork();

	if (!child) {
		if (fork())
			_exit(0);
		setsid();
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		draw(o, 10);
	}
	waitpid(child, NULL, 0);
	while (*count < begun + 3)
		usleep(10000);
	end(0, "hidden");
}

static void deaf(struct output *o)
{
	struct picture p[2] = { new_picture(o), new_picture(o) };

	set_mode(o, p[0].fb, &o->mode);
	while (!told_to_end) {
		/* The core keeps some events for who does not read, and then refuses. */
		if (drmModePageFlip(o->fd, o->crtc, p[*count & 1].fb, DRM_MODE_PAGE_FLIP_EVENT, NULL))
			drmModeDirtyFB(o->fd, p[0].fb, NULL, 0);
		++*count;
		usleep(5000);
	}
}

static void maps(struct output *o)
{
	struct picture p = new_picture(o);
	uint64_t offset;

	set_mode(o, p.fb, &o->mode);
	if (drmModeMapDumbBuffer(o->fd, p.handle, &offset))
		end(ENDED_FAILED, "MAP_DUMB: %s", strerror(errno));
	while (*count < MAPPINGS && !told_to_end) {
		uint8_t *at = mmap(NULL, p.size, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, offset);

		if (at == MAP_FAILED)
			break;
		at[*count * 4096 % p.size] = 1;
		++*count;
	}
	printf("mapped %lu times\n", (unsigned long)*count);
	while (!told_to_end)
		pause();
}

static void modesets(struct output *o)
{
	drmModeConnector *connector = drmModeGetConnector(o->fd, o->connector);
	struct picture p = new_picture(o);

	if (!connector)
		end(ENDED_FAILED, "GETCONNECTOR: %s", strerror(errno));
	while (!told_to_end) {
		drmModeModeInfo *mode = &connector->modes[*count % connector->count_modes];

		if (mode->hdisplay <= p.width && mode->vdisplay <= p.height)
			set_mode(o, p.fb, mode);
		set_mode(o, 0, NULL);
		++*count;
	}
}

static void buffers(struct output *o)
{
	struct picture p = new_picture(o);
	int ret;

	set_mode(o, p.fb, &o->mode);
	for (;;) {
		ret = picture_create(o->fd, BUFFER_WIDTH, BUFFER_HEIGHT, DRM_FORMAT_XRGB8888, &p);
		if (ret)
			break;
		/* Nothing is saved by pages that were never there. */
		memset(map_picture(o->fd, &p), 1, p.size);
		*count += p.size >> 20;
	}
	printf("refused after %lu MiB: %s\n", (unsigned long)*count, strerror(-ret));
	while (!told_to_end)
		pause();
}

static void memory(struct output *o)
{
	struct picture p = new_picture(o);

	set_mode(o, p.fb, &o->mode);
	while (!told_to_end) {
		char *chunk = malloc(CHUNK);

		if (chunk)
			memset(chunk, 1, CHUNK);
		++*count;
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct output *o);
	} kinds[] = {
		{ "hide", hide }, { "deaf", deaf }, { "maps", maps }, { "modesets", modesets },
		{ "buffers", buffers }, { "memory", memory },
	};
	struct output o = { 0 };

	if (argc < 2)
		end(ENDED_FAILED, "usage: tenant WHAT [FPS]");
	begin(argv[1]);
	count = frame_counter();
	output_open(&o);
	if (!strcmp(argv[1], "draw") && argc == 3)
		draw(&o, number(argv[2]));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(argv[1], kinds[i].name))
			kinds[i].run(&o);
	end(told_to_end ? 0 : ENDED_FAILED, "ended after %lu", (unsigned long)*count);
}
