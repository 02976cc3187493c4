/* A small engine with a workload whose content after every LSN is known, for crash and fault tests.
 */
#ifndef CAIRN_TESTS_SUPPORT_SMALL_NODE_H
#define CAIRN_TESTS_SUPPORT_SMALL_NODE_H

#include "engine/base/buf.h"
#include "engine/base/rng.h"
#include "engine/engine.h"

enum { SMALL_KEYS = 24, SMALL_FIELDS = 8, SMALL_LIBRARIES = 4, SMALL_LSN_MAX = 100000 };

struct small_node {
	char dir[256];
	struct engine *e;
	struct buf error; /* of the last open */
	struct rng rng, library_rng;
	uint64_t memtable_max, segment_size, keep_size;
	const char *archive_dir;
	enum wal_fsync fsync;
	/* Value number per key and field; 0: not there. */
	struct {
		uint32_t value;
		bool large;
		uint32_t fields[SMALL_FIELDS];
	} keys[SMALL_KEYS];
	uint32_t libraries[SMALL_LIBRARIES]; /* of functions, likewise */
	bool keys_alone;		     /* libraries are not changed */
	uint64_t *digests;		     /* [SMALL_LSN_MAX]: of the content after each LSN */
	uint64_t last_lsn;
};

/* Prepares a node over dir (which must outlive nothing: it is copied); opens nothing. */
void small_node_init(struct small_node *s, const char *dir, uint64_t seed);
void small_node_deinit(struct small_node *s);

/* Opens the engine; ST_OK or why not, with s->error. */
enum status small_node_open(struct small_node *s);
/* Closes it. */
enum status small_node_close(struct small_node *s);

/* One random batch of one to four operations on keys, now and then on libraries; records the digest
 * for its LSN. When a write fails it is rolled back and its status returned. */
enum status small_node_step(struct small_node *s);

/* Digest of what the engine holds now, read by scans and by lookups; the two must agree.
 * ST_CORRUPT, ST_IO as read. */
enum status small_node_digest(struct small_node *s, uint64_t *out);

/* The LSN the open engine has recovered to, or written last. */
uint64_t small_node_lsn(struct small_node *s);

/* Makes the model forget what came after lsn, to go on from a recovered engine; only its content is
 * replayed. */
void small_node_adopt(struct small_node *s);

#endif
