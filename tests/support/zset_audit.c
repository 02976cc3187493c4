/* The audit of a sorted set. */
#include "tests/support/zset_audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct audit {
	struct zset_tree tree;
	struct meta meta;
	uint64_t records, elements;
	struct zset_element last; /* of the walk so far */
};

static struct zset_element element_of(struct audit *a, const struct zset_item *item)
{
	struct zset_element out = {.score = item->score};

	assert_int_equal(zset_tree_text(&a->tree, &item->name, &out.member), ST_OK);
	if (item->name.is_long) {
		assert_true(out.member.len > ZSET_NAME_INLINE);
		assert_memory_equal(out.member.data, item->name.text.data, ZSET_NAME_PREFIX);
		a->records++;
	}
	return out;
}

static void audit_leaf(struct audit *a, const struct zset_view *v)
{
	for (uint32_t i = 0; i < v->count; i++) {
		struct zset_item item;
		struct zset_element element;
		struct slice value;
		double score;

		assert_int_equal(zset_view_item(v, i, &item), ST_OK);
		element = element_of(a, &item);
		if (a->elements++ > 0) {
			assert_true(zset_element_cmp(&a->last, &element) < 0);
		}
		a->last = element;
		assert_int_equal(
		    ks_field_get(a->tree.e, a->tree.slot, a->meta.id, element.member, &value),
		    ST_OK);
		assert_int_equal(zset_score_get(value, &score), ST_OK);
		assert_true(score == element.score);
	}
}

/* Returns the number of elements below the node; *first: the least. */
static uint64_t audit_node(struct audit *a, unsigned level, uint64_t number,
			   struct zset_element *first)
{
	struct zset_view v;
	uint64_t counts[ZSET_INNER_MAX + 1], total = 0;
	uint32_t n;

	assert_int_equal(zset_tree_node(&a->tree, level, number, &v), ST_OK);
	a->records++;
	if (level == 0) {
		assert_int_equal(zset_tree_element(&a->tree, &v, 0, first), ST_OK);
		audit_leaf(a, &v);
		return v.count;
	}
	a->records++;
	assert_int_equal(zset_tree_counts(&a->tree, level, number, counts, &n), ST_OK);
	assert_int_equal(n, v.count);
	for (uint32_t i = 0; i < n; i++) {
		struct zset_element before = a->last, child_first, separator = {.score = 0};
		struct zset_item item;

		assert_int_equal(zset_view_item(&v, i, &item), ST_OK);
		if (i > 0) {
			separator = element_of(a, &item);
			assert_true(zset_element_cmp(&before, &separator) < 0);
		} else {
			assert_true(item.score == 0 && item.name.text.len == 0);
		}
		assert_int_equal(audit_node(a, level - 1, item.child, &child_first), counts[i]);
		if (i > 0) {
			assert_true(zset_element_cmp(&separator, &child_first) <= 0);
		} else {
			*first = child_first;
		}
		total += counts[i];
	}
	return total;
}

void zset_audit(struct engine *e, const struct store_key *key, const struct meta *m)
{
	struct audit a = {.meta = *m};
	struct ks_iter it = {0};
	struct zset_element first;
	struct slice subkey, value;
	uint64_t members = 0, records = 0;
	enum status st;

	a.tree = (struct zset_tree){.e = e, .slot = key->slot, .m = &a.meta};
	assert_int_equal(m->form, FORM_LARGE);
	assert_int_equal(
	    audit_node(&a, zset_tree_height(&a.tree), m->aux[0] & (ZSET_NUMBER_LIMIT - 1), &first),
	    m->count);
	assert_int_equal(a.elements, m->count);
	st = ks_elems_open(e, key->slot, m->id, slice_of(NULL, 0), false, &it);
	while (st == ST_OK) {
		st = ks_elems_next(&it, &subkey, &value);
		if (st == ST_OK) {
			*(subkey.len == ZSET_KEY_LEN ? &records : &members) += 1;
		}
	}
	ks_iter_close(&it);
	assert_int_equal(st, ST_END);
	assert_int_equal(members, m->count);
	assert_int_equal(records, a.records);
}
