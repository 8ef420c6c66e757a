/*
 * waits.c - random scripts of calls that wait
 *
 * Each is one of the rows below: what is made first, and lines of which some
 * are drawn. In a line
 *
 *   <a b c>   is one of these words;
 *   T         in front is a task that is free, or any of them;
 *   *         in front is one of the row's processes, most often 0;
 *   ?         in front of a line of the beginning: perhaps;
 *   +         likewise: as often as chance will have it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen.h"

enum { LEAST_LINES = 4, MORE_LINES = 9, NLINES = 24 };

struct row {
  int procs;
  const char *begin;
  struct {
    int weight;
    const char *line;
  } line[NLINES];
};

/* What pipes, sockets and FIFOs have in common. */
#define SIZES "<1 10 4095 4096 4097 8192 10000 70000>"
#define ENDING \
  { 3, "0 interrupt <A B C D>" }, \
  { \
    2, "1 exit 0" \
  }

/* clang-format off */
#define WATCHERS \
  "?0 fork 1\n" \
  "0 epoll_create1 0 > r3\n" \
  "0 epoll_create1 0 > r4\n" \
  "0 epoll_create1 0 > r5\n" \
  "0 epoll_ctl r3 ADD r1 <IN IN|EXCLUSIVE IN|EXCLUSIVE IN|ET>:3\n" \
  "?0 epoll_ctl r4 ADD r1 <IN|EXCLUSIVE IN|EXCLUSIVE|ET IN|ONESHOT>:4\n" \
  "?0 epoll_ctl r5 ADD r1 <IN|EXCLUSIVE IN>:5\n" \
  "?0 epoll_ctl r5 ADD r3 <IN|EXCLUSIVE IN IN|ET>:6\n", \
  { { 25, "T* epoll_wait <r3 r4 r5> <1 2> -1" }, \
    { 8, "T* read r1 <1 10>" }, \
    { 5, "T* poll [<r1 r3>:IN] -1" }, \
    { 25, "* write r2 <1 2 10>" }, \
    { 5, "0 epoll_wait <r3 r4 r5> 5 0" }, \
    { 4, "0 epoll_ctl <r3 r4 r5> ADD r1 <IN IN|EXCLUSIVE IN|ET>:7" }, \
    { 3, "0 epoll_ctl <r3 r4 r5> DEL r1 null" }, \
    { 3, "0 epoll_ctl <r3 r4> MOD r1 <IN IN|ET IN|ONESHOT>:8" }, \
    { 3, "0 close <r1 r2 r3>" }, \
    ENDING }

