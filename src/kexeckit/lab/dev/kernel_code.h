/*
 * What the kernel's parser of crashkernel= and its memblock find around them when they are compiled as a program.
 *
 * Types, helpers and the options of Debian's configuration, under the kernel's names. Messages are collected together
 * with the name of the function that says them.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __KERNEL__ 1
#define CONFIG_64BIT 1
#define CONFIG_ARCH_HAS_GENERIC_CRASHKERNEL_RESERVATION 1
#define CONFIG_ARCH_KEEP_MEMBLOCK 1
#define CONFIG_CRASH_RESERVE 1
#define CONFIG_KEXEC_CORE 1
#define CONFIG_NEED_MULTIPLE_NODES 1
#define CONFIG_NUMA 1
#ifndef ORACLE_ARM64
#define CONFIG_X86_64 1
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef u64 phys_addr_t;
typedef u64 resource_size_t;
typedef unsigned int gfp_t;

#define __init
#define __initdata
#define __meminit
#define __init_memblock
#define __initdata_memblock
#define __meminitdata
#define __ref
#define __refdata
#define __ro_after_init
#define __always_unused __attribute__((unused))
#define __maybe_unused __attribute__((unused))
#define __always_inline inline
#undef noinline
#define noinline
#define fallthrough __attribute__((fallthrough))
#define likely(x) (x)
#define unlikely(x) (x)
#define EXPORT_SYMBOL(x)
#define _RET_IP_ 0UL

/* A configured option is written as 1, which makes one more argument; any other stays a name. */
#define ORACLE_MORE_1 ignored,
#define ORACLE_SECOND(first, second, ...) second
#define ORACLE_CHOOSE(more) ORACLE_SECOND(more 1, 0, 0)
#define ORACLE_GLUE(option) ORACLE_CHOOSE(ORACLE_MORE_##option)
#define IS_ENABLED(option) ORACLE_GLUE(option)

/* Names that are put together from a number of arguments, none to three. */
#define ORACLE_FIFTH(first, second, third, fourth, fifth, ...) fifth
#define COUNT_ARGS(...) ORACLE_FIFTH(ignored, ##__VA_ARGS__, 3, 2, 1, 0)
#define ORACLE_JOIN(one, two) one##two
#define CONCATENATE(one, two) ORACLE_JOIN(one, two)

#define PHYS_ADDR_MAX (~(phys_addr_t)0)
#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_ALIGN(x) round_up((u64)(x), PAGE_SIZE)
#define PHYS_MASK ((1ULL << 48) - 1)
#define SMP_CACHE_BYTES 64
#define NUMA_NO_NODE (-1)
#define MAX_NUMNODES 1024
#define SZ_1M (1UL << 20)
#define SZ_2M (2UL << 20)
#define SZ_16M (16UL << 20)
#define SZ_128M (128UL << 20)
#define SZ_512M (512UL << 20)
#define SZ_4G (4UL << 30)
#define SZ_64T (64UL << 40)
#define GFP_NOWAIT 0
#define GFP_KERNEL 0

#define round_down(x, y) ((x) & ~((__typeof__(x))(y) - 1))
#define round_up(x, y) ((((x) - 1) | ((__typeof__(x))(y) - 1)) + 1)
#define roundup(x, y) ((((x) + ((y) - 1)) / (y)) * (y))
#define ALIGN(x, y) round_up(x, y)
#define IS_ALIGNED(x, y) (((x) & ((__typeof__(x))(y) - 1)) == 0)
#define min(a, b) ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __auto_type c_ = (a); __auto_type d_ = (b); c_ > d_ ? c_ : d_; })
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define clamp(v, low, high) min(max(v, low), high)
#define swap(a, b) do { __auto_type s_ = (a); (a) = (b); (b) = s_; } while (0)
#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)
#define check_shl_overflow(a, s, d) ({ u64 v_ = (a); *(d) = v_ << (s); (*(d) >> (s)) != v_; })
#define div_u64(a, b) ((u64)(a) / (b))
#define _tolower(c) ((c) | 0x20)

static inline bool isxdigit(int c)
{
	return (c >= '0' && c <= '9') || (_tolower(c) >= 'a' && _tolower(c) <= 'f');
}

/* What is said, with who says it. */
static char oracle_text[1 << 16];
static size_t oracle_used;

static void oracle_put(const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(oracle_text + oracle_used, sizeof(oracle_text) - oracle_used, format, list);
	va_end(list);
	oracle_used += (size_t)n;
	if (oracle_used >= sizeof(oracle_text))
		abort();
}

/* Only the words' parser is listened to: the messages of a search say what its calls say. */
#define oracle_say(...) do { if (!strncmp(__func__, "parse_crashkernel", 17)) { \
	oracle_put("says "); oracle_put(__VA_ARGS__); } } while (0)
#define pr_err(...) oracle_say(__VA_ARGS__)
#define pr_warn(...) oracle_say(__VA_ARGS__)
#define pr_info(...) oracle_say(__VA_ARGS__)
#define pr_debug(...) do { } while (0)
#define pr_warn_ratelimited(...) do { } while (0)
#define memblock_dbg(...) do { } while (0)
#define printk(...) do { } while (0)
#define panic(...) abort()
#define dump_stack() abort()
#define BUG_ON(x) do { if (x) abort(); } while (0)
#define WARN_ON(x) oracle_warned(!!(x))
#define WARN_ON_ONCE(x) oracle_warned(!!(x))
#define WARN_ONCE(x, ...) oracle_warned(!!(x))

static inline bool oracle_warned(bool it_is)
{
	if (it_is)
		abort();
	return false;
}

struct resource {
	const char *name;
	resource_size_t start, end;
	unsigned long flags, desc;
};
#define IORESOURCE_BUSY 0
#define IORESOURCE_SYSTEM_RAM 0
#define IORES_DESC_CRASH_KERNEL 0
static struct resource iomem_resource __maybe_unused;
struct resource crashk_res, crashk_low_res;
#define insert_resource(parent, new) ((void)(parent), (void)(new))

/* The machine. */
static u64 oracle_swiotlb;
#ifdef ORACLE_ARM64
extern phys_addr_t arm64_dma_phys_limit;
#endif
static bool oracle_movable_node;
bool mirrored_kernelcore;
unsigned long oracle_pages;
static char boot_command_line[1 << 16];

static inline unsigned long swiotlb_size_or_default(void) { return oracle_swiotlb; }
static inline bool movable_node_is_enabled(void) { return oracle_movable_node; }
static inline bool xen_pv_domain(void) { return false; }
static inline bool slab_is_available(void) { return false; }
static inline bool numa_valid_node(int nid) { return nid >= 0 && nid < MAX_NUMNODES; }
#define kmemleak_alloc_phys(...) do { } while (0)
#define kmemleak_free_part_phys(...) do { } while (0)
#define kmemleak_ignore_phys(...) do { } while (0)
#define accept_memory(...) do { } while (0)
/* Arrays that grow, and pages that are freed for good, do not happen here: slab is not available. */
#define memblock_double_array(...) (abort(), -1)
#define __free_reserved_area(...) abort()
#define kzalloc_node(...) NULL
#define virt_to_phys(x) ((phys_addr_t)(uintptr_t)(x))
