/* What nodes.conf says before anything is opened. */
#include "cluster/nodes_conf.h"
#include "engine/base/alloc.h"
#include "net/cluster_driver.h"
#include "net/nodes_file.h"

static enum status find_role(struct cluster_start *st, const char *path, struct buf *error)
{
	struct nodes_conf_reader r;
	struct nodes_conf_row row;
	enum nodes_conf_kind kind;
	enum status s;

	nodes_conf_open_text(&r, buf_slice(&st->text));
	while ((s = nodes_conf_next(&r, &row, &kind)) == ST_OK) {
		if (kind == NODES_CONF_NODE && (row.flags & NODE_MYSELF) != 0) {
			st->replica = (row.flags & NODE_REPLICA) != 0;
		}
	}
	if (s == ST_END) {
		return ST_OK;
	}
	buf_note(error,
		 "Unrecoverable error: corrupted cluster config file %s, line %u: %s. Mend it, or "
		 "remove it to have this node begin as a new one",
		 path, r.line, r.error);
	return s;
}

enum status cluster_start_load(struct cluster_start *st, const char *path, struct buf *error)
{
	struct nodes_file *file = mem_calloc(1, sizeof *file);
	enum status s;

	*st = (struct cluster_start){0};
	if (file == NULL) {
		return ST_NO_MEMORY;
	}
	s = nodes_file_open(file, path, &st->text, &st->created, error);
	if (s != ST_OK) {
		mem_free(file);
		buf_deinit(&st->text);
		return s;
	}
	st->file = file;
	s = find_role(st, path, error);
	if (s != ST_OK) {
		cluster_start_release(st);
	}
	return s;
}

void cluster_start_release(struct cluster_start *st)
{
	if (st->file != NULL) {
		nodes_file_close(st->file);
		mem_free(st->file);
	}
	buf_deinit(&st->text);
	*st = (struct cluster_start){0};
}
