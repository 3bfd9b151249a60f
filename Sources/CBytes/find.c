// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "CBytes.h"
#include <string.h>

#ifdef __SSE2__
// Callers search for a member's name, with or without quotes. The C library's memmem needs many instructions for each byte of
// the text. This function compares two bytes of the name with sixteen places at once, and the rest only where both are equal.
const void *cbytes_find(const void *text, size_t length, const void *wanted, size_t count) {
  if (count == 0 || length < count) return NULL;
  // For a long name, a full comparison at each place that looks right could take too long.
  if (count < 2 || count > 32) return memmem(text, length, wanted, count);
  const unsigned char *name = wanted, *at = text;
  // Not the quotes, because they are more frequent than the letters of a name.
  const size_t one = count < 4 ? 0 : 1, other = count - 1 - one;
  // The end of the places where the name can begin. The loads stay within the text, because the name has room there.
  const unsigned char *end = at + (length - count) + 1;
  for (; end - at >= 16; at += 16) {
    typedef unsigned char bytes __attribute__((vector_size(16)));
    typedef char masks __attribute__((vector_size(16)));
    bytes ones, others;
    __builtin_memcpy(&ones, at + one, 16);
    __builtin_memcpy(&others, at + other, 16);
    unsigned found = (unsigned)__builtin_ia32_pmovmskb128((masks)((ones == name[one]) & (others == name[other])));
    for (; found != 0; found &= found - 1) {
      const unsigned char *place = at + __builtin_ctz(found);
      if (memcmp(place, name, count) == 0) return place;
    }
  }
  return at < end ? memmem(at, (size_t)(end - at) + count - 1, wanted, count) : NULL;
}
#else
const void *cbytes_find(const void *text, size_t length, const void *wanted, size_t count) {
  return count == 0 || length < count ? NULL : memmem(text, length, wanted, count);
}
#endif
