// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "CBytes.h"
#include <sys/mman.h>
#include <unistd.h>

void cbytes_prefer_huge_pages(void *start, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  // With the pages at both ends, which hold the allocator's own words too. Otherwise one mapping would become two, and the system
  // could not enlarge the piece in its place.
  uintptr_t from = (uintptr_t)start & ~(page - 1), to = ((uintptr_t)start + length + page - 1) & ~(page - 1);
  // Where it is refused, small pages serve as well.
  madvise((void *)from, to - from, MADV_HUGEPAGE);
}
