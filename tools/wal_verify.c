/* cairn-wal verify: every checksum, chain and LSN; says how far the log is good. */
#include "tools/tool_progress.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

static const char *verdict_text(enum status st)
{
	return st == ST_END ? "end" : st == ST_TORN ? "torn" : "damage";
}

int wal_verify(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...",
	    "Reads all of a log and compares every checksum, chain and LSN. Prints ok_up_to and a\n"
	    "verdict: end, torn (an unfinished last write: exit 1) or damage (exit 3).",
	    1, 1024};
	bool quiet = false;
	int format = 0;
	const struct option_row rows[] = {
	    {"quiet", 'q', OPT_FLAG, &quiet, NULL, "print nothing, only exit", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    {0}};
	struct log_source *log = NULL;
	struct wal_reader_end end;
	struct progress progress;
	struct log_place place = {0};
	struct wal_record rec;
	size_t operands;
	enum status st;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &log);
	}
	if (code == EXIT_GO_ON) {
		code = log_seek(log, 0, false);
	}
	if (code != EXIT_GO_ON) {
		log_close(log);
		return code;
	}
	progress_start(&progress, t, "records", 0);
	while ((st = log_next(log, &rec, &place)) == ST_OK) {
		struct slice ops = rec.ops;
		struct wal_op op;
		enum status each;

		while ((each = wal_op_next(&ops, &op)) == ST_OK) {
		}
		if (each != ST_END) {
			st = ST_CORRUPT;
			break;
		}
		progress_at(&progress, rec.lsn);
	}
	progress_end(&progress);
	log_end(log, &end);
	uint64_t good = end.at.next_lsn == 0 ? 0 : end.at.next_lsn - 1;

	if (!quiet && format == 1) {
		json_begin(&t->out);
		json_text(&t->out, "verdict", verdict_text(st));
		json_u64(&t->out, "ok_up_to", good);
		json_u64(&t->out, "records", end.records);
		json_u64(&t->out, "frames", end.frames);
		json_u64(&t->out, "torn_bytes", end.torn_bytes);
		json_bool(&t->out, "clean_close", end.clean);
		json_text(&t->out, "detail", log_error(log));
		json_end(&t->out);
	} else if (!quiet) {
		out_printf(&t->out,
			   "verdict=%s ok_up_to=%" PRIu64 " records=%" PRIu64 " frames=%" PRIu64
			   " torn_bytes=%" PRIu64 " clean_close=%s\n",
			   verdict_text(st), good, end.records, end.frames, end.torn_bytes,
			   end.clean ? "yes" : "no");
	}
	code = quiet ? (st == ST_END ? EXIT_CLEAN : tool_exit_of(st)) : log_report(log, st);
	log_close(log);
	return code;
}
