/* What a primary says to a replica between frames: the mark of a checkpoint that begins, and what
 * its slots held at one that is complete (net/proto/repl_message.h). The executor sets, the
 * sender's thread takes; of what was not taken in time the newest counts. */
#ifndef CAIRN_NET_REPL_WORDS_H
#define CAIRN_NET_REPL_WORDS_H

#include "engine/base/buf.h"

#include <stdatomic.h>
#include <stdbool.h>

struct repl_words {
	_Atomic uint64_t mark;
	struct repl_payload *_Atomic contents; /* whoever takes it out frees it */
	uint64_t mark_taken;		       /* the sender's */
};

/* Zeroed is empty. */
void repl_words_deinit(struct repl_words *w);

/* Sets the LSN of the newest mark, 0: none. True: it is another one. Executor. */
bool repl_words_mark(struct repl_words *w, uint64_t lsn);
/* Sets the payload of a C, copied. ST_NO_MEMORY: what was set stays. Executor. */
MUST_CHECK enum status repl_words_contents(struct repl_words *w, struct slice payload);

/* Whether there is something to say to a replica whose next frame begins with next_lsn: a mark
 * before that is of no use any more. Sender. */
bool repl_words_due(struct repl_words *w, uint64_t next_lsn);
/* Appends it to out, as whole messages. ST_NO_MEMORY. Sender. */
MUST_CHECK enum status repl_words_take(struct repl_words *w, uint64_t next_lsn, struct buf *out);

#endif
