// SPDX-License-Identifier: MIT
// One answer as it comes off a connection, checked to the last byte of its text.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUFFER = 1 << 16 };
enum Where { HEAD, SIZE, DATA, AFTER, LAST, OVER };

struct Answer {
  enum Where where;
  size_t filled, left; // bytes in the buffer; bytes of the chunk, or of the body, to come
  size_t line;         // bytes of an unfinished SSE line, or of a body, kept in text
  int pieces, status;
  bool chunked, closes, ended;
  char in[BUFFER], text[4096];
};

// What every answer must say.
struct Expected {
  int pieces;       // of a stream; one that is whole has as many words
  const char *text; // of an answer that is whole, else null
  // Told of each piece: when it was made (0: it is not told) and when it came, in nanoseconds.
  void (*piece)(const struct Answer *answer, uint64_t made, uint64_t came);
};

// Takes what the buffer holds apart; all of it is over when `where` is OVER. Null, or why it is wrong.
const char *take(struct Answer *answer, const struct Expected *expected, uint64_t at);
