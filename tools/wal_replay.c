/* cairn-wal replay: what the log did, done again: in a fresh data directory, on a running node, or
 * as RESP on standard output. */
#include "tools/replay.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

int replay_next(struct replay *r, struct wal_record *rec, struct log_place *place)
{
	enum status st = log_next(r->log, rec, place);

	if (st == ST_OK &&
	    ((r->to_lsn.set && position_cmp(place->epoch, rec->lsn, &r->to_lsn) > 0) ||
	     rec->time_ms > r->to_time)) {
		r->reached = true;
		st = ST_END;
	}
	if (st == ST_OK) {
		progress_at(&r->progress, rec->lsn);
		return EXIT_GO_ON;
	}
	progress_end(&r->progress);
	/* A torn tail never was acknowledged; damage stops the work. */
	return st == ST_END || st == ST_TORN ? EXIT_CLEAN : log_report(r->log, st);
}

bool replay_before(const struct replay *r, const struct wal_record *rec,
		   const struct log_place *place)
{
	return r->filter.start.set && position_cmp(place->epoch, rec->lsn, &r->filter.start) < 0;
}

void replay_took(struct replay *r, const struct wal_record *rec, const struct log_place *place)
{
	r->applied = rec->lsn;
	r->epoch = place->epoch;
	r->last_ms = rec->time_ms;
	r->records++;
}

int replay_check_end(const struct replay *r)
{
	if (r->to_lsn.set && !r->reached && r->applied < r->to_lsn.lsn) {
		return tool_fail(r->t, EXIT_FINDINGS,
				 "the log ends at LSN %" PRIu64 ", before --to-lsn %" PRIu64,
				 r->applied, r->to_lsn.lsn);
	}
	return EXIT_GO_ON;
}

static void print_text(const struct replay *r, struct out *o)
{
	out_printf(o, "replayed_to=%" PRIu64 ":%" PRIu64 " time=", r->epoch, r->applied);
	if (r->last_ms == 0) {
		out_text(o, "-");
	} else {
		out_time(o, r->last_ms);
	}
	out_printf(o, " records=%" PRIu64, r->records);
	if (r->to_env == NULL) {
		out_printf(o, " commands=%" PRIu64 " left_out=%" PRIu64, r->commands, r->left_out);
	}
	if (r->dry_run) {
		out_text(o, " dry_run=yes");
	}
	if (r->to_env != NULL) {
		out_printf(o, " env=%s", r->to_env);
	}
	out_text(o, "\n");
}

static void print_json(const struct replay *r, struct out *o)
{
	json_begin(o);
	json_u64(o, "epoch", r->epoch);
	json_u64(o, "replayed_to", r->applied);
	if (r->last_ms != 0) {
		json_u64(o, "ts", r->last_ms);
	}
	json_u64(o, "records", r->records);
	if (r->to_env == NULL) {
		json_u64(o, "commands", r->commands);
		json_u64(o, "left_out", r->left_out);
	} else {
		json_text(o, "env", r->to_env);
	}
	json_bool(o, "dry_run", r->dry_run);
	json_end(o);
}

/* Where the commands go to standard output, the account goes to stderr. */
static int account(struct replay *r)
{
	struct out err, *o = &r->t->out;

	if (r->to_stdout) {
		out_init(&err, r->t->err);
		o = &err;
	}
	if (r->format == 1) {
		print_json(r, o);
	} else {
		print_text(r, o);
	}
	if (r->to_stdout) {
		(void)out_deinit(&err);
	}
	if (r->left_out == 0) {
		return EXIT_CLEAN;
	}
	return tool_fail(
	    r->t, EXIT_FINDINGS,
	    "%" PRIu64 " changes were left out: to lists and strings that were there "
	    "before the log begins (add older segments), a FLUSHALL under a filter, or "
	    "a rename into it",
	    r->left_out);
}

static int run(struct replay *r, char **operands, size_t operands_count)
{
	int targets = (r->to_env != NULL) + (r->to != NULL) + r->to_stdout;
	int code = EXIT_GO_ON;

	if (targets != 1) {
		return tool_fail(r->t, EXIT_USAGE,
				 "one of --to, --to-env and --to-stdout-resp is needed");
	}
	if (r->to_env != NULL && (r->filter.start.set || r->rate != 0 || r->idempotent)) {
		return tool_fail(r->t, EXIT_USAGE,
				 "--start, --rate and --idempotent do not go with --to-env");
	}
	if (r->to_env == NULL && r->base != NULL) {
		return tool_fail(r->t, EXIT_USAGE, "--base goes with --to-env only");
	}
	if (r->base != NULL && wal_filter_has_ops(&r->filter)) {
		return tool_fail(r->t, EXIT_USAGE, "--base takes all keys: no filter goes with it");
	}
	code = log_open(r->t, operands, operands_count, &r->log);
	if (code == EXIT_GO_ON) {
		progress_start(&r->progress, r->t, "records", 0);
		code = r->to_env != NULL ? replay_to_env(r) : replay_to_commands(r);
		progress_end(&r->progress);
	}
	return code == EXIT_GO_ON ? account(r) : code;
}

int wal_replay(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...",
	    "Does again what a log did, all of it or up to a position or a time. --to-env builds "
	    "a\n"
	    "data directory that cairn-server starts on (point-in-time recovery); the log must go\n"
	    "back to LSN 1, or to the checkpoint of a backup given as --base. --to sends commands "
	    "to\n"
	    "a running node, --to-stdout-resp writes them for redis-cli --pipe.",
	    1, 1024};
	struct replay r = {.t = t,
			   .filter = WAL_FILTER_INIT,
			   .to_time = UINT64_MAX,
			   .memory_max = (uint64_t)4 << 30};
	const struct option_row rows[] = {
	    {"to-env", 0, OPT_TEXT, &r.to_env, "NEWDIR", "build this data directory", NULL},
	    {"base", 0, OPT_TEXT, &r.base, "DIR",
	     "with --to-env: begin with this data directory's\nstore (a backup)", NULL},
	    {"to", 0, OPT_TEXT, &r.to, "ADDRESS",
	     "send to redis://[user:password@]host:port,\nhost:port, or a socket's path", NULL},
	    {"to-stdout-resp", 0, OPT_FLAG, &r.to_stdout, NULL, "write commands to standard output",
	     NULL},
	    {"start", 's', OPT_POSITION, &r.filter.start, "POS", "first position to send", NULL},
	    {"to-lsn", 0, OPT_POSITION, &r.to_lsn, "POS", "last position wanted", NULL},
	    {"to-time", 0, OPT_TIME, &r.to_time, "TIME", "last moment wanted", NULL},
	    WAL_KEY_OPTIONS(&r.filter),
	    {"idempotent", 0, OPT_FLAG, &r.idempotent, NULL,
	     "only whole keys, each once and as it is at the\nend: may be repeated", NULL},
	    {"memory-max", 0, OPT_SIZE, &r.memory_max, "SIZE",
	     "with --idempotent: bound on what is held\n(default 4g)", NULL},
	    {"rate", 0, OPT_SIZE, &r.rate, "SIZE", "at most this many bytes per second", NULL},
	    {"dry-run", 0, OPT_FLAG, &r.dry_run, NULL, "read and count, write nothing", NULL},
	    {"format", 0, OPT_CHOICE, &r.format, "FORMAT", "of the account: text or json",
	     "text,json"},
	    {0}};
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = run(&r, argv + 1, operands);
	}
	log_close(r.log);
	return code;
}
