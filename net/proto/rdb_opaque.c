/* RDB values that are checked without being given out: what modules keep. */
#include "net/proto/rdb_value_impl.h"

static enum status skip_bytes(struct rdb_decode *d, size_t len)
{
	struct slice ignored;

	return rdb_read_bytes(&d->in, len, &ignored);
}

static enum status skip_lens(struct rdb_decode *d, unsigned count)
{
	uint64_t ignored;
	enum status st = ST_OK;

	for (; st == ST_OK && count > 0; count--) {
		st = rdb_read_len(&d->in, &ignored);
	}
	return st;
}

static enum status skip_string(struct rdb_decode *d, struct slice *out)
{
	return rdb_read_string(&d->in, &d->scratch[0], out);
}

enum { MODULE_EOF, MODULE_SIGNED, MODULE_UNSIGNED, MODULE_FLOAT, MODULE_DOUBLE, MODULE_STRING };

enum status rdb_walk_module(struct rdb_decode *d)
{
	struct slice ignored;
	uint64_t op = MODULE_SIGNED;
	enum status st = skip_lens(d, 1); /* the module's id */

	while (st == ST_OK && op != MODULE_EOF) {
		st = rdb_read_len(&d->in, &op);
		if (st != ST_OK) {
			break;
		}
		switch (op) {
		case MODULE_EOF:
			break;
		case MODULE_SIGNED:
		case MODULE_UNSIGNED:
			st = skip_lens(d, 1);
			break;
		case MODULE_FLOAT:
			st = skip_bytes(d, sizeof(float));
			break;
		case MODULE_DOUBLE:
			st = skip_bytes(d, sizeof(double));
			break;
		case MODULE_STRING:
			st = skip_string(d, &ignored);
			break;
		default:
			st = ST_CORRUPT;
			break;
		}
	}
	return st;
}
