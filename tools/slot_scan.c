/* The scan over keys that most verbs of cairn-slot share. */
#include "tools/slot_verbs.h"

#include "tools/tool_progress.h"

/* One run of consecutive slots. */
static int scan_range(struct slot_scan *scan, uint16_t first, uint16_t last, uint64_t *seen,
		      struct progress *progress)
{
	struct key_walk walk;
	struct key_record record = {0};
	int code = EXIT_GO_ON;
	enum status st = key_walk_open(&scan->env->view, first, last, &walk);

	while (st == ST_OK && code == EXIT_GO_ON) {
		st = key_walk_next(&walk, &record);
		if (st != ST_OK) {
			break;
		}
		progress_at(progress, ++*seen);
		if (!wal_filter_key(scan->filter, record.name, record.slot) ||
		    (scan->filter->types != NULL &&
		     !list_has(scan->filter->types,
			       slice_str(value_type_text(record.meta.type))))) {
			continue;
		}
		scan->keys++;
		code = scan->each(scan, &record);
	}
	key_walk_close(&walk);
	if (code == EXIT_GO_ON && st != ST_END) {
		progress_end(progress);
		code = slot_report(scan->tool, st, record.store_key);
	}
	return code;
}

int slot_scan_run(struct slot_scan *scan)
{
	const struct slot_set *slots = &scan->filter->slots;
	struct progress progress;
	uint64_t seen = 0;
	int code = EXIT_GO_ON;

	progress_start(&progress, scan->tool, "keys", 0);
	if (scan->filter->key != NULL) {
		uint16_t slot = keyslot(slice_str(scan->filter->key));

		code = scan_range(scan, slot, slot, &seen, &progress);
	} else if (slots->count == 0) {
		code = scan_range(scan, 0, SLOTS - 1, &seen, &progress);
	}
	for (uint32_t at = 0;
	     slots->count > 0 && scan->filter->key == NULL && at < SLOTS && code == EXIT_GO_ON;
	     at++) {
		uint32_t last = at;

		if (!slot_set_has(slots, (uint16_t)at)) {
			continue;
		}
		while (last + 1 < SLOTS && slot_set_has(slots, (uint16_t)(last + 1))) {
			last++;
		}
		code = scan_range(scan, (uint16_t)at, (uint16_t)last, &seen, &progress);
		at = last;
	}
	progress_end(&progress);
	return code == EXIT_GO_ON ? EXIT_CLEAN : code;
}

enum status slot_value_bytes(const struct view *v, const struct key_record *record, uint64_t *out)
{
	struct value_walk w;
	struct slice name, value;
	enum status st;

	*out = record->record_bytes;
	if (record->meta.form != FORM_LARGE) {
		return ST_OK;
	}
	st = value_open(v, record, &w);
	while (st == ST_OK) {
		st = value_next(&w, &name, &value);
	}
	*out += w.bytes;
	value_close(&w);
	return st == ST_END || st == ST_WRONG_TYPE ? ST_OK : st;
}
