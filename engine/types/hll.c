/* HyperLogLog: registers, runs, estimates. The estimate is Ertl's improved raw one (arXiv
 * 1702.01284), computed in the order in which Redis does, so that both give the same number. */
#include "engine/types/hll.h"

#include "engine/base/bytes.h"
#include "engine/base/invariant.h"

#include <math.h>

enum {
	INDEX_BITS = 14,
	HASH_BITS = 64 - INDEX_BITS, /* those whose zeros are counted */
	REGISTER_MAX = 63,
	ENCODING_OFF = 4,
	COUNT_OFF = 8,
	SPARSE = 1,
	ZERO_MAX = 64,
	LONG_ZERO_MAX = 16384,
	VALUE_MAX = 32,
	VALUE_RUN_MAX = 4,
	MERGE_SCAN = 5, /* runs looked at for a merge with their neighbour */
};

static const uint8_t magic[4] = {'H', 'Y', 'L', 'L'};

void hll_init(struct hll *h)
{
	memset(h->bytes, 0, HLL_HEADER);
	memcpy(h->bytes, magic, sizeof magic);
	h->bytes[ENCODING_OFF] = SPARSE;
	h->bytes[HLL_HEADER] = 0x7f;
	h->bytes[HLL_HEADER + 1] = 0xff;
	h->len = HLL_HEADER + 2;
}

bool hll_is_value(struct slice head, uint64_t len)
{
	if (head.len < HLL_HEADER || memcmp(head.data, magic, sizeof magic) != 0) {
		return false;
	}
	return head.data[ENCODING_OFF] == SPARSE ||
	       (head.data[ENCODING_OFF] == 0 && len == HLL_DENSE_LEN);
}

bool hll_cached(const struct hll *h, uint64_t *out)
{
	*out = bytes_get_u64le(h->bytes + COUNT_OFF);
	return *out >> 63 == 0;
}

void hll_set_cached(struct hll *h, uint64_t count)
{
	bytes_put_u64le(h->bytes + COUNT_OFF, count);
}

void hll_invalidate(struct hll *h)
{
	h->bytes[COUNT_OFF + 7] |= 0x80;
}

/* --- dense --- */

static uint8_t dense_get(const struct hll *h, uint32_t index)
{
	const uint8_t *at = h->bytes + HLL_HEADER + index * 6 / 8;
	unsigned shift = index * 6 % 8;
	unsigned bits = shift > 2 ? (unsigned)(at[0] | at[1] << 8) : at[0];

	return bits >> shift & REGISTER_MAX;
}

static void dense_set(struct hll *h, uint32_t index, uint8_t value)
{
	uint8_t *at = h->bytes + HLL_HEADER + index * 6 / 8;
	unsigned shift = index * 6 % 8;

	at[0] = (uint8_t)((at[0] & ~(REGISTER_MAX << shift)) | value << shift);
	if (shift > 2) {
		at[1] = (uint8_t)((at[1] & ~(REGISTER_MAX >> (8 - shift))) | value >> (8 - shift));
	}
}

static bool dense_raise(struct hll *h, uint32_t index, uint8_t value)
{
	if (dense_get(h, index) >= value) {
		return false;
	}
	dense_set(h, index, value);
	return true;
}

/* --- sparse --- */

enum status hll_run_next(const struct hll *h, size_t *at, struct hll_run *out)
{
	uint8_t byte;

	if (*at >= h->len) {
		return ST_END;
	}
	byte = h->bytes[*at];
	if ((byte & 0x80) != 0) {
		*out = (struct hll_run){HLL_RUN_VALUE, (byte & 3u) + 1,
					(uint8_t)((byte >> 2 & 31) + 1)};
	} else if ((byte & 0x40) == 0) {
		*out = (struct hll_run){HLL_RUN_ZERO, (byte & 63u) + 1, 0};
	} else {
		if (h->len - *at < 2) {
			return ST_CORRUPT;
		}
		*out = (struct hll_run){HLL_RUN_LONG_ZERO,
					((byte & 63u) << 8 | h->bytes[*at + 1]) + 1, 0};
		++*at;
	}
	++*at;
	return ST_OK;
}

