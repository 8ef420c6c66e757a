/* request.c - the names of ioctl(2) requests, for traces */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/gpio.h>
#include <linux/hidraw.h>
#include <linux/i2c-dev.h>
#include <linux/input.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <linux/spi/spidev.h>
#include <linux/uinput.h>
#include <linux/watchdog.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/kernel.h"

#define N(x) \
  { \
    (unsigned long)(x), #x \
  }

static const struct known {
  unsigned long request;
  const char *name;
} known[] = {
  /* files and terminals */
  N(FIONREAD),
  N(FIONBIO),
  N(FIOASYNC),
  N(FIOCLEX),
  N(FIONCLEX),
  N(FIOQSIZE),
  N(SIOCATMARK),
  N(FIOSETOWN),
  N(SIOCSPGRP),
  N(FIOGETOWN),
  N(SIOCGPGRP),
  N(TCGETS),
  N(TCSETS),
  N(TCSETSW),
  N(TCSETSF),
  N(TCSBRK),
  N(TCSBRKP),
  N(TCXONC),
  N(TCFLSH),
  N(TIOCEXCL),
  N(TIOCNXCL),
  N(TIOCSCTTY),
  N(TIOCGPGRP),
  N(TIOCSPGRP),
  N(TIOCOUTQ),
  N(TIOCSTI),
  N(TIOCGWINSZ),
  N(TIOCSWINSZ),
  N(TIOCMGET),
  N(TIOCMBIS),
  N(TIOCMBIC),
  N(TIOCMSET),
  N(TIOCMIWAIT),
  N(TIOCGICOUNT),
  N(TIOCGSERIAL),
  N(TIOCSSERIAL),
  N(TIOCSBRK),
  N(TIOCCBRK),
  N(TIOCNOTTY),
  N(TIOCGETD),
  N(TIOCSETD),
  N(TIOCGPTN),
  N(TIOCSPTLCK),
  N(TIOCPKT),
  /* block devices */
  N(BLKROSET),
  N(BLKROGET),
  N(BLKRRPART),
  N(BLKGETSIZE),
  N(BLKFLSBUF),
  N(BLKSSZGET),
  N(BLKBSZGET),
  N(BLKGETSIZE64),
  N(BLKDISCARD),
  N(BLKIOMIN),
  N(BLKIOOPT),
  N(BLKPBSZGET),
  N(BLKZEROOUT),
  N(FIGETBSZ),
  N(FIBMAP),
  N(FICLONE),
  N(FICLONERANGE),
  N(FIDEDUPERANGE),
  N(FIFREEZE),
  N(FITHAW),
  N(FS_IOC_GETFLAGS),
  N(FS_IOC_SETFLAGS),
  N(FS_IOC_FSGETXATTR),
  N(FS_IOC_FSSETXATTR),
  N(FS_IOC_FIEMAP),
  { 0x80111500, "FS_IOC_GETFSUUID" }, /* of Linux 6.9 */
  /* i2c */
  N(I2C_RETRIES),
  N(I2C_TIMEOUT),
  N(I2C_SLAVE),
  N(I2C_SLAVE_FORCE),
  N(I2C_TENBIT),
  N(I2C_FUNCS),
  N(I2C_RDWR),
  N(I2C_PEC),
  N(I2C_SMBUS),
  /* spi */
  N(SPI_IOC_RD_MODE),
  N(SPI_IOC_WR_MODE),
  N(SPI_IOC_RD_MODE32),
  N(SPI_IOC_WR_MODE32),
  N(SPI_IOC_RD_LSB_FIRST),
  N(SPI_IOC_WR_LSB_FIRST),
  N(SPI_IOC_RD_BITS_PER_WORD),
  N(SPI_IOC_WR_BITS_PER_WORD),
  N(SPI_IOC_RD_MAX_SPEED_HZ),
  N(SPI_IOC_WR_MAX_SPEED_HZ),
  /* clocks and watchdogs */
  N(RTC_AIE_ON),
  N(RTC_AIE_OFF),
  N(RTC_UIE_ON),
  N(RTC_UIE_OFF),
  N(RTC_PIE_ON),
  N(RTC_PIE_OFF),
  N(RTC_ALM_SET),
  N(RTC_ALM_READ),
  N(RTC_RD_TIME),
  N(RTC_SET_TIME),
  N(RTC_IRQP_READ),
  N(RTC_IRQP_SET),
  N(RTC_WKALM_SET),
  N(RTC_WKALM_RD),
  N(RTC_VL_READ),
  N(RTC_VL_CLR),
  N(WDIOC_GETSUPPORT),
  N(WDIOC_GETSTATUS),
  N(WDIOC_GETBOOTSTATUS),
  N(WDIOC_GETTEMP),
  N(WDIOC_SETOPTIONS),
  N(WDIOC_KEEPALIVE),
  N(WDIOC_SETTIMEOUT),
  N(WDIOC_GETTIMEOUT),
  N(WDIOC_SETPRETIMEOUT),
  N(WDIOC_GETPRETIMEOUT),
  N(WDIOC_GETTIMELEFT),
  /* input */
  N(EVIOCGVERSION),
  N(EVIOCGID),
  N(EVIOCGREP),
  N(EVIOCSREP),
  N(EVIOCGKEYCODE),
  N(EVIOCSKEYCODE),
  N(EVIOCSFF),
  N(EVIOCRMFF),
  N(EVIOCGEFFECTS),
  N(EVIOCGRAB),
  N(EVIOCREVOKE),
  N(EVIOCSCLOCKID),
  N(UI_DEV_CREATE),
  N(UI_DEV_DESTROY),
  N(UI_DEV_SETUP),
  N(UI_SET_EVBIT),
  N(UI_SET_KEYBIT),
  N(HIDIOCGRDESCSIZE),
  N(HIDIOCGRDESC),
  N(HIDIOCGRAWINFO),
  /* gpio */
  N(GPIO_GET_CHIPINFO_IOCTL),
  N(GPIO_GET_LINEINFO_IOCTL),
  N(GPIO_GET_LINEHANDLE_IOCTL),
  N(GPIO_GET_LINEEVENT_IOCTL),
  N(GPIO_V2_GET_LINEINFO_IOCTL),
  N(GPIO_V2_GET_LINE_IOCTL),
  N(GPIO_V2_LINE_GET_VALUES_IOCTL),
  N(GPIO_V2_LINE_SET_VALUES_IOCTL),
};

