/* Numbers of Redis's RDB value format, shared by its reader and its writer.
 * Source: the format as redis-server 7.0 and 7.2 emit and accept it, and 7.4 for hashes whose
 * fields expire.
 *
 * A payload (what DUMP answers) is: type u8, body, version u16 LE, CRC-64 u64 LE of all before it.
 *
 * Lengths begin with a byte whose upper two bits say how: 00 the lower six bits; 01 those and one
 * more byte, big-endian; 10 the whole byte tells: 0x80 a u32 BE, 0x81 a u64 BE follows; 11 no
 * length but a string in another form, the lower six bits being one of enum rdb_string. */
#ifndef CAIRN_NET_PROTO_RDB_FORMAT_H
#define CAIRN_NET_PROTO_RDB_FORMAT_H

enum {
	RDB_FOOTER = 10, /* version and checksum */
	RDB_VERSION_WRITTEN =
	    10,			/* Redis 7.0; what is written is the same in every version from 9 */
	RDB_VERSION_TIMED = 12, /* Redis 7.4: written with a hash whose fields expire */
	RDB_VERSION_READ = 12,
	RDB_LEN_32 = 0x80,
	RDB_LEN_64 = 0x81,
	RDB_LEN_MAX = 9, /* bytes of the longest length */
};

enum rdb_string { RDB_STRING_INT8 = 0, RDB_STRING_INT16, RDB_STRING_INT32, RDB_STRING_LZF };

/* The type byte; what the body holds. */
enum rdb_type {
	RDB_TYPE_STRING = 0,
	RDB_TYPE_LIST = 1,   /* count, strings */
	RDB_TYPE_SET = 2,    /* count, strings */
	RDB_TYPE_ZSET = 3,   /* count, pairs of string and score as text */
	RDB_TYPE_HASH = 4,   /* count, pairs of strings */
	RDB_TYPE_ZSET_2 = 5, /* count, pairs of string and score as f64 LE */
	RDB_TYPE_MODULE = 6, /* never left a development version */
	RDB_TYPE_MODULE_2 = 7,
	RDB_TYPE_HASH_ZIPMAP = 9, /* from here on: blobs in strings */
	RDB_TYPE_LIST_ZIPLIST = 10,
	RDB_TYPE_SET_INTSET = 11,
	RDB_TYPE_ZSET_ZIPLIST = 12,
	RDB_TYPE_HASH_ZIPLIST = 13,
	RDB_TYPE_LIST_QUICKLIST = 14, /* count, ziplists */
	RDB_TYPE_STREAM = 15,
	RDB_TYPE_HASH_LISTPACK = 16,
	RDB_TYPE_ZSET_LISTPACK = 17,
	RDB_TYPE_LIST_QUICKLIST_2 = 18, /* count, nodes: a container number and a string */
	RDB_TYPE_STREAM_2 = 19,
	RDB_TYPE_SET_LISTPACK = 20,
	RDB_TYPE_STREAM_3 = 21,
	/* Hashes whose fields expire. Of 7.4's release candidates: count; each: expiry (ms; 0:
	 * none) as a length, two strings. Or a listpack of field, value and expiry by turns. */
	RDB_TYPE_HASH_TIMED_RC = 22,
	RDB_TYPE_HASH_TIMED_LISTPACK_RC = 23,
	/* 7.4: the first expiry (u64 LE), count; each: expiry less the first plus 1 (0: none)
	 * as a length, two strings. Or the first expiry and a listpack as above. */
	RDB_TYPE_HASH_TIMED = 24,
	RDB_TYPE_HASH_TIMED_LISTPACK = 25,
};

#endif
