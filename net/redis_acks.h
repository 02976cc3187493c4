/* What a Redis replica sends while it is fed: REPLCONF ACK <offset>, and empty lines as signs of
 * life. Offsets count the bytes of its stream; marks remember which LSN each offset stands for, so
 * that WAIT and INFO can be told in LSNs. Pure. */
#ifndef CAIRN_NET_REDIS_ACKS_H
#define CAIRN_NET_REDIS_ACKS_H

#include "engine/base/buf.h"
#include "net/proto/resp_reader.h"

struct redis_acks {
	uint64_t offset;   /* acknowledged last */
	uint64_t lsn;	   /* newest one whose commands are all acknowledged */
	uint64_t count;	   /* acknowledgements so far */
	bool alive;	   /* something came since the caller last cleared it */
	const char *fault; /* what was wrong with the bytes, a static text */

	/* Private. */
	struct resp_reader reader;
	struct buf in, marks;
};

/* The stream begins behind offset, which stands for lsn. */
void redis_acks_init(struct redis_acks *a, uint64_t offset, uint64_t lsn);
void redis_acks_deinit(struct redis_acks *a); /* fine when zeroed */

/* The commands of all records up to lsn end at offset; both never go back. Out of memory, or with
 * very many of them pending, the mark takes the place of the one before. */
void redis_acks_mark(struct redis_acks *a, uint64_t offset, uint64_t lsn);

/* Takes bytes as they come. Other commands are passed over, as nobody waits for a reply to them.
 * ST_INVALID: no RESP, or beyond all measure (fault); ST_NO_MEMORY. */
MUST_CHECK enum status redis_acks_take(struct redis_acks *a, struct slice bytes);

/* The link was made anew: what was half read is forgotten. */
void redis_acks_relink(struct redis_acks *a);

#endif
