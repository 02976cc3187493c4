/* Keys as the commands that make them. */
#ifndef CAIRN_ENGINE_EXPORT_EMIT_H
#define CAIRN_ENGINE_EXPORT_EMIT_H

#include "engine/export/value.h"
#include "engine/library_set.h"

/* Takes the bytes of whole RESP commands; may wait for whoever reads them. */
struct resp_sink {
	/* commands is the number of commands in bytes. Any error stops the work. */
	enum status (*take)(void *arg, struct slice bytes, uint64_t commands);
	void *arg;
	bool plain_fields;  /* whoever reads them may not know of fields that expire: when is left
			       out */
	struct buf pending; /* private */
	uint64_t pending_commands, commands;
};

/* Appends one command of argc arguments. ST_NO_MEMORY, or what take said. */
MUST_CHECK enum status resp_command(struct resp_sink *sink, const struct slice *argv, size_t argc);
/* Appends whole commands that are encoded already. */
MUST_CHECK enum status resp_encoded(struct resp_sink *sink, struct slice bytes, uint64_t commands);
/* Hands over what is pending. */
MUST_CHECK enum status resp_flush(struct resp_sink *sink);
void resp_sink_deinit(struct resp_sink *sink);

/* Writes commands that make the key equal to its record, whatever it was before: SET, or DEL and
 * RPUSH, HSET (and HPEXPIREAT) or ZADD in batches, or what makes a stream, and PEXPIREAT. Errors of
 * value_next and of the sink. */
MUST_CHECK enum status emit_resp(struct resp_sink *sink, const struct view *v,
				 const struct key_record *record);
MUST_CHECK enum status emit_resp_del(struct resp_sink *sink, struct slice key);
/* HPEXPIREAT of one field, unless fields are to be plain. */
MUST_CHECK enum status emit_resp_field_expiry(struct resp_sink *sink, struct slice key,
					      struct slice field, uint64_t at_ms);
/* PEXPIREAT, or PERSIST when expire_at_ms is 0. */
MUST_CHECK enum status emit_resp_expiry(struct resp_sink *sink, struct slice key,
					uint64_t expire_at_ms);

/* Commands that make a library of functions what it is, or remove it; known: it is surely there, so
 * that removing it is no error. */
MUST_CHECK enum status emit_resp_library(struct resp_sink *sink, struct slice code);
MUST_CHECK enum status emit_resp_library_del(struct resp_sink *sink, struct slice name, bool known);
MUST_CHECK enum status emit_resp_library_flush(struct resp_sink *sink);
/* The same for all of a set, which replaces nothing else. */
MUST_CHECK enum status emit_resp_libraries(struct resp_sink *sink, const struct library_set *set);
#endif
