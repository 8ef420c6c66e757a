/*
 * matrix.c - every call on every kind of file in every state
 *
 * A subject is a descriptor, r0, in some state. Each row of calls.c is made on
 * each subject with every combination of its alternatives, each time on a
 * subject that is made anew, and afterwards the subject is looked at.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

/* Lines are separated by semicolons; the process is 0. */
static const struct {
  const char *name, *setup;
} subjects[] = {
#define FILL "write r1 65536"
  { "closed", "eventfd2 0 0 > r0;close r0" },
  { "negative", "" },
  { "read end", "pipe2 out 0 > r0 r1" },
  { "read end, non-blocking", "pipe2 out O_NONBLOCK > r0 r1" },
  { "read end, data", "pipe2 out O_NONBLOCK > r0 r1;write r1 100" },
  { "read end, full", "pipe2 out O_NONBLOCK > r0 r1;" FILL },
  { "read end, no writers", "pipe2 out 0 > r0 r1;close r1" },
  { "read end, data, no writers",
    "pipe2 out 0 > r0 r1;write r1 5000;close r1" },
  { "read end, packets",
    "pipe2 out O_NONBLOCK|O_DIRECT > r0 r1;write r1 10;write r1 20" },
  { "write end", "pipe2 out O_NONBLOCK > r1 r0" },
  { "write end, blocking", "pipe2 out 0 > r1 r0" },
  { "write end, full", "pipe2 out O_NONBLOCK > r1 r0;write r0 65536" },
  { "write end, full, blocking", "pipe2 out 0 > r1 r0;write r0 65536" },
  { "write end, nearly full", "pipe2 out O_NONBLOCK > r1 r0;write r0 65535" },
  { "write end, a slot free",
    "pipe2 out O_NONBLOCK > r1 r0;write r0 65536;read r1 4096" },
  { "write end, no slot free",
    "pipe2 out O_NONBLOCK > r1 r0;write r0 65536;read r1 10" },
  { "write end, no readers", "pipe2 out O_NONBLOCK > r1 r0;close r1" },
  { "write end, full, no readers",
    "pipe2 out O_NONBLOCK > r1 r0;write r0 65536;close r1" },
  { "write end, packets", "pipe2 out O_NONBLOCK|O_DIRECT > r1 r0" },
  { "a dup of a write end", "pipe2 out O_NONBLOCK > r1 r2;dup r2 > r0" },
  { "a pipe of one page",
    "pipe2 out O_NONBLOCK > r0 r1;fcntl r1 F_SETPIPE_SZ 4096;write r1 4000" },
  { "eventfd", "eventfd2 0 EFD_NONBLOCK > r0" },
  { "eventfd, blocking", "eventfd2 0 0 > r0" },
  { "eventfd of 5", "eventfd2 5 EFD_NONBLOCK > r0" },
  { "eventfd, full", "eventfd2 0 EFD_NONBLOCK > r0;write r0 #-2" },
  { "eventfd, full, blocking", "eventfd2 0 0 > r0;write r0 #-2" },
  { "semaphore of 0, blocking", "eventfd2 0 EFD_SEMAPHORE > r0" },
  { "semaphore, full", "eventfd2 0 EFD_NONBLOCK|EFD_SEMAPHORE > r0;"
                       "write r0 #-2" },
  { "semaphore", "eventfd2 3 EFD_NONBLOCK|EFD_SEMAPHORE > r0" },
  { "timerfd", "timerfd_create CLOCK_MONOTONIC TFD_NONBLOCK > r0" },
  { "timerfd, blocking", "timerfd_create CLOCK_MONOTONIC 0 > r0" },
  { "timerfd, set", "timerfd_create CLOCK_MONOTONIC TFD_NONBLOCK > r0;"
                    "timerfd_settime r0 0 1000000/1000 null" },
  { "timerfd, expired", "timerfd_create CLOCK_REALTIME TFD_NONBLOCK > r0;"
                        "timerfd_settime r0 TFD_TIMER_ABSTIME 0,1/0 null" },
  { "timerfd, expired, blocking",
    "timerfd_create CLOCK_MONOTONIC 0 > r0;timerfd_settime r0 0 0,1000/0 null" },
  { "timerfd, set to a date",
    "timerfd_create CLOCK_REALTIME TFD_NONBLOCK > r0;timerfd_settime r0 "
    "TFD_TIMER_ABSTIME|TFD_TIMER_CANCEL_ON_SET 0,1/0 null" },
  { "epoll", "epoll_create1 0 > r0;eventfd2 0 0 > r1" },
  { "epoll, ready",
    "epoll_create1 0 > r0;eventfd2 1 0 > r1;epoll_ctl r0 ADD r1 IN:9" },
  { "epoll, not ready",
    "epoll_create1 0 > r0;eventfd2 0 0 > r1;epoll_ctl r0 ADD r1 IN|ET:9" },
  { "epoll, one-shot", "epoll_create1 0 > r0;eventfd2 1 0 > r1;"
                       "epoll_ctl r0 ADD r1 IN|ONESHOT:9;epoll_wait r0 5 0" },
  { "epoll in an epoll",
    "epoll_create1 0 > r0;epoll_create1 0 > r1;epoll_ctl r1 ADD r0 IN:9" },
  { "epoll of all kinds",
    "epoll_create1 EPOLL_CLOEXEC > r0;pipe2 out 0 > r1 r2;"
    "socketpair AF_UNIX SOCK_DGRAM 0 out > r3 r4;"
    "timerfd_create CLOCK_MONOTONIC 0 > r7;epoll_create1 0 > r8;"
    "timerfd_settime r7 0 0,1/0 null;epoll_ctl r0 ADD r2 OUT|ET:1;"
    "epoll_ctl r0 ADD r3 IN|OUT:2;epoll_ctl r0 ADD r7 IN:3;"
    "epoll_ctl r8 ADD r3 OUT:4;epoll_ctl r0 ADD r8 IN:5;"
    "epoll_ctl r0 ADD r1 IN|EXCLUSIVE:6" },
  { "epoll of a closed descriptor",
    "epoll_create1 0 > r0;eventfd2 1 0 > r1;dup r1 > r2;"
    "epoll_ctl r0 ADD r2 IN:9;close r2" },
  { "null", "open /dev/null O_RDWR 0 > r0" },
  { "null, read-only", "open /dev/null O_RDONLY 0 > r0" },
  { "null, write-only", "open /dev/null O_WRONLY 0 > r0" },
  { "null, neither", "open /dev/null 3 0 > r0" },
  { "zero", "open /dev/zero O_RDWR 0 > r0" },
  { "zero, write-only", "open /dev/zero O_WRONLY|O_APPEND 0 > r0" },
  { "full", "open /dev/full O_RDWR 0 > r0" },
  { "full, read-only", "open /dev/full O_RDONLY 0 > r0" },
  { "random", "open /dev/random O_RDWR 0 > r0" },
  { "urandom", "open /dev/urandom O_RDONLY 0 > r0" },
  { "O_PATH of a device", "open /dev/null O_PATH 0 > r0" },
#define PAIR(type) "socketpair AF_UNIX " type " 0 out > r0 r1"
  { "stream", PAIR("SOCK_STREAM|SOCK_NONBLOCK") },
  { "stream, blocking", PAIR("SOCK_STREAM") },
  { "stream, data", PAIR("SOCK_STREAM|SOCK_NONBLOCK") ";write r1 5000" },
  { "stream, full",
    PAIR("SOCK_STREAM|SOCK_NONBLOCK") ";write r0 200000;"
                                      "write r0 200000;write r0 200000" },
  { "stream, peer closed", PAIR("SOCK_STREAM") ";close r1" },
  { "stream, data, peer closed", PAIR("SOCK_STREAM") ";write r1 9;close r1" },
  { "stream, data lost", PAIR("SOCK_STREAM") ";write r0 9;close r1" },
  { "stream, peer shut for writing",
    PAIR("SOCK_STREAM") ";write r1 9;shutdown r1 SHUT_WR" },
  { "stream, shut for reading", PAIR("SOCK_STREAM") ";shutdown r0 SHUT_RD" },
  { "stream, shut for writing", PAIR("SOCK_STREAM") ";shutdown r0 SHUT_WR" },
  { "datagrams", PAIR("SOCK_DGRAM|SOCK_NONBLOCK") },
  { "datagrams, two",
    PAIR("SOCK_DGRAM|SOCK_NONBLOCK") ";write r1 10;write r1 20" },
  { "datagrams, peer closed", PAIR("SOCK_DGRAM") ";write r1 10;close r1" },
  { "packets, two",
    PAIR("SOCK_SEQPACKET|SOCK_NONBLOCK") ";write r1 10;write r1 20" },
  { "packets, peer closed", PAIR("SOCK_SEQPACKET") ";write r1 10;close r1" },
  { "stream, nearly full",
    PAIR(
        "SOCK_STREAM|SOCK_NONBLOCK") ";setsockopt r0 "
                                     "SOL_SOCKET SO_SNDBUF 1 4;write r0 3000" },
  { "stream, peer shut for reading",
    PAIR("SOCK_STREAM") ";write r0 9;shutdown r1 SHUT_RD" },
  { "stream, descriptors", PAIR("SOCK_STREAM|SOCK_NONBLOCK") ";sendmsg r1 "
                                                             "[5]:0,1 0" },
  { "stream, not connected", "socket AF_UNIX SOCK_STREAM 0 > r0" },
#define URGENT PAIR("SOCK_STREAM|SOCK_NONBLOCK") ";sendto r1 3 MSG_OOB 0 0"
#define INLINE ";setsockopt r0 SOL_SOCKET SO_OOBINLINE 1 4"
  { "stream, an urgent byte",
    PAIR("SOCK_STREAM") ";sendto r1 1 MSG_OOB 0 0;fcntl r0 F_SETOWN p0" },
  { "stream, an urgent byte, inline", URGENT INLINE ";write r1 5" },
  { "stream, at the mark", URGENT ";write r1 5;read r0 2" },
  { "stream, at the mark, inline", URGENT INLINE ";write r1 5;read r0 2" },
  { "stream, urgent byte taken",
    URGENT ";sendmsg r1 [5]:0,1 0;recvfrom r0 1 MSG_OOB 0 0" },
  { "stream, urgent byte taken, at the mark, another",
    URGENT ";read r0 2;recvfrom r0 1 MSG_OOB 0 0;sendmsg r1 [1]:0 MSG_OOB" },
  { "stream, urgent byte passed over", URGENT ";read r0 9;read r0 9" },
  { "stream, peeked beyond an urgent byte",
    URGENT ";write r1 5;setsockopt r0 SOL_SOCKET SO_PEEK_OFF 2 4" },
  { "stream, urgent byte, peer closed",
    PAIR("SOCK_STREAM") ";sendto r1 3 MSG_OOB 0 0;read r0 2;close r1" },
  { "stream, urgent byte lost",
    PAIR("SOCK_STREAM") ";sendto r0 1 MSG_OOB 0 0;close r1" },
  { "datagrams, full",
    PAIR(
        "SOCK_DGRAM|SOCK_NONBLOCK") ";setsockopt r0 "
                                    "SOL_SOCKET SO_SNDBUF 1 4;write r0 900;write r0 900;"
                                    "write r0 900;write r0 900" },
  { "datagrams, none, peer closed",
    PAIR("SOCK_DGRAM|SOCK_NONBLOCK") ";close r1" },
  { "datagrams, shut",
    PAIR("SOCK_DGRAM|SOCK_NONBLOCK") ";write r1 9;"
                                     "shutdown r0 SHUT_RDWR" },
  { "datagrams, not connected", "socket AF_UNIX SOCK_DGRAM 0 > r0" },
  { "packets, full",
    PAIR(
        "SOCK_SEQPACKET|SOCK_NONBLOCK") ";setsockopt r0 "
                                        "SOL_SOCKET SO_SNDBUF 1 4;write r0 900;write r0 900;"
                                        "write r0 900;write r0 900" },
  { "packets, blocking, none", PAIR("SOCK_SEQPACKET") },
  { "packets, data lost", PAIR("SOCK_SEQPACKET") ";write r0 9;close r1" },
  { "packets, peer shut for writing",
    PAIR("SOCK_SEQPACKET") ";write r1 9;shutdown r1 SHUT_WR" },
  { "packets, descriptors",
    PAIR("SOCK_SEQPACKET|SOCK_NONBLOCK") ";sendmsg r1 [5]:0 0" },
#define CREDS(r) ";setsockopt " r " SOL_SOCKET SO_PASSCRED 1 4"
  { "datagrams, no name yet", PAIR("SOCK_DGRAM|SOCK_NONBLOCK") CREDS("r0") },
  { "datagrams, named", PAIR("SOCK_DGRAM|SOCK_NONBLOCK") CREDS("r0")
                            CREDS("r1") ";write r0 10;write r1 20" },
  { "datagrams, peer named and closed",
    PAIR("SOCK_DGRAM|SOCK_NONBLOCK") CREDS("r1") ";write r1 10;close r1" },
#define STRANGER "socket AF_UNIX SOCK_DGRAM 0 > "
  { "datagrams, not connected, named",
    STRANGER "r0" CREDS("r0") ";write r0 1;" STRANGER "r1" },
  { "datagrams, stranger named",
    PAIR("SOCK_DGRAM|SOCK_NONBLOCK") ";" STRANGER
                                     "r1" CREDS("r1") ";write r1 1" },
  { "datagrams, stranger nearly full",
    STRANGER "r1" CREDS(
        "r1") ";write r1 1;" STRANGER "r0;"
              "sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1;"
              "sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1;"
              "sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1" },
  { "datagrams, stranger full",
    STRANGER "r1" CREDS(
        "r1") ";write r1 1;" STRANGER "r0;"
              "sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1;"
              "sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1;"
              "sendto r1 1 0 r1;sendto r1 1 0 r1;sendto r1 1 0 r1" },
  { "packets, named", PAIR("SOCK_SEQPACKET|SOCK_NONBLOCK") CREDS("r0")
                          CREDS("r1") ";write r0 10;write r1 20" },
  { "packets, peer named and closed",
    PAIR("SOCK_SEQPACKET") CREDS("r1") ";write r1 10;close r1" },
#define FILE(flags) \
  "unlinkat AT_FDCWD a 0;openat AT_FDCWD a O_CREAT|" flags " 0644 > r0"
  { "file", FILE("O_RDWR") },
  { "file, data", FILE("O_RDWR") ";write r0 5000;lseek r0 100 SEEK_SET" },
  { "file, at its end", FILE("O_RDWR") ";write r0 5000" },
  { "file, holes",
    FILE("O_RDWR") ";ftruncate r0 30000;pwrite64 r0 10 9000;dup r0 > r1" },
  { "file, read-only", FILE("O_RDWR") ";write r0 5000;"
                                      "openat AT_FDCWD a O_RDONLY 0 > r0" },
  { "file, write-only", FILE("O_WRONLY") ";write r0 5000" },
  { "file, appending", FILE("O_RDWR|O_APPEND") ";write r0 5000" },
  { "file, unlinked", FILE("O_RDWR") ";write r0 10;unlinkat AT_FDCWD a 0" },
  { "file, neither", FILE("O_RDWR") ";openat AT_FDCWD a 3 0 > r0" },
  { "O_PATH of a file", FILE("O_RDWR") ";openat AT_FDCWD a O_PATH 0 > r0" },
  { "file at the end of all offsets",
    FILE("O_RDWR") ";write r0 10;lseek r0 MAX SEEK_SET" },
  { "file, O_NOATIME", FILE("O_RDWR|O_NOATIME|O_NONBLOCK") ";write r0 5000" },
  { "file without a name", "openat AT_FDCWD . O_RDWR|O_TMPFILE 0600 > r0;"
                           "write r0 10" },
  { "file without permissions", FILE("O_RDWR") ";write r0 10;fchmod r0 0" },
  { "directory, removed",
    "mkdirat AT_FDCWD z 0755;openat AT_FDCWD z O_RDONLY 0 "
    "> r0;unlinkat AT_FDCWD z AT_REMOVEDIR" },
  { "directory", "openat AT_FDCWD . O_RDONLY|O_DIRECTORY 0 > r0" },
  { "directory of descriptors",
    "open /proc/self/fd O_RDONLY|O_DIRECTORY 0 > r0" },
  { "directory of descriptors, O_PATH", "open /proc/self/fd O_PATH 0 > r0" },
  { "O_PATH of a directory", "openat AT_FDCWD . O_PATH 0 > r0" },
  { "O_PATH of a symbolic link",
    "symlinkat a AT_FDCWD m;openat AT_FDCWD m O_PATH|O_NOFOLLOW 0 > r0" },
#define FIFO "unlinkat AT_FDCWD p 0;mknodat AT_FDCWD p S_IFIFO|0644 0;"
  { "FIFO, read end, no writers",
    FIFO "openat AT_FDCWD p O_RDONLY|O_NONBLOCK 0 > r0" },
  { "FIFO, read end", FIFO "openat AT_FDCWD p O_RDONLY|O_NONBLOCK 0 > r0;"
                           "openat AT_FDCWD p O_WRONLY 0 > r1;write r1 100" },
  { "FIFO, read end, writers gone",
    FIFO "openat AT_FDCWD p O_RDONLY|O_NONBLOCK 0 > r0;"
         "openat AT_FDCWD p O_WRONLY 0 > r1;write r1 100;close r1" },
  { "FIFO, write end", FIFO "openat AT_FDCWD p O_RDONLY|O_NONBLOCK 0 > r1;"
                            "openat AT_FDCWD p O_WRONLY|O_NONBLOCK 0 > r0" },
  { "FIFO, write end, full",
    FIFO "openat AT_FDCWD p O_RDONLY|O_NONBLOCK 0 > r1;"
         "openat AT_FDCWD p O_WRONLY|O_NONBLOCK 0 > r0;write r0 65536" },
  { "FIFO, write end, no readers",
    FIFO "openat AT_FDCWD p O_RDONLY|O_NONBLOCK 0 > r1;"
         "openat AT_FDCWD p O_WRONLY|O_NONBLOCK 0 > r0;close r1" },
  { "FIFO, both",
    FIFO "openat AT_FDCWD p O_RDWR|O_NONBLOCK 0 > r0;write r0 5000" },
  { "FIFO, both, blocking", FIFO "openat AT_FDCWD p O_RDWR 0 > r0" },
  { "FIFO, unlinked", FIFO "openat AT_FDCWD p O_RDWR|O_NONBLOCK 0 > r0;"
                           "unlinkat AT_FDCWD p 0" },
  { "O_PATH of a FIFO", FIFO "openat AT_FDCWD p O_PATH 0 > r0" },
  { "memfd", "memfd_create name 0 > r0;write r0 5000" },
  { "memfd, sealed", "memfd_create name MFD_ALLOW_SEALING > r0;write r0 5000;"
                     "fcntl r0 F_ADD_SEALS F_SEAL_WRITE|F_SEAL_GROW" },
  { "memfd, read-only",
    "memfd_create name 0 > r2;write r2 5000;dup2 r2 30 > r1;"
    "openat AT_FDCWD /proc/self/fd/30 O_RDONLY 0 > r0" },
  { "memfd, all sealed",
    "memfd_create name MFD_ALLOW_SEALING|MFD_CLOEXEC > r0;write r0 5000;"
    "fcntl r0 F_ADD_SEALS "
    "F_SEAL_WRITE|F_SEAL_GROW|F_SEAL_SHRINK|F_SEAL_SEAL" },
#define HOST(what, flags) "host " what " " flags " > r0 r1"
  { "host pipe, read end", HOST("pipe", "0") },
  { "host pipe, read end, data", HOST("pipe", "O_NONBLOCK") ";write r1 5000" },
  { "host pipe, read end, data, no writers",
    HOST("pipe", "0") ";write r1 100;close r1" },
  { "host pipe, write end", "host pipe O_NONBLOCK > r1 r0" },
  { "host pipe, write end, nearly full", "host pipe 0 > r1 r0;write r0 65535" },
  { "host pipe, write end, no readers", "host pipe 0 > r1 r0;close r1" },
  { "host eventfd, full", HOST("eventfd", "0") ";write r0 #-2" },
  { "host eventfd", HOST("eventfd", "O_NONBLOCK") ";write r0 #5" },
  { "host memfd", HOST("memfd", "0") ";write r0 5000" },
  { "host memfd, sealed",
    HOST("memfd", "0") ";write r0 5000;"
                       "fcntl r0 F_ADD_SEALS F_SEAL_WRITE|F_SEAL_GROW" },
  { "host file", HOST("file", "O_RDWR") ";lseek r0 100 SEEK_SET" },
  { "host file, read-only", HOST("file", "O_RDONLY") },
  { "host file, appending", HOST("file", "O_WRONLY|O_APPEND") },
  { "host null", HOST("/dev/null", "O_RDWR") },
  { "host zero", HOST("/dev/zero", "O_RDWR") },
  { "host stream", HOST("stream", "O_NONBLOCK") ";write r1 5000" },
  { "host stream, blocking", HOST("stream", "0") },
  { "host stream, data, peer closed",
    HOST("stream", "0") ";write r1 9;close r1" },
  { "host stream, peer shut for writing",
    HOST("stream", "0") ";write r1 9;shutdown r1 SHUT_WR" },
  { "host datagrams, two",
    HOST("datagrams", "O_NONBLOCK") ";write r1 10;write r1 20" },
  { "host packets, two",
    HOST("packets", "O_NONBLOCK") ";write r1 10;write r1 9000" },
  { "table full", "pipe2 out O_NONBLOCK > r0 r1;setrlimit RLIMIT_NOFILE 7,40" },
  { "one place free",
    "pipe2 out O_NONBLOCK > r0 r1;setrlimit RLIMIT_NOFILE 8,40" },
};

