/* Back from a fork: by the log alone, by the keys that the given-up records name, or by a full
 * copy, whichever is the first that will do. */
#include "engine/base/logger.h"
#include "engine/refetch.h"
#include "net/node_store.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>

enum { TRIES_MAX = 3 };

void replication_forget_refetch(struct replication *r)
{
	r->refetch.len = 0;
	r->refetch_tries = 0;
}

/* Leaves r->refetch empty when a full copy is needed. */
static void plan(struct replication *r, uint64_t lsn, const struct divergent_name *archive)
{
	struct divergent_names names;
	enum status st = divergent_names_read(io_posix(), r->server->run_dir, archive,
					      REFETCH_NAMES_MAX, &names);
	const char *why = st == ST_LIMIT ? "it names too many keys" : status_text(st);

	if (st == ST_OK && names.whole) {
		st = ST_LIMIT;
		why = "it emptied the keyspace";
	} else if (st == ST_OK) {
		st = refetch_names_encode(&names, &r->refetch);
		why = status_text(st);
	}
	if (st != ST_OK) {
		logger(LOG_LVL_NOTICE, "a full copy is needed after what was given up: %s", why);
		replication_forget_refetch(r);
		return;
	}
	r->refetch_lsn = lsn;
	r->refetch_archive = *archive;
	logger(LOG_LVL_NOTICE, "%zu keys and %zu collections are to be fetched anew",
	       byte_list_count(&names.keys), names.ids_count);
	divergent_names_deinit(&names);
}

void replication_go_back(struct replication *r, uint64_t lsn)
{
	struct divergent_name archive;
	uint64_t records = 0;

	replication_forget_refetch(r);
	r->need_full = !node_store_rewind(r->server, lsn, &archive, &records);
	if (r->need_full && records > 0) {
		plan(r, lsn, &archive);
	}
}

void replication_take_refetch(struct replication *r)
{
	bool taken = node_store_take_refetch(r->server, &r->refetch_archive);

	r->rejoined_by_keys += taken;
	r->need_full = !taken;
	replication_forget_refetch(r);
}

void replication_refetch_failed(struct replication *r, bool begun)
{
	if (r->refetch.len > 0 && begun && ++r->refetch_tries >= TRIES_MAX) {
		logger(LOG_LVL_NOTICE, "fetching anew has failed %d times: a full copy is next",
		       TRIES_MAX);
		replication_forget_refetch(r);
	}
}
