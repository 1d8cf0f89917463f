// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draws something and sleeps until its fence is signalled, again and again: with
 * nothing else in the guest to do, every CPU is halted meanwhile.
 *
 * usage: fence NAME ROUNDS [SIZE [LAYERS]]
 *
 * A round draws LAYERS layers of SIZE x SIZE pixels, and reads one of them back in
 * the end. After each round a line with the microseconds it took.
 */
#include <fcntl.h>
#include <poll.h>
#include "gles.h"

int main(int argc, char **argv)
{
	static const EGLint version[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
	static const EGLint native[] = { EGL_SYNC_NATIVE_FENCE_FD_ANDROID, EGL_NO_NATIVE_FENCE_FD_ANDROID, EGL_NONE };
	PFNEGLCREATESYNCKHRPROC create_sync = (void *)eglGetProcAddress("eglCreateSyncKHR");
	PFNEGLDESTROYSYNCKHRPROC destroy_sync = (void *)eglGetProcAddress("eglDestroySyncKHR");
	PFNEGLDUPNATIVEFENCEFDANDROIDPROC dup_fd = (void *)eglGetProcAddress("eglDupNativeFenceFDANDROID");
	volatile uint64_t *rounds_done = frame_counter();
	unsigned long rounds, size, layers;
	struct gbm_device *gbm;
	GLuint texture, framebuffer;
	EGLDisplay display;
	EGLContext context;
	GLubyte pixel[4];
	GLint colour;
	int fd;

	if (argc < 3 || argc > 5)
		end(ENDED_FAILED, "usage: fence NAME ROUNDS [SIZE [LAYERS]]");
	begin(argv[1]);
	rounds = number(argv[2]);
	size = argc > 3 ? number(argv[3]) : 64;
	layers = argc > 4 ? number(argv[4]) : 1;
	fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	gbm = fd < 0 ? NULL : gbm_create_device(fd);
	if (!gbm)
		end(ENDED_FAILED, "the render node: %s", strerror(errno));
	display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, gbm, NULL);
	if (!eglInitialize(display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API))
		end(ENDED_FAILED, "EGL: 0x%x", eglGetError());
	if (!strstr(eglQueryString(display, EGL_EXTENSIONS), "EGL_ANDROID_native_fence_sync"))
		end(ENDED_FAILED, "EGL has no EGL_ANDROID_native_fence_sync");
	context = eglCreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, version);
	if (!eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context))
		end(ENDED_FAILED, "eglMakeCurrent: 0x%x", eglGetError());

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, size, size, 0, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	glGenFramebuffers(1, &framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
		end(ENDED_FAILED, "the framebuffer is not complete");
	colour = gles_one_colour();
	glViewport(0, 0, size, size);
	glEnable(GL_BLEND);
	glBlendFunc(GL_ONE, GL_ONE);

	for (unsigned long round = 0; round < rounds && !told_to_end; round++) {
		struct pollfd wait = { .events = POLLIN };
		double start = now();
		EGLSyncKHR sync;
		int ret;

		glClearColor(0, 0, 0, 0);
		glClear(GL_COLOR_BUFFER_BIT);
		glUniform4f(colour, 1 / 255.0f, 0, (round & 127) / 255.0f, 0);
		for (unsigned long layer = 0; layer < layers; layer++)
			glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
		sync = create_sync(display, EGL_SYNC_NATIVE_FENCE_ANDROID, native);
		glFlush();
		wait.fd = dup_fd(display, sync);
		if (wait.fd < 0)
			end(ENDED_LOST, "a fence: EGL 0x%x", eglGetError());
		do {
			ret = poll(&wait, 1, -1);
		} while (ret < 0 && errno == EINTR && !told_to_end);
		printf("us %.1f\n", (now() - start) * 1e6);
		close(wait.fd);
		destroy_sync(display, sync);
		++*rounds_done;
	}
	glReadPixels(size / 2, size / 2, 1, 1, GL_RGBA, GL_UNSIGNED_BYTE, pixel);
	if (pixel[0] != (layers < 255 ? layers : 255) || glGetError() != GL_NO_ERROR)
		end(ENDED_WRONG, "a pixel has %u layers, %lu were drawn", pixel[0], layers);
	end(0, "ended after %lu rounds", (unsigned long)*rounds_done);
}
