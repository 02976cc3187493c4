/* cairn-slot diff: what two data directories hold differently. Slots are compared by their digests;
 * only where these differ are the keys walked, both sides in the same order. */
#include "engine/base/alloc.h"
#include "tools/emit_json.h"
#include "tools/slot_sums.h"

#include <inttypes.h>

enum { A, B, SIDES };

struct diff_run {
	struct tool *tool;
	const struct wal_filter *filter;
	struct slot_env env[SIDES];
	struct slot_sums *sums[SIDES];
	uint64_t slots, only[SIDES], differ; /* slots and keys that differ */
	uint64_t libraries;		     /* of functions that differ */
	uint64_t limit, shown;
	bool values, json, quiet;
};

/* One side's place in a slot. */
struct side {
	struct key_walk walk;
	struct key_record record;
	bool ended;
};

static void json_side(struct out *o, const char *name, const struct diff_run *run, int at,
		      const struct key_record *record, enum status *st)
{
	uint64_t count = 0;

	json_object(o, name);
	json_text(o, "type", value_type_text(record->meta.type));
	if (*st == ST_OK) {
		*st = value_count(record, &count);
		json_u64(o, "len", count);
	}
	if (record->meta.expire_at_ms != 0) {
		json_u64(o, "expires", record->meta.expire_at_ms);
	}
	if (*st == ST_OK && run->values) {
		*st = emit_json_value(o, &run->env[at].view, record);
		*st = *st == ST_WRONG_TYPE ? ST_OK : *st;
	}
	json_close(o, '}');
}

static void text_side(struct out *o, const char *name, const struct key_record *record,
		      enum status *st)
{
	uint64_t count = 0;

	if (*st == ST_OK) {
		*st = value_count(record, &count);
	}
	out_printf(o, " %s=%s:%" PRIu64, name, value_type_text(record->meta.type), count);
	if (record->meta.expire_at_ms != 0) {
		out_text(o, ",expires:");
		out_time(o, record->meta.expire_at_ms);
	}
}

/* Prints a key that one side lacks (its record is NULL) or has differently. */
static enum status print_key(struct diff_run *run, const struct key_record *of[SIDES])
{
	static const char *const names[SIDES] = {"a", "b"};
	const struct key_record *either = of[A] != NULL ? of[A] : of[B];
	const char *what = of[A] == NULL ? "only-b" : of[B] == NULL ? "only-a" : "differs";
	struct out *o = &run->tool->out;
	enum status st = ST_OK;

	if (of[A] == NULL || of[B] == NULL) {
		run->only[of[A] == NULL ? B : A]++;
	} else {
		run->differ++;
	}
	if (run->quiet || run->shown == run->limit) {
		return ST_OK;
	}
	run->shown++;
	if (run->json) {
		json_begin(o);
		json_u64(o, "slot", either->slot);
		json_text(o, "what", what);
		json_bytes(o, "key", either->name);
	} else {
		out_printf(o, "slot=%05u what=%s", either->slot, what);
	}
	for (int at = A; at < SIDES; at++) {
		if (of[at] != NULL && run->json) {
			json_side(o, names[at], run, at, of[at], &st);
		} else if (of[at] != NULL) {
			text_side(o, names[at], of[at], &st);
		}
	}
	if (run->json) {
		json_end(o);
	} else {
		out_text(o, " key=");
		out_quoted(o, either->name, 0);
		out_text(o, "\n");
	}
	return st;
}

static enum status compare(struct diff_run *run, struct side sides[SIDES])
{
	uint64_t digests[SIDES] = {0};
	enum status st = ST_OK;
	bool read;

	for (int at = A; at < SIDES && st == ST_OK; at++) {
		st = slot_digest_of(&run->env[at].view, &sides[at].record, &digests[at], &read);
	}
	if (st != ST_OK || digests[A] == digests[B]) {
		return st;
	}
	return print_key(run,
			 (const struct key_record *[SIDES]){&sides[A].record, &sides[B].record});
}