static const struct row rows[] = {
  /* pipes: full ones, small ones, and those of packets */
  { 2,
    "0 pipe2 out <0 0 0 O_DIRECT> > r0 r1\n"
    "?0 fork 1\n"
    "?0 fcntl r1 F_SETPIPE_SZ <4096 8192>\n"
    "?0 fcntl r1 F_SETFL O_NONBLOCK\n"
    "?0 write r1 65536\n"
    "0 fcntl r1 F_SETFL 0\n",
    { { 25, "T* read r0 <1 10 4096 5000 70000>" },
      { 25, "T* write r1 " SIZES },
      { 5, "T* writev r1 [<1 4096 3000>,<1 5000>]" },
      { 5, "T* readv r0 [<1 5>,<3 5000>]" },
      { 5, "* close <r0 r1>" },
      { 5, "T* poll [r0:IN,r1:OUT] <-1 0>" },
      { 5, "T* poll [<r0:IN r1:OUT r0:0 r1:0>] -1" },
      { 3, "T* select 64 {r0} {<r1 >} {} null" },
      { 3, "0 ioctl r0 FIONREAD 0" },
      { 3, "0 fcntl r1 F_SETPIPE_SZ <4096 8192 65536>" },
      { 3, "0 fcntl <r0 r1> F_SETFL <O_NONBLOCK O_DIRECT 0>" },
      ENDING } },
  /* moving what is in pipes */
  { 1,
    "0 pipe2 out 0 > r0 r1\n"
    "0 pipe2 out 0 > r2 r3\n"
    "0 openat AT_FDCWD a O_RDWR|O_CREAT 0600 > r4\n"
    "0 write r4 20000\n"
    "0 lseek r4 0 SEEK_SET\n"
    "0 openat AT_FDCWD b O_RDWR|O_CREAT 0600 > r5\n"
    "?0 fcntl r1 F_SETPIPE_SZ <4096 8192>\n"
    "?0 fcntl r3 F_SETPIPE_SZ <4096 8192>\n",
    { { 15, "T0 splice r0 null r3 null <1 100 5000 70000> "
            "<0 0 SPLICE_F_NONBLOCK>" },
      { 12, "T0 tee r0 r3 <1 100 5000 70000> 0" },
      { 6, "T0 vmsplice r1 [<1 5000 70000>,100] <0 0 SPLICE_F_NONBLOCK>" },
      { 6, "T0 vmsplice r0 [<1 5000 70000>,100] <0 0 SPLICE_F_NONBLOCK>" },
      { 8, "T0 splice r4 null r1 null <1 100 5000 20000> 0" },
      { 8, "T0 sendfile r1 r4 null <1 100 5000 20000>" },
      { 6, "T0 splice r2 null r5 null <1 5000> 0" },
      { 8, "T0 read r2 <1 4096 70000>" },
      { 8, "T0 write r3 <1 4096 70000>" },
      { 8, "T0 read r0 <1 4096 5000 70000>" },
      { 12, "T0 write r1 " SIZES },
      { 5, "T0 poll [<r0:IN r1:OUT r2:IN r3:OUT>] -1" },
      { 4, "0 close <r0 r1 r2 r3>" },
      { 3, "0 interrupt <A B C D>" } } },
  /* streams */
  { 2,
    "0 socketpair AF_UNIX SOCK_STREAM 0 out > r0 r1\n"
    "?0 fork 1\n"
    "?0 setsockopt <r0 r1> SOL_SOCKET SO_SNDBUF <4608 10000> 4\n"
    "?0 setsockopt <r0 r1> SOL_SOCKET SO_RCVLOWAT <10 1000> 4\n"
    "?0 setsockopt <r0 r1> SOL_SOCKET SO_PASSCRED 1 4\n"
    "?0 fcntl r0 F_SETOWN p0\n"
    "+0 sendto <r0 r0 r1> <100 1000 4000> MSG_DONTWAIT 0 0\n",
    { { 25, "T* recvfrom <r0 r1> <1 10 1000 5000> <0 0 MSG_PEEK MSG_WAITALL "
            "MSG_TRUNC MSG_DONTWAIT MSG_PEEK|MSG_WAITALL> 0 0" },
      { 20, "T* sendto <r0 r1> <1 10 1000 4000 9000> <0 0 MSG_DONTWAIT> 0 0" },
      { 8, "T* read <r0 r1> <1 100 5000>" },
      { 8, "T* write <r0 r1> <1 100 3000 20000>" },
      { 4, "T* recvmmsg <r0 r1> <2*1 3*100> <0 MSG_WAITFORONE> null" },
      { 5, "T* recvmsg <r0 r1> <10:4 1000:0 1000> <0 MSG_WAITALL MSG_PEEK>" },
      { 3, "T* readv <r0 r1> [1,10]" },
      { 6, "* shutdown <r0 r1> <SHUT_RD SHUT_WR SHUT_RDWR>" },
      { 5, "* close <r0 r1>" },
      { 8, "T* poll [<r0:IN r1:IN r0:OUT r1:OUT r1:IN|RDHUP r0:RDHUP r1:0 "
           "r0:IN|OUT>] -1" },
      { 3, "T* select 64 {<r0 r1>} {<r0 r1 >} {} null" },
      { 10, "0 sendto <r0 r1> <1 100> MSG_DONTWAIT 0 0" },
      { 5, "0 recvfrom <r0 r1> <1 5000> MSG_DONTWAIT 0 0" },
      { 4, "0 fcntl r0 F_SETFL <O_ASYNC O_ASYNC 0>" },
      { 4, "0 signals" },
      ENDING } },
  /* messages */
  { 2,
    "0 socketpair AF_UNIX <SOCK_DGRAM SOCK_SEQPACKET> 0 out > r0 r1\n"
    "?0 fork 1\n"
    "?0 setsockopt <r0 r1> SOL_SOCKET SO_SNDBUF <4608 10000> 4\n"
    "+0 sendto <r0 r0 r1> <100 1000 4000> MSG_DONTWAIT 0 0\n",
    { { 25, "T* recvfrom <r0 r1> <1 10 1000 5000> <0 0 MSG_PEEK MSG_WAITALL "
            "MSG_TRUNC MSG_DONTWAIT> 0 0" },
      { 20, "T* sendto <r0 r1> <0 1 10 1000 4000> <0 0 MSG_DONTWAIT> 0 0" },
      { 8, "T* read <r0 r1> <0 1 100 5000>" },
      { 8, "T* write <r0 r1> <1 100 3000>" },
      { 5, "T* recvmmsg <r0 r1> <2*1 3*100> <0 MSG_WAITFORONE> null" },
      { 3, "T* sendmmsg <r0 r1> <2*[4000] 3*[1]> 0" },
      { 5, "* shutdown <r0 r1> <SHUT_RD SHUT_WR SHUT_RDWR>" },
      { 4, "* close <r0 r1>" },
      { 8, "T* poll [<r0:IN r1:IN r0:OUT r1:OUT r1:IN|RDHUP r0:RDHUP r1:0 "
           "r0:IN|OUT>] -1" },
      { 10, "0 sendto <r0 r1> <0 1 100> MSG_DONTWAIT 0 0" },
      { 5, "0 recvfrom <r0 r1> <1 5000> MSG_DONTWAIT 0 0" },
      ENDING } },
  /* numbers */
  { 2,
    "0 eventfd2 <0 1 3> <0 EFD_SEMAPHORE> > r0\n"
    "?0 fork 1\n",
    { { 40, "T* read r0 8" },
      { 25, "T* write r0 #<0 1 2 5 -2 -3>" },
      { 10, "T* poll [r0:<IN OUT IN|OUT>] -1" },
      { 3, "T* select 64 {<r0 >} {<r0 >} {} null" },
      { 2, "0 close r0" },
      { 4, "0 fcntl r0 F_SETFL <O_NONBLOCK 0>" },
      ENDING } },
  /* timers */
  { 2,
    "0 timerfd_create <CLOCK_MONOTONIC CLOCK_REALTIME> 0 > r0\n"
    "?0 fork 1\n"
    "0 epoll_create1 0 > r1\n"
    "0 epoll_ctl r1 ADD r0 <IN IN|ET IN|ONESHOT IN|EXCLUSIVE>:7\n",
    { { 25, "T* read r0 8" },
      { 8, "T* poll [r0:IN] -1" },
      { 12, "T* epoll_wait r1 5 -1" },
      { 15, "* timerfd_settime r0 0 <0,1000/0 0,1000000/0 0,0/0 1000/0> null" },
      { 5, "* timerfd_settime r0 TFD_TIMER_ABSTIME 0,1/0 null" },
      { 3, "0 epoll_ctl r1 MOD r0 <IN IN|ET IN|ONESHOT>:8" },
      { 2, "0 close <r0 r1>" },
      ENDING } },
  /* locks of descriptions */
  { 2,
    "0 openat AT_FDCWD a O_RDWR|O_CREAT 0600 > r0\n"
    "0 openat AT_FDCWD a O_RDWR 0 > r1\n"
    "0 openat AT_FDCWD a O_RDWR 0 > r2\n"
    "0 fork 1\n",
    { { 50, "T* flock <r0 r1 r2> <LOCK_SH LOCK_EX>" },
      { 8, "* flock <r0 r1 r2> <LOCK_SH|LOCK_NB LOCK_EX|LOCK_NB>" },
      { 20, "* flock <r0 r1 r2> LOCK_UN" },
      { 10, "* close <r0 r1 r2>" },
      ENDING } },
  /* locks of records */
  { 3,
    "0 openat AT_FDCWD a O_RDWR|O_CREAT 0600 > r0\n"
    "0 openat AT_FDCWD a O_RDWR 0 > r1\n"
    "0 fork 1\n"
    "0 fork 2\n",
    { { 35, "T* fcntl <r0 r1> <F_SETLKW F_SETLKW F_OFD_SETLKW> "
            "<RDLCK WRLCK WRLCK>:SET:<0 1 2 3 4 5 6>:<0 1 2 3 5>" },
      { 20, "* fcntl <r0 r1> <F_SETLK F_SETLK F_OFD_SETLK> "
            "<RDLCK WRLCK WRLCK>:SET:<0 1 2 3 4 5 6>:<0 1 2 3 5>" },
      { 18, "* fcntl <r0 r1> <F_SETLK F_OFD_SETLK> "
            "UNLCK:SET:<0 1 2 3 4>:<0 1 2 3 5>" },
      { 4, "* fcntl <r0 r1> <F_GETLK F_OFD_GETLK> "
           "<RDLCK WRLCK>:SET:<0 1 2 3>:<0 1 2>" },
      { 6, "* close <r0 r1>" },
      { 2, "2 exit 0" },
      ENDING } },
  /* FIFOs that are opened */
  { 2,
    "0 mknodat AT_FDCWD p S_IFIFO|0644 0\n"
    "?0 fork 1\n",
    { { 45, "T* openat AT_FDCWD p <O_RDONLY O_WRONLY O_WRONLY O_RDWR> 0 "
            "> r<0 1 2 3 4>" },
      { 12, "* openat AT_FDCWD p <O_RDONLY O_WRONLY>|O_NONBLOCK 0 "
            "> r<0 1 2 3 4>" },
      { 12, "* close r<0 1 2 3 4>" },
      { 10, "T* read r<0 1 2 3 4> <1 10>" },
      { 10, "T* write r<0 1 2 3 4> <1 10 70000>" },
      { 4, "T* poll [r<0 1 2>:<IN OUT>] -1" },
      { 2, "0 unlinkat AT_FDCWD p 0" },
      ENDING } },
  /* one epoll instance, perhaps in another */
  { 1,
    "0 epoll_create1 0 > r0\n"
    "0 pipe2 out O_NONBLOCK > r1 r2\n"
    "0 eventfd2 0 EFD_NONBLOCK > r3\n"
    "0 socketpair AF_UNIX SOCK_STREAM|SOCK_NONBLOCK 0 out > r4 r5\n"
    "0 epoll_create1 0 > r6\n"
    "?0 epoll_ctl r0 ADD r1 <IN IN|ET IN|ONESHOT IN|EXCLUSIVE>:1\n"
    "?0 epoll_ctl r0 ADD r2 <OUT OUT|ET OUT|ONESHOT>:2\n"
    "?0 epoll_ctl r0 ADD r3 <IN IN|OUT|ET IN|ONESHOT IN|OUT>:3\n"
    "?0 epoll_ctl r0 ADD r4 <IN IN|ET IN|OUT|ET IN|RDHUP>:4\n"
    "?0 epoll_ctl r6 ADD r0 <IN IN|ET IN|ONESHOT IN|EXCLUSIVE>:9\n",
    { { 30, "T0 epoll_wait <r0 r6> <1 2 5> <-1 -1 -1 0>" },
      { 5, "T0 poll [<r0 r6>:IN] -1" },
      { 15, "0 write r2 <1 10 65536>" },
      { 10, "0 read r1 <1 10 65536>" },
      { 6, "0 write r3 #<1 3>" },
      { 4, "0 read r3 8" },
      { 6, "0 write <r4 r5> 5" },
      { 4, "0 read <r4 r5> 10" },
      { 5, "0 close <r1 r2 r3 r4 r5>" },
      { 3, "0 shutdown <r4 r5> <SHUT_WR SHUT_RD>" },
      { 8, "0 epoll_ctl r0 MOD <r1 r3 r4> "
           "<IN IN|ET IN|ONESHOT OUT 0>:<1 2 3>" },
      { 4, "0 epoll_ctl r0 ADD <r1 r3 r4> <IN IN|ET IN|ONESHOT>:<4 5>" },
      { 3, "0 epoll_ctl r0 DEL <r1 r3 r4> null" },
      { 3, "0 interrupt <A B C D>" } } },
  /* several instances that watch the same, and readers beside them */
  { 2, "0 pipe2 out 0 > r1 r2\n" WATCHERS },
  { 2, "0 socketpair AF_UNIX <SOCK_STREAM SOCK_DGRAM> 0 out > r1 r2\n" WATCHERS },
  /* poll and select of several kinds */
  { 2,
    "0 pipe2 out 0 > r0 r1\n"
    "0 eventfd2 0 0 > r2\n"
    "0 socketpair AF_UNIX <SOCK_STREAM SOCK_DGRAM> 0 out > r3 r4\n"
    "0 timerfd_create CLOCK_MONOTONIC 0 > r5\n"
    "?0 fork 1\n",
    { { 25, "T* poll [<r0:IN r1:OUT r2:IN>,<r3:IN r4:IN|RDHUP>] -1" },
      { 8, "T* poll [r<0 1 2 3>:<IN 0>,r5:IN] -1" },
      { 8, "T* ppoll [r0:IN,r<2 3 4>:<IN 0>] null 0 0" },
      { 15, "T* select 64 {r0,<r2 r3 r4>} {} {} null" },
      { 8, "T* pselect6 64 {r3} {} {r0} null" },
      { 8, "0 write <r1 r3 r4> 5" },
      { 4, "0 write r2 #1" },
      { 4, "0 timerfd_settime r5 0 0,1000/0 null" },
      { 5, "T* read <r0 r2 r3 r4> 8" },
      { 3, "0 shutdown <r3 r4> <SHUT_RD SHUT_WR>" },
      { 4, "* close <r0 r1 r2 r3 r4 r5>" },
      ENDING } },
  /* descriptors on their way, and what waits for them */
  { 2,
    "0 socketpair AF_UNIX <SOCK_STREAM SOCK_DGRAM SOCK_SEQPACKET> 0 out > r0 r1\n"
    "0 pipe2 out 0 > r2 r3\n"
    "0 eventfd2 0 0 > r4\n"
    "?0 fork 1\n"
    "0 sendmsg r0 [1]:r3 0\n",
    { { 10, "0 close r3" },
      { 20, "T* read r2 10" },
      { 8, "T* write r3 <1 70000>" },
      { 15, "T* recvmsg r1 <10:1 10:0 10> <0 MSG_PEEK>" },
      { 8, "T* recvfrom r1 <1 10> <0 MSG_WAITALL> 0 0" },
      { 10, "0 sendmsg r0 [<1 5>]:<r3 r2 r4,r3> 0" },
      { 6, "* close <r0 r1 r2>" },
      { 5, "T* poll [<r2:IN r3:OUT r1:IN>] -1" },
      ENDING } },
  /* messages by name */
  { 2,
    "0 socket AF_UNIX SOCK_DGRAM 0 > r0\n"
    "0 setsockopt r0 SOL_SOCKET SO_PASSCRED 1 4\n"
    "0 write r0 1\n"
    "0 socketpair AF_UNIX SOCK_DGRAM 0 out > r1 r2\n"
    "?0 fork 1\n"
    "?0 setsockopt <r1 r2> SOL_SOCKET SO_SNDBUF <4608 10000> 4\n"
    "+0 sendto <r1 r2> <1 1000> MSG_DONTWAIT r0\n"
    "+0 sendto <r0 r1> <1 1000> MSG_DONTWAIT r0\n"
    "0 sendto r2 1 MSG_DONTWAIT r0\n"
    "0 sendto r2 1 MSG_DONTWAIT r0\n"
    "0 sendto r2 1 MSG_DONTWAIT r0\n"
    "0 sendto r2 1 MSG_DONTWAIT r0\n"
    "0 sendto r2 1 MSG_DONTWAIT r0\n"
    "0 sendto r2 1 MSG_DONTWAIT r0\n"
    "0 sendto r2 1 MSG_DONTWAIT r0\n",
    { { 25, "T* sendto <r1 r2> <0 1 1000 4000> <0 0 MSG_DONTWAIT> r0" },
      { 4, "T* sendto r0 <1 1000> 0 r0" },
      { 15, "T* recvfrom r0 <1 5000> <0 0 MSG_PEEK> 110" },
      { 10, "0 recvfrom r0 <1 5000> MSG_DONTWAIT 110" },
      { 5, "T* sendto <r1 r2> <1 1000 4000> 0 0 0" },
      { 5, "* read <r1 r2> 100" },
      { 4, "* shutdown <r0 r1> <SHUT_RD SHUT_WR>" },
      { 4, "* close <r0 r1>" },
      { 6, "T* poll [<r0:IN r0:OUT r1:OUT r1:IN>] -1" },
      ENDING } },
};
/* clang-format on */

