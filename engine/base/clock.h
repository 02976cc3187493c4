/* Time as an interface, for the threads that must wait or stamp; pure code takes now_ms as an
 * argument. */
#ifndef CAIRN_ENGINE_BASE_CLOCK_H
#define CAIRN_ENGINE_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	uint64_t (*mono_us)(void *ctx); /* monotonic, for timers and durations */
	uint64_t (*wall_ms)(void *ctx); /* Unix time, for stamps and TTLs only */
	void *ctx;
};

/* clock_ticks where the machine has no counter: monotonic nanoseconds. */
uint64_t clock_system_ticks(void);

/* A fast counter for measuring short times on one thread: about a third of the price of a clock
 * call. Its rate is found out by whoever uses it, by comparing it with a clock; it may jump when a
 * thread changes its core on old machines, so a negative difference counts as 0. */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return clock_system_ticks();
#endif
}

/* The machine's clocks. A static value. */
const struct clock *clock_system(void);

#endif
