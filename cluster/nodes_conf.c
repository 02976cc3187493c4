/* Reading and writing of nodes.conf's lines. */
#include "cluster/nodes_conf.h"

#include "engine/base/bytes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	unsigned flag;
	const char *word;
} flag_words[] = {
    {NODE_MYSELF, "myself"}, {NODE_PRIMARY, "master"},
    {NODE_REPLICA, "slave"}, {NODE_PFAIL, "fail?"},
    {NODE_FAIL, "fail"},     {NODE_HANDSHAKE, "handshake"},
    {NODE_NOADDR, "noaddr"}, {NODE_NOFAILOVER, "nofailover"},
    {0, "noflags"},
};
enum { FLAG_WORDS = sizeof flag_words / sizeof flag_words[0] };

void nodes_conf_open_text(struct nodes_conf_reader *r, struct slice text)
{
	memset(r, 0, sizeof *r);
	r->rest = text;
}

/* The part of *s before the first separator (or all of it), which is taken off with it. */
static struct slice take_until(struct slice *s, char separator)
{
	const uint8_t *end = s->len == 0 ? NULL : memchr(s->data, separator, s->len);
	struct slice part = *s;

	if (end == NULL) {
		s->len = 0;
		return part;
	}
	part.len = (size_t)(end - s->data);
	*s = slice_skip(*s, part.len + 1);
	return part;
}

static struct slice take_word(struct slice *s)
{
	struct slice word;

	do {
		word = take_until(s, ' ');
	} while (word.len == 0 && s->len > 0);
	return word;
}

static bool parse_number(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > 20) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)s.data[i] - '0';

		if (digit > 9 || v > (max - digit) / 10) {
			return false;
		}
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

static bool parse_id(struct slice s, struct node_id *out)
{
	return s.len == NODE_ID_LEN && node_id_read(s.data, out);
}

static bool copy_bytes(struct slice s, char *out, size_t cap)
{
	memset(out, 0, cap);
	if (s.len >= cap) {
		return false;
	}
	if (s.len > 0) {
		memcpy(out, s.data, s.len);
	}
	return true;
}

static bool copy_text(struct slice s, char *out, size_t cap)
{
	return copy_bytes(s, out, cap) && node_text_safe(out, cap);
}

static bool copy_name(struct slice s, char out[NODE_NAME_CAP])
{
	if (!copy_bytes(s, out, NODE_NAME_CAP) || !node_name_safe(out, NODE_NAME_CAP)) {
		out[0] = '\0';
		return false;
	}
	return true;
}

static bool parse_port(struct slice s, uint16_t *out)
{
	uint64_t v;

	if (!parse_number(s, UINT16_MAX, &v)) {
		return false;
	}
	*out = (uint16_t)v;
	return true;
}

/* The key=value pairs that 7.2 writes behind the host name. Unknown keys are passed over: they are
 * some later version's. */
static bool parse_aux(struct slice aux, struct nodes_conf_row *row)
{
	while (aux.len > 0) {
		struct slice value = take_until(&aux, ',');
		struct slice key = take_until(&value, '=');

		if (slice_eq(key, slice_str("shard-id")) && !parse_id(value, &row->shard)) {
			return false;
		}
		if (slice_eq(key, slice_str("nodename"))) {
			/* One that Redis takes and this node does not: it is for people alone. */
			(void)copy_name(value, row->name);
		}
		if (slice_eq(key, slice_str("tls-port")) && value.len > 0 &&
		    !parse_port(value, &row->addr.other_port)) {
			return false;
		}
	}
	return true;
}

static bool parse_address(struct slice field, struct nodes_conf_row *row)
{
	struct slice aux = field;
	struct slice addr = take_until(&aux, ',');
	struct slice hostname = take_until(&aux, ',');
	struct slice bus = addr;
	struct slice ip_port = take_until(&bus, '@');
	size_t colon = ip_port.len;

	while (colon > 0 && ip_port.data[colon - 1] != ':') {
		colon--;
	}
	if (colon == 0 ||
	    !copy_text(slice_of(ip_port.data, colon - 1), row->addr.ip, NODE_IP_CAP) ||
	    !parse_port(slice_skip(ip_port, colon), &row->addr.port)) {
		return false;
	}
	if (bus.len == 0) {
		/* Before Redis 4 the bus had a fixed distance. */
		row->addr.bus_port = (uint16_t)(row->addr.port + 10000u);
	} else if (!parse_port(bus, &row->addr.bus_port)) {
		return false;
	}
	return copy_text(hostname, row->hostname, sizeof row->hostname) && parse_aux(aux, row);
}

