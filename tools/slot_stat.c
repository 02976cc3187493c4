/* cairn-slot stat: sums over keys. */
#include "tools/slot_verbs.h"

#include "engine/base/alloc.h"
#include "tools/digest.h"
#include "tools/tally.h"

#include <inttypes.h>

enum { BY_NOTHING, BY_SLOT, BY_TYPE, BY_PREFIX };

struct stat_run {
	struct tally groups;
	struct buf biggest; /* its name */
	uint64_t keys, bytes, expires, expired, elements, biggest_bytes, digest, now_ms;
	uint64_t sample, seen; /* one key in so many is looked at; 1: all */
	struct store_info file;
	int by;
};

static enum status add_group(struct stat_run *run, const struct key_record *r, uint64_t bytes)
{
	char slot[8];
	struct slice name = tally_prefix(r->name);

	if (run->by == BY_NOTHING) {
		return ST_OK;
	}
	if (run->by == BY_SLOT) {
		snprintf(slot, sizeof slot, "%05u", r->slot);
		name = slice_str(slot);
	} else if (run->by == BY_TYPE) {
		name = slice_str(value_type_text(r->meta.type));
	}
	return tally_add(&run->groups, name, bytes, r->meta.expire_at_ms != 0);
}

static int each_key(struct slot_scan *scan, const struct key_record *record)
{
	struct stat_run *run = scan->arg;
	uint64_t bytes = 0, count = 0, digest = 0;
	enum status st;

	if (run->seen++ % run->sample != 0) {
		return EXIT_GO_ON;
	}
	st = slot_value_bytes(&scan->env->view, record, &bytes);
	if (st == ST_OK) {
		st = value_count(record, &count);
	}
	if (st == ST_OK) {
		st = digest_of(&scan->env->view, record, &digest);
		st = st == ST_WRONG_TYPE ? ST_OK : st;
	}
	if (st == ST_OK) {
		st = add_group(run, record, bytes);
	}
	if (st == ST_OK && bytes > run->biggest_bytes) {
		run->biggest_bytes = bytes;
		run->biggest.len = 0;
		st = buf_append(&run->biggest, record->name.data, record->name.len);
	}
	if (st != ST_OK) {
		return slot_report(scan->tool, st, record->store_key);
	}
	run->keys++;
	run->bytes += bytes;
	run->digest += digest;
	run->elements += record->meta.type == TYPE_STRING ? 0 : count;
	if (record->meta.expire_at_ms != 0) {
		run->expires++;
		run->expired += record->meta.expire_at_ms <= run->now_ms;
	}
	return EXIT_GO_ON;
}

static void print_totals_json(struct out *o, const struct stat_run *run, const struct slot_env *env)
{
	json_begin(o);
	json_u64(o, "keys", run->keys);
	json_u64(o, "bytes", run->bytes);
	json_u64(o, "elements", run->elements);
	json_u64(o, "expires", run->expires);
	json_u64(o, "expired", run->expired);
	json_u64(o, "biggest_bytes", run->biggest_bytes);
	if (run->keys > 0) {
		json_bytes(o, "biggest_key", buf_slice(&run->biggest));
	}
	json_u64(o, "sample", run->sample);
	json_hex(o, "digest", run->digest);
	json_u64(o, "libraries", env->libraries.count);
	json_u64(o, "library_bytes", env->libraries.bytes);
	json_u64(o, "last_lsn", env->last_lsn);
	json_u64(o, "file_bytes", run->file.file_bytes);
	json_u64(o, "pages_used", run->file.pages_used);
	json_u64(o, "pages_free", run->file.pages_free);
	json_end(o);
}

static void print_totals(struct out *o, const struct stat_run *run, const struct slot_env *env,
			 bool json)
{
	if (json) {
		print_totals_json(o, run, env);
		return;
	}
	out_printf(o,
		   "total keys=%" PRIu64 " bytes=%" PRIu64 " elements=%" PRIu64 " expires=%" PRIu64
		   " expired=%" PRIu64 " sample=%" PRIu64 " digest=%016" PRIx64 " libraries=%zu"
		   " library_bytes=%zu last_lsn=%" PRIu64 " file_bytes=%" PRIu64
		   " pages_used=%" PRIu64 " pages_free=%" PRIu64,
		   run->keys, run->bytes, run->elements, run->expires, run->expired, run->sample,
		   run->digest, env->libraries.count, env->libraries.bytes, env->last_lsn,
		   run->file.file_bytes, run->file.pages_used, run->file.pages_free);
	if (run->keys > 0) {
		out_printf(o, " biggest_bytes=%" PRIu64 " biggest_key=", run->biggest_bytes);
		out_quoted(o, buf_slice(&run->biggest), 256);
	}
	out_text(o, "\n");
}

