// SPDX-License-Identifier: MIT
// The log line of a crash. What runs in the signal's handler calls async-signal-safe functions alone.
#define _GNU_SOURCE
#include "CLinux.h"
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

volatile int clinux_stage = -1;

// By index + 1.
static char **lines;
static int count;

void clinux_set_crash_line(int index, const char *line) {
  if (index + 1 >= count) {
    char **more = realloc(lines, (size_t)(index + 2) * sizeof *more);
    if (more == NULL) return;
    for (lines = more; count < index + 2; count++) lines[count] = NULL;
  }
  free(lines[index + 1]);
  lines[index + 1] = strdup(line);
}

static void put(char *at, long number, int digits) {
  while (digits-- > 0) {
    at[digits] = (char)('0' + number % 10);
    number /= 10;
  }
}

// Writes the time in UTC. gmtime_r is not async-signal-safe, so this has the civil calendar with years that begin in March.
static void put_time(char *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  long days = now.tv_sec / 86400 + 719468, clock = now.tv_sec % 86400;
  long era = days / 146097, day = days % 146097;
  long year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  day -= 365 * year + year / 4 - year / 100;
  long part = (5 * day + 2) / 153, month = part < 10 ? part + 3 : part - 9;
  put(at, year + era * 400 + (month <= 2), 4);
  put(at + 5, month, 2);
  put(at + 8, day - (153 * part + 2) / 5 + 1, 2);
  put(at + 11, clock / 3600, 2);
  put(at + 14, clock / 60 % 60, 2);
  put(at + 17, clock % 60, 2);
  put(at + 20, now.tv_nsec / 1000000, 3);
}

// The disposition is the default again, so that raising the signal ends the process as if it had not been caught.
static void tell(int number) {
  int index = clinux_stage + 1;
  char *line = index >= 0 && index < count ? lines[index] : NULL;
  char *time = line != NULL ? strstr(line, CLINUX_CRASH_TIME) : NULL;
  struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (time != NULL) put_time(time);
  // A reader that does not read must not keep this process alive.
  if (line != NULL && poll(&log, 1, 100) == 1 && write(STDERR_FILENO, line, strlen(line)) < 0) line = NULL;
  raise(number);
}

void clinux_tell_of_crashes(void) {
  static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE};
  // A stack that is exhausted is one of the reasons.
  static char stack[64 << 10];
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = tell, .sa_flags = SA_ONSTACK | SA_NODEFER | (int)SA_RESETHAND};
  sigaltstack(&other, NULL);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}
