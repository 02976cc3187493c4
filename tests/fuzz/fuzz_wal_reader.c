/* Whole logs, built by the input and then damaged by it: what is read is what was written, up to
 * where the log was damaged, and nothing that was durable is given up silently.
 *
 * Input: a byte for the LSN to read from, one for the LSN known to be safe, then steps. Each is a
 * kind and its arguments: a segment, a frame, loose bytes, zeros, a cut, a changed byte. Segments
 * and frames are sealed, also where they say something that no writer would (lies), so that the
 * code behind the checksums is reached. */
#include "engine/base/invariant.h"
#include "engine/wal/wal_reader.h"
#include "tests/fuzz/fuzz_input.h"

enum { SEGMENTS_MAX = 4, RECORDS_MAX = 512, LOG_MAX = 1 << 17, SHARD = 5, TIMELINE = 11 };

static const char dictionary[] =
    "user:0000{\"name\":\"someone\",\"email\":\"someone@example.org\"}";

struct log {
	struct buf segments[SEGMENTS_MAX];
	uint64_t names[SEGMENTS_MAX];
	size_t count;
	struct wal_segment head; /* of the last segment */
	uint64_t next_lsn, chain;
	struct slice written[RECORDS_MAX]; /* offsets into bytes until the log is built */
	struct buf bytes;		   /* of all records */
	size_t records;
	bool lies;    /* something sealed is not as a writer makes it */
	bool damaged; /* bytes were changed, lost or added */
};

/* --- building --- */

/* Encoders are kept: making one costs more than all the rest. */
static struct wal_frame_encoder *encoder_for(bool zstd, struct slice dict)
{
	static struct wal_frame_encoder *kept[2][2];
	struct wal_frame_encoder **e = &kept[zstd][dict.len > 0];

	INVARIANT(*e != NULL || wal_frame_encoder_create(zstd, dict, e) == ST_OK);
	return *e;
}

static void add_segment(struct log *l, struct slice *in)
{
	uint8_t how = fuzz_u8(in), lie = fuzz_u8(in);
	struct wal_segment *s = &l->head;

	if (l->count == SEGMENTS_MAX) {
		return;
	}
	*s = (struct wal_segment){
	    .first_lsn = l->next_lsn,
	    .chain = l->chain,
	    .watermark = l->next_lsn - 1,
	    .recycled = (how & 1) != 0,
	    .history = {.shard_id = SHARD, .count = 1, .items = {{TIMELINE, 0, 1}}},
	};
	if ((how & 2) != 0) {
		s->dictionary = slice_str(dictionary);
	}
	if ((how & 4) != 0) {
		s->history.items[s->history.count++] =
		    (struct wal_timeline){TIMELINE + how, 1, l->next_lsn};
	}
	l->names[l->count] = s->first_lsn;
	/* 0 to 7: no lie, so that most segments are right. */
	switch (lie) {
	case 8:
		l->names[l->count] += fuzz_u8(in);
		break;
	case 9:
		s->chain += 1;
		break;
	case 10:
		s->watermark = fuzz_number(in) % s->first_lsn;
		break;
	case 11:
		s->first_lsn += 1 + fuzz_number(in) % (UINT64_MAX - s->first_lsn - 1);
		s->watermark = 0;
		break;
	default:
		break;
	}
	l->lies |= lie >= 8 && lie <= 11;
	INVARIANT(wal_segment_encode(s, &l->segments[l->count++]) == ST_OK);
}

/* One record of one to four operations to raw. */
static void add_record(struct log *l, struct slice *in, struct buf *raw)
{
	uint8_t shape = fuzz_u8(in);
	size_t start, at = raw->len;

	INVARIANT(wal_record_begin(raw, slice_str("set"), 1000 + shape, shape & 1, &start) ==
		  ST_OK);
	for (int i = 0; i <= (shape >> 1 & 3); i++) {
		struct wal_op op = {.kind = (enum wal_op_kind)(fuzz_u8(in) % WAL_OP_KINDS),
				    .name = fuzz_counted(in),
				    .id = shape};
		struct slice value[2] = {fuzz_counted(in)};

		/* Repeated, so that there is something to compress. */
		value[1] = value[0];
		INVARIANT(wal_record_add(raw, start, &op, value, 1 + (shape >> 3 & 1)) == ST_OK);
	}
	wal_record_end(raw, start);
	l->written[l->records++] = slice_of(NULL, raw->len - at);
	INVARIANT(buf_append(&l->bytes, raw->data + at, raw->len - at) == ST_OK);
}

