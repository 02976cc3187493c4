/* The engine under the node: opening it, and changing its dataset between two turns. */
#include "net/node_store.h"

#include "engine/base/logger.h"
#include "engine/dataset.h"
#include "engine/engine_shard.h"
#include "engine/refetch.h"
#include "engine/rewind.h"
#include "engine/rewind_fork.h"
#include "net/command/expire_fields.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

enum { DICTIONARY_MAX = 1 << 20, EXIT_DAMAGE = 65 };

static enum status read_dictionary(const char *path, struct buf *out, struct buf *error)
{
	FILE *f = fopen(path, "re");
	enum status st;

	if (f == NULL) {
		buf_note(error, "wal-dictionary %s: %m", path);
		return ST_NOT_FOUND;
	}
	st = buf_reserve(out, DICTIONARY_MAX + 1);
	if (st == ST_OK) {
		out->len = fread(out->data, 1, DICTIONARY_MAX + 1, f);
		if (out->len > DICTIONARY_MAX) {
			buf_note(error, "wal-dictionary %s is over 1 MiB", path);
			st = ST_LIMIT;
		}
	}
	(void)fclose(f);
	return st;
}

static enum status open_engine(struct server *s, bool replica, struct buf *error)
{
	static const enum wal_fsync policies[] = {WAL_FSYNC_EVERYSEC, WAL_FSYNC_ALWAYS,
						  WAL_FSYNC_NO};
	const struct config *c = s->config;
	const char *archive = config_text(c, CONFIG_WAL_ARCHIVE_DIR);
	const char *dictionary = config_text(c, CONFIG_WAL_DICTIONARY);
	struct engine_options opts = {
	    .dir = s->run_dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .map_size_max = (uint64_t)config_int(c, CONFIG_MAP_SIZE_MAX),
	    .memtable_max = (uint64_t)config_int(c, CONFIG_MEMTABLE_MAX),
	    .checkpoint_interval_ms = (uint32_t)config_int(c, CONFIG_CHECKPOINT_INTERVAL) * 1000,
	    .wal_archive_dir = archive[0] == 0 ? NULL : archive,
	    .wal_segment_size = (uint64_t)config_int(c, CONFIG_WAL_SEGMENT_SIZE),
	    .wal_keep_size = (uint64_t)config_int(c, CONFIG_WAL_KEEP_SIZE),
	    .wal_keep_ms = (uint64_t)config_int(c, CONFIG_WAL_KEEP_TIME) * 1000,
	    .wal_compression_level = (int)config_int(c, CONFIG_WAL_COMPRESSION_LEVEL),
	    .fsync = policies[config_int(c, CONFIG_APPENDFSYNC)],
	    .wakeup = server_wake,
	    .wakeup_arg = s,
	    .expire_fields = command_expire_fields,
	    .touched = dispatch_touched,
	    .touched_arg = s->dispatch,
	    .expired = dispatch_expired,
	    .replica = replica,
	};
	enum status st = ST_OK;

	s->dictionary.len = 0;
	if (getrandom(&opts.seed, sizeof opts.seed, 0) != (ssize_t)sizeof opts.seed) {
		buf_note(error, "no randomness from the system: %m");
		return ST_IO;
	}
	if (dictionary[0] != 0) {
		st = read_dictionary(dictionary, &s->dictionary, error);
		opts.wal_dictionary = buf_slice(&s->dictionary);
	}
	return st == ST_OK ? engine_open(&opts, &s->engine, error) : st;
}

/* Everything that reads from the engine. */
static enum status start_readers(struct server *s)
{
	dispatch_set_engine(s->dispatch, s->engine);
	return prefetch_start(s->engine, (unsigned)config_int(s->config, CONFIG_COLD_READ_THREADS),
			      server_wake, s, &s->prefetch);
}

enum status node_store_open(struct server *s, struct buf *error)
{
	const char *of = config_text(s->config, CONFIG_REPLICAOF);
	bool replica =
	    (of[0] != 0 && strcasecmp(of, "no one") != 0) || cluster_node_is_replica(s->cluster);
	enum status st = open_engine(s, replica, error);

	return st == ST_OK ? start_readers(s) : st;
}

/* --- changing the dataset --- */

/* Clients go on, but nothing of theirs may refer to the old dataset: LSNs that replies wait for,
 * watched keys, jobs of readers. A reply that waits for its write's acknowledgement waits for what
 * may be given up. */
static void let_clients_go(struct server *s)
{
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (c->dead) {
			continue;
		}
		conn_flush(c);
		if (!c->dead && c->marks_first < c->marks_count) {
			conn_close(c);
			continue;
		}
		c->session.gate_lsn = 0;
		if (c->wait == CONN_COLD) {
			conn_set_wait(c, CONN_LATER);
			conn_touch(c);
		}
	}
	dispatch_touched(s->dispatch, NULL);
}

static void close_engine(struct server *s, bool quick)
{
	enum status st;

	replication_drop_replicas(s->replication);
	let_clients_go(s);
	prefetch_stop(s->prefetch);
	s->prefetch = NULL;
	st = quick ? engine_close_quick(s->engine) : engine_close(s->engine);
	s->engine = NULL;
	if (st != ST_OK) {
		logger(LOG_LVL_WARNING, "closing the store: %s", status_text(st));
	}
}

