/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A Vulkan device with one queue, buffers that the CPU sees, and jobs that are
 * waited for. Of the devices that there are the one that is Venus: Mesa's own
 * software renderer would give right results as well, and prove nothing.
 */
#ifndef HELIX_GPU_VK_H
#define HELIX_GPU_VK_H

#include <vulkan/vulkan.h>
#include "guest.h"

/* A lost device is an answer, anything else that fails a program that cannot be tried. */
#define VK(call) vk_check(call, #call)
static inline void vk_check(VkResult result, const char *call)
{
	if (result == VK_SUCCESS)
		return;
	end(result == VK_ERROR_DEVICE_LOST ? ENDED_LOST : ENDED_FAILED, "%.40s: %d", call, result);
}

struct vk {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkPhysicalDeviceMemoryProperties memory;
	VkDevice device;
	VkQueue queue;
	VkCommandBuffer commands;
	VkFence fence;
};

static inline void vk_open(struct vk *vk, const void *features)
{
	const float priority = 1;
	VkApplicationInfo application = { VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3 };
	VkInstanceCreateInfo instance = { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application };
	VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority };
	VkDeviceCreateInfo device = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = features, .queueCreateInfoCount = 1,
				      .pQueueCreateInfos = &queue };
	VkCommandPoolCreateInfo pool = { VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT };
	VkCommandBufferAllocateInfo buffer = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandBufferCount = 1 };
	VkFenceCreateInfo fence = { VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
	VkPhysicalDevice devices[8];
	uint32_t count = 8;

	VK(vkCreateInstance(&instance, NULL, &vk->instance));
	VK(vkEnumeratePhysicalDevices(vk->instance, &count, devices));
	for (uint32_t i = 0; i < count && !vk->physical; i++) {
		VkPhysicalDeviceDriverProperties driver = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES };
		VkPhysicalDeviceProperties2 properties = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &driver };

		vkGetPhysicalDeviceProperties2(devices[i], &properties);
		if (driver.driverID != VK_DRIVER_ID_MESA_VENUS)
			continue;
		vk->physical = devices[i];
		printf("renderer %s\n", properties.properties.deviceName);
	}
	if (!vk->physical)
		end(ENDED_FAILED, "no Vulkan device of %u is Venus", count);
	vkGetPhysicalDeviceMemoryProperties(vk->physical, &vk->memory);
	/* Family 0 of what Venus passes on can do everything. */
	VK(vkCreateDevice(vk->physical, &device, NULL, &vk->device));
	vkGetDeviceQueue(vk->device, 0, 0, &vk->queue);
	VK(vkCreateCommandPool(vk->device, &pool, NULL, &buffer.commandPool));
	VK(vkAllocateCommandBuffers(vk->device, &buffer, &vk->commands));
	VK(vkCreateFence(vk->device, &fence, NULL, &vk->fence));
}

static inline VkDeviceMemory vk_memory(struct vk *vk, VkMemoryRequirements *need, VkMemoryPropertyFlags flags)
{
	VkMemoryAllocateInfo info = { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = need->size };
	VkDeviceMemory memory;

	for (; info.memoryTypeIndex < vk->memory.memoryTypeCount; info.memoryTypeIndex++)
		if (need->memoryTypeBits & 1u << info.memoryTypeIndex &&
		    (vk->memory.memoryTypes[info.memoryTypeIndex].propertyFlags & flags) == flags)
			break;
	if (info.memoryTypeIndex == vk->memory.memoryTypeCount)
		end(ENDED_FAILED, "no memory of the type that is needed");
	VK(vkAllocateMemory(vk->device, &info, NULL, &memory));
	return memory;
}

/* A buffer of @size bytes, and where the CPU sees it. */
static inline VkBuffer vk_buffer(struct vk *vk, VkDeviceSize size, VkBufferUsageFlags usage, void **at)
{
	VkBufferCreateInfo info = { VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = usage };
	VkMemoryRequirements need;
	VkDeviceMemory memory;
	VkBuffer buffer;

	VK(vkCreateBuffer(vk->device, &info, NULL, &buffer));
	vkGetBufferMemoryRequirements(vk->device, buffer, &need);
	memory = vk_memory(vk, &need, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
	VK(vkBindBufferMemory(vk->device, buffer, memory, 0));
	VK(vkMapMemory(vk->device, memory, 0, size, 0, at));
	return buffer;
}

static inline VkShaderModule vk_shader(struct vk *vk, const uint32_t *words, size_t size)
{
	VkShaderModuleCreateInfo info = { VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = words };
	VkShaderModule module;

	VK(vkCreateShaderModule(vk->device, &info, NULL, &module));
	return module;
}

static inline void vk_begin(struct vk *vk)
{
	VkCommandBufferBeginInfo info = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };

	VK(vkBeginCommandBuffer(vk->commands, &info));
}

/* Submits what was recorded and waits for it; the driver says when the device is lost. */
static inline void vk_run(struct vk *vk)
{
	VkSubmitInfo submit = { VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &vk->commands };

	VK(vkEndCommandBuffer(vk->commands));
	VK(vkQueueSubmit(vk->queue, 1, &submit, vk->fence));
	VK(vkWaitForFences(vk->device, 1, &vk->fence, VK_TRUE, UINT64_MAX));
	VK(vkResetFences(vk->device, 1, &vk->fence));
}

#endif /* HELIX_GPU_VK_H */
