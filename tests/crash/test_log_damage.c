/* A damaged log: cut at every byte, every byte changed, blocks zeroed, repeated and exchanged,
 * segments missing or under another's name. What the reader says to each is compared with what the
 * rule in wal_reader.h, worked out here from the undamaged log, demands: exactly the records before
 * the bad place, then a torn tail where nothing says that it was durable, else a refusal that names
 * file, offset and what to do. The same for a sample through the whole engine.
 *
 * CAIRN_TEST_LONG=1 tries each bit instead of two patterns, and more of all else;
 * CAIRN_LOG_STEP=n only every n-th place. */
#include "engine/wal/wal_frame.h"
#include "tests/support/small_node.h"
#include "tests/support/wal_box.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/check.h"
#include "tests/support/quick_dir.h"
#include "tests/support/tree.h"

enum { FRAMES = 4000, ENGINE_SAMPLES = 250, BLOCKS = 4000 };

static bool long_form;
static size_t byte_step; /* damage at every byte, or every few */
static uint64_t trials;
static char base[64];

struct frame_place {
	size_t file, off, len; /* header and payload, without padding */
	struct wal_frame f;
};

/* A log and what is known of it. */
struct subject {
	const char *name;
	struct log_image image, intact;
	struct frame_place frames[FRAMES];
	size_t frames_count;
	size_t blank[LOG_IMAGE_FILES]; /* where each file's frames end */
	uint64_t last;
};

/* Lists the frames of the log in s->image, which is whole. */
static void survey(struct subject *s, const char *name)
{
	s->name = name;
	s->frames_count = 0;
	memset(&s->intact, 0, sizeof s->intact);
	log_image_copy(&s->intact, &s->image);
	for (size_t i = 0; i < s->image.count; i++) {
		struct slice bytes = buf_slice(&s->image.files[i].bytes);
		struct wal_segment seg;
		size_t off;

		assert_int_equal(wal_segment_decode(bytes, &seg), ST_OK);
		for (off = seg.header_len;;) {
			struct frame_place *p = &s->frames[s->frames_count];

			assert_true(s->frames_count < FRAMES && off <= bytes.len);
			if (wal_frame_decode_header(slice_skip(bytes, off), seg.salt, &p->f) !=
			    ST_OK) {
				break;
			}
			p->file = i;
			p->off = off;
			p->len = WAL_FRAME_HEADER_LEN + p->f.stored_len;
			off += wal_frame_span(&p->f);
			s->last = p->f.records > 0 ? wal_frame_next_lsn(&p->f) - 1 : s->last;
			s->frames_count++;
		}
		s->blank[i] = off;
	}
	print_message("%s: %zu segments, %zu frames, LSN %llu to %llu\n", name, s->image.count,
		      s->frames_count, (unsigned long long)s->image.files[0].first_lsn,
		      (unsigned long long)s->last);
}

static void forget(struct subject *s)
{
	log_image_deinit(&s->image);
	log_image_deinit(&s->intact);
	free(s);
}

/* --- what the rule demands --- */

struct demand {
	bool refuse;
	uint64_t last; /* newest LSN given before the stop */
};

static bool same(const struct subject *s, size_t file, size_t off, size_t len)
{
	const struct buf *now = &s->image.files[file].bytes, *then = &s->intact.files[file].bytes;

	return off + len <= now->len && off + len <= then->len &&
	       memcmp(now->data + off, then->data + off, len) == 0;
}

/* The newest LSN that headers from frame k on, in the same file, say was durable. */
static uint64_t witnessed(const struct subject *s, size_t k, uint64_t expected, uint64_t known)
{
	size_t file = s->frames[k].file;

	for (; k < s->frames_count && s->frames[k].file == file; k++) {
		const struct frame_place *p = &s->frames[k];

		if (same(s, file, p->off, WAL_FRAME_HEADER_LEN) && p->f.first_lsn >= expected &&
		    p->f.watermark > known) {
			known = p->f.watermark;
		}
	}
	return known;
}

