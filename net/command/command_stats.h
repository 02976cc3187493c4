/* What commands cost: calls, time, failures and a histogram of times per command, and counts of
 * error replies by their code. Times are kept in ticks of clock_ticks and turned into microseconds
 * when they are read. */
#ifndef CAIRN_NET_COMMAND_COMMAND_STATS_H
#define CAIRN_NET_COMMAND_COMMAND_STATS_H

#include "engine/base/clock.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	TICK_BUCKETS = 336, /* eight per doubling, up to 2^44 ticks */
	ERROR_CODES_MAX = 128,
	ERROR_CODE_LEN_MAX = 31,
};

struct command_record {
	uint64_t calls, ticks, rejected, failed;
	uint64_t timed; /* calls in the histogram */
	uint32_t buckets[TICK_BUCKETS];
};

struct error_count {
	char code[ERROR_CODE_LEN_MAX + 1];
	uint64_t count;
};

struct command_stats {
	struct command_record *records; /* by command_entry.index */
	size_t count;
	struct error_count errors[ERROR_CODES_MAX];
	size_t errors_len;
	const struct clock *clock;
	uint64_t base_ticks, base_us; /* when both were read together */
	double ticks_per_us;
	bool histograms; /* latency-tracking */
};

/* Counters for count commands; the clock is borrowed. ST_NO_MEMORY. */
MUST_CHECK enum status command_stats_init(struct command_stats *s, size_t count,
					  const struct clock *clock);
void command_stats_deinit(struct command_stats *s);

/* Zeroes everything that CONFIG RESETSTAT zeroes. */
void command_stats_reset(struct command_stats *s);

/* Counts an error reply by its first word; reply starts behind the '-'. */
void command_stats_error(struct command_stats *s, struct slice reply);

/* Compares the tick counter with the clock again; called now and then, for a better rate. */
void command_stats_calibrate(struct command_stats *s);

/* The smallest time, microseconds, that fraction (0..1) of a command's calls did not exceed. */
double command_record_percentile(const struct command_stats *s, const struct command_record *r,
				 double fraction);

/* How many of a command's calls took at most so many microseconds, as far as buckets tell. */
uint64_t command_record_below(const struct command_stats *s, const struct command_record *r,
			      double usec);

static inline size_t tick_bucket(uint64_t ticks)
{
	unsigned top;
	size_t at;

	if (ticks < 8) {
		return (size_t)ticks;
	}
	top = 63 - (unsigned)__builtin_clzll(ticks);
	at = (size_t)(top - 2) * 8 + (size_t)(ticks >> (top - 3) & 7);
	return at < TICK_BUCKETS ? at : TICK_BUCKETS - 1;
}

static inline void command_stats_count(struct command_stats *s, uint32_t index, uint64_t ticks,
				       bool failed)
{
	struct command_record *r = &s->records[index];

	r->calls++;
	r->ticks += ticks;
	r->failed += failed;
	if (s->histograms) {
		r->timed++;
		r->buckets[tick_bucket(ticks)]++;
	}
}

static inline uint64_t command_stats_usec(const struct command_stats *s, uint64_t ticks)
{
	return (uint64_t)((double)ticks / s->ticks_per_us);
}

#endif
