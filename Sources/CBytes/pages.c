// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "CBytes.h"
#include <sys/mman.h>
#include <unistd.h>

void cbytes_prefer_huge_pages(void *start, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t from = ((uintptr_t)start + page - 1) & ~(page - 1), to = ((uintptr_t)start + length) & ~(page - 1);
  // Where it is refused, small pages serve as well.
  if (to > from) madvise((void *)from, to - from, MADV_HUGEPAGE);
}
