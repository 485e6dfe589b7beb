/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parameter block that params.py fills in, and what an architecture must
 * offer.  docs/purgatory.md has the same layout as a table; a test compares
 * the three.  Included from assembly too.
 */
#ifndef KEXECKIT_PURGATORY_H
#define KEXECKIT_PURGATORY_H

#define PARAMS_OFFSET 0x40 /* of the block in the blob */
#define PARAMS_SIZE 0x460
#define PARAMS_VERSION 1
#define PARAMS_FLAGS 0x10 /* offsets that the assembly needs */
#define PARAMS_BOOT_PARAMS 0x20
#define PARAMS_KERNEL_ENTRY 0x28

#define FLAG_SPIN 1	/* stop before the first act, for a debugger */
#define FLAG_ANNOUNCE 2 /* say so when all is intact, too */

#define MAX_REGIONS 16
#define STACK_SIZE 4096

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>
#include "sha256.h"

/* Ours alone: the compiler must never ask for a global offset table. */
#pragma GCC visibility push(hidden)

enum on_damage { ON_DAMAGE_HALT = 0, ON_DAMAGE_RESET = 1 };

struct region {
	uint64_t start;
	uint64_t length;
	uint8_t sha256[SHA256_SIZE];
	char name[16]; /* padded with NUL */
};

struct params {
	char magic[8];
	uint32_t version;
	uint32_t size;
	uint32_t flags;
	uint32_t on_damage;
	uint32_t serial_port; /* 0: none */
	uint32_t region_count;
	uint64_t boot_params;
	uint64_t kernel_entry;
	uint8_t reserved[16];
	struct region regions[MAX_REGIONS];
	uint8_t sha256[SHA256_SIZE]; /* of all of the block before this */
};

_Static_assert(sizeof(struct params) == PARAMS_SIZE, "block size");
_Static_assert(offsetof(struct params, flags) == PARAMS_FLAGS, "flags");
_Static_assert(offsetof(struct params, boot_params) == PARAMS_BOOT_PARAMS, "rsi");
_Static_assert(offsetof(struct params, kernel_entry) == PARAMS_KERNEL_ENTRY, "rip");

extern const struct params purgatory_params;

/* purgatory.c: returns only if every region is intact. */
void purgatory_check(void);

/* <arch>/machine.c.  A console that is absent or stuck swallows the text. */
void console_open(uint32_t port);
void console_put(char c);
void console_drain(void);
_Noreturn void machine_halt(void);
_Noreturn void machine_reset(void);

#pragma GCC visibility pop

#endif
#endif
