// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes memory of the host that both see, and gives it back, as fast as it can: each
 * time QEMU maps it into the guest, and unmaps it.
 *
 * usage: unmap NAME
 */
#include "kms.h"
#include "vk.h"

int main(int argc, char **argv)
{
	volatile uint64_t *rounds = frame_counter();
	VkMemoryRequirements need = { .size = 1 << 20, .memoryTypeBits = ~0u };
	struct vk vk = { 0 };

	if (argc != 2)
		end(ENDED_FAILED, "usage: unmap NAME");
	begin(argv[1]);
	vk_open(&vk, NULL);
	while (!told_to_end) {
		VkDeviceMemory memory = vk_memory(&vk, &need, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
		void *at;

		VK(vkMapMemory(vk.device, memory, 0, need.size, 0, &at));
		*(volatile char *)at = 1;
		vkUnmapMemory(vk.device, memory);
		vkFreeMemory(vk.device, memory, NULL);
		++*rounds;
	}
	end(0, "ended after %lu rounds", (unsigned long)*rounds);
}
