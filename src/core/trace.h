/* trace.h - what the files share that print calls; private to core */
#ifndef FDE_TRACE_H
#define FDE_TRACE_H

#include "core/kernel.h"

/* Where a line goes: what does not fit is left out. */
struct fde_out {
  char *buf;
  size_t size, len;
};

/* A value of Linux's and its name; {0, NULL} ends a list. */
struct fde_name {
  unsigned long value;
  const char *name;
};

#define FDE_N(x) \
  { \
    (unsigned long)(x), #x \
  }

/*
 * A word of struct fdemu_call.args, and how it is printed: by a function, or as
 * names of r->cmd, one of them or, if there is a word for none, flags.
 */
struct fde_word {
  const char *word;
  void (*put)(struct fde_out *o, const struct fdemu_req *r);
  const struct fde_name *names;
  const char *none;
};

/* trace.c */
void fde_print(struct fde_out *o, const char *s);
void fde_print_mem(struct fde_out *o, const char *s, size_t n);
void fde_print_uint(struct fde_out *o, uint64_t n, unsigned base);
void fde_print_int(struct fde_out *o, int64_t n);
void fde_print_hex(struct fde_out *o, uint64_t n);

/* tracename.c */
extern const struct fde_word fde_name_words[];
extern const struct fde_name fde_fd_flags[], fde_whences[];
const char *fde_lookup(const struct fde_name *names, unsigned long value);
void fde_print_name(struct fde_out *o, const struct fde_name *names,
                    unsigned long value);
void fde_print_flags(struct fde_out *o, const struct fde_name *names,
                     unsigned long value, const char *none);
void fde_print_open_flags(struct fde_out *o, unsigned long flags);

/* tracedata.c */
extern const struct fde_word fde_data_words[];
int fde_trace_load(const struct fdemu_req *r, void *dst, const void *addr,
                   size_t n);
void fde_print_string(struct fde_out *o, const unsigned char *s, size_t n,
                      bool more);
void fde_print_bytes(struct fde_out *o, const struct fdemu_req *r,
                     const void *addr, size_t n);
bool fde_has_bytes(const struct fdemu_req *r);
void fde_print_iov(struct fde_out *o, const struct fdemu_req *r);

/* tracefile.c */
extern const struct fde_word fde_file_words[];

/* traceevent.c */
extern const struct fde_word fde_event_words[];
void fde_print_timespec(struct fde_out *o, const struct timespec *ts);

/* tracesocket.c */
extern const struct fde_word fde_socket_words[];

#endif
