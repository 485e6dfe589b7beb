/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the purgatory decides: is everything that we loaded still as it was?
 * Shared by all architectures; how to print and to stop is in <arch>/machine.c.
 */
#include "purgatory.h"

static void put_text(const char *text)
{
	while (*text)
		console_put(*text++);
}

static void put_line_start(void)
{
	put_text("kexeckit purgatory: ");
}

static void put_line_end(void)
{
	put_text("\r\n");
}

/* digits: how many to print at least. */
static void put_hex(uint64_t value, int digits)
{
	int i;

	for (i = 15; i >= 0; i--)
		if (i < digits || value >> (4 * i))
			console_put("0123456789abcdef"[(value >> (4 * i)) & 15]);
}

static void put_decimal(uint64_t value)
{
	char text[21];
	char *at = text + sizeof(text) - 1;

	*at = 0;
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	put_text(at);
}

static void put_digest(const uint8_t digest[SHA256_SIZE])
{
	int i;

	for (i = 0; i < SHA256_SIZE; i++)
		put_hex(digest[i], 2);
}

static void put_name(const struct region *region)
{
	unsigned int i;

	for (i = 0; i < sizeof(region->name) && region->name[i]; i++)
		console_put(region->name[i]);
}

static int same(const uint8_t *a, const uint8_t *b, unsigned int size)
{
	while (size && *a == *b)
		a++, b++, size--;
	return size == 0;
}

static void report_damage(const struct region *region, const uint8_t *found)
{
	put_line_start();
	put_text("segment \"");
	put_name(region);
	put_text("\" at 0x");
	put_hex(region->start, 1);
	put_text(" (");
	put_decimal(region->length);
	put_text(" bytes) is damaged: sha256 expected ");
	put_digest(region->sha256);
	put_text(" found ");
	put_digest(found);
	put_text("; not entering it");
	put_line_end();
}

static void report_intact(const struct params *params)
{
	put_line_start();
	put_text("segments checked: ");
	put_decimal(params->region_count);
	put_text(", all intact; entering 0x");
	put_hex(params->kernel_entry, 1);
	put_line_end();
}

/*
 * A block that was never filled in, or was hit itself, must not be believed:
 * its kernel_entry could be anything.
 */
static int block_is_intact(const struct params *params)
{
	static const uint8_t magic[8] = "kxkpurg";
	uint8_t found[SHA256_SIZE];

	sha256(params, offsetof(struct params, sha256), found);
	return same((const uint8_t *)params->magic, magic, sizeof(magic)) &&
	       params->version == PARAMS_VERSION &&
	       params->size == PARAMS_SIZE &&
	       params->region_count <= MAX_REGIONS &&
	       same(params->sha256, found, SHA256_SIZE);
}

/* Looks at all regions, so that the log names each damaged one. */
static unsigned int count_damaged(const struct params *params)
{
	unsigned int i, damaged = 0;
	uint8_t found[SHA256_SIZE];

	for (i = 0; i < params->region_count; i++) {
		const struct region *region = &params->regions[i];

		sha256((const void *)region->start, region->length, found);
		if (!same(region->sha256, found, SHA256_SIZE)) {
			report_damage(region, found);
			damaged++;
		}
	}
	return damaged;
}

static _Noreturn void stop(const struct params *params)
{
	console_drain();
	if (params->on_damage == ON_DAMAGE_RESET)
		machine_reset();
	machine_halt();
}

void purgatory_check(void)
{
	const struct params *params = &purgatory_params;

	console_open(params->serial_port);
	if (!block_is_intact(params)) {
		put_line_start();
		put_text("the parameter block is damaged; not entering the kernel");
		put_line_end();
		stop(params);
	}
	if (count_damaged(params))
		stop(params);
	if (params->flags & FLAG_ANNOUNCE)
		report_intact(params);
	console_drain();
}
