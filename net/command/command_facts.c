/* Reads the compact texts of command facts and writes them as replies. */
#include "net/command/command_facts.h"

static const struct command_facts *const groups[] = {
    command_facts_string,     command_facts_collection, command_facts_set,
    command_facts_key,	      command_facts_node,	command_facts_cluster,
    command_facts_pubsub,     command_facts_function,	command_facts_zset,
    command_facts_hll,	      command_facts_geo,	command_facts_script,
    command_facts_stream,     command_facts_acl,	command_facts_lolwut,
    command_facts_hash_expiry};

const struct command_facts *command_facts_find(const char *full_name)
{
	for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
		for (const struct command_facts *f = groups[g]; f->name != NULL; f++) {
			if (strcmp(f->name, full_name) == 0) {
				return f;
			}
		}
	}
	return NULL;
}

bool facts_word(struct slice *text, char sep, struct slice *out)
{
	const uint8_t *end;

	while (text->len > 0 && (text->data[0] == ' ' || text->data[0] == (uint8_t)sep)) {
		*text = slice_skip(*text, 1);
	}
	if (text->len == 0) {
		return false;
	}
	end = memchr(text->data, sep, text->len);
	*out = slice_of(text->data, end == NULL ? text->len : (size_t)(end - text->data));
	*text = slice_skip(*text, out->len);
	return true;
}

static int64_t next_int(struct slice *text)
{
	struct slice word;
	int64_t v = 0;

	return facts_word(text, ' ', &word) && parse_int(word, &v) ? v : 0;
}

bool key_spec_next(struct slice *text, struct key_spec *out)
{
	struct slice spec, begin, find, word;

	if (!facts_word(text, ';', &spec) || !facts_word(&spec, ',', &out->flags) ||
	    !facts_word(&spec, ',', &begin) || !facts_word(&spec, ',', &find) ||
	    !facts_word(&begin, ' ', &word)) {
		return false;
	}
	out->unknown = slice_eq(word, slice_str("unknown"));
	out->by_keyword = slice_eq(word, slice_str("keyword"));
	if (out->by_keyword && !facts_word(&begin, ' ', &out->keyword)) {
		return false;
	}
	out->begin = next_int(&begin);
	if (!facts_word(&find, ' ', &word)) {
		return false;
	}
	out->by_number = slice_eq(word, slice_str("keynum"));
	for (size_t i = 0; i < 3; i++) {
		out->find[i] = next_int(&find);
	}
	return true;
}

static void reply_words(struct resp_writer *w, struct slice words)
{
	struct slice rest = words, word;
	size_t n = 0;

	while (facts_word(&rest, ' ', &word)) {
		n++;
	}
	resp_set(w, n);
	for (rest = words; facts_word(&rest, ' ', &word);) {
		char text[64];
		size_t len = word.len < sizeof text ? word.len : sizeof text - 1;

		memcpy(text, word.data, len);
		text[len] = 0;
		resp_simple(w, text);
	}
}

/* A step that is "unknown". */
static void reply_unknown(struct resp_writer *w)
{
	resp_bulk_str(w, "unknown");
	resp_bulk_str(w, "spec");
	resp_map(w, 0);
}

static void reply_begin(struct resp_writer *w, const struct key_spec *k)
{
	resp_bulk_str(w, "begin_search");
	resp_map(w, 2);
	resp_bulk_str(w, "type");
	if (k->unknown) {
		reply_unknown(w);
		return;
	}
	resp_bulk_str(w, k->by_keyword ? "keyword" : "index");
	resp_bulk_str(w, "spec");
	resp_map(w, k->by_keyword ? 2 : 1);
	if (k->by_keyword) {
		resp_bulk_str(w, "keyword");
		resp_bulk(w, k->keyword);
		resp_bulk_str(w, "startfrom");
	} else {
		resp_bulk_str(w, "index");
	}
	resp_int(w, k->begin);
}

static void reply_find(struct resp_writer *w, const struct key_spec *k)
{
	static const char *const range[] = {"lastkey", "keystep", "limit"};
	static const char *const number[] = {"keynumidx", "firstkey", "keystep"};

	resp_bulk_str(w, "find_keys");
	resp_map(w, 2);
	resp_bulk_str(w, "type");
	if (k->unknown) {
		reply_unknown(w);
		return;
	}
	resp_bulk_str(w, k->by_number ? "keynum" : "range");
	resp_bulk_str(w, "spec");
	resp_map(w, 3);
	for (size_t i = 0; i < 3; i++) {
		resp_bulk_str(w, k->by_number ? number[i] : range[i]);
		resp_int(w, k->find[i]);
	}
}

