// SPDX-License-Identifier: GPL-2.0-only
//
// Rounds of a hash over each word of a buffer. Integers alone: a result is right
// or wrong, on any implementation.
#version 450

layout(local_size_x = 64) in;

layout(std430, binding = 0) buffer Words { uint word[]; };
layout(push_constant) uniform Parameters { uint count; uint rounds; uint seed; };

void main()
{
	uint i = gl_GlobalInvocationID.x;

	if (i >= count)
		return;

	uint x = word[i] ^ seed;

	for (uint round = 0; round < rounds; round++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		x += i + round;
	}
	word[i] = x;
}
