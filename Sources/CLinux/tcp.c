// SPDX-License-Identifier: MIT
// Apart from the rest: glibc's own <netinet/tcp.h> knows an older tcp_info, and the two can't be included together.
#include "CLinux.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

long long clinux_acknowledged(int fd) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return -1;
  if (length < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) return -1;
  return (long long)info.tcpi_bytes_acked;
}