static void open_again(struct server *s, bool replica)
{
	struct buf error = {0};
	enum status st = open_engine(s, replica, &error);

	if (st == ST_OK) {
		st = start_readers(s);
	}
	if (st != ST_OK) {
		/* There is no node without its data; a restart finds out what is there. */
		logger(LOG_LVL_WARNING, "cannot open the data directory again: %.*s",
		       (int)error.len, (const char *)error.data);
		exit(EXIT_DAMAGE);
	}
	buf_deinit(&error);
}

/* What the given-up records replaced is kept beside them, while it is all there. */
static void keep_fork(struct server *s, const struct divergent_name *name)
{
	uint64_t keys = 0;
	enum status st = rewind_keep_fork(s->engine, io_posix(), s->run_dir, name, &keys);

	if (st != ST_OK) {
		logger(LOG_LVL_WARNING,
		       "the values at the fork are not kept beside the archive: %s",
		       st == ST_LIMIT ? "there are too many of them" : status_text(st));
		return;
	}
	divergent_files_add(&s->replication->divergent, s->run_dir, name);
	logger(LOG_LVL_NOTICE,
	       "what %" PRIu64 " of their keys held at the fork is kept beside them", keys);
}

bool node_store_rewind(struct server *s, uint64_t lsn, struct divergent_name *archive,
		       uint64_t *records)
{
	struct rewind_result result = {0};
	struct buf error = {0};
	enum status st;

	close_engine(s, true);
	st = rewind_log(io_posix(), s->run_dir, lsn, &result, &error);
	*archive = result.name;
	*records = result.records;
	if (result.records > 0) {
		divergent_files_add(&s->replication->divergent, s->run_dir, &result.name);
		logger(LOG_LVL_WARNING,
		       "%" PRIu64 " records (LSN %" PRIu64 " to %" PRIu64
		       ") are not in the primary's history: archived in %s",
		       result.records, result.first_lsn, result.last_lsn, result.file);
	}
	if (st == ST_OK) {
		logger(LOG_LVL_NOTICE, "the log is back at LSN %" PRIu64, lsn);
	} else {
		logger(LOG_LVL_NOTICE, "the log can't go back to LSN %" PRIu64 " (%s%s%.*s)", lsn,
		       st == ST_AGAIN ? "the store has gone further" : status_text(st),
		       error.len > 0 ? ": " : "", (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
	open_again(s, true);
	s->replication->rejoined_by_log += st == ST_OK;
	if (st == ST_OK && result.records > 0) {
		keep_fork(s, &result.name);
	}
	return st == ST_OK;
}

bool node_store_take_refetch(struct server *s, const struct divergent_name *archive)
{
	struct buf error = {0};
	enum status st;

	close_engine(s, true);
	st = refetch_commit(io_posix(), s->run_dir,
			    (uint64_t)config_int(s->config, CONFIG_MAP_SIZE_MAX), archive, &error);
	if (st != ST_OK) {
		logger(LOG_LVL_WARNING, "what was fetched anew can't be taken: %.*s (%s)",
		       (int)error.len, (const char *)error.data, status_text(st));
	}
	buf_deinit(&error);
	open_again(s, true);
	if (st == ST_OK) {
		logger(LOG_LVL_NOTICE,
		       "what the given-up records had touched was fetched anew: at LSN %" PRIu64,
		       engine_last_lsn(s->engine));
	}
	return st == ST_OK;
}

bool node_store_take_copy(struct server *s)
{
	struct buf error = {0};
	enum status st;

	close_engine(s, true);
	st = dataset_commit_copy(io_posix(), s->run_dir, &error);
	if (st != ST_OK) {
		logger(LOG_LVL_WARNING, "the full copy can't take its place: %.*s (%s)",
		       (int)error.len, (const char *)error.data, status_text(st));
	}
	buf_deinit(&error);
	open_again(s, true);
	if (st != ST_OK) {
		return false;
	}
	logger(LOG_LVL_NOTICE, "MASTER <-> REPLICA sync: Finished with success, at LSN %" PRIu64,
	       engine_last_lsn(s->engine));
	return true;
}

static enum status change_id(struct server *s)
{
	struct engine_stats stats;

	engine_stats(s->engine, &stats);
	return engine_promote(s->engine, stats.epoch);
}

void node_store_errand(struct server *s)
{
	enum node_errand errand = s->host.errand;

	if (s->host.is_replica) {
		s->host.errand = NODE_NOTHING; /* it became one meanwhile; the client is told */
		return;
	}
	if (engine_ack_lsn(s->engine) < engine_last_lsn(s->engine)) {
		return;
	}
	if (errand != NODE_CHANGE_ID) {
		close_engine(s, errand == NODE_RELOAD_LOG);
		open_again(s, false);
		logger(LOG_LVL_NOTICE, "the store was closed and opened again, at LSN %" PRIu64,
		       engine_last_lsn(s->engine));
	} else if (change_id(s) != ST_OK) {
		return; /* the log has not taken all yet: next turn */
	}
	s->host.errand = NODE_NOTHING;
	s->host.errands_done++;
}
