/* Latency spikes by event: the last samples above latency-monitor-threshold of each. */
#ifndef CAIRN_NET_COMMAND_LATENCY_LOG_H
#define CAIRN_NET_COMMAND_LATENCY_LOG_H

#include "engine/base/slice.h"

#include <stddef.h>

enum { LATENCY_EVENTS_MAX = 16, LATENCY_SAMPLES_MAX = 160 };

struct latency_sample {
	uint64_t at_s; /* Unix time; one sample per second, the worst */
	uint32_t ms;
};

struct latency_event {
	const char *name;				    /* static text */
	struct latency_sample samples[LATENCY_SAMPLES_MAX]; /* a ring */
	size_t next, len;
	uint32_t max_ms;
};

struct latency_log {
	struct latency_event events[LATENCY_EVENTS_MAX];
	size_t len;
	uint64_t threshold_ms; /* 0: nothing is recorded */
};

/* Records a spike if it reaches the threshold. */
void latency_add(struct latency_log *log, const char *name, uint64_t at_s, uint64_t ms);

/* The event of that name, or NULL. */
struct latency_event *latency_find(struct latency_log *log, struct slice name);

/* Sample i of an event, 0 the oldest. */
const struct latency_sample *latency_sample_at(const struct latency_event *e, size_t i);

/* Forgets an event. */
void latency_forget(struct latency_log *log, struct latency_event *e);

#endif
