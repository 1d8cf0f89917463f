// SPDX-License-Identifier: GPL-2.0-only
//
// A ground of one colour, with a bar that moves over its upper half.
#version 450

layout(location = 0) out vec4 colour;
layout(push_constant) uniform Parameters { vec4 ground; vec2 size; float bar; };

void main()
{
	bool in_bar = gl_FragCoord.y < size.y / 2.0 && gl_FragCoord.x >= bar && gl_FragCoord.x < bar + 32.0;

	colour = in_bar ? vec4(1.0) : ground;
}
