/* cairn-slot digest: a number for each slot's content. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/content_digest.h"
#include "tools/slot_sums.h"
#include "tools/tool_progress.h"

#include <inttypes.h>

struct line {
	uint64_t keys;
	struct digest digest; /* by content: lo alone */
};

struct digest_run {
	struct tool *tool;
	const struct slot_env *env;
	const struct wal_filter *filter;
	bool content, total, json;
	struct line *lines; /* [SLOTS] */
};

/* --- as nodes keep it: over what is stored --- */

static bool wanted(const struct digest_run *run, uint32_t slot)
{
	const struct slot_set *only = &run->filter->slots;

	return only->count == 0 || slot_set_has(only, (uint16_t)slot);
}

/* Takes the entries of a slot. *next gets the slot of the entry behind them, SLOTS for none. */
static enum status take_slot(struct digest_run *run, struct view_cursor *c,
			     struct content_digest *digest, uint32_t slot, uint32_t *next,
			     struct slice *key)
{
	struct line *line = &run->lines[slot];
	uint8_t from[2];
	struct slice value;
	enum status st;

	bytes_put_u16be(from, (uint16_t)slot);
	st = view_cursor_seek(c, slice_of(from, sizeof from));
	while (st == ST_OK) {
		*key = slice_of(NULL, 0);
		st = view_cursor_next(c, key, &value);
		if (st != ST_OK) {
			break;
		}
		if (store_key_slot(*key) != slot) {
			*next = store_key_slot(*key);
			break;
		}
		line->keys += store_key_space(*key) == KEYSPACE_KEY;
		st = content_digest_add(digest, *key, value);
	}
	line->digest = content_digest_take(digest);
	return st == ST_END ? ST_OK : st;
}

static int take_stored(struct digest_run *run)
{
	struct content_digest digest = {0};
	struct view_cursor cursor = {0};
	struct progress progress;
	struct slice key = {0};
	uint32_t slot = 0;
	enum status st = view_cursor_open(&run->env->view, &cursor);

	progress_start(&progress, run->tool, "slots", SLOTS);
	while (st == ST_OK && slot < SLOTS) {
		uint32_t next = SLOTS;

		if (!wanted(run, slot)) {
			slot++;
			continue;
		}
		progress_at(&progress, slot);
		st = take_slot(run, &cursor, &digest, slot, &next, &key);
		slot = next;
	}
	progress_end(&progress);
	view_cursor_close(&cursor);
	content_digest_deinit(&digest);
	return st == ST_OK ? EXIT_CLEAN : slot_report(run->tool, st, key);
}

/* --- by content alone --- */

static int take_content(struct digest_run *run, const char *path)
{
	struct slot_sums *sums = mem_alloc(sizeof *sums);
	int code;

	if (sums == NULL) {
		return tool_fail(run->tool, EXIT_IO, "out of memory");
	}
	code = slot_sums_take(run->tool, run->env, run->filter, sums);
	if (code == EXIT_CLEAN) {
		slot_sums_warn(run->tool, sums, path);
		for (uint32_t slot = 0; slot < SLOTS; slot++) {
			run->lines[slot] =
			    (struct line){sums->keys[slot], {.lo = sums->digest[slot]}};
		}
	}
	mem_free(sums);
	return code;
}

/* --- printing --- */

static void digest_word(const struct digest_run *run, struct digest d,
			char out[DIGEST_TEXT_LEN + 1])
{
	if (run->content) {
		(void)snprintf(out, DIGEST_TEXT_LEN + 1, "%016" PRIx64, d.lo);
	} else {
		digest_text(d, out);
	}
}

static void print_slot(const struct digest_run *run, uint32_t slot)
{
	const struct line *line = &run->lines[slot];
	struct out *o = &run->tool->out;
	char word[DIGEST_TEXT_LEN + 1];

	digest_word(run, line->digest, word);
	if (run->json) {
		json_begin(o);
		json_u64(o, "slot", slot);
		json_u64(o, "keys", line->keys);
		json_text(o, "digest", word);
		json_end(o);
		return;
	}
	out_printf(o, "slot=%05u keys=%" PRIu64 " digest=%s\n", slot, line->keys, word);
}

static void print(const struct digest_run *run)
{
	struct out *o = &run->tool->out;
	char word[DIGEST_TEXT_LEN + 1];
	struct line all = {0};
	uint64_t used = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		const struct line *line = &run->lines[slot];

		all.keys += line->keys;
		all.digest = digest_add(all.digest, line->digest);
		used += line->keys > 0;
		if (!run->total && line->keys > 0) {
			print_slot(run, slot);
		}
	}
	digest_word(run, all.digest, word);
	if (run->json) {
		json_begin(o);
		json_u64(o, "slots", used);
		json_u64(o, "keys", all.keys);
		json_text(o, "digest", word);
		json_u64(o, "last_lsn", run->env->last_lsn);
		json_end(o);
		return;
	}
	out_printf(o, "total slots=%" PRIu64 " keys=%" PRIu64 " digest=%s last_lsn=%" PRIu64 "\n",
		   used, all.keys, word, run->env->last_lsn);
}

int slot_digest(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV",
	    "Makes a digest of every slot that has keys, and one of all: as CLUSTER SLOT-DIGEST\n"
	    "answers it, equal on all nodes of a shard at the same LSN; or, with --content, equal\n"
	    "wherever keys, values and expiries are equal, however they are stored.",
	    1, 1};
	struct slot_env_options options = SLOT_ENV_INIT;
	struct wal_filter filter = WAL_FILTER_INIT;
	struct digest_run run = {.tool = t, .filter = &filter};
	int format = 0;
	const struct option_row rows[] = {
	    {"slot", 0, OPT_SLOTS, &filter.slots, "RANGES", "only these slots, as 0-99,812", NULL},
	    {"content", 0, OPT_FLAG, &run.content, NULL, "of keys and values alone", NULL},
	    {"total", 0, OPT_FLAG, &run.total, NULL, "only the line of all", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    SLOT_ENV_OPTIONS(&options),
	    {0}};
	struct slot_env env;
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	run.env = &env;
	run.json = format == 1;
	run.lines = mem_calloc(SLOTS, sizeof *run.lines);
	if (run.lines == NULL) {
		code = tool_fail(t, EXIT_IO, "out of memory");
	} else {
		code = run.content ? take_content(&run, argv[1]) : take_stored(&run);
	}
	if (code == EXIT_CLEAN) {
		print(&run);
	}
	mem_free(run.lines);
	slot_env_close(&env);
	return code;
}
