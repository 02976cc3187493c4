/* Rings of latency samples. */
#include "net/command/latency_log.h"

#include "net/command/command.h"

struct latency_event *latency_find(struct latency_log *log, struct slice name)
{
	for (size_t i = 0; i < log->len; i++) {
		if (slice_eq(name, slice_str(log->events[i].name))) {
			return &log->events[i];
		}
	}
	return NULL;
}

const struct latency_sample *latency_sample_at(const struct latency_event *e, size_t i)
{
	size_t oldest = e->next + LATENCY_SAMPLES_MAX - e->len;

	return &e->samples[(oldest + i) % LATENCY_SAMPLES_MAX];
}

void latency_add(struct latency_log *log, const char *name, uint64_t at_s, uint64_t ms)
{
	struct latency_event *e;
	uint32_t value = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;

	if (log->threshold_ms == 0 || ms < log->threshold_ms) {
		return;
	}
	e = latency_find(log, slice_str(name));
	if (e == NULL) {
		if (log->len == LATENCY_EVENTS_MAX) {
			return;
		}
		e = &log->events[log->len++];
		*e = (struct latency_event){.name = name};
	}
	if (value > e->max_ms) {
		e->max_ms = value;
	}
	if (e->len > 0) {
		struct latency_sample *last =
		    &e->samples[(e->next + LATENCY_SAMPLES_MAX - 1) % LATENCY_SAMPLES_MAX];

		if (last->at_s == at_s) {
			last->ms = value > last->ms ? value : last->ms;
			return;
		}
	}
	e->samples[e->next] = (struct latency_sample){at_s, value};
	e->next = (e->next + 1) % LATENCY_SAMPLES_MAX;
	e->len += e->len < LATENCY_SAMPLES_MAX;
}

void latency_forget(struct latency_log *log, struct latency_event *e)
{
	*e = log->events[--log->len];
}