/* Reading begins in this file. */
static struct demand demand(const struct subject *s, size_t from_file)
{
	uint64_t expected = s->image.files[from_file].first_lsn, known = 0;
	size_t k = 0;

	while (k < s->frames_count && s->frames[k].file < from_file) {
		k++;
	}
	for (size_t file = from_file; file < s->image.count; file++) {
		size_t header = s->frames_count > 0 ? WAL_SEGMENT_HEADER_UNIT : 0;

		if (s->image.files[file].first_lsn != expected || !same(s, file, 0, header)) {
			return (struct demand){true, expected - 1};
		}
		known = expected - 1 > known ? expected - 1 : known;
		for (; k < s->frames_count && s->frames[k].file == file; k++) {
			const struct frame_place *p = &s->frames[k];

			if (same(s, file, p->off, p->len)) {
				known = p->f.watermark > known ? p->f.watermark : known;
				expected = wal_frame_next_lsn(&p->f);
				continue;
			}
			if (file + 1 < s->image.count) {
				break; /* the next file's first LSN decides */
			}
			known = witnessed(s, k, expected, known);
			return (struct demand){expected <= known, expected - 1};
		}
		while (k < s->frames_count && s->frames[k].file == file) {
			k++;
		}
	}
	return (struct demand){false, expected - 1};
}

static void check_message(const char *what, const char *error)
{
	CHECK(strstr(error, ".wal") != NULL && strstr(error, "offset ") != NULL &&
		  strstr(error, "cairn-wal replay") != NULL,
	      "%s: this message helps nobody: %s\n", what, error);
}

/* Reads the damaged log and compares. loose: copies of frames lie about, which may tell the reader
 * more than the rule here knows. */
static void judge(const struct subject *s, size_t from_file, bool loose, const char *what,
		  size_t file, size_t at)
{
	uint64_t from = from_file == 0 ? 0 : s->image.files[from_file].first_lsn;
	struct demand want = demand(s, from_file);
	struct log_verdict v;
	bool refused;
	uint64_t last;

	trials++;
	log_image_read(&s->image, from, 0, &v);
	refused = v.st == ST_CORRUPT || v.st == ST_VERSION;
	last = v.records == 0 ? want.last : v.last;
	CHECK(!v.wrong, "%s, %s %zu of file %zu: a wrong record\n", s->name, what, at, file);
	CHECK(refused || v.st == ST_END || v.st == ST_TORN, "%s, %s %zu of file %zu: %s\n", s->name,
	      what, at, file, status_text(v.st));
	CHECK(refused == want.refuse || (loose && refused),
	      "%s, %s %zu of file %zu: %s after LSN %llu, %s was due after %llu (%s)\n", s->name,
	      what, at, file, status_text(v.st), (unsigned long long)v.last,
	      want.refuse ? "a refusal" : "an end", (unsigned long long)want.last, v.error);
	CHECK(last == want.last, "%s, %s %zu of file %zu: stopped after LSN %llu, not %llu\n",
	      s->name, what, at, file, (unsigned long long)v.last, (unsigned long long)want.last);
	if (refused) {
		check_message(what, v.error);
	}
}

/* --- the kinds of damage --- */

static void cut_everywhere(struct subject *s)
{
	for (size_t i = 0; i < s->image.count; i++) {
		struct buf *b = &s->image.files[i].bytes;
		size_t whole = b->len;

		for (size_t len = 0; len < whole;
		     len += len < s->blank[i] + 16 ? byte_step : 61 * byte_step) {
			b->len = len;
			judge(s, i == 0 || len > 0 ? i : i - 1, false, "cut at", i, len);
		}
		b->len = whole;
	}
}

static void flip(struct subject *s, size_t file, size_t at, uint8_t mask)
{
	uint8_t *byte = &s->image.files[file].bytes.data[at];

	*byte ^= mask;
	judge(s, file, false, "byte", file, at);
	*byte ^= mask;
}

