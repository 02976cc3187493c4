/* A stream in commands: XADD for each entry, XSETID, then XGROUP and XCLAIM for its groups. */
#include "engine/export/emit_stream.h"

#include "engine/base/bytes.h"
#include "engine/export/stream_groups.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_MAX = 24, CLAIM_ARGS = 12 };

/* --- entries --- */

void stream_id_text(char dst[STREAM_ID_TEXT_MAX], struct stream_id id)
{
	(void)snprintf(dst, STREAM_ID_TEXT_MAX, "%" PRIu64 "-%" PRIu64, id.ms, id.seq);
}

bool stream_entry_text(struct slice subkey, char dst[STREAM_ID_TEXT_MAX])
{
	if (subkey.len != 1 + STREAM_ID_LEN || subkey.data[0] != STREAM_ENTRY) {
		return false;
	}
	stream_id_text(dst, stream_id_at(subkey.data + 1));
	return true;
}

/* --- commands --- */

/* A stream being written. */
struct emitting {
	struct resp_sink *sink;
	const struct view *v;
	const struct key_record *record;
	struct stream_groups groups;
	struct buf argv; /* struct slice: an entry's command */
};

static struct slice number_text(char dst[NUMBER_MAX], uint64_t v)
{
	(void)snprintf(dst, NUMBER_MAX, "%" PRIu64, v);
	return slice_str(dst);
}

enum status emit_stream_entry(struct resp_sink *sink, struct slice key, struct slice subkey,
			      struct slice value, struct buf *argv)
{
	char id[STREAM_ID_TEXT_MAX];
	struct slice arg[3] = {slice_str("XADD"), key}, text;

	if (!stream_entry_text(subkey, id)) {
		return ST_OK;
	}
	arg[2] = slice_str(id);
	argv->len = 0;
	if (buf_append(argv, arg, sizeof arg) != ST_OK) {
		return ST_NO_MEMORY;
	}
	while (stream_entry_next(&value, &text)) {
		if (buf_append(argv, &text, sizeof text) != ST_OK) {
			return ST_NO_MEMORY;
		}
	}
	return resp_command(sink, (const struct slice *)(const void *)argv->data,
			    argv->len / sizeof(struct slice));
}

static enum status emit_entry(struct emitting *m, struct slice subkey, struct slice value)
{
	return emit_stream_entry(m->sink, m->record->name, subkey, value, &m->argv);
}

static enum status emit_consumer(struct emitting *m, struct slice subkey, struct slice value)
{
	struct slice argv[5] = {slice_str("XGROUP"), slice_str("CREATECONSUMER"), m->record->name};
	const struct group_facts *g;
	enum status st = stream_groups_of(&m->groups, subkey, &g);

	if (st != ST_OK || value.len < STREAM_CONSUMER_LEN) {
		return ST_CORRUPT;
	}
	argv[3] = g->name;
	argv[4] = slice_skip(value, STREAM_CONSUMER_LEN);
	return resp_command(m->sink, argv, 5);
}

enum status emit_stream_claim(struct resp_sink *sink, struct slice key, struct slice group,
			      struct slice consumer, struct stream_id id, struct slice value)
{
	struct slice argv[CLAIM_ARGS] = {slice_str("XCLAIM"), key, group, consumer};
	char text[STREAM_ID_TEXT_MAX], time[NUMBER_MAX], count[NUMBER_MAX];

	stream_id_text(text, id);
	argv[4] = slice_str("0");
	argv[5] = slice_str(text);
	argv[6] = slice_str("TIME");
	argv[7] = number_text(time, bytes_get_u64le(value.data + 8));
	argv[8] = slice_str("RETRYCOUNT");
	argv[9] = number_text(count, bytes_get_u64le(value.data + 16));
	argv[10] = slice_str("FORCE");
	argv[11] = slice_str("JUSTID");
	return resp_command(sink, argv, CLAIM_ARGS);
}

static enum status emit_pending(struct emitting *m, struct slice subkey, struct slice value)
{
	const struct group_facts *g;
	struct slice consumer;
	enum status st = stream_groups_of(&m->groups, subkey, &g);

