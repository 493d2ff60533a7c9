/* Shifts the wall clock of a process by SHIFTED_CLOCK_SECONDS, for `scripts/test --clock`. Monotonic clocks stay real.
 *
 * libfaketime 0.9.10 (Debian 12) cannot be used. With real monotonic clocks, it makes clock_nanosleep, and therefore
 * Python's time.sleep, fail with EINVAL. With shifted monotonic clocks, Python's waits with a timeout never return. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t shift(void) {
    static int is_read;
    static time_t seconds;
    if (!is_read) {
        const char *text = getenv("SHIFTED_CLOCK_SECONDS");
        seconds = text ? (time_t)strtoll(text, NULL, 10) : 0;
        is_read = 1;
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    long result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += shift();
    return (int)result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
