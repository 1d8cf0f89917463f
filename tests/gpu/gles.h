/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs that draw with OpenGL ES have in common. */
#ifndef HELIX_GPU_GLES_H
#define HELIX_GPU_GLES_H

#include <gbm.h>
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include "kms.h"

static GLuint gles_compile(GLenum kind, const char *source)
{
	GLuint shader = glCreateShader(kind);
	GLint good = 0;

	glShaderSource(shader, 1, &source, NULL);
	glCompileShader(shader);
	glGetShaderiv(shader, GL_COMPILE_STATUS, &good);
	if (!good)
		end(ENDED_FAILED, "a shader does not compile");
	return shader;
}

/*
 * Has glDrawArrays(GL_TRIANGLE_STRIP, 0, 4) fill the viewport with one colour, whose
 * uniform it returns.
 */
static GLint gles_one_colour(void)
{
	static const GLfloat corners[] = { -1, -1, 1, -1, -1, 1, 1, 1 };
	GLuint program = glCreateProgram();

	glAttachShader(program, gles_compile(GL_VERTEX_SHADER,
					     "attribute vec2 at;\n"
					     "void main() { gl_Position = vec4(at, 0.0, 1.0); }\n"));
	glAttachShader(program, gles_compile(GL_FRAGMENT_SHADER,
					     "precision mediump float;\n"
					     "uniform vec4 colour;\n"
					     "void main() { gl_FragColor = colour; }\n"));
	glBindAttribLocation(program, 0, "at");
	glLinkProgram(program);
	glUseProgram(program);
	glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, corners);
	glEnableVertexAttribArray(0);
	return glGetUniformLocation(program, "colour");
}

#endif
