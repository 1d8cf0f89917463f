// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vulkan compute jobs whose results are checked, word by word, against what the
 * CPU makes of the same words. After each a line "right N".
 *
 * usage: compute NAME JOBS WORDS ROUNDS
 */
#include <stddef.h>
#include "vk.h"
#include "mix_comp.h"

struct parameters {
	uint32_t count, rounds, seed;
};

static uint32_t mix(uint32_t word, uint32_t i, const struct parameters *p)
{
	uint32_t x = word ^ p->seed;

	for (uint32_t round = 0; round < p->rounds; round++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		x += i + round;
	}
	return x;
}

int main(int argc, char **argv)
{
	VkDescriptorSetLayoutBinding binding = { .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1,
						 .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT };
	VkDescriptorSetLayoutCreateInfo set_layout = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 1,
						       .pBindings = &binding };
	VkPushConstantRange constants = { VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(struct parameters) };
	VkPipelineLayoutCreateInfo layout_info = { VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1,
						   .pushConstantRangeCount = 1, .pPushConstantRanges = &constants };
	VkComputePipelineCreateInfo pipeline_info = { VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO };
	VkDescriptorPoolSize size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1 };
	VkDescriptorPoolCreateInfo pool_info = { VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1,
						 .pPoolSizes = &size };
	VkDescriptorSetAllocateInfo set_info = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorSetCount = 1 };
	VkDescriptorBufferInfo whole = { .range = VK_WHOLE_SIZE };
	VkWriteDescriptorSet write = { VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .descriptorCount = 1, .pBufferInfo = &whole,
				       .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER };
	VkMemoryBarrier to_host = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
				    .dstAccessMask = VK_ACCESS_HOST_READ_BIT };
	struct parameters p = { 0 };
	VkDescriptorSetLayout descriptors;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkDescriptorSet set;
	struct vk vk = { 0 };
	unsigned long jobs, done = 0;
	uint32_t *words;
	void *at;

	if (argc != 5)
		end(ENDED_FAILED, "usage: compute NAME JOBS WORDS ROUNDS");
	begin(argv[1]);
	jobs = number(argv[2]);
	p.count = number(argv[3]);
	p.rounds = number(argv[4]);

	vk_open(&vk, NULL);
	whole.buffer = vk_buffer(&vk, p.count * sizeof(*words), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &at);
	words = at;
	VK(vkCreateDescriptorSetLayout(vk.device, &set_layout, NULL, &descriptors));
	layout_info.pSetLayouts = &descriptors;
	VK(vkCreatePipelineLayout(vk.device, &layout_info, NULL, &layout));
	pipeline_info.layout = layout;
	pipeline_info.stage = (VkPipelineShaderStageCreateInfo) {
		VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT,
		.module = vk_shader(&vk, mix_comp_shader, sizeof(mix_comp_shader)), .pName = "main",
	};
	VK(vkCreateComputePipelines(vk.device, VK_NULL_HANDLE, 1, &pipeline_info, NULL, &pipeline));
	VK(vkCreateDescriptorPool(vk.device, &pool_info, NULL, &set_info.descriptorPool));
	set_info.pSetLayouts = &descriptors;
	VK(vkAllocateDescriptorSets(vk.device, &set_info, &set));
	write.dstSet = set;
	vkUpdateDescriptorSets(vk.device, 1, &write, 0, NULL);

	while (done < jobs && !told_to_end) {
		p.seed = (done + 1) * 2654435761u ^ getpid();
		for (uint32_t i = 0; i < p.count; i++)
			words[i] = i * 40503u + done;
		vk_begin(&vk);
		vkCmdBindPipeline(vk.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
		vkCmdBindDescriptorSets(vk.commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0, NULL);
		vkCmdPushConstants(vk.commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(p), &p);
		vkCmdDispatch(vk.commands, (p.count + 63) / 64, 1, 1);
		vkCmdPipelineBarrier(vk.commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host,
				     0, NULL, 0, NULL);
		vk_run(&vk);
		for (uint32_t i = 0; i < p.count; i++) {
			uint32_t right = mix(i * 40503u + done, i, &p);

			if (words[i] != right)
				end(ENDED_WRONG, "job %lu: word %u is %08x, %08x is right", done, i, words[i], right);
		}
		printf("right %lu\n", ++done);
	}
	end(0, "ended after %lu jobs", done);
}
