/* fdemu_linux.h - system calls by their numbers, as Linux on x86-64 has them */
#ifndef FDEMU_LINUX_H
#define FDEMU_LINUX_H

#include "fdemu.h"

/*
 * Make the system call nr for p, with the arguments that a program has put
 * into the registers. The result is what the program finds in its own: >= 0 or
 * -errno. -ENOSYS: not a call on descriptors, or one that fdemu does not have.
 *
 * Addresses among the arguments, and in structs that they point to, are in the
 * memory that mem stands for; NULL: in this process's own. Where mem fails, the
 * call fails with that error, and nothing is lost: a read leaves in the file
 * what it could not deliver.
 *
 * A call that has to wait runs the kernel meanwhile; -EDEADLK if nothing can
 * move any more.
 */
FDEMU_API int64_t fdemu_syscall(struct fdemu_proc *p,
                                const struct fdemu_mem *mem, long nr,
                                const uint64_t args[6]);

#endif
