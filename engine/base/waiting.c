/* Timed waits on the monotonic clock. */
#include "engine/base/waiting.h"

#include <time.h>

enum { US_PER_S = 1000000, NS_PER_US = 1000, NS_PER_S = 1000000000 };

void waiting_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

void waiting_cond_us(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t us)
{
	struct timespec until;
	uint64_t ns;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	ns = (uint64_t)until.tv_nsec + us % US_PER_S * NS_PER_US;
	until.tv_sec += (time_t)(us / US_PER_S + ns / NS_PER_S);
	until.tv_nsec = (long)(ns % NS_PER_S);
	(void)pthread_cond_timedwait(cond, lock, &until);
}

void waiting_pause_us(uint64_t us)
{
	struct timespec t = {
	    .tv_sec = (time_t)(us / US_PER_S),
	    .tv_nsec = (long)(us % US_PER_S * NS_PER_US),
	};

	(void)nanosleep(&t, NULL);
}
