/* A stream in an RDB file, read from a view: its entries in nodes, numbers, and consumer groups
 * with what is pending. */
#include "engine/base/bytes.h"
#include "engine/export/stream_groups.h"
#include "engine/export/stream_walk.h"
#include "net/rdb_file.h"

static void walk_open(struct stream_walk *w, const struct stream_groups *g, enum stream_record kind,
		      const struct group_facts *group, const uint64_t *consumer)
{
	struct stream_subkey k;

	stream_subkey_init(&k, kind);
	if (group != NULL) {
		stream_subkey_number(&k, group->number);
	}
	if (consumer != NULL) {
		stream_subkey_number(&k, *consumer);
	}
	stream_walk_open(w, g->view, g->record, &k);
}

/* Closes; left: records that were announced and not there. */
static void walk_close(struct stream_walk *w, struct rdb_out *o, uint64_t left)
{
	stream_walk_close(w);
	if (o->st == ST_OK) {
		o->st = w->st != ST_OK && w->st != ST_END ? w->st : left == 0 ? ST_OK : ST_CORRUPT;
	}
}

static void put_nodes(struct rdb_out *o, const struct stream_groups *g)
{
	uint64_t left = g->record->meta.count, together = stream_node_entries(g->entry_max);
	struct stream_node node = {0};
	struct stream_walk w;
	struct slice id, value;

	rdb_out_len(o, (left + together - 1) / together);
	walk_open(&w, g, STREAM_ENTRY, NULL, NULL);
	while (o->st == ST_OK && left > 0 && stream_walk_next(&w, &id, &value)) {
		o->st = id.len == STREAM_ID_LEN
			    ? stream_node_add(&node, stream_id_at(id.data), value)
			    : ST_CORRUPT;
		left--;
		if (o->st == ST_OK && (node.count == together || left == 0)) {
			o->st = stream_node_put(&node, o->put, o->arg);
		}
	}
	walk_close(&w, o, left);
	stream_node_deinit(&node);
}

static void put_pending(struct rdb_out *o, const struct stream_groups *g,
			const struct group_facts *group)
{
	uint64_t left = group->pending;
	struct stream_walk w;
	struct slice id, value;

	rdb_out_len(o, left);
	walk_open(&w, g, STREAM_PENDING, group, NULL);
	while (o->st == ST_OK && left > 0 && stream_walk_next(&w, &id, &value)) {
		if (id.len != STREAM_ID_LEN || value.len != STREAM_PENDING_LEN) {
			o->st = ST_CORRUPT;
			break;
		}
		rdb_out_bytes(o, id.data, id.len);
		rdb_out_bytes(o, value.data + 8, 8);
		rdb_out_len(o, bytes_get_u64le(value.data + 16));
		left--;
	}
	walk_close(&w, o, left);
}

static void put_pending_of(struct rdb_out *o, const struct stream_groups *g,
			   const struct group_facts *group, uint64_t consumer, uint64_t left)
{
	struct stream_walk w;
	struct slice id, ignored;

	rdb_out_len(o, left);
	walk_open(&w, g, STREAM_PENDING_OF, group, &consumer);
	while (o->st == ST_OK && left > 0 && stream_walk_next(&w, &id, &ignored)) {
		o->st = id.len == STREAM_ID_LEN ? ST_OK : ST_CORRUPT;
		rdb_out_bytes(o, id.data, id.len);
		left--;
	}
	walk_close(&w, o, left);
}

static void put_consumers(struct rdb_out *o, const struct stream_groups *g,
			  const struct group_facts *group)
{
	uint64_t left = group->consumers;
	struct stream_walk w;
	struct slice number, value;

	rdb_out_len(o, left);
	walk_open(&w, g, STREAM_CONSUMER, group, NULL);
	while (o->st == ST_OK && left > 0 && stream_walk_next(&w, &number, &value)) {
		if (number.len != 8 || value.len < STREAM_CONSUMER_LEN) {
			o->st = ST_CORRUPT;
			break;
		}
		rdb_out_name(o, slice_skip(value, STREAM_CONSUMER_LEN));
		rdb_out_u64(o, bytes_get_u64le(value.data));
		put_pending_of(o, g, group, bytes_get_u64be(number.data),
			       bytes_get_u64le(value.data + 16));
		left--;
	}
	walk_close(&w, o, left);
}

enum status rdb_file_stream(struct rdb_out *o, const struct view *v,
			    const struct key_record *record)
{
	struct stream_groups g;
	const struct group_facts *all;
	size_t count;

	o->st = stream_groups_read(v, record, &g);
	put_nodes(o, &g);
	rdb_out_len(o, record->meta.count);
	rdb_out_id(o, (struct stream_id){record->meta.aux[0], record->meta.aux[1]});
	rdb_out_id(o, g.first);
	rdb_out_id(o, g.max_deleted);
	rdb_out_len(o, record->meta.count + g.removed);
	all = stream_groups_all(&g, &count);
	rdb_out_len(o, count);
	for (size_t i = 0; o->st == ST_OK && i < count; i++) {
		rdb_out_name(o, all[i].name);
		rdb_out_id(o, all[i].last);
		rdb_out_len(o, (uint64_t)all[i].entries_read);
		put_pending(o, &g, &all[i]);
		put_consumers(o, &g, &all[i]);
	}
	stream_groups_deinit(&g);
	return o->st;
}
