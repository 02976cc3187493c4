/* How much of a core a full copy takes. Commands have the first right to it: while the executor has
 * to wait for a core, the copy works in short pieces and rests between them, for a set share of one
 * core; while it does not, the share grows until there is no rest. One thread at a time, which is
 * the one that works. */
#ifndef CAIRN_NET_COPY_PACE_H
#define CAIRN_NET_COPY_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	COPY_PACE_PIECE = 16 << 10,  /* raw bytes of a piece amid clients: some 0.1 ms of work */
	COPY_PACE_WINDOW_US = 50000, /* between two looks at the executor */
	COPY_PACE_CREDIT_US = 1000,  /* of rest that was too long, for what follows */
	COPY_PACE_DEBT_US = 1000 * 1000, /* most rest at a time, however long a piece took */
};

struct copy_pace {
	unsigned least;	    /* percent of a core, always granted */
	unsigned share;	    /* percent of a core now */
	int fd;		    /* the executor's schedstat; -1: the system does not tell */
	uint64_t window_us; /* monotonic: when the executor was looked at last */
	uint64_t waited_us; /* what it had waited for a core by then */
	uint64_t cpu_us;    /* the thread's own, up to the last rest */
	uint64_t free_us;   /* monotonic: what was done so far is paid for by then */
};

/* Begins with the least share, in percent, at most 100. executor: the thread whose waiting counts;
 * where the system does not tell it, the share stays the least. */
void copy_pace_begin(struct copy_pace *p, pid_t executor, unsigned least);
void copy_pace_end(struct copy_pace *p);

/* After a piece of work: microseconds to rest before the next. Looks at the executor now and then.
 */
uint64_t copy_pace_rest_us(struct copy_pace *p);

/* Bytes of the next piece: full while there is no rest between pieces. */
size_t copy_pace_piece(const struct copy_pace *p, size_t full);

/* The judgement: at now_us the executor had waited for waited_us in all. */
void copy_pace_judge(struct copy_pace *p, uint64_t now_us, bool known, uint64_t waited_us);
/* The sum: at now_us a piece is done that took spent_us of a core; returns the rest. */
uint64_t copy_pace_charge(struct copy_pace *p, uint64_t now_us, uint64_t spent_us);

#endif
