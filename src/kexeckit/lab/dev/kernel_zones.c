/* Sets memory up for one machine, and returns the steps in the order in which they were taken. */
const char *oracle_zones(u64 start, u64 end, u64 dt, u64 iort)
{
	oracle_used = 0;
	oracle_text[0] = 0;
	oracle_start = start;
	oracle_end = end;
	oracle_dt = dt;
	oracle_iort = iort;
#ifdef CONFIG_ZONE_DMA
	arm64_dma_phys_limit = 0;
#endif
	arm64_memblock_init();
	bootmem_init();
#ifdef ORACLE_LATE_ZONES
	unsigned long pfns[MAX_NR_ZONES] = { 0 };

	arch_zone_limits_init(pfns);
	free_area_init(pfns);
#endif
	return oracle_text;
}
