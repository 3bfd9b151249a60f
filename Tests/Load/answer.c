// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "answer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *marks[] = {"message_stop", "[DONE]", "\"type\":\"response.completed\""};

// Whether it tells of an error: a response has a member of that name, which is null where there is none.
static bool is_error(const char *line) {
  const char *error = strstr(line, "\"error\"");
  return error && strncmp(error + 7, ":null", 5);
}

// Whether its text is a piece of the answer, not one that was sent before in pieces: the Responses API sends all again.
static bool is_piece(const char *line) { return !strstr(line, "\"type\":\"response.") || strstr(line, "output_text.delta\""); }

// One line of the stream. False: it is wrong.
static bool take_line(struct Answer *answer, const struct Expected *expected, uint64_t at) {
  char *line = answer->text;
  if (strncmp(line, "data:", 5)) return true;
  if (is_error(line)) return false;
  for (int i = 0; i < 3; i++)
    if (strstr(line, marks[i])) answer->ended = true;
  char *stamp = strstr(line, "@T"), word[32];
  if (!stamp || !is_piece(line)) return true;
  if (strlen(stamp) < 22) return false;
  int length = snprintf(word, sizeof word, "@word%d", answer->pieces);
  char *said = stamp + 21;
  if (strncmp(said, word, (size_t)length) || (said[length] != ' ' && said[length] != '"')) return false;
  answer->pieces++;
  expected->piece(answer, strtoull(stamp + 2, NULL, 10), at);
  return true;
}

static bool take_text(struct Answer *answer, const struct Expected *expected, const char *bytes, size_t count, uint64_t at) {
  while (count) {
    const char *end = expected->text ? NULL : memchr(bytes, '\n', count);
    size_t part = end ? (size_t)(end - bytes) : count;
    size_t room = sizeof answer->text - 1 - answer->line, kept = part < room ? part : room;
    // Of an event that has all of the text again, what says which it is will do.
    if (kept < part && expected->text) return false;
    memcpy(answer->text + answer->line, bytes, kept);
    answer->line += kept;
    answer->text[answer->line] = 0;
    if (!end) return true;
    answer->line = 0;
    if (!take_line(answer, expected, at)) return false;
    bytes += part + 1, count -= part + 1;
  }
  return true;
}

static const char *take_head(struct Answer *answer, const char *head, bool is_whole) {
  if (sscanf(head, "HTTP/1.1 %d", &answer->status) != 1) return "no HTTP";
  if (answer->status != 200) return "refused";
  const char *length = strcasestr(head, "\r\ncontent-length:");
  answer->chunked = strcasestr(head, "\r\ntransfer-encoding: chunked");
  answer->closes = strcasestr(head, "\r\nconnection: close");
  if (!answer->chunked && !(is_whole && length)) return "not in chunks";
  answer->left = answer->chunked ? 0 : strtoul(length + 17, NULL, 10);
  if (!answer->chunked && !answer->left) return "empty";
  answer->where = answer->chunked ? SIZE : DATA;
  return NULL;
}

static const char *take_end(struct Answer *answer, const struct Expected *expected) {
  if (expected->text) {
    if (!answer->line || !strstr(answer->text, expected->text)) return "not the text that was to come";
  } else if (answer->pieces != expected->pieces || !answer->ended) {
    return "ended early";
  }
  answer->where = OVER;
  return NULL;
}

const char *take(struct Answer *answer, const struct Expected *expected, uint64_t at) {
  char *bytes = answer->in, *end = answer->in + answer->filled;
  const char *why;
  for (;;) {
    size_t count = (size_t)(end - bytes);
    char *line = answer->where == DATA ? NULL : memmem(bytes, count, "\r\n", 2);
    switch (answer->where) {
    case HEAD: {
      char *over = memmem(bytes, count, "\r\n\r\n", 4);
      if (!over) goto later;
      *over = 0;
      if ((why = take_head(answer, bytes, expected->text))) return why;
      bytes = over + 4;
      break;
    }
    case SIZE:
      if (!line) goto later;
      answer->left = strtoul(bytes, NULL, 16);
      bytes = line + 2, answer->where = answer->left ? DATA : LAST;
      break;
    case DATA:
      if (!count) goto later;
      if (count > answer->left) count = answer->left;
      if (!take_text(answer, expected, bytes, count, at)) return "not what was to come";
      bytes += count, answer->left -= count;
      if (answer->left) break;
      answer->where = AFTER;
      if (!answer->chunked && (why = take_end(answer, expected))) return why;
      break;
    case AFTER:
    case LAST:
      if (count < 2) goto later;
      if (memcmp(bytes, "\r\n", 2)) return "bad chunk";
      bytes += 2;
      if (answer->where == AFTER) answer->where = SIZE;
      else if ((why = take_end(answer, expected))) return why;
      break;
    case OVER:
      if (count) return "more than an answer";
      answer->filled = 0;
      return NULL;
    }
  }
later:
  answer->filled = (size_t)(end - bytes);
  memmove(answer->in, bytes, answer->filled);
  return answer->filled == BUFFER ? "a line too long" : NULL;
}
