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

/* The machine's clocks. A static value. */
const struct clock *clock_system(void);

#endif
