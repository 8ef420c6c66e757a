/* gen.h - what the generators of scripts share: chance, and text that grows */
#ifndef GEN_H
#define GEN_H

#include <stdarg.h>

#include "conf.h"

struct text {
  uint64_t rng;
  char *text; /* from malloc */
  size_t n, cap;
};

/* gen.c: the same text for the same seed. */
void text_begin(struct text *t, uint64_t seed);
int text_pick(struct text *t, int n); /* 0 <= result < n */
void text_put(struct text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void text_putv(struct text *t, const char *fmt, va_list ap);
/* One of the words of the n bytes of s. */
void text_put_word(struct text *t, const char *s, size_t n);

#endif