void facts_reply_key_specs(struct resp_writer *w, struct slice keys)
{
	struct slice rest = keys;
	struct key_spec k;
	size_t n = 0;

	while (key_spec_next(&rest, &k)) {
		n++;
	}
	resp_set(w, n);
	for (rest = keys; key_spec_next(&rest, &k);) {
		resp_map(w, 3);
		resp_bulk_str(w, "flags");
		reply_words(w, k.flags);
		reply_begin(w, &k);
		reply_find(w, &k);
	}
}

/* --- arguments --- */

/* Takes the next argument off the front: up to the next ';' that is in no braces. */
static bool next_arg(struct slice *text, struct slice *out)
{
	size_t depth = 0, i = 0;

	while (text->len > 0 && (text->data[0] == ' ' || text->data[0] == ';')) {
		*text = slice_skip(*text, 1);
	}
	if (text->len == 0) {
		return false;
	}
	for (; i < text->len && (depth > 0 || text->data[i] != ';'); i++) {
		depth += text->data[i] == '{';
		depth -= text->data[i] == '}';
	}
	*out = slice_of(text->data, i);
	*text = slice_skip(*text, i);
	return true;
}

static void reply_arg_flags(struct resp_writer *w, struct slice letters)
{
	resp_set(w, letters.len);
	for (size_t i = 0; i < letters.len; i++) {
		resp_simple(w, letters.data[i] == 'o'	? "optional"
			       : letters.data[i] == 'm' ? "multiple"
							: "multiple_token");
	}
}

/* One attribute such as "s:2.6.12". */
static void reply_attribute(struct resp_writer *w, struct slice word)
{
	struct slice value = slice_skip(word, 2);
	int64_t index = 0;

	switch (word.data[0]) {
	case 'k':
		resp_bulk_str(w, "key_spec_index");
		resp_int(w, parse_int(value, &index) ? index : 0);
		break;
	case 't':
		resp_bulk_str(w, "token");
		resp_bulk(w, value);
		break;
	case 's':
		resp_bulk_str(w, "since");
		resp_bulk(w, value);
		break;
	case 'd':
		resp_bulk_str(w, "deprecated_since");
		resp_bulk(w, value);
		break;
	default:
		resp_bulk_str(w, "flags");
		reply_arg_flags(w, value);
		break;
	}
}

static void reply_level(struct resp_writer *w, struct slice args);

static void reply_arg(struct resp_writer *w, struct slice arg)
{
	const uint8_t *brace = memchr(arg.data, '{', arg.len);
	struct slice head = brace == NULL ? arg : slice_of(arg.data, (size_t)(brace - arg.data));
	struct slice rest = head, word, name, type;
	size_t fields = 0;

	if (!facts_word(&rest, ' ', &name) || !facts_word(&rest, ' ', &type)) {
		return;
	}
	for (struct slice r = rest; facts_word(&r, ' ', &word);) {
		fields++;
	}
	resp_map(w, 2 + fields + (brace != NULL));
	resp_bulk_str(w, "name");
	resp_bulk(w, name);
	resp_bulk_str(w, "type");
	resp_bulk(w, type);
	while (facts_word(&rest, ' ', &word)) {
		reply_attribute(w, word);
	}
	if (brace != NULL) {
		size_t inner = arg.len - head.len - 2; /* without the braces */

		resp_bulk_str(w, "arguments");
		reply_level(w, slice_of(brace + 1, inner));
	}
}

/* Never deeper than the data in command_facts_*.c. */
static void reply_level(struct resp_writer *w, struct slice args)
{
	struct slice rest = args, arg;
	size_t n = 0;

	while (next_arg(&rest, &arg)) {
		n++;
	}
	resp_array(w, n);
	for (rest = args; next_arg(&rest, &arg);) {
		reply_arg(w, arg);
	}
}

void facts_reply_args(struct resp_writer *w, struct slice args)
{
	reply_level(w, args);
}