enum { NSUBJECTS = sizeof subjects / sizeof *subjects };

/* Between two descriptors: a file and a pipe are there besides the subject. */
static bool moves(const struct call *c)
{
  for (int i = 0; c->args[i] != '\0'; i++)
    if (strcmp(c->choice[i], "~in") == 0 || strcmp(c->choice[i], "~pipe") == 0)
      return true;
  return false;
}

/* What has a generator's choice has one here, too. */
static const char *alternatives(const struct call *c, int i)
{
  const char *s = c->choice[i];
  int nfds = 0;

  for (const char *p = c->args; *p != '\0'; p++)
    nfds += *p == 'f';
  if (strcmp(s, "~fd") == 0 || strcmp(s, "~any") == 0) {
    if (i == 0)
      return nfds > 1 ? "r0 r20" : "r0";
    return "r0 r1 r21 -1";
  }
  if (strcmp(s, "~in") == 0)
    return "r0 r17 r18";
  if (strcmp(s, "~out") == 0)
    return "r0 r1 r17 r19";
  if (strcmp(s, "~pipe") == 0)
    return i == 0 ? "r0 r18" : "r0 r1 r19";
  if (moves(c) && c->args[i] == 'o')
    return "null 5 bad";
  if (moves(c) && c->args[i] == 'l')
    return "0 100 70000";
  if (moves(c) && c->args[i] == 'i')
    return "0 SPLICE_F_NONBLOCK";
  if (strcmp(s, "~size") == 0)
    return "0 1 8 100 4096 70000 5@bad 0@bad";
  if (strcmp(s, "~vector") == 0)
    return "[1,8] [] [0,0] [#1] [5,4096,0,9000] 1@bad 1025 -1 [5,5@bad] "
           "[5@bad,5]";
  if (strcmp(s, "~to") == 0)
    return "r0 r1 20 39 40 -1";
  if (strcmp(s, "~dir") == 0)
    return i == 0 ? "r0 AT_FDCWD" : "AT_FDCWD";
  if (strcmp(s, "~path") == 0)
    return i == 1 ? "a d l none '' a/ d/a bad" : "a d b";
  if (strcmp(s, "~message") == 0)
    return "[5] [] [5]:r0 [10,20]:r0,r1 [5]:99 [5]:0!2147483648 [5]:0!16 "
           "bad";
  if (strcmp(s, "~lock") == 0)
    return "RDLCK:SET:0:10 WRLCK:SET:0:0 WRLCK:CUR:5:1 UNLCK:SET:0:0 "
           "WRLCK:SET:-1:1 3:SET:0:0 RDLCK:END:0:5:4000001 bad";
  if (strcmp(s, "~event") == 0)
    return "IN|OUT:1 IN|ET:2 IN|EXCLUSIVE:3 IN|OUT|ONESHOT:4 bad";
  if (strcmp(s, "~number") == 0)
    return "3 7 39 -1";
  if (strcmp(s, "~poll") == 0)
    return "[r0:IN|OUT|PRI|RDHUP] [r0:0] [r0:RDNORM|WRNORM|RDBAND|WRBAND] "
           "[r0:IN,r0:OUT,-1:IN,r1:IN] [r0:PRI] 1@bad";
  if (strcmp(s, "~set") == 0)
    return "{r0} null";
  if (strcmp(s, "~name") == 0)
    return "r0 r1 r2 r0:7 r1:9 r1:111 =a =d/none =d =a/";
  if (strcmp(s, "~timer") == 0)
    return "0,0/0 1000000/0 1000000/5,7 -1/0 0,1000000000/0 0,1000/0";
  return s;
}

