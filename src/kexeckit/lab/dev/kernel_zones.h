/*
 * What arm64's arm64_memblock_init() and bootmem_init() find around them when they are compiled as a program: memory
 * that is one range, firmware that names two limits, and steps that only say that they were taken, in order.
 */
enum { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, MAX_NR_ZONES };

static u64 oracle_start, oracle_end, oracle_dt, oracle_iort;

#define memblock_start_of_DRAM() oracle_start
#define memblock_end_of_DRAM() oracle_end
#define of_dma_get_max_cpu_address(...) oracle_dt
#define acpi_iort_dma_get_max_cpu_address() oracle_iort

#define arm64_numa_init() oracle_put("numa\n")
#define arch_numa_init() oracle_put("numa\n")
#define sparse_init() oracle_put("sparse\n")
#define dma_contiguous_reserve(limit) oracle_put("cma %llx\n", (u64)(limit))
#define reserve_crashkernel() oracle_put("crash %llx\n", (u64)(ORACLE_LIMIT))
#define arch_reserve_crashkernel() reserve_crashkernel()
#define free_area_init(pfns) \
	oracle_put("zones %lx %lx %lx\n", (pfns)[ZONE_DMA], (pfns)[ZONE_DMA32], (pfns)[ZONE_NORMAL])

#define early_memtest(...) do { } while (0)
#define dma_pernuma_cma_reserve() do { } while (0)
#define kvm_hyp_reserve() do { } while (0)
#define memblock_dump_all() do { } while (0)
#define fdt_enforce_memory_region() do { } while (0)
#define early_init_fdt_scan_reserved_mem() do { } while (0)
#define reserve_elfcorehdr() do { } while (0)
#define memblock_remove(...) do { } while (0)
#define memblock_mem_limit_remove_map(...) do { } while (0)
#define memblock_add(...) do { } while (0)
#define memblock_reserve(...) do { } while (0)
#define memblock_clear_nomap(...) do { } while (0)
#define defer_reserve_crashkernel() (IS_ENABLED(CONFIG_ZONE_DMA) || IS_ENABLED(CONFIG_ZONE_DMA32))

#define U32_MAX ((u32)~0U)
#define DMA_BIT_MASK(n) ((n) == 64 ? ~0ULL : (1ULL << (n)) - 1)
#define GENMASK_ULL(high, low) ((~0ULL << (low)) & (~0ULL >> (63 - (high))))
#define BIT(n) (1UL << (n))
#define fls64(x) ((x) ? 64 - __builtin_clzll(x) : 0)
#define min3(a, b, c) min(min(a, b), c)
#define PFN_UP(x) (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((unsigned long)((x) >> PAGE_SHIFT))
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PHYS_MASK_SHIFT 48
#define PMD_SHIFT 21
#define PUD_SHIFT 30
#define CONT_PMD_SHIFT 25
#define ARM64_MEMSTART_ALIGN (1UL << 30)
#define _PAGE_OFFSET(bits) (-(1UL << (bits)))
#define PAGE_END (-(1UL << 47))
#define WARN(...) 0
#define __pa_symbol(x) 0UL
#define __phys_to_virt(x) 0UL
#define __va(x) ((char *)0)
#define is_hyp_mode_available() 0
#define is_kernel_in_hyp_mode() 0
#define read_cpuid(...) 0
#define cpuid_feature_extract_unsigned_field(...) 0
#define id_aa64mmfr0_parange_to_phys_shift(...) 48

static int vabits_actual = 48;
static u64 phys_initrd_start, phys_initrd_size;
static unsigned long initrd_start, initrd_end, max_pfn, max_low_pfn, min_low_pfn;
static char _text[1], _stext[1], _end[1];
static void *high_memory;
static unsigned int zone_dma_bits;
static phys_addr_t zone_dma_limit;
u16 memstart_offset_seed;
