/* cairn-wal info: the segments of a log. */
#include "tools/wal_verbs.h"

#include <inttypes.h>

static void print_segment(struct out *o, bool json, const struct log_segment *s,
			  const struct wal_segment *header, bool valid)
{
	if (json) {
		json_begin(o);
		json_text(o, "file", s->path);
		json_u64(o, "first_lsn", s->first_lsn);
		json_u64(o, "file_bytes", s->file_bytes);
		json_bool(o, "header_ok", valid);
		if (valid) {
			json_hex(o, "shard_id", header->history.shard_id);
			json_hex(o, "timeline",
				 header->history.items[header->history.count - 1].id);
			json_time(o, "created", header->created_ms);
			json_u64(o, "dictionary_bytes", header->dictionary.len);
		}
		json_end(o);
		return;
	}
	out_printf(o, "first_lsn=%" PRIu64 " file_bytes=%" PRIu64, s->first_lsn, s->file_bytes);
	if (valid) {
		out_text(o, " created=");
		out_time(o, header->created_ms);
		out_printf(o, " timeline=%016" PRIx64 " dictionary_bytes=%zu",
			   header->history.items[header->history.count - 1].id,
			   header->dictionary.len);
	} else {
		out_text(o, " header=damaged");
	}
	out_printf(o, " file=%s\n", s->path);
}

static void print_total(struct out *o, bool json, const struct wal_reader_end *end)
{
	double ratio =
	    end->stored_bytes == 0 ? 0 : (double)end->raw_bytes / (double)end->stored_bytes;

	if (json) {
		json_begin(o);
		json_u64(o, "first_lsn", end->first_lsn);
		json_u64(o, "last_lsn", end->at.next_lsn == 0 ? 0 : end->at.next_lsn - 1);
		json_u64(o, "frames", end->frames);
		json_u64(o, "records", end->records);
		json_u64(o, "raw_bytes", end->raw_bytes);
		json_u64(o, "stored_bytes", end->stored_bytes);
		json_ratio(o, "ratio", ratio);
		json_bool(o, "clean_close", end->clean);
		json_end(o);
		return;
	}
	out_printf(
	    o,
	    "total first_lsn=%" PRIu64 " last_lsn=%" PRIu64 " frames=%" PRIu64 " records=%" PRIu64
	    " raw_bytes=%" PRIu64 " stored_bytes=%" PRIu64 " ratio=%.2f clean_close=%s\n",
	    end->first_lsn, end->at.next_lsn == 0 ? 0 : end->at.next_lsn - 1, end->frames,
	    end->records, end->raw_bytes, end->stored_bytes, ratio, end->clean ? "yes" : "no");
}

int wal_info(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...", "Lists the segments of a log, and what it holds in all.", 1, 1024};
	int format = 0;
	const struct option_row rows[] = {
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"}, {0}};
	struct log_source *log = NULL;
	struct wal_reader_end end;
	const struct log_segment *segments;
	struct log_place place;
	struct wal_record rec;
	struct buf storage = {0};
	size_t operands, count;
	enum status st;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &log);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	segments = log_segments(log, &count);
	for (size_t i = 0; i < count; i++) {
		struct wal_segment header;
		bool valid = log_segment_header(log, i, &storage, &header) == ST_OK;

		print_segment(&t->out, format == 1, &segments[i], &header, valid);
	}
	code = log_seek(log, 0, false);
	if (code == EXIT_GO_ON) {
		while ((st = log_next(log, &rec, &place)) == ST_OK) {
		}
		log_end(log, &end);
		print_total(&t->out, format == 1, &end);
		code = log_report(log, st);
	}
	buf_deinit(&storage);
	log_close(log);
	return code;
}
