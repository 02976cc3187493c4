/* Command line parsing by table. */
#include "tools/tool_args.h"

#include <string.h>

static const char *kind_hint(enum option_kind kind)
{
	switch (kind) {
	case OPT_U64:
		return "a number";
	case OPT_SIZE:
		return "a size such as 4096, 64k, 1m or 2g";
	case OPT_TIME:
		return "a time: Unix seconds, milliseconds, or like 2026-01-31T12:00:00Z";
	case OPT_POSITION:
		return "a position: LSN or EPOCH:LSN";
	case OPT_SLOTS:
		return "slot ranges such as 0-99,812 (slots are 0 to 16383)";
	case OPT_HEX:
		return "a hexadecimal id";
	case OPT_CHOICE:
	case OPT_FLAG:
	case OPT_TEXT:
		break;
	}
	return "a value";
}

static bool choose(const char *choices, const char *word, int *out)
{
	size_t len = strlen(word);

	for (int i = 0; *choices != '\0'; i++) {
		size_t n = strcspn(choices, ",");

		if (n == len && memcmp(choices, word, n) == 0) {
			*out = i;
			return true;
		}
		choices += n;
		choices += *choices == ',';
	}
	return false;
}

static bool take_value(const struct option_row *row, const char *text)
{
	switch (row->kind) {
	case OPT_FLAG:
		*(bool *)row->target = true;
		return true;
	case OPT_TEXT:
		*(const char **)row->target = text;
		return true;
	case OPT_U64:
		return parse_u64(text, row->target);
	case OPT_SIZE:
		return parse_size(text, row->target);
	case OPT_TIME:
		return parse_time_ms(text, row->target);
	case OPT_POSITION:
		return parse_position(text, row->target);
	case OPT_SLOTS:
		return parse_slots(text, row->target);
	case OPT_HEX:
		return parse_hex(text, row->target);
	case OPT_CHOICE:
		return choose(row->choices, text, row->target);
	}
	return false;
}

static void print_rows(struct out *o, const struct option_row *rows)
{
	for (const struct option_row *row = rows; row->name != NULL; row++) {
		char head[64];
		const char *help = row->help;
		int n;

		n = snprintf(head, sizeof head, "%c%c%s --%s%s%s", row->letter != 0 ? '-' : ' ',
			     row->letter != 0 ? row->letter : ' ', row->letter != 0 ? "," : " ",
			     row->name, row->arg != NULL ? " " : "",
			     row->arg != NULL ? row->arg : "");
		out_printf(o, "  %-28s%s", head, n >= 28 ? "\n                              " : "");
		for (;;) {
			size_t len = strcspn(help, "\n");

			out_bytes(o, slice_of(help, len));
			out_text(o, "\n");
			if (help[len] == '\0') {
				break;
			}
			help += len + 1;
			out_printf(o, "%30s", "");
		}
	}
}

static int print_help(struct tool *t, const struct verb_usage *usage, const struct option_row *rows)
{
	out_printf(&t->out, "Usage: %s %s [OPTIONS] %s\n\n%s\n\nOptions:\n", t->name, t->verb,
		   usage->operands, usage->about);
	print_rows(&t->out, rows);
	out_text(&t->out, "      --help                  print this help\n");
	return EXIT_CLEAN;
}

static const struct option_row *find_long(const struct option_row *rows, const char *name,
					  size_t len)
{
	for (; rows->name != NULL; rows++) {
		if (strlen(rows->name) == len && memcmp(rows->name, name, len) == 0) {
			return rows;
		}
	}
	return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, char letter)
{
	for (; rows->name != NULL; rows++) {
		if (rows->letter == letter) {
			return rows;
		}
	}
	return NULL;
}

/* Handles the option at argv[*i]; moves *i on when its value is the next word. */
static int take_option(struct tool *t, const struct option_row *rows, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *value = NULL;
	const struct option_row *row;
	size_t shown;

	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");

		shown = len + 2;
		row = find_long(rows, word + 2, len);
		value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
	} else {
		shown = 2;
		row = find_letter(rows, word[1]);
		value = word[2] != '\0' ? word + 2 : NULL;
	}
	if (row == NULL) {
		return tool_fail(t, EXIT_USAGE, "unknown option '%.*s'; see %s %s --help",
				 (int)shown, word, t->name, t->verb);
	}
	if (row->kind == OPT_FLAG) {
		if (value != NULL) {
			return tool_fail(t, EXIT_USAGE, "option '%.*s' takes no value", (int)shown,
					 word);
		}
	} else if (value == NULL) {
		if (*i + 1 >= argc) {
			return tool_fail(t, EXIT_USAGE, "option '%s' needs a value (%s)", word,
					 row->arg);
		}
		value = argv[++*i];
	}
	if (!take_value(row, value)) {
		return tool_fail(t, EXIT_USAGE, "option --%s: '%s' is not %s%s", row->name, value,
				 row->kind == OPT_CHOICE ? "one of " : kind_hint(row->kind),
				 row->kind == OPT_CHOICE ? row->choices : "");
	}
	return EXIT_GO_ON;
}

int args_parse(struct tool *t, const struct verb_usage *usage, const struct option_row *rows,
	       int argc, char **argv, size_t *operands)
{
	size_t count = 0;
	bool only_operands = false;

	for (int i = 1; i < argc; i++) {
		int code;

		if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[1 + count++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			only_operands = true;
			continue;
		}
		if (strcmp(argv[i], "--help") == 0) {
			return print_help(t, usage, rows);
		}
		code = take_option(t, rows, argc, argv, &i);
		if (code != EXIT_GO_ON) {
			return code;
		}
	}
	if (count < usage->operands_min || count > usage->operands_max) {
		return tool_fail(t, EXIT_USAGE, "%s; usage: %s %s [OPTIONS] %s",
				 count < usage->operands_min ? "an argument is missing"
							     : "too many arguments",
				 t->name, t->verb, usage->operands);
	}
	*operands = count;
	return EXIT_GO_ON;
}
