// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <malloc.h>
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int clinux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int clinux_set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void clinux_return_large_memory(void) { mallopt(M_MMAP_THRESHOLD, 1 << 20); }
void clinux_give_back_memory(void) { malloc_trim(0); }

void clinux_forget(void *start, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t from = ((uintptr_t)start + page - 1) & ~(page - 1), to = ((uintptr_t)start + length) & ~(page - 1);
  if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

// Writable segments are left out: the loader has written addresses into them, which stand in no file.
static int release_unwritable(struct dl_phdr_info *object, size_t size, void *unused) {
  (void)size, (void)unused;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  // An old library may have such addresses in its code too (text relocations).
  for (int i = 0; i < object->dlpi_phnum; i++) {
    if (object->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    for (const ElfW(Dyn) *entry = (const void *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr); entry->d_tag != DT_NULL; entry++)
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_TEXTREL)) return 0;
  }
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
    uintptr_t from = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    madvise((void *)from, object->dlpi_addr + segment->p_vaddr + segment->p_memsz - from, MADV_DONTNEED);
  }
  return 0;
}

void clinux_release_code(void) { dl_iterate_phdr(release_unwritable, NULL); }

// What runs between vfork and exec: system calls alone, in our memory. Returns an errno, or not at all.
static int become(const char *path, char *const argv[], char *const envp[], const int fds[3], const char *cwd, pid_t parent) {
  sigset_t none;
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
  if (parent > 0) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    // Who died before that will send nothing.
    if (getppid() != parent) _exit(127);
  }
  if (setpgid(0, 0) != 0) return errno;
  // Each lies above 2, or where it is to be, and must lose its close-on-exec then.
  for (int i = 0; i < 3; i++)
    if (fds[i] == i ? fcntl(i, F_SETFD, 0) != 0 : dup2(fds[i], i) != i) return errno;
  if (syscall(SYS_close_range, 3, ~0U, 0) != 0) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
    for (rlim_t fd = 3; fd < limit.rlim_cur; fd++) close((int)fd);
  }
  if (cwd != NULL && chdir(cwd) != 0) return errno;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execve(path, argv, envp);
  return errno;
}

int clinux_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], const int fds[3], const char *cwd,
                 int dies_with_us) {
  pid_t parent = dies_with_us ? getpid() : 0;
  char *const *environment = envp != NULL ? envp : environ;
  volatile int error = 0;
  sigset_t all, before;
  sigfillset(&all);
  // No handler of ours may run in the child.
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t child = vfork();
  if (child == 0) {
    error = become(path, argv, (char *const *)environment, fds, cwd, parent);
    _exit(127);
  }
  int failure = child < 0 ? errno : error;
  // While no signal can interrupt it: the child is on its way out.
  if (child > 0 && failure != 0) waitpid(child, NULL, 0);
  sigprocmask(SIG_SETMASK, &before, NULL);
  *pid = child;
  return failure;
}

int clinux_signalfd(const int *signals, int n) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < n; i++) sigaddset(&set, signals[i]);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int clinux_read_signal(int fd) {
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

// The eventfd of clinux_stop_signals, whether SIGTERM or SIGINT has come, and whether a second has passed since then.
static int stop_event = -1;
static volatile sig_atomic_t stop_came, stop_overdue;

// What SIGTERM and SIGINT add to its counter: more than all SIGHUPs together.
#define STOPS ((uint64_t)1 << 32)

static void take_stop(int number) {
  int kept = errno;
  uint64_t came = number == SIGHUP ? 1 : STOPS;
  if (write(stop_event, &came, sizeof came) < 0) { /* It is full of stops, so its reader wakes up anyway. */ }
  if (number != SIGHUP && !stop_came) {
    stop_came = 1;
    alarm(1);
  }
  errno = kept;
}

static void tell_overdue(int number) {
  (void)number;
  if (!stop_came) return;
  stop_overdue = 1;
  // A write that begins right after a look at stop_overdue would still wait, so it is interrupted each second.
  alarm(1);
}

static int mask_stop_signals(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGALRM);
  return sigprocmask(how, &set, NULL);
}

int clinux_stop_signals(void) {
  stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_event < 0) return -1;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = tell_overdue;
  if (sigaction(SIGALRM, &action, NULL) != 0) return -1;
  action.sa_handler = take_stop;
  if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGHUP, &action, NULL) != 0)
    return -1;
  return mask_stop_signals(SIG_UNBLOCK) == 0 ? stop_event : -1;
}

void clinux_hold_stop_signals(void) {
  mask_stop_signals(SIG_BLOCK);
  alarm(0);
}

int clinux_read_stop_signal(int fd) {
  uint64_t came;
  return read(fd, &came, sizeof came) != (ssize_t)sizeof came ? 0 : came >= STOPS ? SIGTERM : SIGHUP;
}

int clinux_is_overdue(void) { return stop_overdue; }

void clinux_adopt_orphans(void) { prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L); }

void clinux_hold(pid_t pid) {
  kill(-pid, SIGSTOP);
  for (int i = 0; i < 100; i++) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0) return;
    usleep(200);
  }
}

pid_t clinux_reap(pid_t pid, int *status) { return waitpid(pid, status, WNOHANG); }

int clinux_has_ended(pid_t pid, int *status) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return -1;
  if (info.si_pid == 0) return 0;
  *status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
  return 1;
}

void clinux_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int clinux_lock_byte(int fd, off_t at) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
  return fcntl(fd, F_OFD_SETLK, &lock);
}

int clinux_byte_is_locked(int fd, off_t at) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
  return fcntl(fd, F_OFD_GETLK, &lock) != 0 ? -1 : lock.l_type != F_UNLCK;
}

int clinux_threads(void) {
  FILE *status = fopen("/proc/self/status", "re");
  char line[128];
  int threads = -1;
  if (status == NULL) return -1;
  while (threads < 0 && fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "Threads: %d", &threads) != 1) threads = -1;
  fclose(status);
  return threads;
}

int clinux_processors(void) {
  // A set of the usual size is refused on machines of more than 1,024 processors.
  cpu_set_t sets[16];
  return sched_getaffinity(0, sizeof sets, sets) == 0 ? CPU_COUNT_S(sizeof sets, sets) : 1;
}
