// SPDX-License-Identifier: MIT
// What Swift's Glibc module lacks of Linux: epoll, pidfds, signalfds, pipe2 and spawn in a process group.
#ifndef CLINUX_H
#define CLINUX_H
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/// Opens a descriptor that becomes readable when the process has ended; -1 with errno.
int clinux_pidfd_open(pid_t pid);

/// pipe2(2) with O_CLOEXEC; -1 with errno.
int clinux_pipe(int ends[2]);

/// Sets O_NONBLOCK; -1 with errno.
int clinux_set_nonblocking(int fd);

/// Has free(3) return what is larger than 1 MiB to the system at once, always. Of itself glibc takes such sizes from the
/// heap after the first one was freed, and the heap stays as large as it once was.
void clinux_return_large_memory(void);

/// Gives the system back all that the allocator keeps for later.
void clinux_give_back_memory(void);

/// Releases the pages of the program and its libraries that the process only reads, code above all. Pages that are needed
/// come back from the page cache, in groups of 16 (64 KiB). Most of what a start reads is never needed again.
void clinux_release_code(void);

/// Gives the system back the whole pages of a piece of memory whose content is no longer needed; the piece stays usable.
void clinux_forget(void *start, size_t length);

/// Starts a program as the leader of a process group of its own.
///
/// `fds[0..2]` become 0, 1 and 2 and all other descriptors are closed; signals are at their defaults; the working
/// directory is `cwd` where that isn't NULL, the environment ours where `envp` is NULL. Where it dies with us, the kernel
/// kills it as soon as the calling thread has ended, however it ends. Returns 0 and the pid, else an errno.
int clinux_spawn(pid_t *pid, const char *path, char *const argv[], char *const envp[], const int fds[3], const char *cwd,
                 int dies_with_us);

/// A descriptor that delivers the n signals given, which are blocked in this thread; -1 with errno.
int clinux_signalfd(const int *signals, int n);

/// Returns a descriptor for SIGTERM, SIGINT and SIGHUP, which clinux_read_stop_signal reads; -1 with errno. They also interrupt
/// a call that waits, such as a write to a full pipe, with EINTR. After SIGTERM or SIGINT this happens again every second.
int clinux_stop_signals(void);

/// Blocks these signals. The process now waits for its children, and no signal may interrupt that.
void clinux_hold_stop_signals(void);

/// What has come on that descriptor: SIGTERM for SIGTERM or SIGINT, else SIGHUP, else 0.
int clinux_read_stop_signal(int fd);

/// Whether a second has passed since SIGTERM or SIGINT.
int clinux_is_overdue(void);

/// Reads one signal number from a signalfd, 0 when there is none.
int clinux_read_signal(int fd);

/// Collects a child that has ended: its wait status in `*status`; returns the pid, 0 if it still runs, -1 with errno.
pid_t clinux_reap(pid_t pid, int *status);

/// Tells whether a child has ended, and its wait status, without collecting it: its number stays taken. 0 while it
/// runs, 1 when it has ended, -1 with errno.
int clinux_has_ended(pid_t pid, int *status);

/// Makes the processes that our children leave behind our children.
void clinux_adopt_orphans(void);

/// Stops a process and its group, and waits until it stands still, for 20 ms at most.
void clinux_hold(pid_t pid);

/// Lets this process, and those it starts, open as many descriptors as the system allows it.
void clinux_raise_descriptor_limit(void);

/// How many bytes the other side of a TCP connection has acknowledged so far; -1 where that can't be known.
long long clinux_acknowledged(int fd);

/// How many threads this process has; -1 where that can't be known.
int clinux_threads(void);

/// How many processors the scheduler gives to this process; 1 where that can't be known.
int clinux_processors(void);

/// Locks one byte of a file for as long as this open file is open; 0, or -1 with errno where another one has it.
int clinux_lock_byte(int fd, off_t at);

/// The index of the stage that is at work, for the line of a crash; -1 for none.
extern volatile int clinux_stage;
static inline void clinux_enter_stage(int index) { clinux_stage = index; }

/// The time in the lines of crashes, which is replaced by that of the crash.
#define CLINUX_CRASH_TIME "0000-00-00T00:00:00.000Z"

/// Sets the line that a crash of that stage writes to standard error; -1 is for a crash while no stage is at work.
void clinux_set_crash_line(int index, const char *line);

/// Has signals such as SIGSEGV write the line of the stage at work before they end the process.
void clinux_tell_of_crashes(void);

/// Tells whether another open file has locked that byte: 0 or 1, -1 with errno.
int clinux_byte_is_locked(int fd, off_t at);
#endif