#define NKNOWN (sizeof known / sizeof *known)

/* Requests whose size is their caller's buffer's, and shown in units of so
 * many bytes. */
static const struct sized {
  unsigned long request;
  const char *name;
  unsigned unit;
} sized[] = {
  { EVIOCGNAME(0), "EVIOCGNAME", 1 },
  { EVIOCGPHYS(0), "EVIOCGPHYS", 1 },
  { EVIOCGUNIQ(0), "EVIOCGUNIQ", 1 },
  { EVIOCGPROP(0), "EVIOCGPROP", 1 },
  { EVIOCGKEY(0), "EVIOCGKEY", 1 },
  { EVIOCGLED(0), "EVIOCGLED", 1 },
  { EVIOCGSND(0), "EVIOCGSND", 1 },
  { EVIOCGSW(0), "EVIOCGSW", 1 },
  { HIDIOCGRAWNAME(0), "HIDIOCGRAWNAME", 1 },
  { HIDIOCGRAWPHYS(0), "HIDIOCGRAWPHYS", 1 },
  { SPI_IOC_MESSAGE(0), "SPI_IOC_MESSAGE", sizeof(struct spi_ioc_transfer) },
  { UI_GET_SYSNAME(0), "UI_GET_SYSNAME", 1 },
};

/* One that a user named. */
struct fde_request {
  struct fde_request *next;
  unsigned long request;
  char name[];
};

const char *fdemu_known_request(size_t i, unsigned long *request)
{
  if (i >= NKNOWN)
    return NULL;
  *request = known[i].request;
  return known[i].name;
}

/* The last name that was given to a request is its name. */
int fdemu_name_request(struct fdemu_kernel *k, unsigned long request,
                       const char *name)
{
  size_t n = strlen(name) + 1;
  struct fde_request *q = fdemu_alloc(k, sizeof *q + n);

  if (q == NULL)
    return -ENOMEM;
  for (struct fde_request **at = &k->requests; *at != NULL; at = &(*at)->next)
    if ((*at)->request == request) {
      struct fde_request *old = *at;
      *at = old->next;
      fdemu_free(k, old);
      break;
    }
  q->request = request;
  memcpy(q->name, name, n);
  q->next = k->requests;
  k->requests = q;
  return 0;
}

void fde_requests_free(struct fdemu_kernel *k)
{
  while (k->requests != NULL) {
    struct fde_request *q = k->requests;
    k->requests = q->next;
    fdemu_free(k, q);
  }
}

/* The name of a request, and in *arg the number to be put in parentheses behind
 * it, or -1. NULL: it has none. */
const char *fde_request_name(const struct fdemu_kernel *k,
                             unsigned long request, int *arg)
{
  *arg = -1;
  for (const struct fde_request *q = k->requests; q != NULL; q = q->next)
    if (q->request == request)
      return q->name;
  for (size_t i = 0; i < NKNOWN; i++)
    if (known[i].request == request)
      return known[i].name;
  for (size_t i = 0; i < sizeof sized / sizeof *sized; i++) {
    unsigned size = (unsigned)_IOC_SIZE(request);
    if ((request & ~((unsigned long)_IOC_SIZEMASK << _IOC_SIZESHIFT)) ==
            sized[i].request &&
        size % sized[i].unit == 0) {
      *arg = (int)(size / sized[i].unit);
      return sized[i].name;
    }
  }
  return NULL;
}
