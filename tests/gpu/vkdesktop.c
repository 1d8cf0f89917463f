// SPDX-License-Identifier: GPL-2.0-only
/*
 * A desktop that draws with Vulkan: the same picture as desktop.c, by a graphics
 * pipeline into an image of the GPU. It is read back into memory that both see, and
 * copied to a dumb buffer of the scanout: shared memory between Venus and the
 * display is what the host's GPU may lack.
 *
 * usage: vkdesktop NAME RRGGBB FRAMES_PER_SECOND
 */
#include "kms.h"
#include "vk.h"
#include "ground_vert.h"
#include "ground_frag.h"

struct parameters {
	float ground[4], size[2], bar;
};

struct dumb {
	uint32_t fb, pitch;
	uint8_t *at;
};

static struct dumb dumb_create(struct output *o)
{
	uint32_t handle;
	uint64_t size, offset;
	struct dumb d;

	if (drmModeCreateDumbBuffer(o->fd, o->mode.hdisplay, o->mode.vdisplay, 32, 0, &handle, &d.pitch, &size) ||
	    drmModeAddFB(o->fd, o->mode.hdisplay, o->mode.vdisplay, 24, 32, d.pitch, handle, &d.fb) ||
	    drmModeMapDumbBuffer(o->fd, handle, &offset))
		end(ENDED_FAILED, "a dumb buffer: %s", strerror(errno));
	d.at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, offset);
	if (d.at == MAP_FAILED)
		end(ENDED_FAILED, "a dumb buffer: %s", strerror(errno));
	return d;
}

static void barrier(struct vk *vk, VkImage image, VkImageLayout from, VkImageLayout to)
{
	VkImageMemoryBarrier b = {
		VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER, .oldLayout = from, .newLayout = to, .image = image,
		.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT, .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED, .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 },
	};

	vkCmdPipelineBarrier(vk->commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0,
			     0, NULL, 0, NULL, 1, &b);
}

