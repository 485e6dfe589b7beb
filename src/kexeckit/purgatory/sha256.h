/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 (FIPS 180-4) of one block of memory; shared by all architectures. */
#ifndef KEXECKIT_SHA256_H
#define KEXECKIT_SHA256_H

#include <stdint.h>

#define SHA256_SIZE 32

void sha256(const void *data, uint64_t length, uint8_t digest[SHA256_SIZE]);

#endif