static bool parse_flags(struct slice field, unsigned *out)
{
	*out = 0;
	while (field.len > 0) {
		struct slice word = take_until(&field, ',');
		int i = 0;

		while (i < FLAG_WORDS && !slice_eq(word, slice_str(flag_words[i].word))) {
			i++;
		}
		if (i == FLAG_WORDS) {
			return false;
		}
		*out |= flag_words[i].flag;
	}
	return true;
}

static bool parse_slots(struct slice field, struct slot_bits *out)
{
	struct slice last = field;
	struct slice first = take_until(&last, '-');
	uint64_t from;
	uint64_t to;

	if (!parse_number(first, SLOTS - 1, &from)) {
		return false;
	}
	to = from;
	if (first.len < field.len && (!parse_number(last, SLOTS - 1, &to) || to < from)) {
		return false;
	}
	for (uint64_t s = from; s <= to; s++) {
		slot_bits_set(out, (unsigned)s);
	}
	return true;
}

bool nodes_conf_next_open(struct slice *rest, struct nodes_conf_open *out)
{
	static const char to[] = "->-";
	static const char from[] = "-<-";
	struct slice word = take_word(rest);
	struct slice digits;
	uint64_t slot;

	/* "[" digits "->-" id "]" */
	if (word.len < NODE_ID_LEN + 6 || word.data[0] != '[' || word.data[word.len - 1] != ']') {
		return false;
	}
	digits = slice_of(word.data + 1, word.len - NODE_ID_LEN - 5);
	out->importing = memcmp(digits.data + digits.len, from, 3) == 0;
	if (!parse_number(digits, SLOTS - 1, &slot) ||
	    (!out->importing && memcmp(digits.data + digits.len, to, 3) != 0)) {
		return false;
	}
	out->slot = (uint16_t)slot;
	return node_id_read(digits.data + digits.len + 3, &out->peer);
}

static const char *parse_node(struct slice line, struct nodes_conf_row *row)
{
	struct slice primary;
	struct slice link;

	memset(row, 0, sizeof *row);
	if (!parse_id(take_word(&line), &row->id)) {
		return "a node id has 40 characters of a-z and 0-9";
	}
	if (!parse_address(take_word(&line), row)) {
		return "an address is ip:port@busport[,hostname]";
	}
	if (!parse_flags(take_word(&line), &row->flags)) {
		return "unknown flag";
	}
	primary = take_word(&line);
	if (!slice_eq(primary, slice_str("-")) && !parse_id(primary, &row->primary)) {
		return "the primary is an id or -";
	}
	if (!parse_number(take_word(&line), UINT64_MAX, &row->ping_sent_wall_ms) ||
	    !parse_number(take_word(&line), UINT64_MAX, &row->pong_wall_ms) ||
	    !parse_number(take_word(&line), UINT64_MAX, &row->epoch)) {
		return "ping, pong and epoch are numbers";
	}
	link = take_word(&line);
	row->connected = slice_eq(link, slice_str("connected"));
	if (!row->connected && !slice_eq(link, slice_str("disconnected"))) {
		return "the link is connected or disconnected";
	}
	while (line.len > 0) {
		struct slice before = line;
		struct slice word = take_word(&line);

		if (word.len == 0) {
			break;
		}
		if (word.data[0] == '[') {
			struct slice rest = before;
			struct nodes_conf_open open;

			row->open = before;
			while (rest.len > 0) {
				if (!nodes_conf_next_open(&rest, &open)) {
					return "an open slot is [slot->-id] or [slot-<-id]";
				}
			}
			return NULL;
		}
		if (!parse_slots(word, &row->slots)) {
			return "slots are numbers or ranges of 0 to 16383";
		}
	}
	return NULL;
}

/* Takes pairs off a vars line: epochs into the reader; true when a shard or a name came, which is
 * a row. */
static bool next_var(struct nodes_conf_reader *r, struct nodes_conf_row *row,
		     enum nodes_conf_kind *kind, const char **error)
{
	const struct slice shard = slice_str("shard-");
	const struct slice called = slice_str("name-");

