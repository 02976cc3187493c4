/* Compares what SORT sorts. */
#include "net/command/sort_order.h"

#include <stdlib.h>

static int by_place(const struct sort_item *a, const struct sort_item *b)
{
	return a->index < b->index ? -1 : 1;
}

static int compare_numbers(const struct sort_item *a, const struct sort_item *b)
{
	if (a->number != b->number) {
		return a->number < b->number ? -1 : 1;
	}
	return slice_cmp(a->element, b->element);
}

/* What has no weight comes before what has one. */
static int compare_texts(const struct sort_item *a, const struct sort_item *b)
{
	if (!a->has_text || !b->has_text) {
		return (int)a->has_text - (int)b->has_text;
	}
	return slice_cmp(a->text, b->text);
}

static int numbers_up(const void *a, const void *b)
{
	int c = compare_numbers(a, b);

	return c != 0 ? c : by_place(a, b);
}

static int numbers_down(const void *a, const void *b)
{
	int c = compare_numbers(b, a);

	return c != 0 ? c : by_place(a, b);
}

static int texts_up(const void *a, const void *b)
{
	int c = compare_texts(a, b);

	return c != 0 ? c : by_place(a, b);
}

static int texts_down(const void *a, const void *b)
{
	int c = compare_texts(b, a);

	return c != 0 ? c : by_place(a, b);
}

void sort_items(struct sort_item *items, size_t count, bool alpha, bool desc)
{
	if (count > 0) {
		qsort(items, count, sizeof *items,
		      alpha ? (desc ? texts_down : texts_up) : (desc ? numbers_down : numbers_up));
	}
}