/* What a frame may say that no writer would; true when it does. */
static bool lie_in_frame(struct wal_frame *f, struct slice *in)
{
	switch (fuzz_u8(in)) {
	case 8:
		f->first_lsn += 1 + fuzz_number(in) % 300;
		return true;
	case 9:
		f->chain ^= 1 + (uint64_t)fuzz_u8(in);
		return true;
	case 10:
		f->records += 1 + fuzz_u8(in);
		return true;
	case 11:
		f->records /= 2;
		return true;
	case 12:
		f->watermark = fuzz_number(in) % f->first_lsn;
		return true;
	case 13:
		f->flags |= WAL_FRAME_CLEAN;
		return true;
	default:
		return false;
	}
}

static void add_frame(struct log *l, struct slice *in)
{
	uint8_t how = fuzz_u8(in);
	uint32_t records = how & 3u;
	struct wal_frame f = {.timeline = TIMELINE, .first_lsn = l->next_lsn, .chain = l->chain};
	struct buf raw = {0};
	size_t written = l->records, bytes_len = l->bytes.len;
	bool lie;

	if (l->count == 0 || l->records + records > RECORDS_MAX || l->bytes.len > LOG_MAX) {
		return;
	}
	for (uint32_t i = 0; i < records; i++) {
		add_record(l, in, &raw);
	}
	f.records = records;
	f.flags = records == 0 && (how & 4) != 0 ? WAL_FRAME_CLEAN : 0;
	/* As far as the writer knew: some records may be on their way. */
	f.watermark = f.first_lsn - 1 - (how >> 3 & 3u) % f.first_lsn;
	lie = lie_in_frame(&f, in);
	if ((how & 0x80) != 0) { /* bytes that are no records */
		struct slice loose = fuzz_counted(in);

		lie = true;
		INVARIANT(buf_append(&raw, loose.data, loose.len) == ST_OK);
	}
	l->lies |= lie;
	INVARIANT(wal_frame_encode(encoder_for((how & 0x20) != 0, l->head.dictionary), &f,
				   buf_slice(&raw), l->head.salt,
				   &l->segments[l->count - 1]) == ST_OK);
	buf_deinit(&raw);
	if ((how & 0x40) != 0 && lie) {
		/* The log goes on as if this frame were not there. */
		l->records = written;
		l->bytes.len = bytes_len;
		return;
	}
	if (records > 0) {
		l->chain = f.digest;
		l->next_lsn += records;
	}
}

static void damage(struct log *l, uint8_t kind, struct slice *in)
{
	struct buf *b = l->count == 0 ? NULL : &l->segments[fuzz_u8(in) % l->count];
	uint64_t n = fuzz_number(in);
	static const uint8_t zeros[4096];
	struct slice loose;

	if (b == NULL || b->len == 0) {
		return;
	}
	switch (kind) {
	case 3: /* bytes that are no frame */
		loose = fuzz_take(in, n % 100);
		INVARIANT(buf_append(b, loose.data, loose.len) == ST_OK);
		break;
	case 4: /* room that is not used yet, as a writer leaves it */
		INVARIANT(buf_append(b, zeros, n % sizeof zeros / 8 * 8) == ST_OK);
		break;
	case 5:
		b->len -= n % (b->len + 1);
		break;
	default:
		b->data[(b->len - 1) - n % b->len] ^= (uint8_t)(1 + fuzz_u8(in) % 255);
	}
	l->damaged = true;
}

static void build(struct log *l, struct slice in)
{
	const uint8_t *at;

	l->next_lsn = 1;
	while (in.len > 0) {
		uint8_t kind = fuzz_u8(&in) % 7;

		if (kind == 0) {
			add_segment(l, &in);
		} else if (kind <= 2) {
			add_frame(l, &in);
		} else {
			damage(l, kind, &in);
		}
	}
	at = l->bytes.data;
	for (size_t i = 0; i < l->records; i++) {
		l->written[i].data = at;
		at += l->written[i].len;
	}
}

/* --- reading --- */

struct reading {
	struct wal_reader_end end;
	enum status st;
	uint64_t first;
};

