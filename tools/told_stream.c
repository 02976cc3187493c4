/* Streams as items, from a store's records and from a node's answer. */
#include "tools/told_stream.h"

#include "engine/base/bytes.h"
#include "engine/export/emit_stream.h"
#include "engine/export/stream_groups.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>

/* An item under construction. */
struct item {
	struct byte_list *items;
	struct buf name, value;
};

/* --- words --- */

static bool is_plain(struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.data[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '\\') {
			return false;
		}
	}
	return word.len > 0;
}

static enum status add_quoted(struct buf *b, struct slice word)
{
	enum status st = buf_append(b, "\"", 1);

	for (size_t i = 0; st == ST_OK && i < word.len; i++) {
		uint8_t c = word.data[i];

		st = c == '"' || c == '\\' ? buf_printf(b, "\\%c", c)
		     : c < ' ' || c > '~'  ? buf_printf(b, "\\x%02x", c)
					   : buf_append(b, &c, 1);
	}
	return st == ST_OK ? buf_append(b, "\"", 1) : st;
}

/* Behind a blank, unless it is the first one. */
static enum status add_word(struct buf *b, struct slice word)
{
	enum status st = b->len > 0 ? buf_append(b, " ", 1) : ST_OK;

	if (st != ST_OK) {
		return st;
	}
	return is_plain(word) ? buf_append(b, word.data, word.len) : add_quoted(b, word);
}

static enum status add_text(struct buf *b, const char *text)
{
	return add_word(b, slice_str(text));
}

static enum status add_number(struct buf *b, int64_t number)
{
	return buf_printf(b, "%s%" PRId64, b->len > 0 ? " " : "", number);
}

static void begin(struct item *m)
{
	m->name.len = 0;
	m->value.len = 0;
}

static enum status end(struct item *m)
{
	enum status st = byte_list_add(m->items, buf_slice(&m->name));

	return st == ST_OK ? byte_list_add(m->items, buf_slice(&m->value)) : st;
}

static void item_deinit(struct item *m)
{
	buf_deinit(&m->name);
	buf_deinit(&m->value);
}

/* --- the items, but entries --- */

static enum status add_fact(struct item *m, const char *name, const char *value)
{
	enum status st;

	begin(m);
	st = add_text(&m->name, name);
	if (st == ST_OK) {
		st = add_text(&m->value, value);
	}
	return st == ST_OK ? end(m) : st;
}

/* entries_read -1: not known. */
static enum status add_group(struct item *m, struct slice group, const char *last,
			     int64_t entries_read)
{
	enum status st;

	begin(m);
	st = add_text(&m->name, "group");
	if (st == ST_OK) {
		st = add_word(&m->name, group);
	}
	if (st == ST_OK) {
		st = buf_printf(&m->value, "last-delivered %s read %" PRId64, last, entries_read);
	}
	return st == ST_OK ? end(m) : st;
}

static enum status add_consumer(struct item *m, struct slice group, struct slice consumer)
{
	enum status st;

	begin(m);
	st = add_text(&m->name, "consumer");
	if (st == ST_OK) {
		st = add_word(&m->name, group);
	}
	if (st == ST_OK) {
		st = add_word(&m->name, consumer);
	}
	return st == ST_OK ? end(m) : st;
}

static enum status add_pending(struct item *m, struct slice group, const char *id,
			       struct slice consumer, int64_t deliveries)
{
	enum status st;

	begin(m);
	st = add_text(&m->name, "pending");
	if (st == ST_OK) {
		st = add_word(&m->name, group);
	}
	if (st == ST_OK) {
		st = add_text(&m->name, id);
	}
	if (st == ST_OK) {
		st = add_word(&m->value, consumer);
	}
	if (st == ST_OK) {
		st = add_number(&m->value, deliveries);
	}
	return st == ST_OK ? end(m) : st;
}

/* --- a view --- */

static enum status view_entry(struct item *m, const char *id, struct slice value)
{
	struct slice word;
	enum status st;

