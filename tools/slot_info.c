/* cairn-slot info: what a data directory is. */
#include "tools/slot_verbs.h"

#include <inttypes.h>

static void print_history(struct out *o, const struct wal_history *h, bool json)
{
	if (json) {
		json_array(o, "history");
	}
	for (uint32_t i = 0; i < h->count; i++) {
		const struct wal_timeline *item = &h->items[i];

		if (json) {
			json_element(o);
			json_hex(o, "timeline", item->id);
			json_u64(o, "epoch", item->epoch);
			json_u64(o, "first_lsn", item->first_lsn);
			json_close(o, '}');
		} else {
			out_printf(o,
				   "history         timeline=%016" PRIx64 " epoch=%" PRIu64
				   " first_lsn=%" PRIu64 "\n",
				   item->id, item->epoch, item->first_lsn);
		}
	}
	if (json) {
		json_close(o, ']');
	}
}

static void print_u64(struct out *o, bool json, const char *name, uint64_t v)
{
	if (json) {
		json_u64(o, name, v);
	} else {
		out_printf(o, "%-15s %" PRIu64 "\n", name, v);
	}
}

static void print_hex(struct out *o, bool json, const char *name, uint64_t v)
{
	if (json) {
		json_hex(o, name, v);
	} else {
		out_printf(o, "%-15s %016" PRIx64 "\n", name, v);
	}
}

static void print(struct out *o, bool json, const char *path, const struct slot_env *env,
		  const struct store_info *info)
{
	const struct wal_history *h = &env->history;

	if (json) {
		json_begin(o);
		json_text(o, "path", path);
	} else {
		out_printf(o, "%-15s %s\n", "path", path);
	}
	print_u64(o, json, "format_version", STORE_FORMAT_VERSION);
	print_hex(o, json, "shard_id", h->shard_id);
	print_hex(o, json, "timeline", h->count == 0 ? 0 : h->items[h->count - 1].id);
	print_u64(o, json, "epoch", h->count == 0 ? 0 : h->items[h->count - 1].epoch);
	print_u64(o, json, "applied_lsn", env->last_lsn);
	print_u64(o, json, "checkpoint_lsn", env->store.state.checkpoint_lsn);
	print_u64(o, json, "previous_lsn", env->store.state.previous_checkpoint_lsn);
	print_u64(o, json, "drain_lsn", env->store.state.drain_lsn);
	print_u64(o, json, "log_records", env->records);
	if (json) {
		json_bool(o, "torn_tail", env->torn);
	} else {
		out_printf(o, "%-15s %s\n", "torn_tail", env->torn ? "yes" : "no");
	}
	print_u64(o, json, "node_pid", (uint64_t)env->holder_pid);
	print_u64(o, json, "next_id", env->store.state.next_id);
	print_u64(o, json, "libraries", env->libraries.count);
	print_u64(o, json, "library_bytes", env->libraries.bytes);
	print_u64(o, json, "map_size", info->map_size);
	print_u64(o, json, "file_bytes", info->file_bytes);
	print_u64(o, json, "page_size", info->page_size);
	print_u64(o, json, "pages_used", info->pages_used);
	print_u64(o, json, "pages_free", info->pages_free);
	print_u64(o, json, "entries", info->entries);
	print_u64(o, json, "depth", info->depth);
	print_u64(o, json, "readers", info->readers);
	print_u64(o, json, "last_txn", info->last_txn);
	print_history(o, h, json);
	if (json) {
		json_end(o);
	}
}

int slot_info(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV",
	    "Prints what the data directory ENV (or a keyspace.mdb file) is: shard and history,\n"
	    "how far the store and the log go, which process has it open (node_pid, 0: none),\n"
	    "and the figures of the LMDB file.",
	    1, 1};
	struct slot_env_options options = SLOT_ENV_INIT;
	int format = 0;
	const struct option_row rows[] = {
	    SLOT_ENV_OPTIONS(&options),
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    {0}};
	struct slot_env env;
	struct store_info info;
	size_t operands;
	enum status st;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	st = store_info(env.store.store, &info);
	if (st == ST_OK) {
		print(&t->out, format == 1, argv[1], &env, &info);
		code = env.torn ? EXIT_FINDINGS : EXIT_CLEAN;
	} else {
		code = slot_report(t, st, slice_of(NULL, 0));
	}
	slot_env_close(&env);
	return code;
}
