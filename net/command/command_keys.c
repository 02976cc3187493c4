/* Finds keys in a request by what the facts say of its command. */
#include "net/command/command_keys.h"

/* Where the keys of a specification begin in a request; 0: nowhere. */
static size_t spec_begin(const struct key_spec *k, const struct slice *argv, size_t argc)
{
	char word[64];
	bool back = k->begin < 0;
	size_t from = (size_t)(back ? -k->begin : k->begin);

	if (!k->by_keyword) {
		return k->begin > 0 && (size_t)k->begin < argc ? (size_t)k->begin : 0;
	}
	if (k->keyword.len >= sizeof word || from >= argc) {
		return 0;
	}
	memcpy(word, k->keyword.data, k->keyword.len);
	word[k->keyword.len] = 0;
	if (back) {
		for (size_t i = argc - from; i > 0; i--) {
			if (word_is(argv[i], word)) {
				return i + 1;
			}
		}
		return 0;
	}
	for (size_t i = from > 0 ? from : 1; i + 1 < argc; i++) {
		if (word_is(argv[i], word)) {
			return i + 1;
		}
	}
	return 0;
}

struct key_range {
	size_t first, count, step;
};

/* The keys of a specification that begin there. False: the request makes no sense. */
static bool spec_find(const struct key_spec *k, size_t begin, const struct slice *argv, size_t argc,
		      struct key_range *out)
{
	int64_t last, step = k->find[1];

	if (k->by_number) {
		size_t at = begin + (size_t)k->find[0];
		int64_t n;

		if (at >= argc || !parse_int(argv[at], &n) || n < 0 || n > (int64_t)argc) {
			return false;
		}
		*out =
		    (struct key_range){begin + (size_t)k->find[1], (size_t)n, (size_t)k->find[2]};
		return n == 0 || out->first + (out->count - 1) * out->step < argc;
	}
	last = k->find[0] >= 0 ? (int64_t)begin + k->find[0] : (int64_t)argc + k->find[0];
	if (k->find[0] < 0 && k->find[2] > 1) {
		last = (int64_t)begin + ((int64_t)argc - (int64_t)begin) / k->find[2] + k->find[0];
	}
	if (last < (int64_t)begin || last >= (int64_t)argc || step < 1) {
		return false;
	}
	*out =
	    (struct key_range){begin, (size_t)((last - (int64_t)begin) / step + 1), (size_t)step};
	return true;
}

bool command_has_keys(const struct command_entry *entry)
{
	const struct command_facts *f;

	if (entry->cmd->keys.first > 0) {
		return true;
	}
	if ((entry->cmd->flags & CMD_MOVABLE_KEYS) == 0) {
		return false;
	}
	f = command_facts_find(entry->full_name);
	return f != NULL && f->keys != NULL;
}

/* Where SORT's last STORE names its key; 0: nowhere. What stands behind other options is no option.
 */
static size_t sort_store(const struct slice *argv, size_t argc)
{
	size_t found = 0;

	for (size_t i = 2; i < argc; i++) {
		if (word_is(argv[i], "limit")) {
			i += 2;
		} else if (word_is(argv[i], "get") || word_is(argv[i], "by")) {
			i++;
		} else if (word_is(argv[i], "store") && i + 1 < argc) {
			found = ++i;
		}
	}
	return found;
}

enum status command_keys_each(const struct command_entry *entry, const struct slice *argv,
			      size_t argc, bool with_channels, command_key_fn *each, void *arg)
{
	return command_keys_each_of(command_facts_find(entry->full_name), argv, argc, with_channels,
				    each, arg);
}

enum status command_keys_each_of(const struct command_facts *f, const struct slice *argv,
				 size_t argc, bool with_channels, command_key_fn *each, void *arg)
{
	struct slice rest = slice_str(f != NULL && f->keys != NULL ? f->keys : "");
	struct key_spec k;

	while (key_spec_next(&rest, &k)) {
		bool channel = slice_eq(k.flags, slice_str("not_key"));
		size_t begin = k.unknown ? 0 : spec_begin(&k, argv, argc);
		struct key_range range;

		/* SORT: the first such specification means what BY and GET find, the last STORE. */
		if (k.unknown && rest.len == 0 && strcmp(f->name, "sort") == 0) {
			size_t at = sort_store(argv, argc);

			if (at != 0 && !each(arg, argv[at], k.flags)) {
				return ST_END;
			}
		}
		if (begin == 0 || (channel && !with_channels)) {
			continue;
		}
		if (!spec_find(&k, begin, argv, argc, &range)) {
			return ST_INVALID;
		}
		/* MIGRATE names one key, or says by an empty one that its keys come at the end. */
		if (!k.by_keyword && rest.len > 0 && argv[begin].len == 0 &&
		    strcmp(f->name, "migrate") == 0) {
			continue;
		}
		for (size_t i = 0; i < range.count; i++) {
			if (!each(arg, argv[range.first + i * range.step], k.flags)) {
				return ST_END;
			}
		}
	}
	return ST_OK;
}

/* What BITFIELD's operations do to the key; those that make no sense may write. */
static bool bitfield_only_reads(const struct slice *argv, size_t argc)
{
	size_t i = 2;

	while (i < argc) {
		size_t more = argc - 1 - i;

		if (word_is(argv[i], "get") && more >= 2) {
			i += 3;
		} else if (word_is(argv[i], "overflow") && more >= 1) {
			i += 2;
		} else {
			return false;
		}
	}
	return true;
}

bool command_has_exact_flags(const char *full_name)
{
	return strcmp(full_name, "set") == 0 || strcmp(full_name, "bitfield") == 0;
}

struct slice command_exact_flags(const char *full_name, struct slice flags,
				 const struct slice *argv, size_t argc)
{
	bool gets = false;

	if (strcmp(full_name, "bitfield") == 0) {
		return slice_str(bitfield_only_reads(argv, argc) ? "RO access"
								 : "RW access update");
	}
	if (strcmp(full_name, "set") != 0) {
		return flags;
	}
	for (size_t i = 3; i < argc; i++) {
		gets |= word_is(argv[i], "get");
	}
	return slice_str(gets ? "RW access update" : "OW update");
}