static void change_every_byte(struct subject *s, size_t step)
{
	for (size_t i = 0; i < s->image.count; i++) {
		size_t end = s->blank[i] < s->image.files[i].bytes.len
				 ? s->blank[i]
				 : s->image.files[i].bytes.len;

		for (size_t at = 0; at < end; at += step) {
			flip(s, i, at, 0xff);
			for (unsigned bit = 0; long_form && bit < 8; bit++) {
				flip(s, i, at, (uint8_t)(1u << bit));
			}
			if (!long_form) {
				flip(s, i, at, (uint8_t)(1u << (at / step + i) % 8));
			}
		}
	}
}

/* Behind the last frame nothing counts; before the last segment's end a tail is reported. */
static void change_what_lies_behind(struct subject *s)
{
	for (size_t i = 0; i < s->image.count; i++) {
		for (size_t at = s->blank[i]; at < s->image.files[i].bytes.len;
		     at += 37 * byte_step) {
			flip(s, i, at, 0x55);
		}
	}
}

static void restore(struct subject *s, size_t file, size_t at, size_t len)
{
	memcpy(s->image.files[file].bytes.data + at, s->intact.files[file].bytes.data + at, len);
}

/* A block becomes zeros, or a copy of another, or the two change places. */
static void hurt_blocks(struct subject *s)
{
	static const size_t sizes[] = {8, 64, 88, 512, 4096};
	size_t rounds = (long_form ? BLOCKS * 50 : BLOCKS) / byte_step;
	struct rng rng;

	rng_seed(&rng, 99);
	for (size_t n = 0; n < rounds; n++) {
		size_t size = sizes[rng_below(&rng, 5)], a, b, at, from;
		uint8_t *dst;
		const uint8_t *src;

		a = rng_below(&rng, s->image.count);
		b = rng_below(&rng, s->image.count);
		if (s->blank[a] < size || s->blank[b] < size) {
			continue;
		}
		/* Blocks of frames, too, not only of sectors. */
		at = rng_below(&rng, s->blank[a] - size + 1) & ~(size_t)7;
		from = rng_below(&rng, s->blank[b] - size + 1) & ~(size_t)7;
		dst = s->image.files[a].bytes.data + at;
		src = s->intact.files[b].bytes.data + from;
		if (n % 3 == 0) {
			memset(dst, 0, size);
		} else {
			memcpy(dst, src, size);
		}
		if (n % 3 == 2 && (a != b || from + size <= at || at + size <= from)) {
			memcpy(s->image.files[b].bytes.data + from,
			       s->intact.files[a].bytes.data + at, size);
		}
		judge(s, 0, true, "block at", a, at);
		restore(s, a, at, size);
		restore(s, b, from, size);
	}
}

static void hurt_files(struct subject *s)
{
	struct log_verdict v;

	for (size_t i = 0; i < s->image.count; i++) {
		struct log_image less = {0};

		log_image_copy(&less, &s->intact);
		log_image_remove(&less, i);
		log_image_read(&less, 0, 0, &v);
		CHECK(!v.wrong, "%s without segment %zu: a wrong record\n", s->name, i);
		if (i == 0 || i + 1 == s->image.count) {
			/* The oldest may be gone; whoever knows of the newest notices. */
			CHECK(v.st == ST_END, "%s without segment %zu: %s\n", s->name, i, v.error);
			log_image_read(&less, 0, s->last, &v);
			CHECK(v.st == (i == 0 ? ST_END : ST_CORRUPT),
			      "%s without segment %zu: %s\n", s->name, i, v.error);
		} else {
			CHECK(v.st == ST_CORRUPT && v.last + 1 == s->image.files[i].first_lsn,
			      "%s without segment %zu: %s\n", s->name, i, status_text(v.st));
			check_message("a missing segment", v.error);
		}
		log_image_deinit(&less);
	}
	for (size_t i = 0; i + 1 < s->image.count; i++) {
		struct buf keep = s->image.files[i].bytes;

		/* Two under each other's name. */
		s->image.files[i].bytes = s->image.files[i + 1].bytes;
		s->image.files[i + 1].bytes = keep;
		judge(s, 0, false, "exchanged files at", i, 0);
		s->image.files[i + 1].bytes = s->image.files[i].bytes;
		s->image.files[i].bytes = keep;
	}
}

