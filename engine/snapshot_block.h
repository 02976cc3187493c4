/* What travels in a full copy, as bytes: its head, blocks of entries, its tail, and the place from
 * which a broken copy goes on. Pure. Integers are little-endian.
 *
 * An entry is one record of the store's keyspace table: a store key (engine/key_codec.h) and its
 * stored value; or, behind all of these, the libraries of functions (engine/library_set.h) under
 * the key ff ff 'F', where there are any. A block is a header and a payload:
 *
 *   off  size  field
 *     0     4  magic f7 'C' 'S' 'B'
 *     4     2  format version, 1
 *     6     2  flags: 1 payload is one zstd frame; others must be 0
 *     8     4  stored length: bytes of payload after the header
 *    12     4  raw length: bytes of entries (equal to the stored length without flag 1)
 *    16     4  number of entries
 *    20     4  0
 *    24     8  LSN of the copy: what snapshot_head.lsn says
 *    32     8  drain mark of the store when the block was read
 *    40     8  entries sent before this block, since the beginning of the copy
 *    48     8  sum of the digests of those entries
 *    56     8  XXH3-64 of the stored payload
 *    64     8  XXH3-64 of bytes 0..63
 *    72        payload: entries back to back, each [key length u16][value length u32][key][value]
 *
 * The digest of an entry is XXH3-64 of its value, seeded with the XXH3-64 of its key; digests are
 * added up modulo 2^64, so that a place in the copy is known by a count and a sum.
 *
 *   head:   [version u32][lsn][next id][keys][bytes] u64, history (engine/wal/wal_history.h)
 *   tail:   [version u32][drain lsn][next id][entries][sum] u64
 *   resume: [version u32][lsn][drain lsn][entries][sum] u64 [slot u16]
 *           slot 16384: all slots are there, the libraries are not; 16385: nothing is missing */
#ifndef CAIRN_ENGINE_SNAPSHOT_BLOCK_H
#define CAIRN_ENGINE_SNAPSHOT_BLOCK_H

#include "engine/base/buf.h"
#include "engine/base/keyslot.h"
#include "engine/wal/wal_history.h"

enum {
	SNAPSHOT_VERSION = 1,
	SNAPSHOT_BLOCK_HEADER_LEN = 72,
	SNAPSHOT_TAIL_LEN = 36,
	SNAPSHOT_RESUME_LEN = 38,
	SNAPSHOT_RAW_MAX = 1 << 30,   /* nothing longer is believed */
	SNAPSHOT_ZSTD_MAX = 16 << 20, /* longer payloads stay raw: they would need as much again */
};

struct snapshot_head {
	uint64_t lsn;	  /* checkpoint of the store when the copy began: the log is needed from the
			     next record on */
	uint64_t next_id; /* no collection id at or above this was used up to lsn */
	uint64_t keys, bytes;	    /* how much there is, roughly: for progress */
	struct wal_history history; /* at the checkpoint; count 0: there was none yet */
};

struct snapshot_tail {
	uint64_t drain_lsn; /* effects of records up to here may be in the copy */
	uint64_t next_id;
	uint64_t entries, sum; /* of the whole copy */
};

/* What follows the slots in a copy. */
enum { SNAPSHOT_LIBRARIES = SLOTS, SNAPSHOT_END = SLOTS + 1 };

/* A place between two slots. */
struct snapshot_resume {
	uint64_t lsn;	    /* of the copy */
	uint64_t drain_lsn; /* newest drain mark met so far */
	uint64_t entries, sum;
	uint16_t slot; /* the first one still to be sent; or one of the above */
};

struct snapshot_block {
	uint64_t lsn, drain_lsn;
	uint64_t entries_before, sum_before;
	uint32_t entries; /* in this block */
};

/* Each appends its bytes to out. ST_NO_MEMORY. */
MUST_CHECK enum status snapshot_head_encode(const struct snapshot_head *head, struct buf *out);
MUST_CHECK enum status snapshot_tail_encode(const struct snapshot_tail *tail, struct buf *out);
MUST_CHECK enum status snapshot_resume_encode(const struct snapshot_resume *r, struct buf *out);

/* Each reads exactly its bytes. ST_VERSION; ST_CORRUPT: another length or impossible values. */
MUST_CHECK enum status snapshot_head_decode(struct slice in, struct snapshot_head *out);
MUST_CHECK enum status snapshot_tail_decode(struct slice in, struct snapshot_tail *out);
MUST_CHECK enum status snapshot_resume_decode(struct slice in, struct snapshot_resume *out);

/* Bytes that an entry takes in a block. */
static inline uint64_t snapshot_entry_len(struct slice key, struct slice value)
{
	return 6 + (uint64_t)key.len + value.len;
}
uint64_t snapshot_entry_digest(struct slice key, struct slice value); /* see above */

/* Appends an entry. ST_NO_MEMORY; ST_LIMIT: the value is too long for a block. */
MUST_CHECK enum status snapshot_entry_encode(struct slice key, struct slice value, struct buf *raw);

/* Reads the next entry of a block's payload and advances it. ST_END; ST_CORRUPT: the lengths do not
 * fit. */
MUST_CHECK enum status snapshot_entry_decode(struct slice *raw, struct slice *key,
					     struct slice *value);

/* The key of the entry that is the libraries. */
struct slice snapshot_libraries_key(void);

/* ST_CORRUPT unless the entry could stand in a store (or is the libraries): the key's shape, a key
 * record that decodes and lies under the store key of its own name, an empty garbage mark. */
MUST_CHECK enum status snapshot_entry_check(struct slice key, struct slice value);

/* (De)compresses; one serves one thread. */
struct snapshot_codec;
MUST_CHECK enum status snapshot_codec_create(struct snapshot_codec **out); /* ST_NO_MEMORY */
void snapshot_codec_destroy(struct snapshot_codec *c);			   /* NULL is fine */

/* Appends a whole block with this payload to out. ST_NO_MEMORY: out unchanged. ST_LIMIT: longer
 * than SNAPSHOT_RAW_MAX. */
MUST_CHECK enum status snapshot_block_encode(struct snapshot_codec *c,
					     const struct snapshot_block *block, struct slice raw,
					     struct buf *out);

/* The length of the block that begins with these bytes, header included. ST_NEED_MORE: fewer bytes
 * than a header. ST_VERSION, ST_CORRUPT: as below. */
MUST_CHECK enum status snapshot_block_len(struct slice in, uint64_t *len);

/* Reads exactly one block. *raw borrows in or the codec, until the next call. The number of entries
 * is not compared with the payload: reading them tells. ST_VERSION: an unknown version or flag.
 * ST_CORRUPT: checksums or lengths. ST_NO_MEMORY. */
MUST_CHECK enum status snapshot_block_decode(struct snapshot_codec *c, struct slice in,
					     struct snapshot_block *out, struct slice *raw);

#endif
