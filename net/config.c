/* The values of the configuration: defaults, and changes at run time, all or none. */
#include "net/config.h"

#include "engine/base/alloc.h"
#include "net/config_impl.h"

#include <stdio.h>

enum status config_assign(struct config *c, enum config_id id, const struct slice *words,
			  size_t count, const char **reason)
{
	char *text;
	int64_t number;
	enum status st = config_parse(c, id, words, count, &text, &number, reason);

	if (st != ST_OK) {
		return st;
	}
	mem_free(c->text[id]);
	c->text[id] = text;
	c->number[id] = number;
	return ST_OK;
}

enum status config_put_text(struct config *c, enum config_id id, const char *text)
{
	char *copy = mem_strdup(text);

	if (copy == NULL) {
		return ST_NO_MEMORY;
	}
	mem_free(c->text[id]);
	c->text[id] = copy;
	return ST_OK;
}

enum status config_init(struct config *c)
{
	*c = (struct config){0};
	for (int id = 0; id < CONFIG_COUNT; id++) {
		char line[256], store[512];
		struct slice words[LINE_WORDS_MAX] = {{0}};
		size_t count;
		const char *reason;
		enum status st;

		(void)snprintf(line, sizeof line, "%s", config_default((enum config_id)id));
		if (!config_many_words((enum config_id)id) || line[0] == 0) {
			words[0] = slice_str(line);
			count = 1;
		} else if (config_split(line, strlen(line), words, &count, store) != ST_OK) {
			return ST_INVALID;
		}
		st = config_assign(c, (enum config_id)id, words, count, &reason);
		if (st != ST_OK) {
			return st;
		}
	}
	return ST_OK;
}

void config_deinit(struct config *c)
{
	for (int id = 0; id < CONFIG_COUNT; id++) {
		mem_free(c->text[id]);
	}
	for (size_t i = 0; i < c->renames_count; i++) {
		mem_free(c->renames[i].from);
		mem_free(c->renames[i].to);
	}
	mem_free(c->renames);
	for (size_t i = 0; i < c->users_count; i++) {
		mem_free((void *)(uintptr_t)c->users[i].data);
	}
	mem_free(c->users);
	mem_free(c->file);
	*c = (struct config){0};
}

/* --- run time --- */

static enum status may_set(const struct config *c, enum config_id id, bool local,
			   const char **reason)
{
	const char *protected = c->text[CONFIG_ENABLE_PROTECTED_CONFIGS];
	unsigned flags = config_flags(id);

	if ((flags & IMMUTABLE) != 0 && id != CONFIG_DIR) {
		*reason = "can't set immutable config";
		return ST_INVALID;
	}
	if ((flags & PROTECTED) != 0 &&
	    (strcmp(protected, "no") == 0 || (strcmp(protected, "local") == 0 && !local))) {
		*reason = "can't set protected config";
		return ST_INVALID;
	}
	if (id == CONFIG_DIR) {
		*reason = "the data directory is chosen when the node starts";
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status parse_pair(struct config *c, struct slice name, struct slice value, bool local,
			      enum config_id *id, char **text, int64_t *number, const char **reason)
{
	struct slice words[LINE_WORDS_MAX];
	size_t count = 1;
	enum status st;

	*id = config_find(name);
	*reason = "unknown";
	if (*id == CONFIG_COUNT) {
		return ST_NOT_FOUND;
	}
	st = may_set(c, *id, local, reason);
	if (st != ST_OK) {
		return st;
	}
	words[0] = value;
	if (config_many_words(*id)) {
		*reason = "wrong number of arguments";
		st = config_split_blanks(value, words, &count);
	}
	return st == ST_OK ? config_parse(c, *id, words, count, text, number, reason) : st;
}

struct change {
	enum config_id id;
	char *text;
	int64_t number;
};

static void swap_values(struct config *c, struct change *ch)
{
	struct change old = {ch->id, c->text[ch->id], c->number[ch->id]};

	c->text[ch->id] = ch->text;
	c->number[ch->id] = ch->number;
	*ch = old;
}

/* Puts parsed changes into effect, or leaves everything as it was. */
static enum status apply_changes(struct config *c, struct change *changes, size_t count,
				 struct buf *error)
{
	bool changed[CONFIG_COUNT] = {false};
	enum status st = ST_OK;

	for (size_t i = 0; i < count; i++) {
		swap_values(c, &changes[i]);
		changed[changes[i].id] = true;
	}
	if (c->apply != NULL) {
		st = c->apply(c->apply_arg, changed, error);
	}
	for (size_t i = 0; i < count; i++) {
		if (st == ST_OK) {
			c->given[changes[i].id] = true;
		} else {
			swap_values(c, &changes[i]);
		}
	}
	return st;
}

enum status config_set_pairs(struct config *c, const struct slice *pairs, size_t count, bool local,
			     struct buf *error)
{
	struct change *changes = mem_calloc(count, sizeof *changes);
	enum status st = changes == NULL ? ST_NO_MEMORY : ST_OK;
	size_t n = 0;

	while (st == ST_OK && n < count) {
		struct change *ch = &changes[n];
		const char *reason = "";

		st = parse_pair(c, pairs[2 * n], pairs[2 * n + 1], local, &ch->id, &ch->text,
				&ch->number, &reason);
		if (st == ST_OK) {
			n++;
		} else if (st != ST_NO_MEMORY) {
			buf_note(error, "%.*s') - %s", (int)pairs[2 * n].len,
				 (const char *)pairs[2 * n].data, reason);
		}
	}
	if (st == ST_OK) {
		st = apply_changes(c, changes, n, error);
	}
	for (size_t i = 0; i < n; i++) {
		mem_free(changes[i].text); /* what is not in force: old values, or refused ones */
	}
	mem_free(changes);
	return st;
}

bool config_meaningless(const struct config *c, struct buf *names)
{
	for (int id = 0; id < CONFIG_COUNT; id++) {
		if (c->given[id] && (config_flags((enum config_id)id) & NO_MEANING) != 0) {
			buf_note(names, "%s%s", names->len == 0 ? "" : " ",
				 config_name((enum config_id)id));
		}
	}
	return names->len > 0;
}

enum status config_replace(struct config *c, enum config_id id, const char *text)
{
	char *copy = mem_strdup(text);

	if (copy == NULL) {
		return ST_NO_MEMORY;
	}
	mem_free(c->text[id]);
	c->text[id] = copy;
	c->given[id] = true;
	return ST_OK;
}