	begin(m);
	st = add_text(&m->name, id);
	while (st == ST_OK && stream_entry_next(&value, &word)) {
		st = add_word(&m->value, word);
	}
	if (st == ST_OK && value.len > 0) {
		st = ST_CORRUPT;
	}
	return st == ST_OK ? end(m) : st;
}

static enum status view_numbers(struct item *m, const struct meta *meta,
				const struct stream_groups *groups)
{
	char id[STREAM_ID_TEXT_MAX], number[24];
	enum status st;

	(void)snprintf(number, sizeof number, "%" PRIu64, meta->count + groups->removed);
	st = add_fact(m, "entries-added", number);
	if (st == ST_OK) {
		stream_id_text(id, (struct stream_id){meta->aux[0], meta->aux[1]});
		st = add_fact(m, "last-id", id);
	}
	if (st == ST_OK) {
		stream_id_text(id, groups->max_deleted);
		st = add_fact(m, "max-deleted-id", id);
	}
	return st;
}

static enum status view_groups(struct item *m, const struct stream_groups *groups)
{
	size_t count;
	const struct group_facts *g = stream_groups_all(groups, &count);
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < count; i++) {
		char last[STREAM_ID_TEXT_MAX];

		stream_id_text(last, g[i].last);
		st = add_group(m, g[i].name, last, g[i].entries_read);
	}
	return st;
}

static enum status view_of_group(struct item *m, const struct stream_groups *groups,
				 struct slice subkey, struct slice value)
{
	char id[STREAM_ID_TEXT_MAX];
	const struct group_facts *g;
	struct slice consumer;
	enum status st = stream_groups_of(groups, subkey, &g);

	if (st != ST_OK || subkey.data[0] == STREAM_CONSUMER) {
		return st != ST_OK || value.len < STREAM_CONSUMER_LEN
			   ? ST_CORRUPT
			   : add_consumer(m, g->name, slice_skip(value, STREAM_CONSUMER_LEN));
	}
	st = stream_groups_consumer(groups, subkey, value, &consumer);
	if (st != ST_OK) {
		return st;
	}
	stream_id_text(id, stream_id_at(subkey.data + 9));
	return add_pending(m, g->name, id, consumer, (int64_t)bytes_get_u64le(value.data + 16));
}

static enum status view_record(struct item *m, const struct stream_groups *groups,
			       struct slice subkey, struct slice value)
{
	char id[STREAM_ID_TEXT_MAX];

	if (stream_entry_text(subkey, id)) {
		return view_entry(m, id, value);
	}
	return subkey.len > 0 &&
		       (subkey.data[0] == STREAM_CONSUMER || subkey.data[0] == STREAM_PENDING)
		   ? view_of_group(m, groups, subkey, value)
		   : ST_OK;
}

enum status told_stream_of_view(const struct view *v, const struct key_record *record,
				struct byte_list *items)
{
	struct item m = {.items = items};
	struct stream_groups groups = {0};
	struct value_walk w;
	/* Entries are not the first kind of record: the others come when they are through. */
	enum status st = stream_groups_read(v, record, &groups);

	for (int others = 0; st == ST_OK && others < 2; others++) {
		struct slice subkey, value;

		st = value_open(v, record, &w);
		while (st == ST_OK && (st = value_next(&w, &subkey, &value)) == ST_OK) {
			bool entry = subkey.len > 0 && subkey.data[0] == STREAM_ENTRY;

			st = entry != (others == 1) ? view_record(&m, &groups, subkey, value)
						    : ST_OK;
		}
		value_close(&w);
		st = st == ST_END ? ST_OK : st;
	}
	if (st == ST_OK) {
		st = view_numbers(&m, &record->meta, &groups);
	}
	if (st == ST_OK) {
		st = view_groups(&m, &groups);
	}
	stream_groups_deinit(&groups);
	item_deinit(&m);
	return st;
}

/* --- a node's answer --- */

/* The value of a name in a reply of names and values; NULL: it has none. */
static const redisReply *member(const redisReply *map, const char *name)
{
	for (size_t i = 0; i + 1 < map->elements; i += 2) {
		if (map->element[i]->type == REDIS_REPLY_STRING &&
		    strcmp(map->element[i]->str, name) == 0) {
			return map->element[i + 1];
		}
	}
	return NULL;
}

