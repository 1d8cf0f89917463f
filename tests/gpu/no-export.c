// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into a QEMU without the series, where the host has no GPU: 10.0.13 ends when
 * a client of its D-Bus display listens to what a guest draws with OpenGL, for it
 * calls extensions that a software renderer has not. With this it finds that
 * a texture cannot be exported, says so, and goes on as it does with those that can.
 */
#include <epoxy/egl.h>

static EGLBoolean EPOXY_CALLSPEC query(EGLDisplay display, EGLImageKHR image, int *fourcc, int *planes,
				       EGLuint64KHR *modifiers)
{
	(void)display, (void)image, (void)fourcc, (void)modifiers;
	*planes = 0;
	return EGL_FALSE;
}

/* libepoxy's pointer to the function. */
#undef eglExportDMABUFImageQueryMESA
PFNEGLEXPORTDMABUFIMAGEQUERYMESAPROC epoxy_eglExportDMABUFImageQueryMESA = query;
