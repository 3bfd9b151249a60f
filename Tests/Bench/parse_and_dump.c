/* SPDX-License-Identifier: MIT
 * What a C program costs that parses each line with Jansson and dumps it again: the yardstick of make bench-filters. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, stdin)) > 0) {
    json_error_t error;
    json_t *value = json_loadb(line, (size_t)length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) return 65;
    if (json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY) != 0) return 74;
    putchar('\n');
    json_decref(value);
  }
  free(line);
  return 0;
}
