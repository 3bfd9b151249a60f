// SPDX-License-Identifier: MIT
// A load client: many requests at once, each answer checked to the last byte, or many connections that wait.
//
// usage: load PORT streams|held|wholes COUNT PIECES RAMP_SECONDS PATH BODY [SECONDS [HEADER]...]
//        load PORT idle COUNT
//
// streams: opens COUNT connections within RAMP_SECONDS and posts BODY on each; its answer must be a stream of PIECES
// pieces of text, each "@T" and 19 digits of CLOCK_MONOTONIC (when it was made, in nanoseconds; 0: it isn't said),
// "@", then "wordN " in order, and an end. A connection that has its answer asks again until SECONDS are over (0: each
// asks once). It stays open when its last answer is over, and all are closed at the end. BODY is a file if it begins
// with "@".
//
// held: the same, and "held" on standard output when each stream has begun.
//
// wholes: the same, and each answer is a JSON value in which the string "word0 word1 …" of PIECES words must be.
//
// idle: opens COUNT connections, asks each for /health/live, says "held" on standard output, waits for a line on
// standard input, asks each once more, and ends.
//
// All print one JSON object. One thread, epoll: what it took itself, and how long a piece may have waited in it
// (turn_us), is told, so that one sees whether it was the bottleneck.
#define _GNU_SOURCE
#include "answer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// Times are counted by the microsecond in the first second, then by the millisecond, to two minutes.
enum { FINE = 1000000, BUCKETS = FINE + 119000, MOST_WRONG = 100 };

struct Client {
  int fd;
  bool sends;
  size_t sent;
  uint64_t asked;
  struct Answer answer;
};

struct Times { uint32_t *counts; uint64_t all; double most; };

static struct sockaddr_in address = {.sin_family = AF_INET};
static int poller, complete, wrong, begun, asking;
static char complaint[600], *request;
static size_t length;
static uint64_t until, last;
static struct Times latency, answers, turn;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add(struct Times *times, uint64_t nanoseconds) {
  uint64_t us = nanoseconds / 1000, bucket = us < FINE ? us : FINE + (us - FINE) / 1000;
  times->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  times->all++;
  if ((double)us > times->most) times->most = (double)us;
}

// In microseconds.
static uint64_t share(const struct Times *times, double part) {
  uint64_t seen = 0, wanted = (uint64_t)((double)times->all * part);
  for (uint64_t i = 0; i < BUCKETS; i++)
    if ((seen += times->counts[i]) > wanted) return i < FINE ? i : FINE + (i - FINE) * 1000;
  return 0;
}

static void note_piece(const struct Answer *answer, uint64_t made, uint64_t came) {
  if (answer->pieces == 1) begun++;
  if (made) add(&latency, came > made ? came - made : 0);
}
static struct Expected expected = {.piece = note_piece};

static void watch(struct Client *client, int operation) {
  struct epoll_event event = {.events = EPOLLIN | (client->sends ? EPOLLOUT : 0), .data.ptr = client};
  epoll_ctl(poller, operation, client->fd, &event);
}

static void send_some(struct Client *client) {
  ssize_t put = send(client->fd, request + client->sent, length - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (put > 0) client->sent += (size_t)put;
  // What can't be sent because the server is gone shows when its answer is read.
  bool sends = client->sent < length && (put > 0 || errno == EAGAIN);
  if (sends == client->sends) return;
  client->sends = sends;
  watch(client, EPOLL_CTL_MOD);
}

static void ask(struct Client *client) {
  memset(&client->answer, 0, offsetof(struct Answer, in));
  client->sent = 0, client->asked = now();
  asking++;
  send_some(client);
}

static void open_client(struct Client *client) {
  int on = 1;
  client->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address)) {
    perror("connect");
    exit(1);
  }
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  client->sends = false;
  watch(client, EPOLL_CTL_ADD);
  ask(client);
}

static void close_client(struct Client *client) {
  close(client->fd);
  client->fd = -1;
}

static void give_up(struct Client *client, const char *why) {
  const struct Answer *answer = &client->answer;
  wrong++, asking--;
  if (!complaint[0])
    snprintf(complaint, sizeof complaint, "%s, status %d, after %d pieces: %.200s", why, answer->status, answer->pieces,
             answer->where == HEAD ? answer->in : answer->text);
  for (char *c = complaint; *c; c++)
    if (*c == '"' || *c == '\\' || *c < ' ') *c = ' ';
  close_client(client);
  if (now() < until && wrong < MOST_WRONG) open_client(client);
}

static void read_some(struct Client *client) {
  struct Answer *answer = &client->answer;
  ssize_t got = recv(client->fd, answer->in + answer->filled, BUFFER - answer->filled, MSG_DONTWAIT);
  uint64_t at = now();
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (answer->where == OVER) return close_client(client);
    return give_up(client, got ? strerror(errno) : "closed");
  }
  bool was_over = answer->where == OVER;
  answer->filled += (size_t)got;
  const char *why = take(answer, &expected, at);
  // After the answer was counted, more came.
  if (why && was_over) asking++;
  if (why) return give_up(client, why);
  if (answer->where != OVER) return;
  complete++, asking--, last = at;
  add(&answers, at - client->asked);
  if (at >= until) return;
  if (!answer->closes) return ask(client);
  close_client(client);
  open_client(client);
}

