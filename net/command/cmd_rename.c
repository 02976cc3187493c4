/* RENAME, RENAMENX, COPY. */
#include "engine/types/type_copy.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/notify.h"

enum { DATABASES = 16 }; /* of a Redis by default: an index that it would know */

/* Gives the value of from (as from_meta describes it) to another key too, elements and expiry
 * included. */
static enum status put_copy(struct engine *e, const struct store_key *from,
			    const struct meta *from_meta, const struct store_key *to,
			    const struct meta *to_old)
{
	struct meta m = *from_meta;

	if (m.form == FORM_LARGE) {
		enum status st;

		m.id = ks_new_id(e);
		st = type_copy_elements(e, from, from_meta, to->slot, m.id);
		return st != ST_OK ? st : ks_put(e, to, to_old, &m, NULL, 0);
	}
	return ks_put(e, to, to_old, &m, &from_meta->payload, 1);
}

/* Within a slot only the records change; a collection is handed over by its id. */
static enum status move_record(struct engine *e, const struct store_key *from,
			       const struct meta *from_meta, const struct store_key *to,
			       const struct meta *to_old)
{
	enum status st = ks_put(e, to, to_old, from_meta, &from_meta->payload, 1);

	return st != ST_OK ? st : ks_detach(e, from, from_meta);
}

static enum status move_key(struct engine *e, const struct store_key *from,
			    const struct meta *from_meta, const struct store_key *to,
			    const struct meta *to_old)
{
	enum status st;

	if (from->slot == to->slot || from_meta->form == FORM_INLINE) {
		return move_record(e, from, from_meta, to, to_old);
	}
	st = put_copy(e, from, from_meta, to, to_old);
	return st != ST_OK ? st : ks_delete(e, from, from_meta);
}

/* What takes a key's place whole is told as a key of its own. */
static void tell_replaced(struct command_ctx *ctx, const struct store_key *key, bool existed)
{
	if (existed) {
		command_event(ctx, EVENT_NEW, "new", key->name);
	}
}

static void rename_key(struct command_ctx *ctx, bool only_new)
{
	struct store_key from, to;
	struct meta from_meta, to_meta;
	enum status st = command_lookup_any(ctx, 1, &from, &from_meta), found;

	if (st != ST_OK) {
		if (st == ST_NOT_FOUND) {
			resp_error(ctx->reply, ERR_NO_KEY);
		}
		return;
	}
	found = command_lookup_any(ctx, 2, &to, &to_meta);
	if (found != ST_OK && found != ST_NOT_FOUND) {
		return;
	}
	if (only_new && found == ST_OK) {
		resp_int(ctx->reply, 0); /* also when both are the same key */
		return;
	}
	if (!slice_eq(ctx->argv[1], ctx->argv[2])) {
		tell_replaced(ctx, &to, found == ST_OK);
		st =
		    move_key(ctx->engine, &from, &from_meta, &to, found == ST_OK ? &to_meta : NULL);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return;
		}
		command_event(ctx, EVENT_GENERIC, "rename_from", from.name);
		command_event(ctx, EVENT_GENERIC, "rename_to", to.name);
	}
	if (only_new) {
		resp_int(ctx->reply, 1);
	} else {
		resp_ok(ctx->reply);
	}
}

void cmd_rename(struct command_ctx *ctx)
{
	rename_key(ctx, false);
}

void cmd_renamenx(struct command_ctx *ctx)
{
	rename_key(ctx, true);
}

/* Reads COPY's options; false: the error reply was sent. */
static bool copy_options(struct command_ctx *ctx, bool *replace)
{
	for (size_t i = 3; i < ctx->argc; i++) {
		if (command_arg_is(ctx, i, "replace")) {
			*replace = true;
		} else if (command_arg_is(ctx, i, "db") && i + 1 < ctx->argc) {
			int64_t db;

			if (!command_arg_int(ctx, ++i, &db, NULL)) {
				return false;
			}
			if (db != 0) {
				resp_error(ctx->reply,
					   ctx->host->cluster != NULL && db > 0 && db < DATABASES
					       ? "ERR Copying to another database is not allowed "
						 "in cluster mode"
					       : "ERR DB index is out of range");
				return false;
			}
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

void cmd_copy(struct command_ctx *ctx)
{
	struct store_key from, to;
	struct meta from_meta, to_meta;
	bool replace = false;
	enum status st, found;

	if (!copy_options(ctx, &replace)) {
		return;
	}
	if (slice_eq(ctx->argv[1], ctx->argv[2])) {
		resp_error(ctx->reply, "ERR source and destination objects are the same");
		return;
	}
	st = command_lookup_counted(ctx, 1, &from, &from_meta);
	if (st != ST_OK) {
		if (st == ST_NOT_FOUND) {
			resp_int(ctx->reply, 0);
		}
		return;
	}
	found = command_lookup_any(ctx, 2, &to, &to_meta);
	if (found != ST_OK && found != ST_NOT_FOUND) {
		return;
	}
	if (found == ST_OK && !replace) {
		resp_int(ctx->reply, 0);
		return;
	}
	tell_replaced(ctx, &to, found == ST_OK);
	st = put_copy(ctx->engine, &from, &from_meta, &to, found == ST_OK ? &to_meta : NULL);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_GENERIC, "copy_to", to.name);
	resp_int(ctx->reply, 1);
}