struct text {
  char *s;
  size_t n, cap, cells;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t,
                                                      const char *fmt, ...)
{
  va_list ap;

  if (t->cap - t->n < 2 * MAX_LINE) {
    t->cap = 2 * t->cap + 65536;
    t->s = realloc(t->s, t->cap);
  }
  va_start(ap, fmt);
  t->n += (size_t)vsnprintf(t->s + t->n, t->cap - t->n, fmt, ap);
  va_end(ap);
}

static void put_setup(struct text *t, const char *s)
{
  while (*s != '\0') {
    size_t n = strcspn(s, ";");
    put(t, "0 %.*s\n", (int)n, s);
    s += n + (s[n] == ';');
  }
}

/* The subject, and what else it may have to do with, afterwards. */
static const char probes[] =
    "0 poll [r0:IN|OUT|PRI|RDHUP,r1:IN|OUT|PRI|RDHUP,r20:IN] 0\n"
    "0 fcntl r0 F_GETFL 0\n"
    "0 fcntl r0 F_GETFD 0\n"
    "0 fstat r0 out\n"
    "0 lseek r0 0 SEEK_CUR\n"
    "0 ioctl r0 FIONREAD 0\n"
    "0 fcntl r0 F_SETFL O_NONBLOCK\n"
    "0 fcntl r1 F_SETFL O_NONBLOCK\n"
    "0 epoll_wait r20 5 0\n"
    "0 read r0 100000\n"
    "0 read r1 100000\n"
    "0 close_range 3 -1 0\n"
    "0 setrlimit RLIMIT_NOFILE 40,40\n";

