/*
 * memory.h - what a system call sees: 64 KiB of memory with things in it
 *
 *      0  paths, 32 bytes each
 *    640  structs that are as they should be
 *   1024  an iovec of 16; 2048 three messages; 3072 their control data
 *   8192  the pieces that the iovec has
 *
 * Calls and steps write over all of it.
 */
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fdemu.h"

#define MEMORY   65536u
#define BASE     UINT64_C(0x10000)
#define NELEM(a) (sizeof(a) / sizeof *(a))

static unsigned char memory[MEMORY];
static int fault_in; /* so many accesses from now on there is an EFAULT */

/* ---- the accessor ------------------------------------------------------ */

static unsigned char *place(const void *addr, size_t n)
{
  uint64_t at = (uint64_t)(uintptr_t)addr;

  if (fault_in > 0 && --fault_in == 0)
    return NULL;
  if (at < BASE || at - BASE > MEMORY || n > MEMORY - (at - BASE))
    return NULL;
  return memory + (at - BASE);
}

static int load(const struct fdemu_mem *m, void *dst, const void *addr,
                size_t n)
{
  const unsigned char *p = place(addr, n);

  (void)m;
  if (p == NULL)
    return -EFAULT;
  memcpy(dst, p, n);
  return 0;
}

static int put(const struct fdemu_mem *m, void *addr, const void *src, size_t n)
{
  unsigned char *p = place(addr, n);

  (void)m;
  if (p == NULL)
    return -EFAULT;
  if (src != NULL)
    memcpy(p, src, n);
  else
    memset(p, 0, n);
  return 0;
}

static const struct fdemu_mem mem = { load, put };

/* ---- what is in it ------------------------------------------------------- */

static const char *const paths[] = { "/dev/odd",
                                     "/dev/seek",
                                     "a",
                                     "b",
                                     "d",
                                     "d/e",
                                     "/tmp/x",
                                     "l",
                                     "fifo",
                                     "d/../a",
                                     "a/b",
                                     "/dev/null",
                                     "/dev/console",
                                     "/dev/full",
                                     "/dev/fd/3",
                                     ".",
                                     "..",
                                     "/proc/self/fd",
                                     "",
                                     "/dev/urandom" };

static void copy(size_t at, const void *src, size_t n)
{
  memcpy(memory + at, src, n);
}

static void fill_structs(void)
{
  const struct epoll_event ev[2] = {
    { .events = EPOLLIN | EPOLLET, .data.u64 = 5 },
    { .events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 6 },
  };
  const struct flock fl[2] = {
    { .l_type = F_WRLCK, .l_start = 2, .l_len = 10 },
    { .l_type = F_RDLCK, .l_whence = SEEK_CUR },
  };
  const struct timespec ts[4] = { { 0, 1000 }, { 1, 0 }, { 0, 5000 } };
  const struct pollfd fds[4] = { { 3, POLLIN, 0 },
                                 { 4, POLLOUT, 0 },
                                 { 5, POLLIN | POLLOUT, 0 },
                                 { -1, 0, 0 } };
  const int fd_set_of[8] = { 0xff8 };
  const int value[4] = { 4608, 1, 10 };
  const int64_t offset[2] = { 100, 7 };

  copy(640, &ev[0], sizeof ev[0]);
  copy(672, &ev[1], sizeof ev[1]);
  copy(704, &fl[0], sizeof fl[0]);
  copy(736, &fl[1], sizeof fl[1]);
  copy(768, &ts[0], 2 * sizeof ts[0]);
  copy(800, &ts[1], 2 * sizeof ts[0]);
  copy(832, fds, sizeof fds);
  copy(864, fd_set_of, sizeof fd_set_of);
  copy(896, value, sizeof value);
  copy(928, offset, sizeof offset);
}

/* Three messages: bytes, descriptors, and a row of them for sendmmsg(). */
static void fill_messages(void)
{
  struct mmsghdr m = { .msg_hdr = {
                           .msg_iov = (struct iovec *)(uintptr_t)(BASE + 1024),
                           .msg_iovlen = 3,
                           .msg_control = (void *)(uintptr_t)(BASE + 3072),
                           .msg_controllen = 64,
                       } };
  char control[CMSG_SPACE(2 * sizeof(int))];
  struct cmsghdr *c = (struct cmsghdr *)(void *)control;
  const int fds[2] = { 3, 4 };

  memset(control, 0, sizeof control);
  c->cmsg_len = CMSG_LEN(sizeof fds);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(c), fds, sizeof fds);
  copy(3072, control, sizeof control);
  copy(2048, &m, sizeof m);
  copy(2112, &m, sizeof m);
  m.msg_hdr.msg_controllen = CMSG_SPACE(sizeof fds);
  copy(2176, &m, sizeof m);
}

static void fill_memory(void)
{
  uint64_t word[2 * 16];

  fault_in = 0;
  memset(memory, 0, sizeof memory);
  for (size_t i = 0; i < NELEM(paths); i++)
    strcpy((char *)memory + 32 * i, paths[i]);
  for (unsigned i = 0; i < 16; i++) {
    word[2 * i] = BASE + 8192 + 512u * i;
    word[2 * i + 1] = i * i * 17;
  }
  copy(1024, word, sizeof word);
  fill_structs();
  fill_messages();
}

#endif
