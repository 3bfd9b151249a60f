// SPDX-License-Identifier: MIT
// A load client: many streams at once, each checked to the last byte, or many connections that wait.
//
// usage: load PORT streams COUNT PIECES RAMP_SECONDS PATH BODY
//        load PORT idle COUNT
//
// streams: opens COUNT connections within RAMP_SECONDS and posts BODY on each; its answer must be a stream of PIECES
// pieces of text, each "@T" and 19 digits of CLOCK_MONOTONIC (when it was made, in nanoseconds), "@", then "wordN "
// in order, and an end. A connection stays open when its stream is over, and all are closed at the end.
//
// idle: opens COUNT connections, asks each for /health/live, says "held" on standard output, waits for a line on
// standard input, asks each once more, and ends.
//
// Both print one JSON object. One thread, epoll: what it took itself, and how long a piece may have waited in it
// (turn_us), is told, so that one sees whether it was the bottleneck.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 16, BUCKETS = 5000000 };
enum Where { HEAD, SIZE, DATA, AFTER, LAST, OVER };

struct Client {
  int fd;
  enum Where where;
  size_t filled, left;   // bytes in the buffer; bytes of the chunk to come
  size_t line;           // bytes of an unfinished SSE line, kept in text
  int pieces, status;
  bool ended;
  char in[BUFFER], text[4096];
};

// Counts by microsecond; the last bucket is "that or more".
struct Times { uint32_t *counts; uint64_t all; double most; };

static struct sockaddr_in address = {.sin_family = AF_INET};
static int poller, expected;
static int complete, wrong;
static char complaint[600];
static struct Times latency, turn;
static const char *marks[] = {"message_stop", "[DONE]"};

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add(struct Times *times, uint64_t nanoseconds) {
  uint64_t us = nanoseconds / 1000;
  times->counts[us < BUCKETS ? us : BUCKETS - 1]++;
  times->all++;
  if ((double)us > times->most) times->most = (double)us;
}

static uint64_t share(const struct Times *times, double part) {
  uint64_t seen = 0, wanted = (uint64_t)((double)times->all * part);
  for (uint64_t us = 0; us < BUCKETS; us++)
    if ((seen += times->counts[us]) > wanted) return us;
  return 0;
}

static void give_up(struct Client *client, const char *why) {
  wrong++;
  if (!complaint[0])
    snprintf(complaint, sizeof complaint, "%s, status %d, after %d pieces: %.200s", why, client->status, client->pieces,
             client->where == HEAD ? client->in : client->text);
  for (char *c = complaint; *c; c++)
    if (*c == '"' || *c == '\\' || *c < ' ') *c = ' ';
  close(client->fd);
  client->fd = -1;
}

static void watch(struct Client *client) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event);
}

static void open_client(struct Client *client, const char *request, size_t length) {
  int on = 1;
  memset(client, 0, offsetof(struct Client, in));
  client->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address)) {
    perror("connect");
    exit(1);
  }
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (write(client->fd, request, length) != (ssize_t)length) { perror("write"); exit(1); }
  watch(client);
}

// One line of the stream. False: it is wrong.
static bool take_line(struct Client *client, char *line, uint64_t at) {
  if (strncmp(line, "data:", 5)) return true;
  if (strstr(line, "\"error\"")) return false;
  for (int i = 0; i < 2; i++)
    if (strstr(line, marks[i])) client->ended = true;
  char *stamp = strstr(line, "@T"), word[32];
  if (!stamp) return true;
  uint64_t made = strtoull(stamp + 2, NULL, 10);
  int length = snprintf(word, sizeof word, "@word%d", client->pieces);
  char *said = stamp + 21;
  if (strncmp(said, word, (size_t)length) || (said[length] != ' ' && said[length] != '"')) return false;
  client->pieces++;
  add(&latency, at > made ? at - made : 0);
  return true;
}

static bool take_text(struct Client *client, char *bytes, size_t count, uint64_t at) {
  while (count) {
    char *end = memchr(bytes, '\n', count);
    size_t part = end ? (size_t)(end - bytes) : count;
    if (client->line + part >= sizeof client->text) return false;
    memcpy(client->text + client->line, bytes, part);
    client->line += part;
    if (!end) return true;
    client->text[client->line] = 0;
    client->line = 0;
    if (!take_line(client, client->text, at)) return false;
    bytes += part + 1, count -= part + 1;
  }
  return true;
}

