/* Decoding the frames of a tail. */
#include "net/log_records.h"

enum status log_records_open(struct log_records *l, uint64_t next_lsn)
{
	*l = (struct log_records){.next_lsn = next_lsn};
	return wal_frame_decoder_create(&l->decoder);
}

void log_records_close(struct log_records *l)
{
	wal_frame_decoder_destroy(l->decoder);
	buf_deinit(&l->header);
	*l = (struct log_records){0};
}

enum status log_records_segment(struct log_records *l, struct slice header)
{
	enum status st;

	l->header.len = 0;
	st = buf_append(&l->header, header.data, header.len);
	if (st == ST_OK) {
		st = wal_segment_decode(buf_slice(&l->header), &l->segment);
	}
	return st == ST_OK ? wal_frame_decoder_set_dictionary(l->decoder, l->segment.dictionary)
			   : st;
}

/* The records of one frame. */
static enum status take_frame(struct log_records *l, const struct wal_frame *f, struct slice stored,
			      enum status (*take)(void *arg, const struct wal_record *rec),
			      void *arg)
{
	struct slice records;
	enum status st = f->first_lsn > l->next_lsn
			     ? ST_CORRUPT
			     : wal_frame_decode(l->decoder, f, stored, &records);

	for (uint32_t i = 0; st == ST_OK && i < f->records; i++) {
		struct wal_record rec;
		size_t used;

		st = wal_record_decode(records, &rec, &used);
		if (st != ST_OK) {
			return ST_CORRUPT;
		}
		records = slice_skip(records, used);
		rec.lsn = f->first_lsn + i;
		if (rec.lsn >= l->next_lsn) {
			l->next_lsn = rec.lsn + 1;
			st = take(arg, &rec);
		}
	}
	return st;
}

enum status log_records_take(struct log_records *l, const struct wal_tail_piece *piece,
			     enum status (*take)(void *arg, const struct wal_record *rec),
			     void *arg)
{
	struct slice in = piece->frames;
	enum status st = piece->header.len > 0 ? log_records_segment(l, piece->header) : ST_OK;

	while (st == ST_OK && in.len > 0) {
		struct wal_frame f;

		st = wal_frame_decode_header(in, l->segment.salt, &f);
		if (st != ST_OK || wal_frame_span(&f) > in.len) {
			return ST_CORRUPT;
		}
		if (f.records > 0 && wal_frame_next_lsn(&f) > l->next_lsn) {
			st = take_frame(l, &f,
					slice_of(in.data + WAL_FRAME_HEADER_LEN, f.stored_len),
					take, arg);
		}
		in = slice_skip(in, wal_frame_span(&f));
	}
	return st;
}
