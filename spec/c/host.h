/* host.h - what the tests of host descriptors share: a real pipe or a pair of
 * sockets, its ends in a process, and memory of which a part is there */
#ifndef HOST_H
#define HOST_H

#include <sys/socket.h>
#include <unistd.h>

#include "fdemu_driver.h"
#include "test.h"

static struct fdemu_kernel *k;
static struct fdemu_proc *p;
static int host[2], fd[2]; /* the host's numbers, and p's */
static char big[300000];

static inline int install_host(int hostfd, bool owned)
{
  struct fdemu_file *f = NULL;

  CHECK_EQ(fdemu_host_new(k, hostfd, owned, &f), 0);
  return f != NULL ? fdemu_install(p, f, 0, false) : -1;
}

/* The number is closed with the description. */
static inline int adopt(int hostfd)
{
  return install_host(hostfd, true);
}

static inline int borrow(int hostfd)
{
  return install_host(hostfd, false);
}

static inline void begin_with(const struct fdemu_config *c)
{
  k = test_kernel_with(c);
  p = fdemu_proc_new(k);
}

static inline void begin(void)
{
  begin_with(NULL);
}

static inline void adopt_both(void)
{
  fd[0] = adopt(host[0]);
  fd[1] = adopt(host[1]);
}

static inline void begin_pipe(void)
{
  begin();
  CHECK_EQ(pipe(host), 0);
  adopt_both();
}

static inline void begin_pair(int type)
{
  begin();
  CHECK_EQ(socketpair(AF_UNIX, type, 0, host), 0);
  adopt_both();
}

static inline void end(void)
{
  fdemu_proc_put(p);
  TEST_KERNEL_FREE(k);
}

/* ---- the caller's memory, of which only this is there -------------------- */

static char shown[4096];

static inline bool is_shown(const void *addr, size_t n)
{
  const char *at = addr;

  return at >= shown && at + n <= shown + sizeof shown;
}

static inline int shown_load(const struct fdemu_mem *m, void *dst,
                             const void *addr, size_t n)
{
  return is_shown(addr, n) ? test_load(m, dst, addr, n) : -EFAULT;
}

static inline int shown_store(const struct fdemu_mem *m, void *addr,
                              const void *src, size_t n)
{
  return is_shown(addr, n) ? test_store(m, addr, src, n) : -EFAULT;
}

static const struct fdemu_mem only_shown = { shown_load, shown_store };

#endif
