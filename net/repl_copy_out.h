/* A primary's side of a full copy: the store's blocks, with a limit on bytes per second, and one on
 * the CPU while clients need it. Sender's thread. */
#ifndef CAIRN_NET_REPL_COPY_OUT_H
#define CAIRN_NET_REPL_COPY_OUT_H

#include "engine/engine_shard.h"
#include "engine/snapshot_reader.h"
#include "net/copy_pace.h"
#include "net/proto/repl_message.h"

struct repl_copy_out {
	struct engine *engine;
	const struct wal_history *history;
	struct slice resume;	/* where an unfinished copy goes on; empty: from the beginning */
	uint64_t bandwidth_max; /* bytes per second, 0: no limit */
	pid_t executor;		/* the thread that clients wait for */
	unsigned cpu_percent;	/* of a core, while the executor has to wait for one */
	enum status (*message)(void *arg, enum repl_type type, struct slice payload);
	enum status (*wait)(void *arg, uint64_t ms); /* lets time pass */
	uint64_t (*shown)(void *arg);		     /* newest LSN that replicas may have */
	void *arg;

	struct snapshot_reader *reader; /* the copy's own */
	struct copy_pace pace;
	struct buf block;
};

/* Opens the store. *lsn gets the copy's LSN: the log is needed from the next record on; the pin is
 * there already. */
MUST_CHECK enum status repl_copy_out_begin(struct repl_copy_out *c, struct wal_pin *pin,
					   uint64_t *lsn, struct buf *error);
/* Sends head, blocks, tail and how far the log goes by then: the copy is not taken before it has
 * all of that, lest a replica is elected with next to nothing because the rest is still on its way.
 */
MUST_CHECK enum status repl_copy_out_run(struct repl_copy_out *c, struct buf *error);
void repl_copy_out_end(struct repl_copy_out *c);

#endif
