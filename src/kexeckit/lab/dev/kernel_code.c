/*
 * Drives the kernel's code: words with an allocator that answers by a rule, or words and a layout with memblock.
 *
 * Everything is answered as text, one line for each thing that happened; the other side writes the same lines.
 */
static struct memblock oracle_fresh;

static void oracle_reset(void)
{
	if (!oracle_fresh.memory.max)
		oracle_fresh = memblock;
	memblock = oracle_fresh;
	memset(memblock.memory.regions, 0, memblock.memory.max * sizeof(struct memblock_region));
	memset(memblock.reserved.regions, 0, memblock.reserved.max * sizeof(struct memblock_region));
	system_has_some_mirror = false;
	memset(&crashk_res, 0, sizeof(crashk_res));
	memset(&crashk_low_res, 0, sizeof(crashk_low_res));
	oracle_used = 0;
	oracle_text[0] = 0;
}

static const char *oracle_reserve(const char *cmdline)
{
	snprintf(boot_command_line, sizeof(boot_command_line), "%s", cmdline);
	ORACLE_ENTRY();
	if (crashk_res.end)
		oracle_put("main %llx %llx\n", (u64)crashk_res.start, (u64)(crashk_res.end + 1 - crashk_res.start));
	if (crashk_low_res.end)
		oracle_put("low %llx %llx\n", (u64)crashk_low_res.start,
			   (u64)(crashk_low_res.end + 1 - crashk_low_res.start));
	return oracle_text;
}

/* Facts of the machine that hold until they are set anew. */
void oracle_machine(u64 swiotlb, u64 dma_limit, int movable_node, int mirror)
{
	oracle_swiotlb = swiotlb;
	oracle_movable_node = movable_node;
	mirrored_kernelcore = mirror;
#ifdef ORACLE_ARM64
	arm64_dma_phys_limit = dma_limit;
#endif
}

/* Words alone: each search is written down and answered by a rule (see oracle_rule). */
const char *oracle_words(const char *cmdline, u64 total, int rule, u64 border)
{
	oracle_reset();
	oracle_scripted = true;
	oracle_total = total;
	oracle_rule = rule;
	oracle_border = border;
	return oracle_reserve(cmdline);
}

enum { ADD, SET_NODE, MARK_MIRROR, MARK_HOTPLUG, MARK_NOMAP, RESERVE, CLEAR_HOTPLUG };

/* A layout: steps of four numbers (what, base, size, node). Returns its regions. */
const char *oracle_layout(const u64 *steps, int count)
{
	int i;

	oracle_reset();
	oracle_scripted = false;
	for (i = 0; i < count; i++, steps += 4) {
		switch (steps[0]) {
		case ADD: memblock_add(steps[1], steps[2]); break;
		case SET_NODE: memblock_set_node(steps[1], steps[2], &memblock.memory, (int)steps[3]); break;
		case MARK_MIRROR: memblock_mark_mirror(steps[1], steps[2]); break;
		case MARK_HOTPLUG: memblock_mark_hotplug(steps[1], steps[2]); break;
		case MARK_NOMAP: memblock_mark_nomap(steps[1], steps[2]); break;
		case RESERVE: memblock_reserve(steps[1], steps[2]); break;
		case CLEAR_HOTPLUG: memblock_clear_hotplug(steps[1], steps[2]); break;
		}
	}
	for (i = 0; i < (int)memblock.memory.cnt; i++) {
		struct memblock_region *r = &memblock.memory.regions[i];

		if (r->size)
			oracle_put("memory %llx %llx %d %x\n", r->base, r->size,
				   r->nid == MAX_NUMNODES ? NUMA_NO_NODE : r->nid, r->flags);
	}
	return oracle_text;
}

/* One search in the layout; what it finds is not kept. */
u64 oracle_find(u64 size, u64 align, u64 start, u64 end, int bottom_up)
{
	u64 found;

	memblock.bottom_up = bottom_up;
	found = (memblock_phys_alloc_range)(size, align, start, end);
	memblock.bottom_up = false;
	if (found)
		ORACLE_FREE(found, size);
	return found;
}

/* The reservation in the layout; its regions are kept, so a layout serves once. */
const char *oracle_place(const char *cmdline)
{
	oracle_used = 0;
	oracle_text[0] = 0;
	return oracle_reserve(cmdline);
}
