/* cairn-wal info: the segments of a log, and what it holds in all. */
#include "engine/wal/wal_dictionary.h"
#include "tools/tool_progress.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

/* What reading through all records tells. */
struct totals {
	bool any;
	uint64_t first_epoch, first_lsn, first_ms;
	uint64_t last_epoch, last_lsn, last_ms;
	uint64_t raw_frames, zstd_frames;
	uint64_t raw_frame_bytes, zstd_frame_bytes; /* stored, without headers */
};

static void print_segment(struct out *o, bool json, const struct log_segment *s,
			  const struct wal_segment *header, bool valid)
{
	const struct wal_timeline *now =
	    valid ? &header->history.items[header->history.count - 1] : NULL;

	if (json) {
		json_begin(o);
		json_text(o, "file", s->path);
		json_u64(o, "first_lsn", s->first_lsn);
		json_u64(o, "file_bytes", s->file_bytes);
		json_bool(o, "header_ok", valid);
		if (valid) {
			json_u64(o, "epoch", now->epoch);
			json_hex(o, "shard_id", header->history.shard_id);
			json_hex(o, "timeline", now->id);
			json_time(o, "created", header->created_ms);
			json_u64(o, "dictionary_id", wal_dictionary_id(header->dictionary));
			json_u64(o, "dictionary_bytes", header->dictionary.len);
		}
		json_end(o);
		return;
	}
	out_printf(o, "first_lsn=%" PRIu64 " file_bytes=%" PRIu64, s->first_lsn, s->file_bytes);
	if (valid) {
		out_text(o, " created=");
		out_time(o, header->created_ms);
		out_printf(o,
			   " epoch=%" PRIu64 " shard_id=%016" PRIx64 " timeline=%016" PRIx64
			   " dictionary_id=%" PRIu32 " dictionary_bytes=%zu",
			   now->epoch, header->history.shard_id, now->id,
			   wal_dictionary_id(header->dictionary), header->dictionary.len);
	} else {
		out_text(o, " header=damaged");
	}
	out_printf(o, " file=%s\n", s->path);
}

static void add_record(struct totals *sum, const struct wal_record *rec,
		       const struct log_place *place, uint64_t *last_frame)
{
	if (!sum->any) {
		sum->any = true;
		sum->first_epoch = place->epoch;
		sum->first_lsn = rec->lsn;
		sum->first_ms = rec->time_ms;
	}
	/* A frame is known by its first record: offsets repeat from file to file. */
	if (rec->lsn > *last_frame) {
		bool zstd = (place->flags & WAL_FRAME_ZSTD) != 0;

		*last_frame = rec->lsn + place->records - 1;
		sum->zstd_frames += zstd;
		sum->raw_frames += !zstd;
		*(zstd ? &sum->zstd_frame_bytes : &sum->raw_frame_bytes) += place->stored_len;
	}
	sum->last_epoch = place->epoch;
	sum->last_lsn = rec->lsn;
	sum->last_ms = rec->time_ms;
}

static double ratio_of(const struct wal_reader_end *end)
{
	return end->stored_bytes == 0 ? 0 : (double)end->raw_bytes / (double)end->stored_bytes;
}

static void print_total_json(struct out *o, const struct totals *sum,
			     const struct wal_reader_end *end)
{
	json_begin(o);
	if (sum->any) {
		json_u64(o, "first_epoch", sum->first_epoch);
		json_u64(o, "first_lsn", sum->first_lsn);
		json_u64(o, "last_epoch", sum->last_epoch);
		json_u64(o, "last_lsn", sum->last_lsn);
		json_time(o, "first_time", sum->first_ms);
		json_time(o, "last_time", sum->last_ms);
	}
	json_u64(o, "frames", end->frames);
	json_u64(o, "records", end->records);
	json_u64(o, "raw_bytes", end->raw_bytes);
	json_u64(o, "stored_bytes", end->stored_bytes);
	json_ratio(o, "ratio", ratio_of(end));
	json_u64(o, "zstd_frames", sum->zstd_frames);
	json_u64(o, "zstd_frame_bytes", sum->zstd_frame_bytes);
	json_u64(o, "raw_frames", sum->raw_frames);
	json_u64(o, "raw_frame_bytes", sum->raw_frame_bytes);
	json_bool(o, "clean_close", end->clean);
	json_end(o);
}

static void print_total(struct out *o, bool json, const struct totals *sum,
			const struct wal_reader_end *end)
{
	if (json) {
		print_total_json(o, sum, end);
		return;
	}
	out_text(o, "total");
	if (sum->any) {
		out_printf(
		    o, " first=%" PRIu64 ":%" PRIu64 " last=%" PRIu64 ":%" PRIu64 " first_time=",
		    sum->first_epoch, sum->first_lsn, sum->last_epoch, sum->last_lsn);
		out_time(o, sum->first_ms);
		out_text(o, " last_time=");
		out_time(o, sum->last_ms);
	}
	out_printf(o,
		   " frames=%" PRIu64 " records=%" PRIu64 " raw_bytes=%" PRIu64
		   " stored_bytes=%" PRIu64 " ratio=%.2f zstd_frames=%" PRIu64
		   " zstd_frame_bytes=%" PRIu64 " raw_frames=%" PRIu64 " raw_frame_bytes=%" PRIu64
		   " clean_close=%s\n",
		   end->frames, end->records, end->raw_bytes, end->stored_bytes, ratio_of(end),
		   sum->zstd_frames, sum->zstd_frame_bytes, sum->raw_frames, sum->raw_frame_bytes,
		   end->clean ? "yes" : "no");
}

static int read_totals(struct tool *t, struct log_source *log, bool json)
{
	struct totals sum = {0};
	struct wal_reader_end end;
	struct progress progress;
	struct log_place place;
	struct wal_record rec;
	uint64_t last_frame = 0;
	enum status st;
	int code = log_seek(log, 0, false);

	if (code != EXIT_GO_ON) {
		return code;
	}
	progress_start(&progress, t, "records", 0);
	while ((st = log_next(log, &rec, &place)) == ST_OK) {
		add_record(&sum, &rec, &place, &last_frame);
		progress_at(&progress, rec.lsn);
	}
	progress_end(&progress);
	log_end(log, &end);
	print_total(&t->out, json, &sum, &end);
	return log_report(log, st);
}

int wal_info(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...", "Lists the segments of a log, and what it holds in all.", 1, 1024};
	int format = 0;
	const struct option_row rows[] = {
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"}, {0}};
	struct log_source *log = NULL;
	const struct log_segment *segments;
	struct buf storage = {0};
	size_t operands, count;
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
	code = read_totals(t, log, format == 1);
	buf_deinit(&storage);
	log_close(log);
	return code;
}