static const char others[] =
    "unlinkat AT_FDCWD o 0;openat AT_FDCWD o O_RDWR|O_CREAT 0600 > r17;"
    "write r17 50;lseek r17 10 SEEK_SET;"
    "pipe2 out O_NONBLOCK > r18 r19;write r19 60";

/* Of the host's only the subject and what it has to do with: what is here and
 * what is there are in different kernels. */
static const char host_others[] =
    "host file O_RDWR > r17;lseek r17 10 SEEK_SET;"
    "host pipe O_NONBLOCK > r18 r19;write r19 60";
static const char host_first[] =
    "host /dev/null O_RDWR > r2;dup2 r2 0 > r3;dup2 r2 1 > r3;close r2;"
    "epoll_create1 0 > r20;host eventfd 0 > r21;write r21 #1";

static bool is_host(size_t subject)
{
  return strncmp(subjects[subject].name, "host ", 5) == 0;
}

/* Whether a call is about descriptors that there are already. */
static bool is_about(const struct call *c)
{
  for (int i = 0; c->args[i] != '\0'; i++)
    if ((c->args[i] == 'f' && strcmp(c->choice[i], "~dir") != 0) ||
        strchr("ps", c->args[i]) != NULL)
      return true;
  return false;
}

static void put_cell(struct text *t, size_t subject, const struct call *c,
                     char word[][64])
{
  if (moves(c) && strcmp(word[0], "r0") != 0 &&
      strcmp(word[c->args[1] == 'o' ? 2 : 1], "r0") != 0)
    return; /* the subject is not meant */
  t->cells++;
  put_setup(t, is_host(subject) ? host_first
                                : "epoll_create1 0 > r20;eventfd2 1 0 > r21");
  if (moves(c))
    put_setup(t, is_host(subject) ? host_others : others);
  put_setup(t, subjects[subject].setup);
  put(t, "0 %s", c->name);
  for (int i = 0; c->args[i] != '\0'; i++)
    put(t, " %s", word[i]);
  if (c->makes != 0)
    put(t, strchr(c->args, '2') != NULL ? " > r5 r6" : " > r5");
  put(t, moves(c) ? "\n0 read r17 100\n0 read r18 1000\n%s" : "\n%s", probes);
}

