// SPDX-License-Identifier: MIT
// A Messages API that costs next to nothing: what stands behind the proxies while they are measured.
//
// usage: upstream        (says its port on standard output, then does what lines on standard input tell it)
//
//   answer burst N         streams of N pieces of text, all at once
//   answer paced N MICROS  streams of N pieces, one each MICROS microseconds
//   answer held N          streams of a piece, which end when told to
//   release                end them
//   counts                 say how many messages were asked for, and how many requests were none
//
// Each is answered by a line. A piece is "@T", 19 digits of CLOCK_MONOTONIC right before it is written (nanoseconds; 0
// in a burst, which is made once), "@" and "wordK ". A request without "stream": true gets "word0 word1 …", N words.
// One thread, epoll. HTTP/1.1 with content-length; the key must be "bench-key".
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum Way { BURST, PACED, HELD };

struct Conn {
  int fd, sent, pieces; // pieces of the stream that is under way, and of those how many are written
  bool waits;           // for the socket to take more
  size_t in, room, need, out; // bytes that came, room for them, and of the request; bytes that wait to be written
  char *bytes, *left;
  uint64_t due, interval;
  struct Conn *next; // of those that are paced or held
};
struct Queue { struct Conn *first, **end; };

static int poller;
static enum Way way = BURST;
static int pieces = 1;
static uint64_t interval, messages, others;
static char *burst, *whole;
static size_t burst_length, whole_length;
// The next of each paced stream comes after the same pause, so they stand in line by when it is due.
static struct Queue paced = {.end = &paced.first}, held = {.end = &held.first};

static const char start[] =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01Bench\",\"type\":\"message\","
    "\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-20250929\",\"content\":[],\"stop_reason\":null,"
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":250,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n";
static const char stop[] =
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":180}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
                           "request-id: req_011Bench\r\ntransfer-encoding: chunked\r\n\r\n";

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *must(void *got) {
  if (!got) { perror("upstream"); exit(71); }
  return got;
}

static void chunk(FILE *to, const char *text) { fprintf(to, "%zx\r\n%s\r\n", strlen(text), text); }

static const char *piece(int number, uint64_t made) {
  static char text[256];
  snprintf(text, sizeof text, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
           "{\"type\":\"text_delta\",\"text\":\"@T%019llu@word%d \"}}\n\n", (unsigned long long)made, number);
  return text;
}

// What is the same for all.
static void make(void) {
  free(burst), free(whole);
  FILE *to = must(open_memstream(&burst, &burst_length));
  fputs(head, to), chunk(to, start);
  for (int i = 0; i < pieces; i++) chunk(to, piece(i, 0));
  chunk(to, stop), fputs("0\r\n\r\n", to);
  fclose(to);
  char *text;
  size_t length;
  to = must(open_memstream(&text, &length));
  fputs("{\"id\":\"msg_01Bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-20250929\",\"content\":"
        "[{\"type\":\"text\",\"text\":\"", to);
  for (int i = 0; i < pieces; i++) fprintf(to, i ? " word%d" : "word%d", i);
  fputs("\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":250,\"output_tokens\":180}}", to);
  fclose(to);
  to = must(open_memstream(&whole, &whole_length));
  fprintf(to, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_011Bench\r\ncontent-length: %zu\r\n\r\n%s", length, text);
  fclose(to);
  free(text);
}

static void watch(struct Conn *conn, bool waits) {
  if (conn->waits == waits) return;
  struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = conn};
  epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &event);
  conn->waits = waits;
}