static enum status print_groups(struct out *o, const struct stat_run *run, int order, uint64_t top,
				bool json)
{
	static const char *const titles[] = {"", "slot", "type", "prefix"};
	struct tally_row **rows;
	enum status st = tally_sorted(&run->groups, (enum tally_order)order, &rows);

	for (size_t i = 0; st == ST_OK && i < run->groups.used && (top == 0 || i < top); i++) {
		const struct tally_row *row = rows[i];
		struct slice name = slice_of(row->name, row->name_len);

		if (json) {
			json_begin(o);
			json_bytes(o, titles[run->by], name);
			json_u64(o, "keys", row->count);
			json_u64(o, "bytes", row->bytes);
			json_u64(o, "expires", row->extra);
			json_u64(o, "biggest_bytes", row->max_bytes);
			json_end(o);
			continue;
		}
		out_printf(o, "%s=", titles[run->by]);
		if (run->by == BY_PREFIX) {
			out_quoted(o, name, 0);
		} else {
			out_bytes(o, name);
		}
		out_printf(o,
			   " keys=%" PRIu64 " bytes=%" PRIu64 " expires=%" PRIu64
			   " biggest_bytes=%" PRIu64 "\n",
			   row->count, row->bytes, row->extra, row->max_bytes);
	}
	mem_free(rows);
	return st;
}

int slot_stat(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV",
	    "Counts keys and their logical bytes (store keys and stored values, elements "
	    "included),\n"
	    "in all and by group, and makes a digest of their content that is equal on any node "
	    "with\n"
	    "equal keys. A prefix is what a key has up to its first ':'.",
	    1, 1};
	struct slot_env_options options = SLOT_ENV_INIT;
	struct wal_filter filter = WAL_FILTER_INIT;
	struct stat_run run = {.now_ms = t->clock->wall_ms(t->clock->ctx), .sample = 1};
	int format = 0, order = TALLY_BY_BYTES;
	uint64_t top = 20;
	const struct option_row rows[] = {
	    {"slot", 0, OPT_SLOTS, &filter.slots, "RANGES", "only these slots, as 0-99,812", NULL},
	    {"prefix", 0, OPT_TEXT, &filter.prefix, "TEXT", "only keys that begin so", NULL},
	    {"match", 0, OPT_TEXT, &filter.match, "GLOB", "only keys that fit, as in KEYS", NULL},
	    {"type", 0, OPT_TEXT, &filter.types, "NAMES", "only these types, as hash,set", NULL},
	    {"sample", 0, OPT_U64, &run.sample, "N", "look at one key in N; sums are of those",
	     NULL},
	    {"by", 0, OPT_CHOICE, &run.by, "GROUP", "a line per slot, type or prefix",
	     "none,slot,type,prefix"},
	    {"sort", 0, OPT_CHOICE, &order, "ORDER", "bytes, keys or name", "bytes,keys,name"},
	    {"top", 0, OPT_U64, &top, "N", "at most N groups (default 20, 0: all)", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    SLOT_ENV_OPTIONS(&options),
	    {0}};
	struct slot_env env;
	struct slot_scan scan = {.tool = t, .filter = &filter, .each = each_key, .arg = &run};
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON && run.sample == 0) {
		code = tool_fail(t, EXIT_USAGE, "option --sample: 0 is no number of keys");
	}
	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	scan.env = &env;
	code = slot_scan_run(&scan);
	if (code == EXIT_CLEAN && store_info(env.store.store, &run.file) != ST_OK) {
		code = tool_fail(t, EXIT_IO, "the store's figures cannot be read");
	}
	if (code == EXIT_CLEAN) {
		print_totals(&t->out, &run, &env, format == 1);
		if (print_groups(&t->out, &run, order, top, format == 1) != ST_OK) {
			code = tool_fail(t, EXIT_IO, "out of memory");
		}
	}
	tally_deinit(&run.groups);
	buf_deinit(&run.biggest);
	slot_env_close(&env);
	return code;
}
