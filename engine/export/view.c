/* Reads and ordered scans over store and overlay together. */
#include "engine/export/view.h"

/* The store under the view, unless the overlay hides all of it. */
static struct store_reader *visible_base(const struct view *v)
{
	return v->over != NULL && overlay_flushed(v->over) ? NULL : v->base;
}

enum status view_get(const struct view *v, struct slice key, struct slice *out)
{
	struct store_reader *base = visible_base(v);

	if (v->over != NULL) {
		switch (overlay_find(v->over, key, out)) {
		case OVERLAY_VALUE:
			return ST_OK;
		case OVERLAY_GONE:
			return ST_NOT_FOUND;
		case OVERLAY_SILENT:
			break;
		}
	}
	return base == NULL ? ST_NOT_FOUND : store_get(base, key, out);
}

enum status view_cursor_open(const struct view *v, struct view_cursor *c)
{
	struct store_reader *base = visible_base(v);

	*c = (struct view_cursor){.view = v};
	return base == NULL ? ST_OK : store_cursor_open(base, &c->base);
}

void view_cursor_close(struct view_cursor *c)
{
	if (c->base != NULL) {
		store_cursor_close(c->base);
	}
	*c = (struct view_cursor){0};
}

/* Notes what a step of the store's cursor gave. */
static enum status took_base(struct view_cursor *c, enum status st)
{
	c->base_valid = st == ST_OK;
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status view_cursor_seek(struct view_cursor *c, struct slice at)
{
	if (c->view->over != NULL) {
		c->over = overlay_seek(c->view->over, at);
	}
	c->base_stale = false;
	if (c->base == NULL) {
		return ST_OK;
	}
	return took_base(c, store_cursor_seek(c->base, at, &c->base_key, &c->base_value));
}

/* The store's next entry is fetched only when it is asked for, so that an error in it does not hide
 * the entry before. */
static enum status fetch_base(struct view_cursor *c)
{
	struct slice passed = c->base_key;
	enum status st;

	if (!c->base_stale) {
		return ST_OK;
	}
	c->base_stale = false;
	st = took_base(c, store_cursor_next(c->base, &c->base_key, &c->base_value));
	if (st == ST_OK && c->base_valid && slice_cmp(passed, c->base_key) >= 0) {
		return ST_CORRUPT; /* a damaged tree may run in a circle */
	}
	return st;
}

enum status view_cursor_next(struct view_cursor *c, struct slice *key, struct slice *value)
{
	const struct overlay *over = c->view->over;

	for (;;) {
		bool has_over = over != NULL && c->over < overlay_count(over);
		enum overlay_answer answer = OVERLAY_SILENT;
		struct slice over_key = {0}, over_value = {0};
		enum status st = fetch_base(c);
		int order = 1;

		if (st != ST_OK) {
			*key = c->base_key;
			return st;
		}
		if (!has_over && !c->base_valid) {
			return ST_END;
		}
		if (has_over) {
			answer = overlay_at(over, c->over, &over_key, &over_value);
			order = c->base_valid ? slice_cmp(over_key, c->base_key) : -1;
		}
		c->base_stale = order >= 0;
		if (order > 0) {
			*key = c->base_key;
			*value = c->base_value;
			return ST_OK;
		}
		c->over++;
		if (answer == OVERLAY_VALUE) {
			*key = over_key;
			*value = over_value;
			return ST_OK;
		}
	}
}
