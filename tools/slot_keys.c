/* cairn-slot keys: one line per key. */
#include "tools/slot_verbs.h"

#include <inttypes.h>

enum { KEYS_TEXT, KEYS_JSON, KEYS_CSV };

struct keys_run {
	int format;
	uint64_t min_size, ttl_before, limit, shown, now_ms;
};

/* A CSV field: quoted, with quotes doubled. */
static void csv_bytes(struct out *o, struct slice bytes)
{
	out_text(o, "\"");
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.data[i] == '"') {
			out_text(o, "\"");
		}
		out_bytes(o, slice_of(&bytes.data[i], 1));
	}
	out_text(o, "\"\n");
}

static void print_key(struct out *o, const struct keys_run *run, const struct key_record *r,
		      uint64_t bytes, uint64_t count)
{
	uint64_t at = r->meta.expire_at_ms;
	const char *type = value_type_text(r->meta.type);

	switch (run->format) {
	case KEYS_JSON:
		json_begin(o);
		json_u64(o, "slot", r->slot);
		json_bytes(o, "key", r->name);
		json_text(o, "type", type);
		json_u64(o, "len", count);
		json_u64(o, "bytes", bytes);
		if (at != 0) {
			json_u64(o, "expires", at);
			json_bool(o, "expired", at <= run->now_ms);
		}
		json_end(o);
		break;
	case KEYS_CSV:
		out_printf(o, "%u,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", r->slot, type, count,
			   bytes, at);
		csv_bytes(o, r->name);
		break;
	default:
		out_printf(o,
			   "slot=%05u type=%s len=%" PRIu64 " bytes=%" PRIu64 " expires=", r->slot,
			   type, count, bytes);
		if (at == 0) {
			out_text(o, "-");
		} else {
			out_time(o, at);
		}
		out_text(o, at != 0 && at <= run->now_ms ? " expired key=" : " key=");
		out_quoted(o, r->name, 0);
		out_text(o, "\n");
	}
}

static int each_key(struct slot_scan *scan, const struct key_record *record)
{
	struct keys_run *run = scan->arg;
	uint64_t bytes, count;
	enum status st;

	if (run->ttl_before != 0 &&
	    (record->meta.expire_at_ms == 0 || record->meta.expire_at_ms >= run->ttl_before)) {
		return EXIT_GO_ON;
	}
	st = value_count(record, &count);
	if (st == ST_OK) {
		st = slot_value_bytes(&scan->env->view, record, &bytes);
	}
	if (st != ST_OK) {
		return slot_report(scan->tool, st, record->store_key);
	}
	if (bytes < run->min_size) {
		return EXIT_GO_ON;
	}
	print_key(&scan->tool->out, run, record, bytes, count);
	run->shown++;
	return run->shown == run->limit ? EXIT_CLEAN : EXIT_GO_ON;
}

int slot_keys(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV",
	    "Lists keys in slot order: slot, type, length (elements, or bytes of a string), bytes\n"
	    "with all elements, expiry. Keys whose time has come are listed until the node "
	    "removes\n"
	    "them, and are marked.",
	    1, 1};
	struct slot_env_options options = SLOT_ENV_INIT;
	struct wal_filter filter = WAL_FILTER_INIT;
	struct keys_run run = {.now_ms = t->clock->wall_ms(t->clock->ctx)};
	bool require = false;
	const struct option_row rows[] = {
	    {"slot", 0, OPT_SLOTS, &filter.slots, "RANGES", "only these slots, as 0-99,812", NULL},
	    {"prefix", 0, OPT_TEXT, &filter.prefix, "TEXT", "only keys that begin so", NULL},
	    {"match", 0, OPT_TEXT, &filter.match, "GLOB", "only keys that fit, as in KEYS", NULL},
	    {"type", 0, OPT_TEXT, &filter.types, "NAMES", "only these types, as hash,set", NULL},
	    {"min-size", 0, OPT_SIZE, &run.min_size, "SIZE", "only keys of that many bytes", NULL},
	    {"ttl-before", 0, OPT_TIME, &run.ttl_before, "TIME", "only keys that expire before",
	     NULL},
	    {"limit", 'n', OPT_U64, &run.limit, "N", "at most that many", NULL},
	    {"require", 0, OPT_FLAG, &require, NULL, "exit 1 when no key fits", NULL},
	    {"format", 0, OPT_CHOICE, &run.format, "FORMAT", "text, json or csv", "text,json,csv"},
	    SLOT_ENV_OPTIONS(&options),
	    {0}};
	struct slot_env env;
	struct slot_scan scan = {.tool = t, .filter = &filter, .each = each_key, .arg = &run};
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	if (run.format == KEYS_CSV) {
		out_text(&t->out, "slot,type,len,bytes,expires_ms,key\n");
	}
	scan.env = &env;
	code = slot_scan_run(&scan);
	slot_env_close(&env);
	return code == EXIT_CLEAN && require && run.shown == 0 ? EXIT_FINDINGS : code;
}
