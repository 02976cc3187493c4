/* Working beside the executor. */
#include "net/copy_pace.h"

#include "engine/base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	HARM_PERCENT = 1 /* of the time; what the executor waits beyond this is the copy's doing */
};

static uint64_t own_cpu_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* What a thread has waited for a core since it began. */
static bool read_waited(int fd, uint64_t *us)
{
	char text[128];
	uint64_t ran_ns, waited_ns;
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);

	if (n <= 0) {
		return false;
	}
	text[n] = 0;
	if (sscanf(text, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns) != 2) {
		return false;
	}
	*us = waited_ns / 1000;
	return true;
}

void copy_pace_begin(struct copy_pace *p, pid_t executor, unsigned least)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)executor);
	*p = (struct copy_pace){.least = least, .share = least};
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	p->window_us = clock_system()->mono_us(NULL);
	p->free_us = p->window_us;
	p->cpu_us = own_cpu_us();
	(void)read_waited(p->fd, &p->waited_us);
}

void copy_pace_end(struct copy_pace *p)
{
	if (p->fd >= 0) {
		(void)close(p->fd);
	}
	p->fd = -1;
}

void copy_pace_judge(struct copy_pace *p, uint64_t now_us, bool known, uint64_t waited_us)
{
	uint64_t took = now_us - p->window_us, waited = waited_us - p->waited_us;

	if (!known || waited * 100 > took * HARM_PERCENT) {
		p->share = p->least;
	} else {
		p->share += p->share / 4 + 1;
		if (p->share > 100) {
			p->share = 100;
		}
	}
	p->window_us = now_us;
	p->waited_us = waited_us;
}

uint64_t copy_pace_charge(struct copy_pace *p, uint64_t now_us, uint64_t spent_us)
{
	uint64_t rest;

	p->free_us += spent_us * 100 / p->share;
	if (p->free_us + COPY_PACE_CREDIT_US < now_us) {
		p->free_us = now_us - COPY_PACE_CREDIT_US;
	}
	if (p->share == 100 || p->free_us <= now_us) {
		return 0;
	}
	rest = p->free_us - now_us;
	if (rest > COPY_PACE_DEBT_US) {
		rest = COPY_PACE_DEBT_US;
		p->free_us = now_us + rest;
	}
	return rest;
}

uint64_t copy_pace_rest_us(struct copy_pace *p)
{
	uint64_t now = clock_system()->mono_us(NULL), cpu = own_cpu_us(), spent = cpu - p->cpu_us;

	p->cpu_us = cpu;
	if (now - p->window_us >= COPY_PACE_WINDOW_US) {
		uint64_t waited = p->waited_us;
		bool known = read_waited(p->fd, &waited);

		copy_pace_judge(p, now, known, waited);
	}
	return copy_pace_charge(p, now, spent);
}

size_t copy_pace_piece(const struct copy_pace *p, size_t full)
{
	return p->share < 100 && full > COPY_PACE_PIECE ? COPY_PACE_PIECE : full;
}
