/* cairn-slot dump: keys as commands or JSON, into a file or standard output. */
#include "tools/emit_json.h"
#include "tools/slot_verbs.h"

#include <errno.h>
#include <inttypes.h>

enum { DUMP_RESP, DUMP_JSON };

struct dump_run {
	struct out *out;
	struct resp_sink sink;
	int format;
	uint64_t skipped; /* of types without a decoder */
};

static enum status take_to_out(void *arg, struct slice bytes, uint64_t commands)
{
	(void)commands;
	out_bytes(arg, bytes);
	return ((struct out *)arg)->failed ? ST_IO : ST_OK;
}

static int each_key(struct slot_scan *scan, const struct key_record *record)
{
	struct dump_run *run = scan->arg;
	enum status st;

	if (run->format == DUMP_RESP) {
		st = emit_resp(&run->sink, &scan->env->view, record);
	} else {
		json_begin(run->out);
		json_u64(run->out, "slot", record->slot);
		json_bytes(run->out, "key", record->name);
		json_text(run->out, "type", value_type_text(record->meta.type));
		if (record->meta.expire_at_ms != 0) {
			json_u64(run->out, "expires", record->meta.expire_at_ms);
		}
		st = emit_json_value(run->out, &scan->env->view, record);
		json_end(run->out);
	}
	if (st == ST_WRONG_TYPE) {
		run->skipped++;
		return EXIT_GO_ON;
	}
	return st == ST_OK ? EXIT_GO_ON : slot_report(scan->tool, st, record->store_key);
}

/* The libraries of functions, unless only some keys are wanted. */
static enum status dump_libraries(struct dump_run *run, const struct slot_env *env)
{
	if (run->format == DUMP_RESP) {
		return emit_resp_libraries(&run->sink, &env->libraries);
	}
	for (size_t i = 0; i < env->libraries.count; i++) {
		json_begin(run->out);
		emit_json_library(run->out, env->libraries.items[i]);
		json_end(run->out);
	}
	return ST_OK;
}

/* Opens the target; a file that exists is not overwritten. */
static int open_target(struct tool *t, const char *path, FILE **out)
{
	if (path == NULL || strcmp(path, "-") == 0) {
		*out = NULL;
		return EXIT_GO_ON;
	}
	*out = fopen(path, "wxe");
	if (*out == NULL) {
		return errno == EEXIST
			   ? tool_fail(t, EXIT_REFUSED, "%s exists already; give a new name", path)
			   : tool_fail(t, EXIT_IO, "%s cannot be created: %m", path);
	}
	return EXIT_GO_ON;
}

static int run_dump(struct tool *t, struct slot_env *env, const struct wal_filter *filter,
		    int format, FILE *file)
{
	struct out own;
	struct dump_run run = {.out = &t->out, .format = format};
	struct slot_scan scan = {
	    .tool = t, .env = env, .filter = filter, .each = each_key, .arg = &run};
	int code = EXIT_CLEAN;

	if (file != NULL) {
		out_init(&own, file);
		run.out = &own;
	}
	run.sink = (struct resp_sink){.take = take_to_out, .arg = run.out};
	if (!wal_filter_has_ops(filter) && dump_libraries(&run, env) != ST_OK) {
		code = EXIT_IO;
	}
	code = code == EXIT_CLEAN ? slot_scan_run(&scan) : code;
	if (code == EXIT_CLEAN && resp_flush(&run.sink) != ST_OK) {
		code = EXIT_IO;
	}
	resp_sink_deinit(&run.sink);
	if (file != NULL && !out_deinit(&own)) {
		code = tool_fail(t, EXIT_IO, "the file could not be written");
	}
	if (code == EXIT_CLEAN && file != NULL) {
		fprintf(t->err, "%" PRIu64 " keys at LSN %" PRIu64 "\n", scan.keys - run.skipped,
			env->last_lsn);
	}
	if (code == EXIT_CLEAN && run.skipped > 0) {
		code = tool_fail(t, EXIT_FINDINGS,
				 "%" PRIu64 " keys of types that this version cannot write were "
				 "left out",
				 run.skipped);
	}
	return code;
}

int slot_dump(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV",
	    "Writes whole keys. resp: commands that make them (SET, or DEL with RPUSH, HSET or "
	    "ZADD,\n"
	    "and PEXPIREAT), for redis-cli --pipe; json: one object per line. Libraries of "
	    "functions\n"
	    "come first (FUNCTION LOAD REPLACE), unless the options choose among keys.",
	    1, 1};
	struct slot_env_options options = SLOT_ENV_INIT;
	struct wal_filter filter = WAL_FILTER_INIT;
	const char *path = NULL;
	int format = DUMP_RESP;
	const struct option_row rows[] = {
	    {"slot", 0, OPT_SLOTS, &filter.slots, "RANGES", "only these slots, as 0-99,812", NULL},
	    {"key", 0, OPT_TEXT, &filter.key, "KEY", "only this key", NULL},
	    {"prefix", 0, OPT_TEXT, &filter.prefix, "TEXT", "only keys that begin so", NULL},
	    {"match", 0, OPT_TEXT, &filter.match, "GLOB", "only keys that fit, as in KEYS", NULL},
	    {"type", 0, OPT_TEXT, &filter.types, "NAMES", "only these types, as hash,set", NULL},
	    {"output", 'o', OPT_TEXT, &path, "FILE", "write there (must not exist); - is stdout",
	     NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "resp or json", "resp,json"},
	    SLOT_ENV_OPTIONS(&options),
	    {0}};
	struct slot_env env;
	size_t operands;
	FILE *file = NULL;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	code = open_target(t, path, &file);
	if (code == EXIT_GO_ON) {
		code = run_dump(t, &env, &filter, format, file);
	}
	if (file != NULL && fclose(file) != 0) {
		code = tool_fail(t, EXIT_IO, "%s could not be written: %m", path);
	}
	slot_env_close(&env);
	return code;
}
