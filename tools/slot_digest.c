/* cairn-slot digest: a number for each slot's content. */
#include "engine/base/alloc.h"
#include "tools/slot_sums.h"

#include <inttypes.h>

static void print(struct out *o, const struct slot_sums *sums, uint64_t last_lsn, bool all,
		  bool json)
{
	uint64_t keys = 0, digest = 0, used = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		keys += sums->keys[slot];
		digest += sums->digest[slot];
		used += sums->keys[slot] > 0;
		if (!all || sums->keys[slot] == 0) {
			continue;
		}
		if (json) {
			json_begin(o);
			json_u64(o, "slot", slot);
			json_u64(o, "keys", sums->keys[slot]);
			json_hex(o, "digest", sums->digest[slot]);
			json_end(o);
		} else {
			out_printf(o, "slot=%05u keys=%" PRIu64 " digest=%016" PRIx64 "\n", slot,
				   sums->keys[slot], sums->digest[slot]);
		}
	}
	if (json) {
		json_begin(o);
		json_u64(o, "slots", used);
		json_u64(o, "keys", keys);
		json_hex(o, "digest", digest);
		json_u64(o, "last_lsn", last_lsn);
		json_end(o);
		return;
	}
	out_printf(o,
		   "total slots=%" PRIu64 " keys=%" PRIu64 " digest=%016" PRIx64
		   " last_lsn=%" PRIu64 "\n",
		   used, keys, digest, last_lsn);
}

int slot_digest(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV",
	    "Makes a digest of every slot that has keys, and one of all. It is equal on any node "
	    "with\n"
	    "equal keys, values and expiries, however they are stored.",
	    1, 1};
	struct slot_env_options options = SLOT_ENV_INIT;
	struct wal_filter filter = WAL_FILTER_INIT;
	bool total = false;
	int format = 0;
	const struct option_row rows[] = {
	    {"slot", 0, OPT_SLOTS, &filter.slots, "RANGES", "only these slots, as 0-99,812", NULL},
	    {"total", 0, OPT_FLAG, &total, NULL, "only the line of all", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    SLOT_ENV_OPTIONS(&options),
	    {0}};
	struct slot_sums *sums = NULL;
	struct slot_env env;
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	sums = mem_alloc(sizeof *sums);
	code = sums == NULL ? tool_fail(t, EXIT_IO, "out of memory")
			    : slot_sums_take(t, &env, &filter, sums);
	if (code == EXIT_CLEAN) {
		slot_sums_warn(t, sums, argv[1]);
		print(&t->out, sums, env.last_lsn, !total, format == 1);
	}
	mem_free(sums);
	slot_env_close(&env);
	return code;
}