static void put(struct Conn *conn, const char *bytes, size_t count) {
  ssize_t wrote = 0;
  if (!conn->out && (wrote = send(conn->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) wrote = 0;
  if ((size_t)wrote == count) return;
  // Also when the client is gone: reading tells.
  conn->left = must(realloc(conn->left, conn->out + count - (size_t)wrote));
  memcpy(conn->left + conn->out, bytes + wrote, count - (size_t)wrote);
  conn->out += count - (size_t)wrote;
  watch(conn, true);
}

static void put_left(struct Conn *conn) {
  ssize_t wrote = send(conn->fd, conn->left, conn->out, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (wrote <= 0) return;
  conn->out -= (size_t)wrote;
  memmove(conn->left, conn->left + wrote, conn->out);
  if (!conn->out) watch(conn, false);
}

static void append(struct Queue *queue, struct Conn *conn) {
  conn->next = NULL;
  *queue->end = conn;
  queue->end = &conn->next;
}

static void drop(struct Queue *queue, const struct Conn *conn) {
  for (struct Conn **at = &queue->first; *at; at = &(*at)->next)
    if (*at == conn) {
      *at = conn->next;
      if (!*at) queue->end = at;
      return;
    }
}

// One write for what is due: the head and the start with the first piece, the stop with the last.
static void put_piece(struct Conn *conn, bool is_first, bool is_last) {
  static char *text;
  static size_t length;
  static FILE *to;
  if (!to) to = must(open_memstream(&text, &length));
  rewind(to);
  if (is_first) fputs(head, to), chunk(to, start);
  if (!is_last || conn->sent < conn->pieces) chunk(to, piece(conn->sent++, now()));
  if (is_last) chunk(to, stop), fputs("0\r\n\r\n", to);
  fflush(to);
  put(conn, text, length);
}

static void go_on(uint64_t at) {
  while (paced.first && paced.first->due <= at) {
    struct Conn *conn = paced.first;
    if (!(paced.first = conn->next)) paced.end = &paced.first;
    bool is_last = conn->sent + 1 >= conn->pieces;
    put_piece(conn, false, is_last);
    conn->due += conn->interval;
    if (!is_last) append(&paced, conn);
  }
}

static void release(void) {
  for (struct Conn *conn = held.first; conn; conn = conn->next) put_piece(conn, false, true);
  held.first = NULL, held.end = &held.first;
}

static bool says_stream(const char *text, size_t count) {
  const char *at = memmem(text, count, "\"stream\"", 8);
  return at && !strncmp(at + 8 + strspn(at + 8, " :"), "true", 4);
}

static void answer(struct Conn *conn, const char *body, size_t count) {
  static const char refused[] = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
  char *line = strstr(conn->bytes, "\r\n");
  if (strncmp(conn->bytes, "POST ", 5) || !memmem(conn->bytes, (size_t)(line - conn->bytes), "/v1/messages", 12) ||
      !strcasestr(line, "\r\nx-api-key: bench-key\r\n")) {
    others++;
    return put(conn, refused, sizeof refused - 1);
  }
  messages++;
  // Of a huge body the ends: what is not in a message stands there.
  size_t part = count < 16384 ? count : 8192;
  if (!says_stream(body, part) && !says_stream(body + count - part, part)) return put(conn, whole, whole_length);
  if (way == BURST) return put(conn, burst, burst_length);
  conn->sent = 0, conn->pieces = way == HELD ? 1 : pieces, conn->interval = interval;
  bool is_last = way == PACED && pieces == 1;
  put_piece(conn, true, is_last);
  conn->due = now() + interval;
  if (!is_last) append(way == HELD ? &held : &paced, conn);
}

static void close_conn(struct Conn *conn) {
  drop(&paced, conn);
  drop(&held, conn);
  close(conn->fd);
  free(conn->bytes);
  free(conn->left);
  free(conn);
}

static void take(struct Conn *conn) {
  if (conn->room - conn->in < 4096) conn->bytes = must(realloc(conn->bytes, conn->room = 2 * conn->room + 8192));
  ssize_t got = recv(conn->fd, conn->bytes + conn->in, conn->room - conn->in - 1, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return close_conn(conn);
  conn->in += (size_t)got;
  while (conn->in) {
    conn->bytes[conn->in] = 0;
    if (!conn->need) {
      char *over = memmem(conn->bytes, conn->in, "\r\n\r\n", 4);
      if (!over) return;
      over[2] = 0;
      const char *size = strcasestr(conn->bytes, "\r\ncontent-length:");
      over[2] = '\r';
      conn->need = (size_t)(over + 4 - conn->bytes) + (size ? strtoul(size + 17, NULL, 10) : 0);
      if (conn->room < conn->need + 4096) conn->bytes = must(realloc(conn->bytes, conn->room = conn->need + 4096));
    }
    if (conn->in < conn->need) return;
    const char *body = strstr(conn->bytes, "\r\n\r\n") + 4;
    answer(conn, body, conn->need - (size_t)(body - conn->bytes));
    conn->in -= conn->need;
    memmove(conn->bytes, conn->bytes + conn->need, conn->in);
    conn->need = 0;
  }
}

static void obey(void) {
  char line[128], name[16];
  ssize_t got = read(0, line, sizeof line - 1);
  if (got <= 0) exit(0);
  line[got] = 0;
  unsigned long micros = 0;
  if (!strcmp(line, "release\n")) release();
  else if (!strcmp(line, "counts\n")) {
    printf("{\"messages\":%lu,\"others\":%lu}\n", messages, others);
    messages = others = 0;
  } else if (sscanf(line, "answer %15s %d %lu", name, &pieces, &micros) >= 2 && pieces > 0) {
    way = !strcmp(name, "paced") ? PACED : !strcmp(name, "held") ? HELD : BURST;
    interval = micros * 1000;
    make();
  } else {
    fprintf(stderr, "upstream: not understood: %s", line);
    exit(64);
  }
  if (strcmp(line, "counts\n")) puts("done");
  fflush(stdout);
}

static void let_in(int listener) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct Conn *conn = must(calloc(1, sizeof *conn));
    conn->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  }
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) { perror("upstream"); return 71; }
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  make();
  poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(poller, EPOLL_CTL_ADD, 0, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &address});
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL});
  for (;;) {
    struct epoll_event events[256];
    uint64_t at = now(), wait = paced.first && paced.first->due > at ? paced.first->due - at : 0;
    struct timespec most = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
    int count = epoll_pwait2(poller, events, 256, paced.first ? &most : NULL, NULL);
    for (int i = 0; i < count; i++) {
      struct Conn *conn = events[i].data.ptr;
      if (!conn) let_in(listener);
      else if (events[i].data.ptr == &address) obey();
      else {
        if (events[i].events & EPOLLOUT) put_left(conn);
        if (events[i].events & ~(uint32_t)EPOLLOUT) take(conn);
      }
    }
    go_on(now());
  }
}
