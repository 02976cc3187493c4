/* The overlay against a plain table: newest effect per key, in order, within its bound. */
#include "engine/base/alloc.h"
#include "engine/base/rng.h"
#include "engine/export/overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { KEYS = 200, STEPS = 4000 };

static void effect_on(struct effect *e, const char *key, const char *value)
{
	*e = (struct effect){.kind = value == NULL ? EFFECT_DEL : EFFECT_PUT};
	store_key_of_key(&e->key, slice_str(key));
	if (value != NULL) {
		e->stored[e->stored_count++] = slice_str(value);
	}
}

static void check(struct overlay *o, char (*model)[32], const bool *known)
{
	struct slice before = {0};
	size_t entries = 0;

	assert_int_equal(overlay_finish(o), ST_OK);
	for (int i = 0; i < KEYS; i++) {
		struct store_key key;
		struct slice value;
		char name[16];
		enum overlay_answer wanted = !known[i]	   ? OVERLAY_SILENT
					     : model[i][0] ? OVERLAY_VALUE
							   : OVERLAY_GONE;

		if (overlay_flushed(o) && wanted == OVERLAY_SILENT) {
			wanted = OVERLAY_GONE;
		}
		(void)snprintf(name, sizeof name, "k%d", i);
		store_key_of_key(&key, slice_str(name));
		assert_int_equal(overlay_find(o, store_key_slice(&key), &value), wanted);
		if (wanted == OVERLAY_VALUE) {
			assert_true(slice_eq(value, slice_str(model[i])));
		}
		if (known[i]) {
			size_t at = overlay_seek(o, store_key_slice(&key));
			struct slice found;

			assert_int_equal(overlay_at(o, at, &found, &value), wanted);
			assert_true(slice_eq(found, store_key_slice(&key)));
		}
		entries += known[i];
	}
	assert_int_equal(overlay_count(o), entries);
	for (size_t i = 0; i < overlay_count(o); i++) {
		struct slice key, value;

		(void)overlay_at(o, i, &key, &value);
		assert_true(i == 0 || slice_cmp(before, key) < 0);
		before = key;
	}
}

static void the_newest_effect_counts(void **state)
{
	char model[KEYS][32] = {{0}};
	bool known[KEYS] = {0};
	struct overlay *o;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11);
	assert_int_equal(overlay_create(UINT64_MAX, &o), ST_OK);
	for (int step = 0; step < STEPS; step++) {
		int i = (int)rng_below(&rng, KEYS);
		char name[16];
		struct effect e;

		(void)snprintf(name, sizeof name, "k%d", i);
		if (rng_below(&rng, 1500) == 0) {
			e = (struct effect){.kind = EFFECT_FLUSH};
			memset(known, 0, sizeof known);
			memset(model, 0, sizeof model);
		} else if (rng_below(&rng, 3) == 0) {
			effect_on(&e, name, NULL);
			model[i][0] = '\0';
			known[i] = true;
		} else {
			(void)snprintf(model[i], sizeof model[i], "%.*s%d",
				       (int)rng_below(&rng, 20), "....................", step);
			effect_on(&e, name, model[i]);
			known[i] = true;
		}
		assert_int_equal(overlay_apply(o, &e), ST_OK);
		if (step % 500 == 499) {
			check(o, model, known);
		}
	}
	assert_int_equal(overlay_reset(o), ST_OK);
	memset(known, 0, sizeof known);
	check(o, model, known);
	assert_false(overlay_flushed(o));
	overlay_destroy(o);
}

static void the_bound_holds(void **state)
{
	struct overlay *o;
	struct effect e;
	char name[16], value[101];
	int taken = 0;
	size_t before = mem_used();

	(void)state;
	memset(value, 'v', 100);
	value[100] = '\0';
	assert_int_equal(overlay_create(1 << 20, &o), ST_OK);
	for (;;) {
		enum status st;

		(void)snprintf(name, sizeof name, "n%d", taken);
		effect_on(&e, name, value);
		st = overlay_apply(o, &e);
		if (st != ST_OK) {
			assert_int_equal(st, ST_LIMIT);
			break;
		}
		taken++;
	}
	assert_in_range(taken, 3000, 12000);
	assert_true(mem_used() - before < 3 << 20);
	overlay_destroy(o);
}

static void failing_memory_is_told(void **state)
{
	struct overlay *o;
	struct effect e;

	(void)state;
	for (int64_t nth = 0;; nth++) {
		enum status st;

		mem_fail_nth(nth);
		st = overlay_create(UINT64_MAX, &o);
		for (int i = 0; st == ST_OK && i < 900; i++) {
			char name[16];

			(void)snprintf(name, sizeof name, "k%d", i);
			effect_on(&e, name, "value");
			st = overlay_apply(o, &e);
		}
		if (st == ST_OK) {
			st = overlay_finish(o);
		}
		mem_fail_nth(-1);
		if (nth < 2) {
			assert_int_equal(st, ST_NO_MEMORY);
			continue;
		}
		overlay_destroy(o);
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_newest_effect_counts),
	    cmocka_unit_test(the_bound_holds),
	    cmocka_unit_test(failing_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
