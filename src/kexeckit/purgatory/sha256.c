/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256, written from FIPS 180-4 for the purgatory.
 *
 * One shot only: the purgatory always has the whole range in memory.  It calls
 * no library function, so that the compiler has nothing to link against.
 */
#include "sha256.h"

#define BLOCK 64

/* The ranges have any alignment; on our machines a 32-bit load may too. */
typedef uint32_t any_u32 __attribute__((aligned(1), may_alias));

/* FIPS 180-4, 4.2.2: fractions of the cube roots of the first 64 primes. */
static const uint32_t round_constant[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
	0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
	0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* FIPS 180-4, 5.3.3: fractions of the square roots of the first 8 primes. */
static const uint32_t initial_state[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t rotate_right(uint32_t x, unsigned int n)
{
	return (x >> n) | (x << (32 - n));
}

static inline uint32_t big_endian(uint32_t x)
{
	return __builtin_bswap32(x);
}

/* The 16 words of a block, stretched to one word per round. */
static inline void schedule(uint32_t w[64], const uint8_t *block)
{
	const any_u32 *in = (const any_u32 *)block;
	unsigned int i;

	for (i = 0; i < 16; i++)
		w[i] = big_endian(in[i]);
	for (; i < 64; i++) {
		uint32_t x = w[i - 15], y = w[i - 2];
		uint32_t s0 = rotate_right(x, 7) ^ rotate_right(x, 18) ^ (x >> 3);
		uint32_t s1 = rotate_right(y, 17) ^ rotate_right(y, 19) ^ (y >> 10);

		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
}

/*
 * One round.  Only d and h change; the caller renames the eight variables
 * instead of moving them, which is what makes general registers fast enough.
 */
#define ROUND(a, b, c, d, e, f, g, h, i)                                      \
	do {                                                                  \
		uint32_t t = h + round_constant[i] + w[i] + ((e & (f ^ g)) ^ g) + \
			     (rotate_right(e, 6) ^ rotate_right(e, 11) ^      \
			      rotate_right(e, 25));                           \
		d += t;                                                       \
		h = t + ((a & b) | (c & (a | b))) +                           \
		    (rotate_right(a, 2) ^ rotate_right(a, 13) ^               \
		     rotate_right(a, 22));                                    \
	} while (0)

static void compress(uint32_t state[8], const uint8_t *block)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	uint32_t w[64];
	unsigned int i;

	schedule(w, block);
	for (i = 0; i < 64; i += 8) {
		ROUND(a, b, c, d, e, f, g, h, i);
		ROUND(h, a, b, c, d, e, f, g, i + 1);
		ROUND(g, h, a, b, c, d, e, f, i + 2);
		ROUND(f, g, h, a, b, c, d, e, i + 3);
		ROUND(e, f, g, h, a, b, c, d, i + 4);
		ROUND(d, e, f, g, h, a, b, c, i + 5);
		ROUND(c, d, e, f, g, h, a, b, i + 6);
		ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

/*
 * The last one or two blocks: the rest of the data, a one bit, zeros, and the
 * length in bits.  A rest of 56 bytes or more leaves no room for the length.
 */
static void finish(uint32_t state[8], const uint8_t *rest, uint64_t length)
{
	uint8_t tail[2 * BLOCK];
	unsigned int used = length % BLOCK;
	unsigned int size = used < BLOCK - 8 ? BLOCK : 2 * BLOCK;
	unsigned int i;

	for (i = 0; i < size; i++)
		tail[i] = i < used ? rest[i] : 0;
	tail[used] = 0x80;
	for (i = 0; i < 8; i++)
		tail[size - 1 - i] = (uint8_t)((length * 8) >> (8 * i));
	for (i = 0; i < size; i += BLOCK)
		compress(state, tail + i);
}

void sha256(const void *data, uint64_t length, uint8_t digest[SHA256_SIZE])
{
	const uint8_t *in = data;
	uint32_t state[8];
	uint64_t left;
	unsigned int i;

	for (i = 0; i < 8; i++)
		state[i] = initial_state[i];
	for (left = length; left >= BLOCK; left -= BLOCK, in += BLOCK)
		compress(state, in);
	finish(state, in, length);
	for (i = 0; i < SHA256_SIZE; i++)
		digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}
