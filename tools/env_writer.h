/* Builds a fresh data directory from effects in log order: a store that a node can start on. It is
 * made under a temporary name beside the target and renamed when complete, so that a node can never
 * start on half of one. */
#ifndef CAIRN_TOOLS_ENV_WRITER_H
#define CAIRN_TOOLS_ENV_WRITER_H

#include "engine/export/effect.h"
#include "engine/store.h"

struct env_writer;

/* dir must not exist, or be an empty directory. ST_EXISTS: it is in use; error gets a line for
 * humans on any failure. */
MUST_CHECK enum status env_writer_create(const struct io *io, const char *dir,
					 struct env_writer **out, struct buf *error);

/* Copies all of another store, a backup that the log continues; before any effect. ST_CORRUPT: a
 * record in it is damaged; errors as below. */
MUST_CHECK enum status env_writer_copy(struct env_writer *w, struct store_reader *base);

/* ST_CORRUPT: what is being replaced does not decode; ST_NO_SPACE, ST_MAP_FULL, ST_IO. */
MUST_CHECK enum status env_writer_apply(struct env_writer *w, const struct effect *e);

/* The smallest collection id not used by any effect so far. */
uint64_t env_writer_next_id(const struct env_writer *w);

/* Commits and closes the store. */
MUST_CHECK enum status env_writer_seal(struct env_writer *w, const struct store_state *state);

/* Where the directory is being made; what else belongs into it (the folder wal) goes there between
 * env_writer_seal and env_writer_publish. Valid as long as the writer. */
const char *env_writer_dir(const struct env_writer *w);

/* Gives the directory its name, durably. */
MUST_CHECK enum status env_writer_publish(struct env_writer *w, struct buf *error);

/* Frees; removes what was not published. NULL is fine. */
void env_writer_destroy(struct env_writer *w);

#endif
