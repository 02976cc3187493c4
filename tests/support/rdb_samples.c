/* The samples, made by hand; see the header. */
#include "tests/support/rdb_samples.h"

#include "engine/base/invariant.h"
#include "net/proto/crc64.h"
#include "net/proto/rdb_write.h"

const struct rdb_sample rdb_samples[] = {
    {"a string", RDB_KIND_STRING, "000568656c6c6f", "hello"},
    {"an empty string", RDB_KIND_STRING, "0000", ""},
    {"a number of one byte", RDB_KIND_STRING, "00c0fb", "-5"},
    {"a number of two bytes", RDB_KIND_STRING, "00c12c01", "300"},
    {"a number of four bytes", RDB_KIND_STRING, "00c200000080", "-2147483648"},
    {"a length of 14 bits", RDB_KIND_STRING,
     "00404679797979797979797979797979797979797979797979797979797979797979797979797979"
     "797979797979797979797979797979797979797979797979797979797979797979",
     "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},
    {"a length of 32 bits", RDB_KIND_STRING, "0080000000026162", "ab"},
    {"a length of 64 bits", RDB_KIND_STRING, "008100000000000000026162", "ab"},
    {"LZF with literals", RDB_KIND_STRING,
     "00c323211f61626361626361626361626361626361626361626361626361626361626361620063",
     "abcabcabcabcabcabcabcabcabcabcabc"},
    {"LZF with an overlapping copy", RDB_KIND_STRING, "00c305140061e00a00", "aaaaaaaaaaaaaaaaaaaa"},
    {"a list of strings", RDB_KIND_LIST, "01030161c00700", "a|7|"},
    {"a list in a ziplist", RDB_KIND_LIST,
     "0a408f8f000000840000000f000005616c7068610700024046787878787878787878787878787878"
     "78787878787878787878787878787878787878787878787878787878787878787878787878787878"
     "78787878787878787878787878787849f102feff03fd02fe0d03fe7f03fe8003c02c0104c000f004"
     "f0409c0005f000ee8505d00094357706e000e68ee7fdffffffff",
     "alpha||xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|0|"
     "-1|12|13|127|-128|300|-4096|40000|-8000000|2000000000|-9000000000"},
    {"a list of ziplists", RDB_KIND_LIST,
     "0e0210100000000d000000020000016103f2ff0e0e0000000a0000000100000162ff", "a|1|b"},
    {"a list of nodes", RDB_KIND_LIST,
     "1203020c0c00000002008161020101ff0105706c61696e020a0a0000000100816202ff", "a|1|plain|b"},
    {"a list of all kinds of entries", RDB_KIND_LIST,
     "1201024087870000000f0085616c706861068001e046787878787878787878787878787878787878"
     "78787878787878787878787878787878787878787878787878787878787878787878787878787878"
     "787878787878787878787878480001dfff020c010d017f01df8002c12c02d00002f2409c0004f200"
     "ee8504f30094357705f400e68ee7fdffffff09ff",
     "alpha||xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|0|"
     "-1|12|13|127|-128|300|-4096|40000|-8000000|2000000000|-9000000000"},
    {"long entries", RDB_KIND_LIST,
     "1201024159590100000200e0c8707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "7070707070707070707070707001cae0827171717171717171717171717171717171717171717171"
     "71717171717171717171717171717171717171717171717171717171717171717171717171717171"
     "71717171717171717171717171717171717171717171717171717171717171717171717171717171"
     "7171717171717171717171717171717171717171717171717171710184ff",
     "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
     "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
     "pppppppppppppppppppppppppppppppppppppppp|qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
     "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
     "qqqqqqqqqqq"},
    {"long ziplist entries", RDB_KIND_LIST,
     "0a41434301000040010000030000412c707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "70707070707070707070707070707070707070707070707070707070707070707070707070707070"
     "707070707070707070707070707070707070707070707070707070707070707070707070fe2f0100"
     "00017107f4ff",
     "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
     "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
     "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
     "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp|q|3"},
    {"a set of strings", RDB_KIND_SET, "020201610162", "a|b"},
    {"a set of 16 bit numbers", RDB_KIND_SET, "0b0e0200000003000000fdff01000700", "-3|1|7"},
    {"a set of 32 bit numbers", RDB_KIND_SET, "0b140400000003000000fdffffff0100000070110100",
     "-3|1|70000"},
    {"a set of 64 bit numbers", RDB_KIND_SET,
     "0b200800000003000000fdffffffffffffff01000000000000000000000000070000", "-3|1|7696581394432"},
    {"a set in a listpack", RDB_KIND_SET, "140c0c0000000200816d020501ff", "m|5"},
    {"a zset with scores as text", RDB_KIND_ZSET, "0303016103312e350162fe0163ff",
     "a:1.5|b:inf|c:-inf"},
    {"a zset with binary scores", RDB_KIND_ZSET, "05020161000000000000f83f016200000000000000c0",
     "a:1.5|b:-2"},
    {"a zset in a ziplist", RDB_KIND_ZSET, "0c181800000012000000040000016103f20201620303322e35ff",
     "a:1|b:2.5"},
    {"a zset in a listpack", RDB_KIND_ZSET, "1114140000000400816102010181620283322e3504ff",
     "a:1|b:2.5"},
    {"a hash of strings", RDB_KIND_HASH, "0402016601760167c001", "f=v|g=1"},
    {"a hash in a zipmap", RDB_KIND_HASH, "090b02016601007601670000ff", "f=v|g="},
    {"a hash in a ziplist", RDB_KIND_HASH, "0d161600000013000000040000016603017603016703f2ff",
     "f=v|g=1"},
    {"a hash in a listpack", RDB_KIND_HASH, "10121200000004008166028176028167020101ff", "f=v|g=1"},
    {"a hash whose fields expire", RDB_KIND_HASH,
     "180040e59c301200000301016601765389016801780001670177",
     "f=v@20000000000000|h=x@20000000005000|g=w"},
    {"the same in a listpack", RDB_KIND_HASH,
     "190040e59c301200001e1e0000000600816602817602f40040e59c301200000981670207010001ff",
     "f=v@20000000000000|g=7"},
    {"the same of a release candidate", RDB_KIND_HASH, "160281000012309ce54000016601760001670177",
     "f=v@20000000000000|g=w"},
    {"the same of a release candidate in a listpack", RDB_KIND_HASH,
     "171e1e0000000600816602817602f40040e59c301200000981670207010001ff", "f=v@20000000000000|g=7"},
    {"a stream", RDB_KIND_STREAM,
     "13011000000000000000010000000000000001c3383d073d00000018000201400007816602000102"
     "01002001058176020401032014200a0077200a8017040201816702201a0181682030020801ff0203"
     "0101010201030103677270010181ffffffffffffffff0100000000000000010000000000000001f9"
     "bb2a19a20100000101026d65f9bb2a19a20100000100000000000000010000000000000001",
     ""},
    {"an empty stream", RDB_KIND_STREAM, "130000000000000000000103677270000081ffffffffffffffff0000",
     ""},
    {"a stream of Redis 7.2", RDB_KIND_STREAM,
     "15011000000000000000010000000000000001c3383d073d00000018000201400007816602000102"
     "01002001058176020401032014200a0077200a8017040201816702201a0181682030020801ff0203"
     "0101010201030103677270010181ffffffffffffffff0100000000000000010000000000000001f9"
     "bb2a19a20100000101026d65f9bb2a19a2010000f9bb2a19a2010000010000000000000001000000"
     "0000000001",
     ""},
};
const size_t rdb_samples_count = sizeof rdb_samples / sizeof rdb_samples[0];

static uint8_t nibble(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

struct buf rdb_sample_bytes(const struct rdb_sample *s)
{
	struct buf b = {0};

	for (const char *p = s->hex; *p != 0; p += 2) {
		uint8_t byte = (uint8_t)(nibble(p[0]) << 4 | nibble(p[1]));

		INVARIANT(buf_append(&b, &byte, 1) == ST_OK);
	}
	return b;
}

enum status rdb_take_text(void *arg, enum rdb_kind kind, const struct rdb_item *item)
{
	struct buf *out = arg;
	enum status st = buf_append(out, "|", out->len > 0);

	if (st == ST_OK) {
		st = buf_append(out, item->bytes.data, item->bytes.len);
	}
	if (st == ST_OK && kind == RDB_KIND_HASH) {
		st = buf_append(out, "=", 1);
		if (st == ST_OK) {
			st = buf_append(out, item->value.data, item->value.len);
		}
	}
	if (st == ST_OK && item->expire_at_ms != 0) {
		st = buf_printf(out, "@%llu", (unsigned long long)item->expire_at_ms);
	}
	return st == ST_OK && kind == RDB_KIND_ZSET ? buf_printf(out, ":%g", item->score) : st;
}

struct buf rdb_sealed(struct slice value)
{
	struct buf b = {0};
	uint8_t footer[RDB_FOOTER];

	rdb_put_version(footer, value.len > 0 && value.data[0] >= RDB_TYPE_HASH_TIMED_RC
				    ? RDB_VERSION_TIMED
				    : RDB_VERSION_WRITTEN);
	INVARIANT(buf_append(&b, value.data, value.len) == ST_OK);
	INVARIANT(buf_append(&b, footer, 2) == ST_OK);
	rdb_put_checksum(footer + 2, crc64(0, buf_slice(&b)));
	INVARIANT(buf_append(&b, footer + 2, RDB_FOOTER - 2) == ST_OK);
	return b;
}