static VkPipeline pipeline_create(struct vk *vk, VkPipelineLayout layout, VkExtent2D size)
{
	static const VkFormat format = VK_FORMAT_B8G8R8A8_UNORM;
	VkPipelineRenderingCreateInfo rendering = { VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO, .colorAttachmentCount = 1,
						    .pColorAttachmentFormats = &format };
	VkPipelineShaderStageCreateInfo stages[] = {
		{ VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_VERTEX_BIT, .pName = "main",
		  .module = vk_shader(vk, ground_vert_shader, sizeof(ground_vert_shader)) },
		{ VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_FRAGMENT_BIT, .pName = "main",
		  .module = vk_shader(vk, ground_frag_shader, sizeof(ground_frag_shader)) },
	};
	VkPipelineVertexInputStateCreateInfo input = { VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO };
	VkPipelineInputAssemblyStateCreateInfo assembly = { VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
							    .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST };
	VkViewport area = { .width = size.width, .height = size.height, .maxDepth = 1 };
	VkRect2D scissor = { .extent = size };
	VkPipelineViewportStateCreateInfo viewport = { VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO, .viewportCount = 1,
						       .pViewports = &area, .scissorCount = 1, .pScissors = &scissor };
	VkPipelineRasterizationStateCreateInfo raster = { VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO, .lineWidth = 1 };
	VkPipelineMultisampleStateCreateInfo samples = { VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
							 .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT };
	VkPipelineColorBlendAttachmentState attachment = { .colorWriteMask = 0xf };
	VkPipelineColorBlendStateCreateInfo blend = { VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO, .attachmentCount = 1,
						      .pAttachments = &attachment };
	VkGraphicsPipelineCreateInfo info = {
		VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO, .pNext = &rendering, .stageCount = 2, .pStages = stages,
		.pVertexInputState = &input, .pInputAssemblyState = &assembly, .pViewportState = &viewport,
		.pRasterizationState = &raster, .pMultisampleState = &samples, .pColorBlendState = &blend, .layout = layout,
	};
	VkPipeline pipeline;

	VK(vkCreateGraphicsPipelines(vk->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
	return pipeline;
}

int main(int argc, char **argv)
{
	VkPhysicalDeviceVulkan13Features features = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES, .dynamicRendering = VK_TRUE };
	VkPushConstantRange constants = { VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(struct parameters) };
	VkPipelineLayoutCreateInfo layout_info = { VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .pushConstantRangeCount = 1,
						   .pPushConstantRanges = &constants };
	VkImageCreateInfo image_info = {
		VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO, .imageType = VK_IMAGE_TYPE_2D, .format = VK_FORMAT_B8G8R8A8_UNORM, .mipLevels = 1,
		.arrayLayers = 1, .samples = VK_SAMPLE_COUNT_1_BIT, .tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
	};
	VkImageViewCreateInfo view_info = { VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO, .viewType = VK_IMAGE_VIEW_TYPE_2D,
					    .format = VK_FORMAT_B8G8R8A8_UNORM,
					    .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 } };
	VkRenderingAttachmentInfo attachment = { VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO, .loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
						 .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
						 .imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL };
	VkRenderingInfo rendering = { VK_STRUCTURE_TYPE_RENDERING_INFO, .layerCount = 1, .colorAttachmentCount = 1,
				      .pColorAttachments = &attachment };
	VkBufferImageCopy all = { .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 } };
	volatile uint64_t *frames = frame_counter();
	struct parameters p = { .ground[3] = 1 };
	VkMemoryRequirements need;
	VkPipelineLayout layout;
	struct output o = { 0 };
	struct dumb dumb[2];
	VkPipeline pipeline;
	struct vk vk = { 0 };
	unsigned long rgb;
	double pause, due;
	VkBuffer buffer;
	VkImage image;
	void *pixels;

	if (argc != 4)
		end(ENDED_FAILED, "usage: vkdesktop NAME RRGGBB FRAMES_PER_SECOND");
	begin(argv[1]);
	rgb = strtoul(argv[2], NULL, 16);
	pause = 1.0 / number(argv[3]);
	output_open(&o);
	dumb[0] = dumb_create(&o);
	dumb[1] = dumb_create(&o);
	rendering.renderArea.extent = (VkExtent2D) { o.mode.hdisplay, o.mode.vdisplay };
	image_info.extent = all.imageExtent = (VkExtent3D) { o.mode.hdisplay, o.mode.vdisplay, 1 };
	for (int i = 0; i < 3; i++)
		p.ground[i] = (rgb >> (16 - 8 * i) & 255) / 255.0f;
	p.size[0] = o.mode.hdisplay;
	p.size[1] = o.mode.vdisplay;

	vk_open(&vk, &features);
	VK(vkCreateImage(vk.device, &image_info, NULL, &image));
	vkGetImageMemoryRequirements(vk.device, image, &need);
	VK(vkBindImageMemory(vk.device, image, vk_memory(&vk, &need, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT), 0));
	view_info.image = image;
	VK(vkCreateImageView(vk.device, &view_info, NULL, &attachment.imageView));
	buffer = vk_buffer(&vk, (VkDeviceSize)o.mode.hdisplay * o.mode.vdisplay * 4, VK_BUFFER_USAGE_TRANSFER_DST_BIT, &pixels);
	VK(vkCreatePipelineLayout(vk.device, &layout_info, NULL, &layout));
	pipeline = pipeline_create(&vk, layout, rendering.renderArea.extent);

	due = now();
	while (!told_to_end) {
		struct dumb *next = &dumb[*frames & 1];

		p.bar = *frames * 4 % (o.mode.hdisplay - 32);
		vk_begin(&vk);
		barrier(&vk, image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
		vkCmdBeginRendering(vk.commands, &rendering);
		vkCmdBindPipeline(vk.commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
		vkCmdPushConstants(vk.commands, layout, VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(p), &p);
		vkCmdDraw(vk.commands, 3, 1, 0, 0);
		vkCmdEndRendering(vk.commands);
		barrier(&vk, image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
		vkCmdCopyImageToBuffer(vk.commands, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, buffer, 1, &all);
		vk_run(&vk);
		for (unsigned int y = 0; y < o.mode.vdisplay; y++)
			memcpy(next->at + (size_t)y * next->pitch, (uint8_t *)pixels + (size_t)y * o.mode.hdisplay * 4,
			       o.mode.hdisplay * 4u);
		if (output_show(&o, next->fb))
			end(ENDED_FAILED, "showing a picture: %s", strerror(errno));
		if (output_wait(&o) && errno != EINTR)
			end(ENDED_FAILED, "waiting for a flip: %s", strerror(errno));
		++*frames;
		due = due + pause > now() ? due + pause : now();
		sleep_until(due);
	}
	end(0, "ended after %lu frames", (unsigned long)*frames);
}