static bool seen_before(const char *all, const char *s, size_t n)
{
  for (const char *p = all; p < s; p += strcspn(p, " ") + 1)
    if (strcspn(p, " ") == n && memcmp(p, s, n) == 0)
      return true;
  return false;
}

/* All combinations of what the arguments from i on may be. */
static void put_cells(struct text *t, size_t subject, const struct call *c,
                      char word[][64], int i)
{
  const char *all;

  if (c->args[i] == '\0') {
    put_cell(t, subject, c, word);
    return;
  }
  all = alternatives(c, i);
  for (const char *s = all;;) {
    size_t n = strcspn(s, " ");
    if (!seen_before(all, s, n)) {
      snprintf(word[i], 64, "%.*s", (int)n, s);
      put_cells(t, subject, c, word, i + 1);
    }
    if (s[n] == '\0')
      return;
    s += n + 1;
  }
}

const char *matrix_only = "";

size_t matrix_scripts(void)
{
  return NSUBJECTS * ncalls;
}

static bool is_meant(const char *subject)
{
  return strncmp(subject, matrix_only, strlen(matrix_only)) == 0;
}

/* The cells of a subject and a row. Processes are not for a matrix. */
char *matrix_script(size_t i, size_t *cells)
{
  struct text t = { 0 };
  char word[NTOKENS][64];
  const struct call *c = &calls[i % ncalls];

  put(&t, "# %s\n", subjects[i / ncalls].name);
  if (c->nr >= 0 && is_meant(subjects[i / ncalls].name) &&
      (!is_host(i / ncalls) || is_about(c)))
    put_cells(&t, i / ncalls, c, word, 0);
  *cells = t.cells;
  return t.s;
}
