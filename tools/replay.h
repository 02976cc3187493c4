/* What the ways of cairn-wal replay share: which records are wanted, and the account of the run. */
#ifndef CAIRN_TOOLS_REPLAY_H
#define CAIRN_TOOLS_REPLAY_H

#include "tools/log_source.h"
#include "tools/tool_progress.h"
#include "tools/wal_filter.h"

struct replay {
	struct tool *t;
	struct log_source *log;

	/* Of the command line. */
	const char *to_env, *base, *to;
	bool to_stdout, dry_run, idempotent;
	struct wal_filter filter; /* start, keys */
	struct position to_lsn;
	uint64_t to_time; /* records of this moment are in */
	uint64_t rate;	  /* bytes of commands per second, 0: no bound */
	uint64_t memory_max;
	int format;

	/* Of the run. */
	struct progress progress;
	uint64_t applied, epoch, last_ms; /* of the newest record taken */
	uint64_t records;		  /* taken, from the start on */
	uint64_t commands, left_out;	  /* as far as the way has them */
	bool reached;			  /* a record beyond what is wanted was seen */
};

/* The next record that is wanted, or one before the start (replay_before). EXIT_GO_ON: there is
 * one; EXIT_CLEAN: that was all; else told already. The caller counts with replay_took. */
int replay_next(struct replay *r, struct wal_record *rec, struct log_place *place);
bool replay_before(const struct replay *r, const struct wal_record *rec,
		   const struct log_place *place);
void replay_took(struct replay *r, const struct wal_record *rec, const struct log_place *place);

/* After the last record: EXIT_GO_ON, or the exit code after telling that the log does not reach as
 * far as was asked. */
int replay_check_end(const struct replay *r);

/* Into a fresh data directory; returns an exit code, EXIT_GO_ON when it is done. */
int replay_to_env(struct replay *r);
/* As commands, to a node or to standard output. */
int replay_to_commands(struct replay *r);

#endif
