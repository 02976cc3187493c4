/* Counters and histograms of commands and error codes. */
#include "net/command/command_stats.h"

#include "engine/base/alloc.h"

enum { FIRST_CALIBRATION_US = 200, CALIBRATION_MIN_US = 1000 };

static void first_calibration(struct command_stats *s)
{
	uint64_t us;

	s->base_us = s->clock->mono_us(s->clock->ctx);
	s->base_ticks = clock_ticks();
	do {
		us = s->clock->mono_us(s->clock->ctx);
	} while (us == s->base_us && clock_ticks() - s->base_ticks < 10000000);
	/* A clock that a test holds still gives no rate: then a tick passes for a nanosecond. */
	s->ticks_per_us = 1000;
	while (us > s->base_us && us - s->base_us < FIRST_CALIBRATION_US) {
		us = s->clock->mono_us(s->clock->ctx);
	}
	if (us > s->base_us) {
		s->ticks_per_us =
		    (double)(clock_ticks() - s->base_ticks) / (double)(us - s->base_us);
	}
}

enum status command_stats_init(struct command_stats *s, size_t count, const struct clock *clock)
{
	*s = (struct command_stats){.count = count, .clock = clock, .histograms = true};
	s->records = mem_calloc(count, sizeof *s->records);
	if (s->records == NULL) {
		return ST_NO_MEMORY;
	}
	first_calibration(s);
	return ST_OK;
}

void command_stats_deinit(struct command_stats *s)
{
	mem_free(s->records);
	*s = (struct command_stats){0};
}

void command_stats_reset(struct command_stats *s)
{
	memset(s->records, 0, s->count * sizeof *s->records);
	s->errors_len = 0;
}

void command_stats_error(struct command_stats *s, struct slice reply)
{
	size_t most = reply.len < ERROR_CODE_LEN_MAX ? reply.len : ERROR_CODE_LEN_MAX;
	const uint8_t *space = most > 0 ? memchr(reply.data, ' ', most) : NULL;
	size_t len = space != NULL ? (size_t)(space - reply.data) : 0;

	/* One word alone, which scripts can answer with, is no code; Redis counts it as ERR. */
	if (len == 0) {
		reply = slice_str("ERR");
		len = reply.len;
	}
	for (size_t i = 0; i < s->errors_len; i++) {
		struct error_count *e = &s->errors[i];

		if (strlen(e->code) == len && memcmp(e->code, reply.data, len) == 0) {
			e->count++;
			return;
		}
	}
	if (s->errors_len < ERROR_CODES_MAX) {
		struct error_count *e = &s->errors[s->errors_len++];

		memcpy(e->code, reply.data, len);
		e->code[len] = 0;
		e->count = 1;
	}
}

void command_stats_calibrate(struct command_stats *s)
{
	uint64_t us = s->clock->mono_us(s->clock->ctx);
	uint64_t ticks = clock_ticks();

	if (us > s->base_us + CALIBRATION_MIN_US && ticks > s->base_ticks) {
		s->ticks_per_us = (double)(ticks - s->base_ticks) / (double)(us - s->base_us);
	}
}

/* The first number of ticks above a bucket. */
static double bucket_end(size_t bucket)
{
	uint64_t next = (uint64_t)bucket + 1;

	if (next < 8) {
		return (double)next;
	}
	return (double)((8 + next % 8) << (next / 8 - 1));
}

double command_record_percentile(const struct command_stats *s, const struct command_record *r,
				 double fraction)
{
	double want = fraction * (double)r->timed;
	uint64_t seen = 0;

	for (size_t i = 0; i < TICK_BUCKETS; i++) {
		seen += r->buckets[i];
		if (seen > 0 && (double)seen >= want) {
			return bucket_end(i) / s->ticks_per_us;
		}
	}
	return 0;
}

uint64_t command_record_below(const struct command_stats *s, const struct command_record *r,
			      double usec)
{
	double ticks = usec * s->ticks_per_us;
	uint64_t seen = 0;

	for (size_t i = 0; i < TICK_BUCKETS && bucket_end(i) <= ticks; i++) {
		seen += r->buckets[i];
	}
	return seen;
}
