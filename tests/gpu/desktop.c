// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest desktop that draws with the GPU: on the scanout it was given, a
 * ground of one colour and a bar that moves, by OpenGL ES, with page flips.
 *
 * usage: desktop NAME RRGGBB FRAMES_PER_SECOND
 */
#include "gles.h"

#define BAR	32

static void forget_fb(struct gbm_bo *bo, void *data)
{
	drmModeRmFB(gbm_device_get_fd(gbm_bo_get_device(bo)), (uint32_t)(uintptr_t)data);
}

static uint32_t fb_of(int fd, struct gbm_bo *bo)
{
	uint32_t handles[4] = { gbm_bo_get_handle(bo).u32 }, strides[4] = { gbm_bo_get_stride(bo) };
	uint32_t offsets[4] = { 0 }, fb = (uint32_t)(uintptr_t)gbm_bo_get_user_data(bo);

	if (fb)
		return fb;
	if (drmModeAddFB2(fd, gbm_bo_get_width(bo), gbm_bo_get_height(bo), GBM_FORMAT_XRGB8888,
			  handles, strides, offsets, &fb, 0))
		end(ENDED_FAILED, "AddFB2: %s", strerror(errno));
	gbm_bo_set_user_data(bo, (void *)(uintptr_t)fb, forget_fb);
	return fb;
}

int main(int argc, char **argv)
{
	static const EGLint wanted[] = {
		EGL_SURFACE_TYPE, EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT, EGL_RED_SIZE, 8,
		EGL_GREEN_SIZE, 8, EGL_BLUE_SIZE, 8, EGL_ALPHA_SIZE, 0, EGL_NONE
	};
	static const EGLint version[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
	struct gbm_bo *shown = NULL, *next;
	volatile uint64_t *frames = frame_counter();
	struct gbm_surface *pictures;
	EGLConfig configs[64], config = NULL;
	struct gbm_device *gbm;
	EGLint count = 0, format;
	EGLDisplay display;
	EGLSurface surface;
	EGLContext context;
	struct output o = { 0 };
	GLint colour;
	double pause, due;
	unsigned long rgb;

	if (argc != 4)
		end(ENDED_FAILED, "usage: desktop NAME RRGGBB FRAMES_PER_SECOND");
	begin(argv[1]);
	rgb = strtoul(argv[2], NULL, 16);
	pause = 1.0 / number(argv[3]);

	output_open(&o);
	gbm = gbm_create_device(o.fd);
	if (!gbm)
		end(ENDED_FAILED, "gbm_create_device failed");
	display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, gbm, NULL);
	if (!eglInitialize(display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API) ||
	    !eglChooseConfig(display, wanted, configs, 64, &count))
		end(ENDED_FAILED, "EGL: 0x%x", eglGetError());
	for (int i = 0; i < count && !config; i++)
		if (eglGetConfigAttrib(display, configs[i], EGL_NATIVE_VISUAL_ID, &format) &&
		    format == GBM_FORMAT_XRGB8888)
			config = configs[i];
	pictures = gbm_surface_create(gbm, o.mode.hdisplay, o.mode.vdisplay, GBM_FORMAT_XRGB8888,
				      GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);
	if (!config || !pictures)
		end(ENDED_FAILED, "no surface of format XRGB8888");
	context = eglCreateContext(display, config, EGL_NO_CONTEXT, version);
	surface = eglCreatePlatformWindowSurface(display, config, pictures, NULL);
	if (!eglMakeCurrent(display, surface, surface, context))
		end(ENDED_FAILED, "eglMakeCurrent: 0x%x", eglGetError());
	printf("renderer %s\n", glGetString(GL_RENDERER));

	colour = gles_one_colour();

	due = now();
	while (!told_to_end) {
		unsigned int x = *frames * 4 % (o.mode.hdisplay - BAR);

		/* The bar is in the upper half; the lower half has the colour alone. */
		glDisable(GL_SCISSOR_TEST);
		glUniform4f(colour, (rgb >> 16 & 255) / 255.0f, (rgb >> 8 & 255) / 255.0f, (rgb & 255) / 255.0f, 1);
		glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
		glEnable(GL_SCISSOR_TEST);
		glScissor(x, o.mode.vdisplay / 2, BAR, o.mode.vdisplay / 2);
		glUniform4f(colour, 1, 1, 1, 1);
		glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
		eglSwapBuffers(display, surface);
		if (glGetError() != GL_NO_ERROR)
			end(ENDED_LOST, "GL has an error");
		next = gbm_surface_lock_front_buffer(pictures);
		if (!next)
			end(ENDED_LOST, "there is no front buffer");
		if (output_show(&o, fb_of(o.fd, next)))
			end(ENDED_LOST, "showing a picture: %s", strerror(errno));
		if (output_wait(&o) && errno != EINTR)
			end(ENDED_LOST, "waiting for a flip: %s", strerror(errno));
		if (shown)
			gbm_surface_release_buffer(pictures, shown);
		shown = next;
		++*frames;
		due = due + pause > now() ? due + pause : now();
		sleep_until(due);
	}
	end(0, "ended after %lu frames", (unsigned long)*frames);
}
