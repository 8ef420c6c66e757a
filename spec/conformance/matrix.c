/* matrix.c - every call on every kind of file in every state */
#include <stdlib.h>
#include <string.h>

#include "conf.h"

size_t matrix_scripts(void)
{
  return 0;
}

char *matrix_script(size_t i, size_t *cells)
{
  (void)i;
  *cells = 0;
  return strdup("");
}
