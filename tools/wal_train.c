/* cairn-wal train-dict: a compression dictionary from records that were really written. */
#include "engine/base/alloc.h"
#include "engine/wal/wal_dictionary.h"
#include "tools/tool_progress.h"
#include "tools/wal_verbs.h"

#include <errno.h>
#include <inttypes.h>

/* zstd advises samples of a hundred times the dictionary's size, and sees no use in long ones. */
enum { SAMPLES_PER_BYTE = 100, SAMPLE_MAX = 4096, SAMPLES_MAX = 1 << 17 };

/* Every step-th record; when the room is full, each second one goes and the step doubles, so that
 * what stays is spread evenly over the whole log. */
struct samples {
	struct buf bytes;
	size_t *sizes; /* [SAMPLES_MAX] */
	uint32_t count;
	uint64_t step, seen, bytes_max;
};

static void thin_out(struct samples *s)
{
	size_t from = 0, to = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		size_t len = s->sizes[i];

		if (i % 2 == 0) {
			memmove(s->bytes.data + to, s->bytes.data + from, len);
			s->sizes[kept++] = len;
			to += len;
		}
		from += len;
	}
	s->bytes.len = to;
	s->count = kept;
	s->step *= 2;
}

static enum status add_sample(struct samples *s, struct slice record)
{
	enum status st;

	if (s->seen++ % s->step != 0) {
		return ST_OK;
	}
	if (record.len > SAMPLE_MAX) {
		record.len = SAMPLE_MAX;
	}
	if (s->count == SAMPLES_MAX || s->bytes.len + record.len > s->bytes_max) {
		thin_out(s);
		return ST_OK;
	}
	st = buf_append(&s->bytes, record.data, record.len);
	if (st == ST_OK) {
		s->sizes[s->count++] = record.len;
	}
	return st;
}

static int read_samples(struct tool *t, struct log_source *log, struct samples *s)
{
	struct progress progress;
	struct log_place place;
	struct wal_record rec;
	enum status st = ST_OK;
	int code = log_seek(log, 0, false);

	if (code != EXIT_GO_ON) {
		return code;
	}
	progress_start(&progress, t, "records", 0);
	while ((st = log_next(log, &rec, &place)) == ST_OK) {
		if (add_sample(s, rec.whole) != ST_OK) {
			st = ST_NO_MEMORY;
			break;
		}
		progress_at(&progress, rec.lsn);
	}
	progress_end(&progress);
	return st == ST_END || st == ST_TORN ? EXIT_GO_ON : log_report(log, st);
}

static int write_file(struct tool *t, const char *path, const struct buf *bytes)
{
	FILE *f = fopen(path, "wxe");
	bool ok;

	if (f == NULL) {
		return errno == EEXIST
			   ? tool_fail(t, EXIT_REFUSED, "%s exists already; give a new name", path)
			   : tool_fail(t, EXIT_IO, "%s cannot be created: %m", path);
	}
	ok = fwrite(bytes->data, 1, bytes->len, f) == bytes->len;
	ok = fclose(f) == 0 && ok;
	return ok ? EXIT_GO_ON : tool_fail(t, EXIT_IO, "%s could not be written: %m", path);
}

static int train(struct tool *t, const struct samples *s, const char *path, uint64_t size,
		 int format)
{
	struct buf dictionary = {0};
	enum status st = wal_dictionary_train(buf_slice(&s->bytes), s->sizes, s->count,
					      (size_t)size, &dictionary);
	int code;

	if (st == ST_INVALID) {
		code = tool_fail(t, EXIT_FINDINGS,
				 "%" PRIu32 " records of %zu bytes are too few to learn from",
				 s->count, s->bytes.len);
	} else if (st != ST_OK) {
		code = tool_fail(t, tool_exit_of(st), "%s", status_text(st));
	} else {
		code = write_file(t, path, &dictionary);
	}
	if (code == EXIT_GO_ON && format == 1) {
		json_begin(&t->out);
		json_text(&t->out, "file", path);
		json_u64(&t->out, "dictionary_id", wal_dictionary_id(buf_slice(&dictionary)));
		json_u64(&t->out, "bytes", dictionary.len);
		json_u64(&t->out, "samples", s->count);
		json_u64(&t->out, "sample_bytes", s->bytes.len);
		json_end(&t->out);
	} else if (code == EXIT_GO_ON) {
		out_printf(&t->out,
			   "dictionary_id=%" PRIu32 " bytes=%zu samples=%" PRIu32
			   " sample_bytes=%zu file=%s\n",
			   wal_dictionary_id(buf_slice(&dictionary)), dictionary.len, s->count,
			   s->bytes.len, path);
	}
	buf_deinit(&dictionary);
	return code == EXIT_GO_ON ? EXIT_CLEAN : code;
}

int wal_train_dict(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...",
	    "Trains a zstd dictionary from the records of a log, for the directive wal-dictionary. "
	    "It\n"
	    "pays with few clients and small writes, whose frames are too short to compress alone.",
	    1, 1024};
	struct samples s = {.step = 1};
	const char *path = NULL;
	uint64_t size = 64 << 10;
	int format = 0;
	const struct option_row rows[] = {
	    {"output", 'o', OPT_TEXT, &path, "FILE", "write there (must not exist)", NULL},
	    {"size", 0, OPT_SIZE, &size, "SIZE", "of the dictionary, 1k to 1m (default 64k)", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    {0}};
	struct log_source *log = NULL;
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON && path == NULL) {
		code = tool_fail(t, EXIT_USAGE, "-o FILE is needed");
	}
	if (code == EXIT_GO_ON && (size < WAL_DICTIONARY_MIN || size > WAL_DICTIONARY_MAX)) {
		code = tool_fail(t, EXIT_USAGE, "option --size: 1k to 1m");
	}
	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &log);
	}
	s.bytes_max = size * SAMPLES_PER_BYTE;
	s.sizes = mem_calloc(SAMPLES_MAX, sizeof *s.sizes);
	if (code == EXIT_GO_ON) {
		code = s.sizes == NULL ? tool_fail(t, EXIT_IO, "out of memory")
				       : read_samples(t, log, &s);
	}
	if (code == EXIT_GO_ON) {
		code = train(t, &s, path, size, format);
	}
	buf_deinit(&s.bytes);
	mem_free(s.sizes);
	log_close(log);
	return code;
}