/* Writes a run of len registers, none when it is 0; returns how many bytes that took. */
static size_t put_run(uint8_t *at, uint8_t value, uint32_t len)
{
	if (len == 0) {
		return 0;
	}
	if (value > 0) {
		INVARIANT(len <= VALUE_RUN_MAX);
		at[0] = (uint8_t)(0x80u | (value - 1u) << 2 | (len - 1));
		return 1;
	}
	if (len <= ZERO_MAX) {
		at[0] = (uint8_t)(len - 1);
		return 1;
	}
	at[0] = (uint8_t)(0x40 | (len - 1) >> 8);
	at[1] = (uint8_t)(len - 1);
	return 2;
}

/* Calls for each run of a sparse value with the register where it begins; ST_CORRUPT when they do
 * not cover all registers exactly. */
static enum status each_run(const struct hll *h,
			    void (*each)(void *arg, uint32_t first, const struct hll_run *run),
			    void *arg)
{
	struct hll_run run;
	uint32_t first = 0;
	size_t at = HLL_HEADER;
	enum status st;

	while ((st = hll_run_next(h, &at, &run)) == ST_OK) {
		if (run.len > HLL_REGISTERS - first) {
			return ST_CORRUPT;
		}
		each(arg, first, &run);
		first += run.len;
	}
	return st == ST_END && first == HLL_REGISTERS ? ST_OK : ST_CORRUPT;
}

static void raise_run(void *arg, uint32_t first, const struct hll_run *run)
{
	uint8_t *registers = arg;

	for (uint32_t i = first; i < first + run->len; i++) {
		registers[i] = run->value > registers[i] ? run->value : registers[i];
	}
}

enum status hll_merge(const struct hll *h, uint8_t registers[HLL_REGISTERS])
{
	if (!hll_is_dense(h)) {
		return each_run(h, raise_run, registers);
	}
	for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
		uint8_t value = dense_get(h, i);

		registers[i] = value > registers[i] ? value : registers[i];
	}
	return ST_OK;
}

enum status hll_to_dense(struct hll *h)
{
	uint8_t registers[HLL_REGISTERS] = {0};
	enum status st;

	if (hll_is_dense(h)) {
		return ST_OK;
	}
	st = hll_merge(h, registers);
	if (st != ST_OK) {
		return st;
	}
	h->bytes[ENCODING_OFF] = 0;
	h->len = HLL_DENSE_LEN;
	memset(h->bytes + HLL_HEADER, 0, HLL_DENSE_LEN - HLL_HEADER);
	for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
		dense_set(h, i, registers[i]);
	}
	return ST_OK;
}

/* Joins neighbouring runs of one value, from the run at at on. */
static void join_runs(struct hll *h, size_t at)
{
	for (int left = MERGE_SCAN; at < h->len && left > 0; left--) {
		struct hll_run run, next;
		size_t behind = at, end;

		if (hll_run_next(h, &behind, &run) != ST_OK) {
			return;
		}
		end = behind;
		if (run.kind == HLL_RUN_VALUE && hll_run_next(h, &end, &next) == ST_OK &&
		    next.value == run.value && run.len + next.len <= VALUE_RUN_MAX) {
			(void)put_run(h->bytes + behind, run.value, run.len + next.len);
			memmove(h->bytes + at, h->bytes + behind, h->len - behind);
			h->len--;
		} else {
			at = behind;
		}
	}
}

/* A run of a sparse value that covers a register, and the one before it. */
struct found_run {
	size_t at, end, before; /* offsets; before: HLL_HEADER when it is the first */
	uint32_t first;		/* register */
	struct hll_run run;
};

static enum status find_run(const struct hll *h, uint32_t index, struct found_run *out)
{
	size_t at = HLL_HEADER, end = at;
	uint32_t first = 0;

	out->before = HLL_HEADER;
	for (;;) {
		enum status st = hll_run_next(h, &end, &out->run);

		if (st != ST_OK) {
			return ST_CORRUPT;
		}
		if (index < first + out->run.len) {
			break;
		}
		first += out->run.len;
		out->before = at;
		at = end;
	}
	out->at = at;
	out->end = end;
	out->first = first;
	return ST_OK;
}