	while (r->vars.len > 0) {
		struct slice name = take_word(&r->vars);
		struct slice value = take_word(&r->vars);

		if (name.len == 0) {
			break;
		}
		if (slice_eq(name, slice_str("currentEpoch"))) {
			if (!parse_number(value, UINT64_MAX, &r->current_epoch)) {
				*error = "currentEpoch is a number";
				return false;
			}
		} else if (slice_eq(name, slice_str("lastVoteEpoch"))) {
			if (!parse_number(value, UINT64_MAX, &r->last_vote_epoch)) {
				*error = "lastVoteEpoch is a number";
				return false;
			}
		} else if (slice_has_prefix(name, shard)) {
			memset(row, 0, sizeof *row);
			*kind = NODES_CONF_SHARD;
			if (parse_id(slice_skip(name, shard.len), &row->id) &&
			    parse_id(value, &row->shard)) {
				return true;
			}
		} else if (slice_has_prefix(name, called)) {
			memset(row, 0, sizeof *row);
			*kind = NODES_CONF_NAME;
			if (parse_id(slice_skip(name, called.len), &row->id) &&
			    copy_name(value, row->name)) {
				return true;
			}
		}
	}
	return false;
}

enum status nodes_conf_next(struct nodes_conf_reader *r, struct nodes_conf_row *row,
			    enum nodes_conf_kind *kind)
{
	const struct slice vars = slice_str("vars ");
	const char *error = NULL;

	for (;;) {
		struct slice line;

		if (next_var(r, row, kind, &error)) {
			return ST_OK;
		}
		if (error != NULL) {
			break;
		}
		if (r->rest.len == 0) {
			return ST_END;
		}
		line = take_until(&r->rest, '\n');
		r->line++;
		if (line.len > 0 && line.data[line.len - 1] == '\r') {
			line.len--;
		}
		if (line.len == 0) {
			continue;
		}
		if (slice_has_prefix(line, vars)) {
			r->vars = slice_skip(line, vars.len);
			continue;
		}
		*kind = NODES_CONF_NODE;
		error = parse_node(line, row);
		if (error == NULL) {
			return ST_OK;
		}
		break;
	}
	(void)snprintf(r->error, sizeof r->error, "%s", error);
	return ST_CORRUPT;
}

void conf_printf(struct conf_text *t, const char *fmt, ...)
{
	size_t room = t->len < t->cap ? t->cap - t->len : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room == 0 ? NULL : t->data + t->len, room, fmt, args);
	va_end(args);
	t->len += n > 0 ? (size_t)n : 0;
}

static void put_flags(struct conf_text *t, unsigned flags)
{
	const char *comma = "";

	for (int i = 0; i < FLAG_WORDS - 1; i++) {
		if ((flags & flag_words[i].flag) != 0) {
			conf_printf(t, "%s%s", comma, flag_words[i].word);
			comma = ",";
		}
	}
	if (comma[0] == '\0') {
		conf_printf(t, "noflags");
	}
}

/* The first slot at or after from whose bit is as given; SLOTS when there is none. */
static unsigned next_slot(const struct slot_bits *b, unsigned from, bool set)
{
	while (from < SLOTS) {
		uint64_t word = bytes_get_u64le(b->byte + from / 64 * 8);

		word = (set ? word : ~word) >> from % 64;
		if (word != 0) {
			return from + (unsigned)__builtin_ctzll(word);
		}
		from = (from / 64 + 1) * 64;
	}
	return SLOTS;
}

static void put_slots(struct conf_text *t, const struct slot_bits *b)
{
	unsigned first = next_slot(b, 0, true);

	while (first < SLOTS) {
		unsigned end = next_slot(b, first, false);

		if (end - first == 1) {
			conf_printf(t, " %u", first);
		} else {
			conf_printf(t, " %u-%u", first, end - 1);
		}
		first = next_slot(b, end, true);
	}
}

void nodes_conf_put_row(struct conf_text *t, const struct nodes_conf_row *row)
{
	conf_printf(t, "%s %s:%u@%u%s%s ", row->id.text, row->addr.ip, row->addr.port,
		    row->addr.bus_port, row->hostname[0] == '\0' ? "" : ",", row->hostname);
	put_flags(t, row->flags);
	conf_printf(t, " %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %s",
		    node_id_empty(&row->primary) ? "-" : row->primary.text, row->ping_sent_wall_ms,
		    row->pong_wall_ms, row->epoch, row->connected ? "connected" : "disconnected");
	put_slots(t, &row->slots);
}

void nodes_conf_put_open(struct conf_text *t, const struct nodes_conf_open *open)
{
	conf_printf(t, " [%u%s%s]", open->slot, open->importing ? "-<-" : "->-", open->peer.text);
}
