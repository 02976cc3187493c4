/* The table of directives: names, what each may be, and how CONFIG GET lists them. */
#include "net/command/command.h"
#include "net/config_impl.h"

#include <strings.h>

static const struct directive table[] = {
#define CONFIG(id, name, other, kind, init, least, most, flags, words)                             \
	[CONFIG_##id] = {name, other, KIND_##kind, init, least, most, flags, words},
#include "net/config.def"
#undef CONFIG
};

const struct directive *config_directive(enum config_id id)
{
	return &table[id];
}

unsigned config_flags(enum config_id id)
{
	return table[id].flags;
}

const char *config_default(enum config_id id)
{
	return table[id].init;
}

const char *config_name(enum config_id id)
{
	return table[id].name;
}

const char *config_alias(enum config_id id)
{
	return table[id].other;
}

bool config_many_words(enum config_id id)
{
	enum kind k = table[id].kind;

	return k == KIND_BIND || k == KIND_WORDS || k == KIND_SAVE_POINTS ||
	       k == KIND_OUTPUT_LIMIT || k == KIND_OOM_VALUES || k == KIND_PERCENTILES ||
	       k == KIND_FLAGS;
}

bool config_quoted(enum config_id id)
{
	return table[id].kind == KIND_STRING || table[id].kind == KIND_EVENTS;
}

static bool same_name(struct slice a, const char *b)
{
	return b != NULL && strlen(b) == a.len && strncasecmp((const char *)a.data, b, a.len) == 0;
}

enum config_id config_find(struct slice name)
{
	for (int i = 0; i < CONFIG_COUNT; i++) {
		if (same_name(name, table[i].name) || same_name(name, table[i].other)) {
			return (enum config_id)i;
		}
	}
	return CONFIG_COUNT;
}

static bool is_glob(struct slice pattern)
{
	return memchr(pattern.data, '*', pattern.len) != NULL ||
	       memchr(pattern.data, '?', pattern.len) != NULL ||
	       memchr(pattern.data, '[', pattern.len) != NULL;
}

void config_each(const struct config *c, struct slice pattern,
		 void (*each)(void *arg, const char *name, const char *value), void *arg)
{
	char exact_name[128];

	/* As Redis: a name without glob characters is given back as it was asked for. */
	if (pattern.len < sizeof exact_name && pattern.len > 0 && !is_glob(pattern)) {
		enum config_id id = config_find(pattern);

		if (id != CONFIG_COUNT) {
			memcpy(exact_name, pattern.data, pattern.len);
			exact_name[pattern.len] = 0;
			each(arg, exact_name, c->text[id]);
		}
		return;
	}
	for (int id = 0; id < CONFIG_COUNT; id++) {
		const char *names[] = {config_name((enum config_id)id),
				       config_alias((enum config_id)id)};

		if ((config_flags((enum config_id)id) & HIDDEN) != 0) {
			continue;
		}
		for (int i = 0; i < 2; i++) {
			if (names[i] != NULL && glob_match(pattern, slice_str(names[i]), true)) {
				each(arg, names[i], c->text[id]);
			}
		}
	}
}
