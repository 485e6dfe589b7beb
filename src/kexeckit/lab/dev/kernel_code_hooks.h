/*
 * Stands between memblock and the code that reserves: a search is written down and answered by a rule, or passed on.
 *
 * Rule 0: the lowest aligned address of the window. Rule 1: the same above a border, and no room in a window that
 * ends there. Rule 2: no room at all.
 */
static bool oracle_scripted;
static u64 oracle_total, oracle_border;
static int oracle_rule;

/* Rounded up to 2^64 a size is 0: an address is found for it, but nothing is reserved. */
static void oracle_note(u64 size)
{
	if (!size)
		oracle_put("zero\n");
}

static u64 oracle_answer(u64 size, u64 align, u64 start, u64 end)
{
	u64 at = start ? start : align;

	if (end <= start || oracle_rule == 2 || (oracle_rule == 1 && end <= oracle_border))
		return 0;
	if (oracle_rule == 1 && at < oracle_border)
		at = oracle_border;
	at = round_up(at, align);
	return at >= start && at <= end && end - at >= size ? at : 0;
}

static u64 oracle_search(u64 size, u64 align, u64 start, u64 end)
{
	u64 at;

	oracle_note(size);
	if (!oracle_scripted)
		return (memblock_phys_alloc_range)(size, align, start, end);
	at = oracle_answer(size, align, start, end);
	if (end <= start)
		oracle_put("search nowhere\n");
	else
		oracle_put("search %llx %llx [%llx, %llx): %llx\n", size, align, start, end, at);
	return at;
}

static void reserve_crashkernel_cma(u64 size)
{
	if (size)
		oracle_put("cma %llx\n", size);
}

static u64 oracle_phys_mem_size(void)
{
	return oracle_scripted ? oracle_total : (memblock_phys_mem_size)();
}

/* A given address before 5.19 on arm64: looked at instead of searched. */
static bool __maybe_unused oracle_is_memory(u64 base, u64 size)
{
	if (oracle_scripted)
		return oracle_search(size, SZ_2M, base, base + size) == base;
	oracle_note(size);
	return (memblock_is_region_memory)(base, size);
}

static bool __maybe_unused oracle_is_reserved(u64 base, u64 size)
{
	return !oracle_scripted && (memblock_is_region_reserved)(base, size);
}

static void __maybe_unused oracle_take(u64 base, u64 size)
{
	if (!oracle_scripted)
		memblock_reserve(base, size);
}

static void __maybe_unused oracle_give_back(u64 base, u64 size)
{
	if (!oracle_scripted)
		ORACLE_FREE(base, size);
}

static u64 __maybe_unused oracle_find_in_range(u64 start, u64 end, u64 size, u64 align)
{
#ifdef ORACLE_FIND_IN_RANGE
	oracle_note(size);
	if (!oracle_scripted)
		return (memblock_find_in_range)(start, end, size, align);
#endif
	return oracle_search(size, align, start, end);
}

#define memblock_phys_alloc_range(size, align, start, end) oracle_search(size, align, start, end)
#define memblock_phys_mem_size() oracle_phys_mem_size()
#define memblock_is_region_memory(base, size) oracle_is_memory(base, size)
#define memblock_is_region_reserved(base, size) oracle_is_reserved(base, size)
#define memblock_find_in_range(start, end, size, align) oracle_find_in_range(start, end, size, align)
#define memblock_reserve(base, size) oracle_take(base, size)
#define memblock_free(base, size) oracle_give_back(base, size)
#define memblock_phys_free(base, size) oracle_give_back(base, size)
