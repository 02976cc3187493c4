/* The orders that SORT knows. Pure. */
#ifndef CAIRN_NET_COMMAND_SORT_ORDER_H
#define CAIRN_NET_COMMAND_SORT_ORDER_H

#include "engine/base/slice.h"

struct sort_item {
	struct slice element;
	struct slice text; /* the weight of ALPHA */
	double number;	   /* the weight otherwise; no NaN */
	bool has_text;
	size_t index; /* its place in the collection */
};

/* Sorts by weight. Of equal numbers the elements' bytes decide, of equal texts the places; what has
 * no text comes before what has one. desc turns all but the places round. */
void sort_items(struct sort_item *items, size_t count, bool alpha, bool desc);

#endif
