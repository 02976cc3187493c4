/* The archives of given-up records in DIR/divergent (engine/rewind.h says how they are made): their
 * names, a look at each, reading, removing. */
#ifndef CAIRN_ENGINE_DIVERGENT_H
#define CAIRN_ENGINE_DIVERGENT_H

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/wal/wal_history.h"

#include <stdbool.h>

/* The folder in the data directory. */
#define DIVERGENT_FOLDER "divergent"

enum { DIVERGENT_NAME_SIZE = 72, DIVERGENT_PATH_SIZE = 4096 };

/* What the name of an archive says: <epoch>-<first LSN>-<timeline>.wal. */
struct divergent_name {
	uint64_t epoch, first_lsn, timeline;
};

/* Writes the file name. */
void divergent_name_format(const struct divergent_name *n, char out[DIVERGENT_NAME_SIZE]);
/* True when the text is exactly such a name. */
bool divergent_name_parse(const char *text, struct divergent_name *out);

/* The file beside an archive that has the values at the fork (engine/rewind_fork.h): the same path
 * with another end. False: the path is too long or does not end like an archive's. */
bool divergent_fork_path(const char *archive, char out[DIVERGENT_PATH_SIZE]);

struct divergent_archive {
	struct divergent_name name;
	uint64_t last_lsn, bytes;
	uint64_t first_ms;	    /* wall clock of the first record */
	bool fork_values;	    /* there is a file with the values at the fork beside it */
	struct wal_history history; /* of the log that the records were in */
};

/* Calls each for every name of an archive in dir, the data directory; none when there is no folder.
 */
MUST_CHECK enum status divergent_list(const struct io *io, const char *dir,
				      void (*each)(void *arg, const struct divergent_name *n),
				      void *arg);

/* Looks at an archive's two ends. ST_NOT_FOUND; ST_CORRUPT: it does not begin or end like one. */
MUST_CHECK enum status divergent_look(const struct io *io, const char *dir,
				      const struct divergent_name *name,
				      struct divergent_archive *out);

/* One operation of a record, as divergent_read gives it; borrowed until it returns. */
struct divergent_op {
	uint64_t lsn, time_ms, client_id;
	struct slice cmd;
	const char *op; /* name of the operation (engine/wal/wal_ops.def) */
	/* Otherwise an element of collection (slot, id), or, without slot, a flush. */
	bool has_key, has_library;
	bool has_slot;
	bool blind;    /* a key was written without a look at what it held */
	uint16_t slot; /* of the key or collection */
	uint64_t id;   /* of the collection that a key holds, or that an element is of; 0: none */
	struct slice key; /* user key, a library's name, or an element's */
	const char *type; /* of a key record; NULL: none */
	struct slice
	    value; /* a string's or an element's; that of a collection is its stored form */
};

/* One reading ends with the record that makes it this long. */
#define DIVERGENT_READ_MAX ((uint64_t)4 << 20)

/* Gives the operations of at most count records from from_lsn on, in order; of fewer, but at least
 * one, once they have DIVERGENT_READ_MAX bytes. ST_NOT_FOUND: no such archive; ST_CORRUPT, ST_IO.
 * Waits for the disk. */
MUST_CHECK enum status divergent_read(const struct io *io, const char *dir,
				      const struct divergent_name *name, uint64_t from_lsn,
				      uint64_t count,
				      void (*each)(void *arg, const struct divergent_op *op),
				      void *arg);

/* Removes an archive and the file beside it, durably. ST_NOT_FOUND, ST_IO. */
MUST_CHECK enum status divergent_remove(const struct io *io, const char *dir,
					const struct divergent_name *name);

#endif