static bool is_text(const redisReply *r)
{
	return r != NULL && r->type == REDIS_REPLY_STRING;
}

static bool is_list(const redisReply *r)
{
	return r != NULL && r->type == REDIS_REPLY_ARRAY;
}

static struct slice text_of(const redisReply *r)
{
	return slice_of(r->str, r->len);
}

static enum status reply_entries(struct item *m, const redisReply *entries)
{
	enum status st = is_list(entries) ? ST_OK : ST_CORRUPT;

	for (size_t i = 0; st == ST_OK && i < entries->elements; i++) {
		const redisReply *e = entries->element[i];

		if (!is_list(e) || e->elements != 2 || !is_text(e->element[0]) ||
		    !is_list(e->element[1])) {
			return ST_CORRUPT;
		}
		begin(m);
		st = add_word(&m->name, text_of(e->element[0]));
		for (size_t k = 0; st == ST_OK && k < e->element[1]->elements; k++) {
			const redisReply *word = e->element[1]->element[k];

			st = is_text(word) ? add_word(&m->value, text_of(word)) : ST_CORRUPT;
		}
		if (st == ST_OK) {
			st = end(m);
		}
	}
	return st;
}

static enum status reply_numbers(struct item *m, const redisReply *reply)
{
	const redisReply *added = member(reply, "entries-added");
	const redisReply *last = member(reply, "last-generated-id");
	const redisReply *deleted = member(reply, "max-deleted-entry-id");
	char number[24];
	enum status st;

	if (added == NULL || added->type != REDIS_REPLY_INTEGER || !is_text(last) ||
	    !is_text(deleted)) {
		return ST_CORRUPT;
	}
	(void)snprintf(number, sizeof number, "%lld", added->integer);
	st = add_fact(m, "entries-added", number);
	if (st == ST_OK) {
		st = add_fact(m, "last-id", last->str);
	}
	return st == ST_OK ? add_fact(m, "max-deleted-id", deleted->str) : st;
}

static enum status reply_pending(struct item *m, struct slice group, const redisReply *pending)
{
	enum status st = is_list(pending) ? ST_OK : ST_CORRUPT;

	for (size_t i = 0; st == ST_OK && i < pending->elements; i++) {
		const redisReply *p = pending->element[i];

		st = is_list(p) && p->elements == 4 && is_text(p->element[0]) &&
			     is_text(p->element[1])
			 ? add_pending(m, group, p->element[0]->str, text_of(p->element[1]),
				       p->element[3]->integer)
			 : ST_CORRUPT;
	}
	return st;
}

static enum status reply_group(struct item *m, const redisReply *group)
{
	const redisReply *name = member(group, "name"), *last = member(group, "last-delivered-id");
	const redisReply *read = member(group, "entries-read");
	const redisReply *consumers = member(group, "consumers");
	enum status st;

	if (!is_text(name) || !is_text(last) || read == NULL || !is_list(consumers)) {
		return ST_CORRUPT;
	}
	st = add_group(m, text_of(name), last->str,
		       read->type == REDIS_REPLY_INTEGER ? read->integer : -1);
	if (st == ST_OK) {
		st = reply_pending(m, text_of(name), member(group, "pending"));
	}
	for (size_t i = 0; st == ST_OK && i < consumers->elements; i++) {
		const redisReply *consumer = member(consumers->element[i], "name");

		st = is_text(consumer) ? add_consumer(m, text_of(name), text_of(consumer))
				       : ST_CORRUPT;
	}
	return st;
}

enum status told_stream_of_reply(const struct redisReply *reply, struct byte_list *items)
{
	struct item m = {.items = items};
	const redisReply *groups = member(reply, "groups");
	enum status st = is_list(groups) ? reply_entries(&m, member(reply, "entries")) : ST_CORRUPT;

	if (st == ST_OK) {
		st = reply_numbers(&m, reply);
	}
	for (size_t i = 0; st == ST_OK && i < groups->elements; i++) {
		st = reply_group(&m, groups->element[i]);
	}
	item_deinit(&m);
	return st;
}