	if (st == ST_OK) {
		st = stream_groups_consumer(&m->groups, subkey, value, &consumer);
	}
	return st == ST_OK ? emit_stream_claim(m->sink, m->record->name, g->name, consumer,
					       stream_id_at(subkey.data + 9), value)
			   : st;
}

/* Behind the groups themselves: their consumers, and what is pending. */
static enum status emit_of_group(struct emitting *m, struct slice subkey, struct slice value)
{
	switch (subkey.data[0]) {
	case STREAM_CONSUMER:
		return emit_consumer(m, subkey, value);
	case STREAM_PENDING:
		return emit_pending(m, subkey, value);
	default:
		return ST_OK;
	}
}

static enum status each_record(struct emitting *m,
			       enum status (*each)(struct emitting *m, struct slice subkey,
						   struct slice value))
{
	struct value_walk w;
	struct slice subkey, value;
	enum status st = value_open(m->v, m->record, &w);

	while (st == ST_OK) {
		st = value_next(&w, &subkey, &value);
		if (st == ST_OK) {
			st = each(m, subkey, value);
		}
	}
	value_close(&w);
	return st == ST_END ? ST_OK : st;
}

enum status emit_stream_numbers(struct resp_sink *sink, struct slice key, struct stream_id last,
				uint64_t entries_added, struct stream_id max_deleted)
{
	char id[STREAM_ID_TEXT_MAX], deleted[STREAM_ID_TEXT_MAX], added[NUMBER_MAX];
	struct slice argv[7] = {slice_str("XSETID"), key};

	stream_id_text(id, last);
	stream_id_text(deleted, max_deleted);
	argv[2] = slice_str(id);
	argv[3] = slice_str("ENTRIESADDED");
	argv[4] = number_text(added, entries_added);
	argv[5] = slice_str("MAXDELETEDID");
	argv[6] = slice_str(deleted);
	return resp_command(sink, argv, 7);
}

/* The last ID, and what is remembered of removed entries. An empty stream is made by an entry that
 * goes at once. */
static enum status emit_numbers(struct emitting *m)
{
	const struct meta *meta = &m->record->meta;
	struct slice argv[7] = {slice_str("XADD"), m->record->name,  slice_str("MAXLEN"),
				slice_str("0"),	   slice_str("0-1"), slice_str("f"),
				slice_str("v")};
	enum status st = meta->count == 0 ? resp_command(m->sink, argv, 7) : ST_OK;

	return st == ST_OK
		   ? emit_stream_numbers(m->sink, m->record->name,
					 (struct stream_id){meta->aux[0], meta->aux[1]},
					 meta->count + m->groups.removed, m->groups.max_deleted)
		   : st;
}

static enum status emit_groups(struct emitting *m)
{
	size_t count;
	const struct group_facts *g = stream_groups_all(&m->groups, &count);
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < count; i++) {
		struct slice argv[7] = {slice_str("XGROUP"), slice_str("CREATE"), m->record->name,
					g[i].name};
		char id[STREAM_ID_TEXT_MAX], read[NUMBER_MAX];

		stream_id_text(id, g[i].last);
		(void)snprintf(read, sizeof read, "%" PRId64, g[i].entries_read);
		argv[4] = slice_str(id);
		argv[5] = slice_str("ENTRIESREAD");
		argv[6] = slice_str(read);
		st = resp_command(m->sink, argv, 7);
	}
	return st;
}

enum status emit_stream(struct resp_sink *sink, const struct view *v,
			const struct key_record *record)
{
	struct emitting m = {.sink = sink, .v = v, .record = record};
	enum status st = stream_groups_read(v, record, &m.groups);

	if (st == ST_OK) {
		st = each_record(&m, emit_entry);
	}
	if (st == ST_OK) {
		st = emit_numbers(&m);
	}
	if (st == ST_OK) {
		st = emit_groups(&m);
	}
	if (st == ST_OK && m.groups.groups.len > 0) {
		st = each_record(&m, emit_of_group);
	}
	stream_groups_deinit(&m.groups);
	buf_deinit(&m.argv);
	return st;
}