static void wait_for_some(int milliseconds) {
  struct epoll_event events[1024];
  int count = epoll_wait(poller, events, 1024, milliseconds);
  uint64_t began = now();
  for (int i = 0; i < count; i++) {
    struct Client *client = events[i].data.ptr;
    if (client->fd >= 0 && events[i].events & EPOLLOUT) send_some(client);
    if (client->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT) read_some(client);
  }
  if (count > 0) add(&turn, now() - began);
}

static int ask_all(int count, double ramp, double seconds, bool tells) {
  struct Client *clients = calloc((size_t)count, sizeof *clients);
  uint64_t began = now();
  until = began + (uint64_t)(seconds * 1e9);
  for (int opened = 0; opened < count || asking > 0;) {
    int due = ramp > 0 ? (int)((double)(now() - began) / 1e9 / ramp * count) + 1 : count;
    while (opened < count && opened < due) open_client(&clients[opened++]);
    wait_for_some(opened < count ? 1 : 1000);
    if (tells && begun + wrong >= count) tells = false, puts("held"), fflush(stdout);
  }
  double took = (double)((last ? last : now()) - began) / 1e9;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  uint64_t pieces = latency.all ? latency.all : (uint64_t)complete * (uint64_t)expected.pieces;
  printf("{\"complete\":%d,\"wrong\":%d,\"pieces\":%lu,\"seconds\":%.3f,\"p50_us\":%lu,\"p99_us\":%lu,\"p999_us\":%lu,"
         "\"max_us\":%.0f,\"answer_p50_us\":%lu,\"answer_p99_us\":%lu,\"client_cpu\":%.3f,\"turn_p99_us\":%lu,\"turn_max_us\":%.0f,"
         "\"complaint\":\"%s\"}\n",
         complete, wrong, pieces, took, share(&latency, 0.5), share(&latency, 0.99), share(&latency, 0.999), latency.most,
         share(&answers, 0.5), share(&answers, 0.99), cpu / took, share(&turn, 0.99), turn.most, complaint);
  return wrong ? 1 : 0;
}

// One request on each connection, and its answer, which must be a 200 of one piece.
static int ask_each(const int *fds, int count) {
  static const char asked[] = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
  char answer[4096];
  int good = 0;
  for (int i = 0; i < count; i++) {
    if (send(fds[i], asked, sizeof asked - 1, MSG_NOSIGNAL) < 0) continue;
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

// The request, with its body, and the text that a whole answer must have.
static void compose(const char *path, const char *body, char **headers, int count, bool is_whole) {
  size_t size = strlen(body);
  if (*body == '@') {
    FILE *file = fopen(body + 1, "rb");
    if (!file || fseek(file, 0, SEEK_END)) { perror(body + 1); exit(1); }
    size = (size_t)ftell(file);
    rewind(file);
    char *read = malloc(size + 1);
    if (fread(read, 1, size, file) != size) { perror(body + 1); exit(1); }
    body = read;
  }
  size_t room;
  FILE *text = open_memstream(&request, &length);
  fprintf(text, "POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n", path, size);
  for (int i = 0; i < count; i++) fprintf(text, "%s\r\n", headers[i]);
  fputs("\r\n", text);
  fwrite(body, 1, size, text);
  fclose(text);
  if (!is_whole) return;
  text = open_memstream((char **)&expected.text, &room);
  for (int i = 0; i < expected.pieces; i++) fprintf(text, i ? " word%d" : "\"word%d", i);
  fputc('"', text);
  fclose(text);
}

int main(int argc, char **argv) {
  bool is_idle = argc == 4 && !strcmp(argv[2], "idle");
  if (!is_idle && argc < 8) {
    fputs("usage: load PORT streams|held|wholes COUNT PIECES RAMP PATH BODY [SECONDS [HEADER]...] | load PORT idle COUNT\n", stderr);
    return 64;
  }
  address.sin_port = htons((uint16_t)atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (is_idle) return idle(atoi(argv[3]));
  poller = epoll_create1(EPOLL_CLOEXEC);
  expected.pieces = atoi(argv[4]);
  for (int i = 0; i < 3; i++) (struct Times *[]){&latency, &answers, &turn}[i]->counts = calloc(BUCKETS, sizeof(uint32_t));
  compose(argv[6], argv[7], argv + 9, argc > 9 ? argc - 9 : 0, !strcmp(argv[2], "wholes"));
  return ask_all(atoi(argv[3]), atof(argv[5]), argc > 8 ? atof(argv[8]) : 0, !strcmp(argv[2], "held"));
}
