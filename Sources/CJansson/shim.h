// SPDX-License-Identifier: MIT
#include <jansson.h>
#include <stdint.h>

/// Counts one more holder of a block.
static inline void cjansson_retain(uint32_t *holders) { __atomic_add_fetch(holders, 1, __ATOMIC_RELAXED); }

/// Counts one holder less; 1 where that was the last one.
static inline int cjansson_release(uint32_t *holders) {
  // Nobody else can come by a block that only we hold.
  if (__atomic_load_n(holders, __ATOMIC_ACQUIRE) == 1) return 1;
  return __atomic_sub_fetch(holders, 1, __ATOMIC_ACQ_REL) == 0;
}