/* cuts: the log is small enough to cut it everywhere. */
static void run_all(struct subject *s, const char *name, size_t step, bool cuts)
{
	uint64_t before = trials;

	survey(s, name);
	judge(s, 0, false, "nothing", 0, 0);
	change_every_byte(s, step);
	change_what_lies_behind(s);
	hurt_blocks(s);
	hurt_files(s);
	if (cuts) {
		cut_everywhere(s);
	}
	print_message("%s: %llu damaged logs read\n", name, (unsigned long long)(trials - before));
	forget(s);
}

/* --- the logs --- */

struct recipe {
	const char *name;
	int level;
	bool dictionary, recycle;
	enum { END_CLEAN, END_WITNESSED, END_SUDDEN } end;
};

static void await_witness(struct wal_box *b)
{
	struct log_verdict v = {0};

	wal_box_advance_ms(b, 100);
	for (int i = 0; i < 20000 && v.end.watermark + 1 != b->next_lsn; i++) {
		(void)usleep(500);
		wal_box_read(b, &v);
	}
	assert_int_equal(v.end.watermark + 1, b->next_lsn);
}

static struct subject *cook(const struct recipe *r)
{
	static const char words[] = "key:0:0key:1:1setmset:aaabbbcccdddeeefffggghhhiiijjjkkklll";
	struct subject *s = calloc(1, sizeof *s);
	struct wal_box b;

	wal_box_init(&b);
	b.opts.segment_size = 7168;
	b.opts.compression_level = r->level;
	b.opts.keep_size = r->recycle ? 0 : UINT64_MAX;
	if (r->dictionary) {
		b.opts.dictionary = slice_of(words, sizeof words);
	}
	wal_box_open(&b, true);
	for (uint32_t i = 0; i < 24; i++) {
		assert_int_equal(wal_box_append(&b, 1 + i % 6), ST_OK);
		wal_box_await_durable(&b, b.next_lsn - 1);
		if (r->recycle && i > 8) {
			wal_writer_release(b.w, b.next_lsn - 20);
		}
		if (i == 12) {
			/* An end in between, and a beginning. */
			assert_int_equal(wal_box_close(&b), ST_OK);
			wal_box_open(&b, r->end == END_CLEAN);
		}
	}
	if (r->end == END_CLEAN) {
		assert_int_equal(wal_box_close(&b), ST_OK);
	} else if (r->end == END_WITNESSED) {
		await_witness(&b);
	}
	log_image_load(&s->image, b.opts.io, "wal");
	wal_box_deinit(&b);
	return s;
}

static void a_damaged_log_is_read_as_the_rule_demands(void **state)
{
	static const struct recipe recipes[] = {
	    {"raw, clean end", 0, false, false, END_CLEAN},
	    {"compressed, witnessed", 1, false, false, END_WITNESSED},
	    {"dictionary, sudden end", 1, true, false, END_SUDDEN},
	    {"recycled, clean end", 1, false, true, END_CLEAN},
	    {"recycled raw, sudden end", 0, false, true, END_SUDDEN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
		run_all(cook(&recipes[i]), recipes[i].name, byte_step, true);
	}
}

static void so_is_one_of_groups_of_several_frames(void **state)
{
	struct subject *s = calloc(1, sizeof *s);
	struct wal_box b;

	(void)state;
	wal_box_init(&b);
	b.opts.segment_size = 160 * 1024;
	b.opts.compression_level = 1;
	wal_box_open(&b, true);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wal_box_append(&b, 600), ST_OK);
		wal_box_await_durable(&b, b.next_lsn - 1);
	}
	log_image_load(&s->image, b.opts.io, "wal");
	wal_box_deinit(&b);
	run_all(s, "groups of several frames", (long_form ? 7 : 61) * byte_step, false);
}

