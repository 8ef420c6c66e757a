/* errno.c - the names of errors, errno(3) */
#include <errno.h>
#include <string.h>

#include "core/kernel.h"

#define E(name) \
  { \
    name, #name \
  }

/* By number; where two names have one number, the usual one is first. */
static const struct {
  int number;
  const char *name;
} errors[] = {
  E(EPERM),
  E(ENOENT),
  E(ESRCH),
  E(EINTR),
  E(EIO),
  E(ENXIO),
  E(E2BIG),
  E(ENOEXEC),
  E(EBADF),
  E(ECHILD),
  E(EAGAIN),
  E(ENOMEM),
  E(EACCES),
  E(EFAULT),
  E(ENOTBLK),
  E(EBUSY),
  E(EEXIST),
  E(EXDEV),
  E(ENODEV),
  E(ENOTDIR),
  E(EISDIR),
  E(EINVAL),
  E(ENFILE),
  E(EMFILE),
  E(ENOTTY),
  E(ETXTBSY),
  E(EFBIG),
  E(ENOSPC),
  E(ESPIPE),
  E(EROFS),
  E(EMLINK),
  E(EPIPE),
  E(EDOM),
  E(ERANGE),
  E(EDEADLK),
  E(ENAMETOOLONG),
  E(ENOLCK),
  E(ENOSYS),
  E(ENOTEMPTY),
  E(ELOOP),
  E(ENOMSG),
  E(EIDRM),
  E(ECHRNG),
  E(EL2NSYNC),
  E(EL3HLT),
  E(EL3RST),
  E(ELNRNG),
  E(EUNATCH),
  E(ENOCSI),
  E(EL2HLT),
  E(EBADE),
  E(EBADR),
  E(EXFULL),
  E(ENOANO),
  E(EBADRQC),
  E(EBADSLT),
  E(EBFONT),
  E(ENOSTR),
  E(ENODATA),
  E(ETIME),
  E(ENOSR),
  E(ENONET),
  E(ENOPKG),
  E(EREMOTE),
  E(ENOLINK),
  E(EADV),
  E(ESRMNT),
  E(ECOMM),
  E(EPROTO),
  E(EMULTIHOP),
  E(EDOTDOT),
  E(EBADMSG),
  E(EOVERFLOW),
  E(ENOTUNIQ),
  E(EBADFD),
  E(EREMCHG),
  E(ELIBACC),
  E(ELIBBAD),
  E(ELIBSCN),
  E(ELIBMAX),
  E(ELIBEXEC),
  E(EILSEQ),
  E(ERESTART),
  E(ESTRPIPE),
  E(EUSERS),
  E(ENOTSOCK),
  E(EDESTADDRREQ),
  E(EMSGSIZE),
  E(EPROTOTYPE),
  E(ENOPROTOOPT),
  E(EPROTONOSUPPORT),
  E(ESOCKTNOSUPPORT),
  E(EOPNOTSUPP),
  E(EPFNOSUPPORT),
  E(EAFNOSUPPORT),
  E(EADDRINUSE),
  E(EADDRNOTAVAIL),
  E(ENETDOWN),
  E(ENETUNREACH),
  E(ENETRESET),
  E(ECONNABORTED),
  E(ECONNRESET),
  E(ENOBUFS),
  E(EISCONN),
  E(ENOTCONN),
  E(ESHUTDOWN),
  E(ETOOMANYREFS),
  E(ETIMEDOUT),
  E(ECONNREFUSED),
  E(EHOSTDOWN),
  E(EHOSTUNREACH),
  E(EALREADY),
  E(EINPROGRESS),
  E(ESTALE),
  E(EUCLEAN),
  E(ENOTNAM),
  E(ENAVAIL),
  E(EISNAM),
  E(EREMOTEIO),
  E(EDQUOT),
  E(ENOMEDIUM),
  E(EMEDIUMTYPE),
  E(ECANCELED),
  E(ENOKEY),
  E(EKEYEXPIRED),
  E(EKEYREVOKED),
  E(EKEYREJECTED),
  E(EOWNERDEAD),
  E(ENOTRECOVERABLE),
  E(ERFKILL),
  E(EHWPOISON),
  E(EWOULDBLOCK),
  E(EDEADLOCK),
  E(ENOTSUP),
};

const char *fdemu_errname(int error)
{
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].number == error)
      return errors[i].name;
  return NULL;
}

int fdemu_errno(const char *name)
{
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (strcmp(errors[i].name, name) == 0)
      return errors[i].number;
  return 0;
}
