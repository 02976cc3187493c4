/* Keys and a digest for each slot. */
#include "tools/slot_sums.h"

#include "tools/digest.h"

#include <inttypes.h>
#include <xxhash.h>

enum status slot_digest_of(const struct view *v, const struct key_record *record, uint64_t *out,
			   bool *read)
{
	enum status st = digest_of(v, record, out);

	*read = st != ST_WRONG_TYPE;
	if (!*read) {
		*out = XXH3_64bits_withSeed(record->name.data, record->name.len, record->meta.type);
		st = ST_OK;
	}
	return st;
}

static int each_key(struct slot_scan *scan, const struct key_record *record)
{
	struct slot_sums *sums = scan->arg;
	uint64_t digest = 0;
	bool read = true;
	enum status st = slot_digest_of(&scan->env->view, record, &digest, &read);

	if (st != ST_OK) {
		return slot_report(scan->tool, st, record->store_key);
	}
	sums->keys[record->slot]++;
	sums->digest[record->slot] += digest;
	sums->unread += !read;
	return EXIT_GO_ON;
}

int slot_sums_take(struct tool *t, const struct slot_env *env, const struct wal_filter *filter,
		   struct slot_sums *out)
{
	struct slot_scan scan = {
	    .tool = t, .env = env, .filter = filter, .each = each_key, .arg = out};

	*out = (struct slot_sums){0};
	return slot_scan_run(&scan);
}

void slot_sums_warn(const struct tool *t, const struct slot_sums *sums, const char *path)
{
	if (sums->unread > 0) {
		tool_warn(
		    t,
		    "%s: %" PRIu64
		    " keys are of types that this version cannot read: only their names count",
		    path, sums->unread);
	}
}