struct waits {
  struct text t;
  const struct row *row;
  int tasks; /* letters that were used */
};

static int pick(struct waits *w, int n)
{
  return text_pick(&w->t, n);
}

static void put_task(struct waits *w)
{
  int i = w->tasks < NTASKS ? w->tasks++ : pick(w, NTASKS);

  text_put(&w->t, "%c ", 'A' + i);
}

static void put_proc(struct waits *w)
{
  text_put(&w->t, "%d", pick(w, 3) == 0 ? pick(w, w->row->procs) : 0);
}

/* A line, with its choices made. */
static void put_line(struct waits *w, const char *s)
{
  if (*s == 'T') {
    put_task(w);
    s++;
  }
  if (*s == '*') {
    put_proc(w);
    s++;
  }
  while (*s != '\0' && *s != '\n') {
    size_t n = *s == '<' ? strcspn(s, ">") + 1 : 1;
    if (*s == '<')
      text_put_word(&w->t, s + 1, n - 2);
    else
      text_put(&w->t, "%c", *s);
    s += n;
  }
  text_put(&w->t, "\n");
}

/* How often a line of the beginning comes. */
static int times(struct waits *w, char how)
{
  switch (how) {
  case '?': return pick(w, 3) == 0;
  case '+': return pick(w, 5) < 2 ? 1 + pick(w, 6) : 0;
  default: return 1;
  }
}

static void put_beginning(struct waits *w)
{
  for (const char *s = w->row->begin; *s != '\0'; s = strchr(s, '\n') + 1)
    for (int n = times(w, *s); n > 0; n--)
      put_line(w, s + (*s == '?' || *s == '+'));
}

static const char *draw_line(struct waits *w)
{
  int total = 0, n, i;

  for (i = 0; i < NLINES; i++)
    total += w->row->line[i].weight;
  n = pick(w, total);
  for (i = 0; (n -= w->row->line[i].weight) >= 0; i++)
    ;
  return w->row->line[i].line;
}

char *waits(uint64_t seed)
{
  struct waits w = { .tasks = 0 };

  text_begin(&w.t, seed);
  w.row = &rows[pick(&w, sizeof rows / sizeof *rows)];
  put_beginning(&w);
  for (int n = LEAST_LINES + pick(&w, MORE_LINES); n > 0; n--)
    put_line(&w, draw_line(&w));
  return w.t.text;
}
