/* devices.h - what the memory devices (null, zero, full) have in common */
#ifndef FDEMU_DEVICES_H
#define FDEMU_DEVICES_H

#include "fdemu_driver.h"

extern const struct fdemu_ops fdemu_null_ops, fdemu_zero_ops, fdemu_full_ops;

fdemu_method fdemu_device_sink;  /* takes everything */
fdemu_method fdemu_device_zeros; /* gives zeros */
fdemu_method fdemu_device_lseek; /* always 0, wherever to */

#endif