/* --- through the engine --- */

static void store_file(const char *dir, const struct log_file *f)
{
	char path[512];
	FILE *out;

	(void)snprintf(path, sizeof path, "%s/wal/%s", dir, f->name);
	out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(f->bytes.data, 1, f->bytes.len, out), f->bytes.len);
	assert_int_equal(fclose(out), 0);
}

/* A node that was killed: nothing is in its store, all in some segments of its log. */
static struct subject *kill_node(struct small_node *s, const char *dead)
{
	struct subject *subject = calloc(1, sizeof *subject);
	char live[128], wal[300];

	(void)snprintf(live, sizeof live, "%s/live", base);
	assert_int_equal(mkdir(live, 0700), 0);
	small_node_init(s, live, 3);
	s->memtable_max = 8 << 20;
	assert_int_equal(small_node_open(s), ST_OK);
	for (int i = 0; i < 400; i++) {
		assert_int_equal(small_node_step(s), ST_OK);
		(void)engine_turn_end(s->e);
		while (i % 4 == 0 && engine_ack_lsn(s->e) < s->last_lsn) {
			(void)usleep(100);
			(void)engine_turn_end(s->e);
		}
	}
	while (engine_ack_lsn(s->e) < s->last_lsn) {
		(void)usleep(100);
	}
	(void)usleep(150000); /* the witness of the last sync */
	copy_tree(live, dead);
	assert_int_equal(small_node_close(s), ST_OK);
	remove_tree(live);
	(void)snprintf(wal, sizeof wal, "%s/wal", dead);
	log_image_load(&subject->image, io_posix(), wal);
	survey(subject, "a node's log");
	return subject;
}

/* One random damage of one segment; false: of none. */
static void damage(struct subject *s, struct rng *rng, size_t file)
{
	struct buf *b = &s->image.files[file].bytes;
	size_t at = rng_below(rng, s->blank[file]), len = 1 + rng_below(rng, 600);

	len = len < s->blank[file] - at ? len : s->blank[file] - at;
	switch (rng_below(rng, 4)) {
	case 0:
		b->len = at;
		break;
	case 1:
		memset(b->data + at, 0, len);
		break;
	case 2:
		memset(b->data + at, 0xa5, len);
		break;
	default:
		b->data[at] ^= (uint8_t)(1u << rng_below(rng, 8));
		break;
	}
}

static uint64_t open_damaged(const struct small_node *recorded, const struct subject *s,
			     size_t file, const char *dir)
{
	struct demand want = demand(s, 0);
	struct small_node again;
	uint64_t digest = 0, lsn;
	enum status st;

	small_node_init(&again, dir, 5);
	again.memtable_max = 8 << 20;
	st = small_node_open(&again);
	if (want.refuse) {
		const char *error;

		assert_int_equal(buf_append(&again.error, "", 1), ST_OK);
		error = (const char *)again.error.data;
		CHECK(st == ST_CORRUPT || st == ST_VERSION, "segment %zu: opened (%s)\n", file,
		      status_text(st));
		check_message("the engine", error);
		small_node_deinit(&again);
		return 1;
	}
	CHECK(st == ST_OK, "segment %zu: refused: %.*s\n", file, (int)again.error.len,
	      (const char *)again.error.data);
	lsn = small_node_lsn(&again);
	CHECK(lsn == want.last, "segment %zu: LSN %llu, not %llu\n", file, (unsigned long long)lsn,
	      (unsigned long long)want.last);
	assert_int_equal(small_node_digest(&again, &digest), ST_OK);
	CHECK(digest == (lsn == 0 ? 0 : recorded->digests[lsn]),
	      "segment %zu: content is not that of LSN %llu\n", file, (unsigned long long)lsn);
	assert_int_equal(small_node_close(&again), ST_OK);
	small_node_deinit(&again);
	return 0;
}

