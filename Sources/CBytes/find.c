// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "CBytes.h"
#include <string.h>

const void *cbytes_find(const void *text, size_t length, const void *wanted, size_t count) {
  return count == 0 || length < count ? NULL : memmem(text, length, wanted, count);
}
