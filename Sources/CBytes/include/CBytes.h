// SPDX-License-Identifier: MIT
// Searches of bytes for which Swift needs many more instructions, and what the system should know of large pieces of memory.
#ifndef CBYTES_H
#define CBYTES_H
#include <stddef.h>
#include <stdint.h>

/// Finds the first place of some bytes in a text. Returns NULL if the text does not have them, or if they are empty.
const void *cbytes_find(const void *text, size_t length, const void *wanted, size_t count);

/// Asks the system for pages of 2 MiB in a piece of memory. With pages of 4 KiB a large body causes a page fault for each 4 KiB.
/// The piece has a mapping of its own, as malloc makes it for each large size.
void cbytes_prefer_huge_pages(void *start, size_t length);

#ifdef __SSE2__
/// One bit for each of the sixteen bytes at `start`, the lowest for the first: set where the byte is `"`, `\` or a control
/// character.
static inline uint32_t cbytes_not_plain(const void *start) {
  typedef unsigned char bytes __attribute__((vector_size(16)));
  typedef char masks __attribute__((vector_size(16)));
  bytes sixteen;
  __builtin_memcpy(&sixteen, start, 16);
  masks found = (masks)((sixteen == (unsigned char)'"') | (sixteen == (unsigned char)'\\') | (sixteen < (unsigned char)0x20));
  return (uint32_t)__builtin_ia32_pmovmskb128(found);
}
#endif

#endif