/* Steps to the side's next key; an error is told. */
static int step(struct diff_run *run, struct side *s)
{
	enum status st = key_walk_next(&s->walk, &s->record);

	s->ended = st == ST_END;
	return st == ST_OK || st == ST_END ? EXIT_GO_ON
					   : slot_report(run->tool, st, s->record.store_key);
}

/* The keys of one slot, merged. */
static int walk_slot(struct diff_run *run, uint16_t slot)
{
	struct side sides[SIDES] = {0};
	int code = EXIT_GO_ON;
	enum status st = ST_OK;

	for (int at = A; at < SIDES && st == ST_OK; at++) {
		st = key_walk_open(&run->env[at].view, slot, slot, &sides[at].walk);
	}
	if (st != ST_OK) {
		code = slot_report(run->tool, st, slice_of(NULL, 0));
	}
	for (int at = A; at < SIDES && code == EXIT_GO_ON; at++) {
		code = step(run, &sides[at]);
	}
	while (code == EXIT_GO_ON && !(sides[A].ended && sides[B].ended)) {
		int order = sides[A].ended ? 1
			    : sides[B].ended
				? -1
				: slice_cmp(sides[A].record.store_key, sides[B].record.store_key);

		st = order == 0 ? compare(run, sides)
				: print_key(run, (const struct key_record *[SIDES]){
						     order < 0 ? &sides[A].record : NULL,
						     order > 0 ? &sides[B].record : NULL});
		if (st != ST_OK) {
			code =
			    slot_report(run->tool, st, sides[order > 0 ? B : A].record.store_key);
		}
		if (code == EXIT_GO_ON && order <= 0) {
			code = step(run, &sides[A]);
		}
		if (code == EXIT_GO_ON && order >= 0) {
			code = step(run, &sides[B]);
		}
	}
	key_walk_close(&sides[A].walk);
	key_walk_close(&sides[B].walk);
	return code;
}

/* A library that one side lacks, or has differently. */
static void print_library(struct diff_run *run, const char *what, const struct library *l)
{
	struct out *o = &run->tool->out;

	run->libraries++;
	if (run->quiet) {
		return;
	}
	if (run->json) {
		json_begin(o);
		json_text(o, "what", what);
		json_bytes(o, "library", library_name(l));
		json_end(o);
	} else {
		out_printf(o, "what=%s library=", what);
		out_quoted(o, library_name(l), 0);
		out_text(o, "\n");
	}
}

static void diff_libraries(struct diff_run *run)
{
	const struct library_set *a = &run->env[A].libraries, *b = &run->env[B].libraries;

	for (size_t i = 0; i < a->count; i++) {
		const struct library *other = library_set_find(b, library_name(a->items[i]));

		if (other == NULL) {
			print_library(run, "only-a", a->items[i]);
		} else if (!slice_eq(library_code(a->items[i]), library_code(other))) {
			print_library(run, "differs", a->items[i]);
		}
	}
	for (size_t i = 0; i < b->count; i++) {
		if (library_set_find(a, library_name(b->items[i])) == NULL) {
			print_library(run, "only-b", b->items[i]);
		}
	}
}

static void print_total(const struct diff_run *run)
{
	uint64_t keys[SIDES] = {0};
	struct out *o = &run->tool->out;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		keys[A] += run->sums[A]->keys[slot];
		keys[B] += run->sums[B]->keys[slot];
	}
	if (run->json) {
		json_begin(o);
		json_u64(o, "slots_differ", run->slots);
		json_u64(o, "keys_differ", run->differ);
		json_u64(o, "only_a", run->only[A]);
		json_u64(o, "only_b", run->only[B]);
		json_u64(o, "libraries_differ", run->libraries);
		json_u64(o, "keys_a", keys[A]);
		json_u64(o, "keys_b", keys[B]);
		json_u64(o, "last_lsn_a", run->env[A].last_lsn);
		json_u64(o, "last_lsn_b", run->env[B].last_lsn);
		json_end(o);
		return;
	}
	out_printf(o,
		   "total slots_differ=%" PRIu64 " keys_differ=%" PRIu64 " only_a=%" PRIu64
		   " only_b=%" PRIu64 " libraries_differ=%" PRIu64 " keys_a=%" PRIu64
		   " keys_b=%" PRIu64 " last_lsn_a=%" PRIu64 " last_lsn_b=%" PRIu64 "\n",
		   run->slots, run->differ, run->only[A], run->only[B], run->libraries, keys[A],
		   keys[B], run->env[A].last_lsn, run->env[B].last_lsn);
}