/* Splits the run around the register. False: that would be too long. */
static bool split_run(struct hll *h, const struct found_run *f, uint32_t index, uint8_t value,
		      uint64_t sparse_max)
{
	uint32_t last = f->first + f->run.len - 1;
	uint8_t made[5];
	size_t len = 0, old = f->end - f->at;

	len += put_run(made, f->run.value, index - f->first);
	len += put_run(made + len, value, 1);
	len += put_run(made + len, f->run.value, last - index);
	if (len > old && (h->len + len - old > sparse_max || h->len + len - old > HLL_LEN_MAX)) {
		return false;
	}
	memmove(h->bytes + f->at + len, h->bytes + f->end, h->len - f->end);
	memcpy(h->bytes + f->at, made, len);
	h->len = h->len + len - old;
	return true;
}

enum status hll_raise(struct hll *h, uint32_t index, uint8_t value, uint64_t sparse_max,
		      bool *changed)
{
	struct found_run f;
	enum status st;

	*changed = false;
	if (hll_is_dense(h)) {
		*changed = dense_raise(h, index, value);
		return ST_OK;
	}
	if (value <= VALUE_MAX) {
		st = find_run(h, index, &f);
		if (st != ST_OK || f.run.value >= value) {
			return st;
		}
		if (split_run(h, &f, index, value, sparse_max)) {
			join_runs(h, f.before);
			hll_invalidate(h);
			*changed = true;
			return ST_OK;
		}
	}
	st = hll_to_dense(h);
	if (st == ST_OK) {
		*changed = dense_raise(h, index, value);
	}
	return st;
}

/* --- hashing --- */

/* MurmurHash64A, whatever the machine's byte order. */
static uint64_t murmur(struct slice bytes)
{
	const uint64_t m = UINT64_C(0xc6a4a7935bd1e995);
	const unsigned r = 47;
	uint64_t h = UINT64_C(0xadc83b19) ^ bytes.len * m;
	size_t whole = bytes.len & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t k = bytes_get_u64le(bytes.data + i) * m;

		k = (k ^ k >> r) * m;
		h = (h ^ k) * m;
	}
	if (bytes.len > whole) {
		for (size_t i = bytes.len; i > whole; i--) {
			h ^= (uint64_t)bytes.data[i - 1] << 8 * (i - 1 - whole);
		}
		h *= m;
	}
	h = (h ^ h >> r) * m;
	return h ^ h >> r;
}

enum status hll_add(struct hll *h, struct slice element, uint64_t sparse_max, bool *changed)
{
	uint64_t hash = murmur(element);
	uint32_t index = hash & (HLL_REGISTERS - 1);
	uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << HASH_BITS; /* ends the zeros */

	return hll_raise(h, index, (uint8_t)(__builtin_ctzll(rest) + 1), sparse_max, changed);
}

/* --- counting --- */

static double tau(double x)
{
	double before, y = 1, z = 1 - x;

	if (x == 0 || x == 1) {
		return 0;
	}
	do {
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (before != z);
	return z / 3;
}

static double sigma(double x)
{
	double before, y = 1, z = x;

	if (x == 1) {
		return INFINITY;
	}
	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (before != z);
	return z;
}

/* The estimate from how many registers have each value. */
static uint64_t estimate(const uint32_t histogram[REGISTER_MAX + 1])
{
	const double alpha = 0.721347520444481703680; /* 0.5 / ln(2) */
	const double m = HLL_REGISTERS;
	double z = m * tau((m - (double)histogram[HASH_BITS + 1]) / m);

	for (int i = HASH_BITS; i >= 1; i--) {
		z += (double)histogram[i];
		z *= 0.5;
	}
	z += m * sigma((double)histogram[0] / m);
	return (uint64_t)llround(alpha * m * m / z);
}

uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS])
{
	uint32_t histogram[REGISTER_MAX + 1] = {0};

	for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
		histogram[registers[i] & REGISTER_MAX]++;
	}
	return estimate(histogram);
}

static void count_run(void *arg, uint32_t first, const struct hll_run *run)
{
	uint32_t *histogram = arg;

	(void)first;
	histogram[run->value] += run->len;
}

enum status hll_count(const struct hll *h, uint64_t *out)
{
	uint32_t histogram[REGISTER_MAX + 1] = {0};
	enum status st = ST_OK;

	if (hll_is_dense(h)) {
		for (uint32_t i = 0; i < HLL_REGISTERS; i++) {
			histogram[dense_get(h, i)]++;
		}
	} else {
		st = each_run(h, count_run, histogram);
	}
	if (st == ST_OK) {
		*out = estimate(histogram);
	}
	return st;
}
