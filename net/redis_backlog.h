/* The newest bytes of a stream of commands to a Redis replica, counted from its offset on, as
 * Redis's repl-backlog-size: a replica whose link was cut gets from here what it has not seen.
 * Pure.
 */
#ifndef CAIRN_NET_REDIS_BACKLOG_H
#define CAIRN_NET_REDIS_BACKLOG_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

struct redis_backlog {
	uint8_t *ring;
	size_t size;
	uint64_t offset; /* of the stream's end: bytes so far, and where it began */
	uint64_t held;	 /* bytes before the end that the ring has */
};

/* size: bytes, at least 1. The stream begins behind offset. ST_NO_MEMORY. */
MUST_CHECK enum status redis_backlog_init(struct redis_backlog *b, size_t size, uint64_t offset);
void redis_backlog_deinit(struct redis_backlog *b); /* fine when zeroed */

/* Makes the stream longer. */
void redis_backlog_add(struct redis_backlog *b, struct slice bytes);

/* Whether everything behind offset is here, and offset lies within the stream. */
bool redis_backlog_reaches(const struct redis_backlog *b, uint64_t offset);
/* The bytes behind an offset that it reaches to, as far as they lie in one piece; call again behind
 * them until nothing comes. */
struct slice redis_backlog_from(const struct redis_backlog *b, uint64_t offset);

#endif