/* Both are open: sums, then the slots where these differ. */
static int diff(struct diff_run *run, char **paths)
{
	int code = EXIT_CLEAN;

	for (int at = A; at < SIDES && code == EXIT_CLEAN; at++) {
		run->sums[at] = mem_alloc(sizeof *run->sums[at]);
		code = run->sums[at] == NULL
			   ? tool_fail(run->tool, EXIT_IO, "out of memory")
			   : slot_sums_take(run->tool, &run->env[at], run->filter, run->sums[at]);
		if (code == EXIT_CLEAN) {
			slot_sums_warn(run->tool, run->sums[at], paths[at]);
		}
	}
	for (uint32_t slot = 0; slot < SLOTS && code == EXIT_CLEAN; slot++) {
		if (run->sums[A]->keys[slot] == run->sums[B]->keys[slot] &&
		    run->sums[A]->digest[slot] == run->sums[B]->digest[slot]) {
			continue;
		}
		run->slots++;
		code = walk_slot(run, (uint16_t)slot);
		code = code == EXIT_GO_ON ? EXIT_CLEAN : code;
	}
	if (code == EXIT_CLEAN && run->filter->slots.count == 0) {
		diff_libraries(run);
	}
	if (code == EXIT_CLEAN && !run->quiet) {
		print_total(run);
	}
	return code == EXIT_CLEAN && (run->slots > 0 || run->libraries > 0) ? EXIT_FINDINGS : code;
}

int slot_diff(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "A B",
	    "Compares two data directories slot by slot and lists the keys that only one of them "
	    "has\n"
	    "or that differ in type, value or expiry, and libraries of functions likewise, unless\n"
	    "--slot is given. Exit 1 when they differ. Beside running "
	    "nodes,\n"
	    "each side is what its node had when it was opened: stop the writes, or say --at.",
	    2, 2};
	struct slot_env_options options = SLOT_ENV_INIT;
	struct wal_filter filter = WAL_FILTER_INIT;
	struct diff_run run = {.tool = t, .filter = &filter, .limit = UINT64_MAX};
	int format = 0;
	const struct option_row rows[] = {
	    {"slot", 0, OPT_SLOTS, &filter.slots, "RANGES", "only these slots, as 0-99,812", NULL},
	    {"values", 0, OPT_FLAG, &run.values, NULL, "with both values; needs --format json",
	     NULL},
	    {"limit", 'n', OPT_U64, &run.limit, "N", "list at most N keys; all are counted", NULL},
	    {"quiet", 'q', OPT_FLAG, &run.quiet, NULL, "no output, only the exit code", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    SLOT_ENV_OPTIONS(&options),
	    {0}};
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	run.json = format == 1;
	if (code == EXIT_GO_ON && run.values && !run.json) {
		code = tool_fail(t, EXIT_USAGE, "option --values: needs --format json");
	}
	for (int at = A; at < SIDES && code == EXIT_GO_ON; at++) {
		code = slot_env_open(t, argv[1 + at], &options, &run.env[at]);
	}
	if (code == EXIT_GO_ON) {
		code = diff(&run, argv + 1);
	}
	for (int at = A; at < SIDES; at++) {
		mem_free(run.sums[at]);
		slot_env_close(&run.env[at]);
	}
	return code;
}