/* What a record says is in the bytes that were written for it. */
static void check_record(const struct log *l, const struct wal_record *rec)
{
	const struct slice *w = &l->written[rec->lsn - 1];

	INVARIANT(rec->lsn <= l->records);
	INVARIANT(w->len >= rec->ops.len &&
		  slice_eq(rec->ops, slice_skip(*w, w->len - rec->ops.len)));
}

/* Every byte that is given is there: the sanitizer looks while they are copied. */
static void touch_ops(struct slice ops)
{
	struct wal_op op;

	while (wal_op_next(&ops, &op) == ST_OK) {
		free(fuzz_exact(op.name));
		free(fuzz_exact(op.value));
	}
}

static struct reading read_log(const struct log *l, const struct wal_reader_segment *segments,
			       const struct wal_reader_options *opts)
{
	struct reading got = {0};
	struct wal_reader *r;
	struct wal_record rec;
	uint64_t expected = 0;

	INVARIANT(wal_reader_open_segments(segments, l->count, opts, &r) == ST_OK);
	while ((got.st = wal_reader_next(r, &rec)) == ST_OK) {
		INVARIANT(rec.lsn >= opts->from_lsn && (expected == 0 || rec.lsn == expected));
		got.first = got.first == 0 ? rec.lsn : got.first;
		expected = rec.lsn + 1;
		if (!l->lies) {
			check_record(l, &rec);
		}
		touch_ops(rec.ops);
	}
	INVARIANT(got.st == ST_END || got.st == ST_TORN || got.st == ST_CORRUPT ||
		  got.st == ST_VERSION);
	INVARIANT(wal_reader_next(r, &rec) == got.st);
	INVARIANT((got.st == ST_END) == (wal_reader_error(r)[0] == 0));
	wal_reader_end(r, &got.end);
	if ((got.st == ST_END || got.st == ST_TORN) && l->count > 0) {
		INVARIANT(got.end.at.next_lsn > got.end.watermark);
		INVARIANT(got.end.at.next_lsn > opts->safe_lsn);
	}
	FUZZ_CANARY(got.st == ST_TORN && got.end.frames > 3 && got.end.history.count == 2 &&
		    l->count == 3);
	wal_reader_close(r);
	return got;
}

static void check_readings(const struct log *l, const struct wal_reader_segment *segments,
			   uint64_t from_lsn, uint64_t safe_lsn)
{
	struct wal_reader_options opts = {.safe_lsn = safe_lsn, .window = 128};
	struct reading all = read_log(l, segments, &opts), part;

	if (!l->lies && !l->damaged && l->count > 0) {
		/* A log as it was written is read to its end. */
		INVARIANT(all.st == (safe_lsn < l->next_lsn ? ST_END : ST_CORRUPT));
		INVARIANT(all.end.records == l->records && all.end.at.next_lsn == l->next_lsn);
	}
	opts.from_lsn = from_lsn;
	opts.window = 8192;
	part = read_log(l, segments, &opts);
	if (!l->lies && l->count > 0 && (all.st == ST_END || all.st == ST_TORN)) {
		INVARIANT(part.st == all.st);
		INVARIANT(part.end.at.next_lsn == all.end.at.next_lsn);
		INVARIANT(part.end.at.chain == all.end.at.chain);
		INVARIANT(from_lsn == 0 || part.first == 0 || part.first == from_lsn);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct log l;
	struct slice in = slice_of(data, size), bytes[SEGMENTS_MAX];
	struct wal_reader_segment segments[SEGMENTS_MAX];
	char names[SEGMENTS_MAX][WAL_SEGMENT_NAME_SIZE];
	uint64_t from_lsn = fuzz_u8(&in), safe_lsn = fuzz_u8(&in);

	memset(&l, 0, sizeof l);
	build(&l, in);
	for (size_t i = 0; i < l.count; i++) {
		bytes[i] = buf_slice(&l.segments[i]);
		wal_segment_name(l.names[i], names[i]);
		segments[i] = (struct wal_reader_segment){
		    l.names[i], wal_source_of_memory(&bytes[i]), names[i]};
	}
	check_readings(&l, segments, from_lsn, safe_lsn);
	for (size_t i = 0; i < l.count; i++) {
		buf_deinit(&l.segments[i]);
	}
	buf_deinit(&l.bytes);
	return 0;
}