static void the_engine_recovers_a_prefix_or_refuses(void **state)
{
	int samples = long_form ? ENGINE_SAMPLES * 20 : ENGINE_SAMPLES / (byte_step > 1 ? 5 : 1);
	char dead[128], dir[128];
	struct small_node recorded;
	struct subject *s;
	uint64_t refused = 0;
	struct rng rng;

	(void)state;
	(void)snprintf(dead, sizeof dead, "%s/dead", base);
	(void)snprintf(dir, sizeof dir, "%s/again", base);
	s = kill_node(&recorded, dead);
	rng_seed(&rng, 17);
	for (int i = 0; i < samples; i++) {
		/* The last segment is where a tail may be cut. */
		size_t file = i % 2 == 0 ? s->image.count - 1 : rng_below(&rng, s->image.count);

		copy_tree(dead, dir);
		damage(s, &rng, file);
		store_file(dir, &s->image.files[file]);
		refused += open_damaged(&recorded, s, file, dir);
		s->image.files[file].bytes.len = 0;
		assert_int_equal(buf_append(&s->image.files[file].bytes,
					    s->intact.files[file].bytes.data,
					    s->intact.files[file].bytes.len),
				 ST_OK);
		remove_tree(dir);
	}
	print_message("%d damaged nodes opened, %llu refused\n", samples,
		      (unsigned long long)refused);
	assert_true(refused > 0 && refused < (uint64_t)samples);
	remove_tree(dead);
	small_node_deinit(&recorded);
	forget(s);
}

static void the_engine_misses_each_segment_it_needs(void **state)
{
	char dead[128], dir[128], path[512];
	struct small_node recorded, again;
	struct subject *s;

	(void)state;
	(void)snprintf(dead, sizeof dead, "%s/dead", base);
	(void)snprintf(dir, sizeof dir, "%s/again", base);
	s = kill_node(&recorded, dead);
	/* The newest is the one that no other file can vouch for. */
	for (size_t i = 0; i + 1 < s->image.count; i++) {
		copy_tree(dead, dir);
		(void)snprintf(path, sizeof path, "%s/wal/%s", dir, s->image.files[i].name);
		assert_int_equal(unlink(path), 0);
		small_node_init(&again, dir, 5);
		assert_int_equal(small_node_open(&again), ST_CORRUPT);
		assert_int_equal(buf_append(&again.error, "", 1), ST_OK);
		CHECK(strstr((const char *)again.error.data, "restore") != NULL,
		      "this message helps nobody: %s\n", (const char *)again.error.data);
		small_node_deinit(&again);
		remove_tree(dir);
	}
	remove_tree(dead);
	small_node_deinit(&recorded);
	forget(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_damaged_log_is_read_as_the_rule_demands),
	    cmocka_unit_test(so_is_one_of_groups_of_several_frames),
	    cmocka_unit_test(the_engine_recovers_a_prefix_or_refuses),
	    cmocka_unit_test(the_engine_misses_each_segment_it_needs),
	};
	int failed;

	const char *step = getenv("CAIRN_LOG_STEP");

	long_form = getenv("CAIRN_TEST_LONG") != NULL;
	byte_step = step == NULL ? 1 : strtoul(step, NULL, 10);
	byte_step = byte_step == 0 ? 1 : byte_step;
	/* Each reader takes and gives back a megabyte: not from the system each time. */
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
	if (!quick_dir(base, sizeof base, "log")) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	print_message("%llu damaged logs in all\n", (unsigned long long)trials);
	remove_tree(base);
	return failed;
}
