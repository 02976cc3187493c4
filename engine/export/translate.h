/* The log's records as commands with the same effect, for another node or redis-server.
 *
 * A record holds final values, and a collection's elements name only its id; so the translator
 * remembers the large collections that the log made: their keys, and where a list begins and ends.
 * What a record did to a collection is then a difference of two states: LTRIM, LPUSH, RPUSH and
 * LSET, HSET and HDEL, ZADD and ZREM, SETRANGE, RENAME. Several commands for one record are put
 * into MULTI and EXEC. */
#ifndef CAIRN_ENGINE_EXPORT_TRANSLATE_H
#define CAIRN_ENGINE_EXPORT_TRANSLATE_H

#include "engine/export/emit.h"
#include "engine/export/op_facts.h"
#include "engine/export/overlay.h"

/* Which keys are wanted. Without the function all are, and what is no key too: FLUSHALL, libraries.
 */
struct key_choice {
	bool (*wants)(const void *arg, struct slice key);
	const void *arg;
};

struct translator {
	struct id_map map;
	struct key_choice choice;
	bool complete;		 /* the log goes back to LSN 1: an unknown id is a new one */
	uint64_t hold_before_ms; /* expiries of large collections before this are kept back */
	uint64_t left_out;	 /* changes that no command could be found for */
	uint64_t held;		 /* expiries kept back so far; a key may be among them twice */

	struct library_set libraries; /* that the log made */

	/* Of the record at work. */
	struct overlay *state;	/* its net effect */
	struct resp_sink inner; /* into commands */
	struct buf commands;
	struct buf whole;     /* u64: ids of collections that need no more commands */
	struct buf dropped;   /* u64: ids of collections that are gone after it */
	size_t renames;	      /* collections that changed their key */
	bool renames_by_step; /* ... take a name in between */
};

/* complete as above. Expiries of large collections before hold_before_ms wait for
 * translate_finish: a target that removed such a key at once would make a new, incomplete one of
 * the next change to it. ST_NO_MEMORY. */
MUST_CHECK enum status translate_init(struct translator *t, struct key_choice choice, bool complete,
				      uint64_t hold_before_ms);
void translate_deinit(struct translator *t);

/* What there was before the first record, of a log that does not go back to LSN 1: a key, and the
 * libraries of functions. With all of them known the translator is complete. Errors as value_next;
 * ST_NO_MEMORY. */
MUST_CHECK enum status translate_know_key(struct translator *t, const struct view *v,
					  const struct key_record *record);
MUST_CHECK enum status translate_know_libraries(struct translator *t,
						const struct library_set *set);

/* Gives the commands for a record to the sink. ST_CORRUPT: it does not fit what came before;
 * errors of the sink. */
MUST_CHECK enum status translate_record(struct translator *t, const struct wal_record *rec,
					struct resp_sink *sink);
/* Takes a record in without commands for it. ST_CORRUPT, ST_NO_MEMORY. */
MUST_CHECK enum status translate_skip(struct translator *t, const struct wal_record *rec);

/* Gives the expiries that were kept back. */
MUST_CHECK enum status translate_finish(struct translator *t, struct resp_sink *sink);

#endif
