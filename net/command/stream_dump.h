/* Streams as RDB values, both ways: for value_dump.c and cmd_dump.c. */
#ifndef CAIRN_NET_COMMAND_STREAM_DUMP_H
#define CAIRN_NET_COMMAND_STREAM_DUMP_H

#include "engine/types/stream_group.h"
#include "net/command/stream_node.h"

/* How many entries of a stream are written together, so that a piece stays small. */
uint64_t stream_dump_together(const struct stream *s);

/* Writes the next entries of s, at most so many, from *from on, which moves behind them: the id and
 * the blob of one node. *given: how many. */
MUST_CHECK enum status stream_dump_node(const struct stream *s, struct stream_id *from,
					uint64_t most, rdb_put put, void *arg, uint64_t *given);

/* Writes what comes behind the nodes: numbers and consumer groups. */
MUST_CHECK enum status stream_dump_rest(const struct stream *s, rdb_put put, void *arg);

/* Makes a stream from a value (type and body), in place of whatever key holds. expire_at_ms 0: no
 * expiry. *engine_st: what the engine said, as opposed to the payload. string_max as in
 * rdb_value_decode. After a failure the batch is to be rolled back. */
MUST_CHECK enum status stream_restore(struct engine *e, const struct store_key *key,
				      struct slice value, uint64_t string_max,
				      uint64_t expire_at_ms, enum status *engine_st);

#endif