// Takes what the buffer holds apart. Null, or why it is wrong.
static const char *take(struct Client *client, uint64_t at) {
  char *bytes = client->in, *end = client->in + client->filled;
  for (;;) {
    size_t count = (size_t)(end - bytes);
    char *line = memmem(bytes, count, "\r\n", 2);
    switch (client->where) {
    case HEAD: {
      char *over = memmem(bytes, count, "\r\n\r\n", 4);
      if (!over) goto later;
      *over = 0;
      if (sscanf(bytes, "HTTP/1.1 %d", &client->status) != 1) return "no HTTP";
      if (client->status != 200) return "refused";
      if (!strcasestr(bytes, "\r\ntransfer-encoding: chunked")) return "not in chunks";
      bytes = over + 4, client->where = SIZE;
      break;
    }
    case SIZE:
      if (!line) goto later;
      client->left = strtoul(bytes, NULL, 16);
      bytes = line + 2, client->where = client->left ? DATA : LAST;
      break;
    case DATA:
      if (!count) goto later;
      if (count > client->left) count = client->left;
      if (!take_text(client, bytes, count, at)) return "not what was to come";
      bytes += count, client->left -= count;
      if (!client->left) client->where = AFTER;
      break;
    case AFTER:
    case LAST:
      if (count < 2) goto later;
      if (memcmp(bytes, "\r\n", 2)) return "bad chunk";
      bytes += 2;
      if (client->where == AFTER) { client->where = SIZE; break; }
      if (client->pieces != expected || !client->ended) return "ended early";
      client->where = OVER, complete++;
      break;
    case OVER:
      if (count) return "more than an answer";
      client->filled = 0;
      return NULL;
    }
  }
later:
  client->filled = (size_t)(end - bytes);
  memmove(client->in, bytes, client->filled);
  return client->filled == BUFFER ? "a line too long" : NULL;
}

static void read_some(struct Client *client) {
  ssize_t got = recv(client->fd, client->in + client->filled, BUFFER - client->filled, MSG_DONTWAIT);
  uint64_t at = now();
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (client->where == OVER) { close(client->fd); client->fd = -1; return; }
    return give_up(client, got ? strerror(errno) : "closed");
  }
  client->filled += (size_t)got;
  const char *why = take(client, at);
  if (why) give_up(client, why);
}

static void wait_for_some(int milliseconds) {
  struct epoll_event events[1024];
  int count = epoll_wait(poller, events, 1024, milliseconds);
  uint64_t began = now();
  for (int i = 0; i < count; i++) {
    struct Client *client = events[i].data.ptr;
    if (client->fd >= 0) read_some(client);
  }
  if (count > 0) add(&turn, now() - began);
}

static int streams(int count, double ramp, const char *path, const char *body) {
  struct Client *clients = calloc((size_t)count, sizeof *clients);
  char *request;
  int length = asprintf(&request, "POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                        "content-length: %zu\r\n\r\n%s", path, strlen(body), body);
  uint64_t began = now();
  for (int opened = 0; complete + wrong < count;) {
    int due = ramp > 0 ? (int)((double)(now() - began) / 1e9 / ramp * count) + 1 : count;
    while (opened < count && opened < due) open_client(&clients[opened++], request, (size_t)length);
    wait_for_some(opened < count ? 1 : 1000);
  }
  double seconds = (double)(now() - began) / 1e9;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("{\"complete\":%d,\"wrong\":%d,\"pieces\":%lu,\"seconds\":%.2f,\"p50_us\":%lu,\"p99_us\":%lu,\"p999_us\":%lu,"
         "\"max_us\":%.0f,\"client_cpu\":%.3f,\"turn_p99_us\":%lu,\"turn_max_us\":%.0f,\"complaint\":\"%s\"}\n",
         complete, wrong, latency.all, seconds, share(&latency, 0.5), share(&latency, 0.99), share(&latency, 0.999),
         latency.most, cpu / seconds, share(&turn, 0.99), turn.most, complaint);
  return wrong ? 1 : 0;
}

// One request on each connection, and its answer, which must be a 200 of one piece.
static int ask_each(const int *fds, int count) {
  static const char request[] = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
  char answer[4096];
  int good = 0;
  for (int i = 0; i < count; i++) {
    if (send(fds[i], request, sizeof request - 1, MSG_NOSIGNAL) < 0) continue;
    ssize_t got = recv(fds[i], answer, sizeof answer, 0);
    if (got > 12 && !memcmp(answer, "HTTP/1.1 200", 12)) good++;
  }
  return good;
}

static int idle(int count) {
  int *fds = calloc((size_t)count, sizeof *fds);
  for (int i = 0; i < count; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&address, sizeof address)) { perror("connect"); return 1; }
  }
  int first = ask_each(fds, count);
  puts("held");
  fflush(stdout);
  getchar();
  int second = ask_each(fds, count);
  printf("{\"connections\":%d,\"answered_first\":%d,\"answered_again\":%d}\n", count, first, second);
  return first == count && second == count ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc < 4) return fputs("usage: load PORT streams COUNT PIECES RAMP PATH BODY | load PORT idle COUNT\n", stderr), 64;
  address.sin_port = htons((uint16_t)atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!strcmp(argv[2], "idle")) return idle(atoi(argv[3]));
  if (argc < 8) return 64;
  poller = epoll_create1(EPOLL_CLOEXEC);
  expected = atoi(argv[4]);
  latency.counts = calloc(BUCKETS, sizeof(uint32_t));
  turn.counts = calloc(BUCKETS, sizeof(uint32_t));
  return streams(atoi(argv[3]), atof(argv[5]), argv[6], argv[7]);
}
