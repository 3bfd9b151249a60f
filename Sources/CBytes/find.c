// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "CBytes.h"
#include <string.h>

#ifdef __SSE2__
// What is looked for is a member's name, in quotes or not. The C library's memmem takes many instructions for each byte of the
// text. Here two bytes of the name are compared with sixteen places at once, and the rest only where both are equal.
const void *cbytes_find(const void *text, size_t length, const void *wanted, size_t count) {
  if (count == 0 || length < count) return NULL;
  // A long name could be compared in vain at each place.
  if (count < 2 || count > 32) return memmem(text, length, wanted, count);
  const unsigned char *name = wanted, *at = text;
  // A name's quotes are more frequent than what is in them.
  const size_t one = count < 4 ? 0 : 1, other = count - 1 - one;
  // Where it can begin: the loads below stay within the text, because the name ends within it.
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
