/* One line: the shard's id, and the dataset's in hexadecimal; or "lost", or "none". */
#include "net/data_mark.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/file_replace.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_LEN = NODE_ID_LEN + 1 + 16 + 1 };

enum status data_mark_open(struct data_mark *m, const char *dir)
{
	char path[PATH_MAX], line[LINE_LEN + 1] = "";
	FILE *f;

	*m = (struct data_mark){0};
	(void)snprintf(path, sizeof path, "%s/shard-data.conf", dir);
	m->path = mem_strdup(path);
	if (m->path == NULL) {
		return ST_NO_MEMORY;
	}
	f = fopen(path, "re");
	if (f == NULL) {
		return ST_OK;
	}
	if (fread(line, 1, LINE_LEN, f) == LINE_LEN && line[NODE_ID_LEN] == ' ' &&
	    line[LINE_LEN - 1] == '\n' && node_id_read(line, &m->shard)) {
		m->dataset = strtoull(line + NODE_ID_LEN + 1, NULL, 16);
	}
	m->lost = strcmp(line, "lost\n") == 0;
	(void)fclose(f);
	return ST_OK;
}

bool data_mark_is(const struct data_mark *m, const struct node_id *shard, uint64_t dataset)
{
	return !node_id_empty(&m->shard) && node_id_eq(&m->shard, shard) && m->dataset == dataset;
}

static enum status put(struct data_mark *m, struct slice text)
{
	struct buf error = {0};
	enum status st = file_replace(m->path, ".tmp", text, 0644, NULL, &error);

	if (st != ST_OK) {
		logger(LOG_LVL_WARNING, "%s can't be written: %.*s", m->path, (int)error.len,
		       (const char *)error.data);
	}
	buf_deinit(&error);
	return st;
}

enum status data_mark_set(struct data_mark *m, const struct node_id *shard, uint64_t dataset)
{
	char line[LINE_LEN + 1];
	enum status st;

	if (data_mark_is(m, shard, dataset) || node_id_empty(shard)) {
		return ST_OK;
	}
	(void)snprintf(line, sizeof line, "%s %016" PRIx64 "\n", shard->text, dataset);
	st = put(m, slice_str(line));
	if (st == ST_OK) {
		m->shard = *shard;
		m->dataset = dataset;
		m->lost = false;
	}
	return st;
}

enum status data_mark_lost(struct data_mark *m)
{
	enum status st = put(m, slice_str("lost\n"));

	if (st == ST_OK) {
		m->shard = (struct node_id){{0}};
		m->lost = true;
	}
	return st;
}

enum status data_mark_clear(struct data_mark *m)
{
	if (node_id_empty(&m->shard)) {
		return ST_OK;
	}
	m->shard = (struct node_id){{0}};
	return put(m, slice_str("none\n"));
}

void data_mark_close(struct data_mark *m)
{
	mem_free(m->path);
	*m = (struct data_mark){0};
}
