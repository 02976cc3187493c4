/* The progress line. */
#include "tools/tool_progress.h"

#include <inttypes.h>
#include <unistd.h>

enum { FIRST_US = 1000000, STEP_US = 200000, CALLS_PER_LOOK = 256 };

void progress_start(struct progress *p, const struct tool *t, const char *unit, uint64_t total)
{
	*p = (struct progress){.tool = t, .unit = unit, .total = total};
	p->on = isatty(fileno(t->err)) == 1;
	p->start_us = t->clock->mono_us(t->clock->ctx);
	p->next_us = p->start_us + FIRST_US;
	p->countdown = CALLS_PER_LOOK;
}

void progress_at(struct progress *p, uint64_t done)
{
	uint64_t now;

	if (!p->on || --p->countdown > 0) {
		return;
	}
	p->countdown = CALLS_PER_LOOK;
	now = p->tool->clock->mono_us(p->tool->clock->ctx);
	if (now < p->next_us) {
		return;
	}
	p->next_us = now + STEP_US;
	p->shown = true;
	fprintf(p->tool->err, "\r%s: %" PRIu64 " %s", p->tool->verb, done, p->unit);
	if (p->total > 0) {
		fprintf(p->tool->err, " of %" PRIu64 " (%u%%)", p->total,
			(unsigned)(done >= p->total ? 100 : done * 100 / p->total));
	}
	fprintf(p->tool->err, ", %" PRIu64 "/s\033[K", done * 1000000 / (now - p->start_us + 1));
	fflush(p->tool->err);
}

void progress_end(struct progress *p)
{
	if (p->shown) {
		fputs("\r\033[K", p->tool->err);
		fflush(p->tool->err);
		p->shown = false;
	}
}
