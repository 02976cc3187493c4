/* cairn-wal verify: every checksum, chain and LSN; says how far the log is good. */
#include "engine/export/effect.h"
#include "engine/export/value.h"
#include "engine/types/small_blob.h"
#include "tools/tool_progress.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

struct verify {
	struct tool *t;
	struct log_source *log;
	bool quiet, deep;
	int format;
	uint64_t epoch; /* of the newest record */
	uint64_t good;	/* newest LSN that is in order */
	struct buf detail;
};

static const char *verdict_text(enum status st)
{
	return st == ST_END ? "end" : st == ST_TORN ? "torn" : "damage";
}

/* The elements of a small collection, as its blob counts them. */
static enum status check_blob(const struct meta *m)
{
	struct small_cursor c;
	struct slice entry;
	uint32_t count, seen = 0;
	enum status st;

	if (m->form != FORM_INLINE || m->type == TYPE_STRING || !value_has_decoder(m->type)) {
		return ST_OK;
	}
	st = small_blob_count(m->payload, &count);
	if (st == ST_OK) {
		st = small_cursor_init(&c, m->payload);
	}
	while (st == ST_OK) {
		st = small_cursor_next(&c, &entry);
		seen += st == ST_OK;
	}
	return st == ST_END && seen == count && (!value_has_names(m->type) || count % 2 == 0)
		   ? ST_OK
		   : ST_CORRUPT;
}

/* What the operation would do to the store. */
static enum status check_deep(const struct wal_op *op)
{
	struct effect effect;
	struct meta meta;
	enum status st = effect_of(op, &effect);

	if (st == ST_OK && op->kind == WAL_OP_PUT_KEY) {
		st = meta_decode(op->value, &meta);
		if (st == ST_OK) {
			st = check_blob(&meta);
		}
	}
	return st;
}

static enum status check_record(struct verify *v, const struct wal_record *rec,
				const struct log_place *place)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	const char *what = "holds an operation that does not decode";
	enum status st;

	while ((st = wal_op_next(&ops, &op)) == ST_OK) {
		if (v->deep && check_deep(&op) != ST_OK) {
			what = "holds a value that does not decode";
			st = ST_CORRUPT;
			break;
		}
	}
	if (st == ST_END && place->epoch < v->epoch) {
		what = "is of an older epoch than the one before";
		st = ST_CORRUPT;
	}
	v->epoch = place->epoch;
	if (st == ST_END) {
		v->good = rec->lsn;
		return ST_OK;
	}
	buf_note(&v->detail, "%s: LSN %" PRIu64 " in the frame at offset %" PRIu64 " %s",
		 place->file, rec->lsn, place->off, what);
	return st;
}

static enum status read_all(struct verify *v)
{
	struct progress progress;
	struct log_place place;
	struct wal_record rec;
	enum status st;

	progress_start(&progress, v->t, "records", 0);
	while ((st = log_next(v->log, &rec, &place)) == ST_OK) {
		st = check_record(v, &rec, &place);
		if (st != ST_OK) {
			break;
		}
		progress_at(&progress, rec.lsn);
	}
	progress_end(&progress);
	if (v->detail.len == 0 && st != ST_END) {
		const char *text = log_error(v->log);

		buf_note(&v->detail, "%s", text[0] != '\0' ? text : status_text(st));
	}
	return st;
}

static void print(struct verify *v, enum status st, const struct wal_reader_end *end)
{
	struct out *o = &v->t->out;

	if (v->format == 1) {
		json_begin(o);
		json_text(o, "verdict", verdict_text(st));
		json_u64(o, "epoch", v->epoch);
		json_u64(o, "ok_up_to", v->good);
		json_u64(o, "records", end->records);
		json_u64(o, "frames", end->frames);
		json_u64(o, "torn_bytes", end->torn_bytes);
		json_bool(o, "clean_close", end->clean);
		if (st != ST_END) {
			json_bytes(o, "detail", buf_slice(&v->detail));
		}
		json_end(o);
		return;
	}
	out_printf(o,
		   "verdict=%s ok_up_to=%" PRIu64 ":%" PRIu64 " records=%" PRIu64 " frames=%" PRIu64
		   " torn_bytes=%" PRIu64 " clean_close=%s\n",
		   verdict_text(st), v->epoch, v->good, end->records, end->frames, end->torn_bytes,
		   end->clean ? "yes" : "no");
}

static int run(struct verify *v)
{
	struct wal_reader_end end;
	enum status st;
	int code = log_seek(v->log, 0, false);

	if (code != EXIT_GO_ON) {
		return code;
	}
	st = read_all(v);
	log_end(v->log, &end);
	if (end.records == 0 && end.at.next_lsn > 0) {
		v->good = end.at.next_lsn - 1;
	}
	code = st == ST_END ? EXIT_CLEAN : tool_exit_of(st);
	if (!v->quiet) {
		print(v, st, &end);
	}
	if (!v->quiet && st != ST_END) {
		(void)tool_fail(v->t, code, "%s", tool_text(&v->detail, st));
	}
	return code;
}

int wal_verify(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...",
	    "Reads all of a log and compares every checksum, chain, LSN and epoch. Prints ok_up_to "
	    "and\n"
	    "a verdict: end, torn (an unfinished last write: exit 1) or damage (exit 3).",
	    1, 1024};
	struct verify v = {.t = t};
	const struct option_row rows[] = {
	    {"deep", 0, OPT_FLAG, &v.deep, NULL, "decode what the operations hold as well", NULL},
	    {"quiet", 'q', OPT_FLAG, &v.quiet, NULL, "print nothing, only exit", NULL},
	    {"format", 0, OPT_CHOICE, &v.format, "FORMAT", "text or json", "text,json"},
	    {0}};
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &v.log);
	}
	if (code == EXIT_GO_ON) {
		code = run(&v);
	}
	log_close(v.log);
	buf_deinit(&v.detail);
	return code;
}
