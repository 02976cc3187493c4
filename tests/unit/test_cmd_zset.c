/* Sorted set commands through dispatch: replies in both protocols, both forms of a set, damage and
 * failing memory. The expected replies are those of redis-server 7.0.15, but for ZRANK's WITHSCORE,
 * which is of 7.2. */
#include "engine/types/type_zset.h"
#include "tests/support/command_box.h"
#include "tests/support/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct box_case replies[] = {
    {"ZADD z 1 a 2 b 3 c", ":3\r\n"},
    {"ZADD z 1 a 5 b 4 d", ":1\r\n"},
    {"ZADD z CH 1 a 6 b 7 e", ":2\r\n"},
    {"ZADD z NX 9 a 1 f", ":1\r\n"},
    {"ZADD z XX CH 9 a 1 nobody", ":1\r\n"},
    {"ZADD z GT CH 8 a 10 b", ":1\r\n"},
    {"ZADD z LT CH 8 a 11 b", ":1\r\n"},
    {"ZADD z INCR 2 a", "$2\r\n10\r\n"},
    {"ZADD z NX INCR 2 a", "$-1\r\n"},
    {"ZADD z XX INCR 2 nobody", "$-1\r\n"},
    {"ZADD z GT INCR -2 a", "$-1\r\n"},
    {"ZADD nothing XX 1 a", ":0\r\n"},
    {"ZADD nothing XX INCR 1 a", "$-1\r\n"},
    {"ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible\r\n"},
    {"ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n"},
    {"ZADD z GT NX 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n"},
    {"ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair\r\n"},
    {"ZADD z 1", "-ERR wrong number of arguments for 'zadd' command\r\n"},
    {"ZADD z 1 a 2", "-ERR syntax error\r\n"},
    {"ZADD z x a", "-ERR value is not a valid float\r\n"},
    {"ZADD z nan a", "-ERR value is not a valid float\r\n"},
    {"ZADD z 1 a x b", "-ERR value is not a valid float\r\n"},
    {"ZSCORE z a", "$2\r\n10\r\n"},
    {"ZSCORE z nobody", "$-1\r\n"},
    {"ZSCORE nothing a", "$-1\r\n"},
    {"ZMSCORE z a nobody c", "*3\r\n$2\r\n10\r\n$-1\r\n$1\r\n3\r\n"},
    {"ZMSCORE nothing a b", "*2\r\n$-1\r\n$-1\r\n"},
    {"ZINCRBY z 1.5 c", "$3\r\n4.5\r\n"},
    {"ZINCRBY z inf c", "$3\r\ninf\r\n"},
    {"ZINCRBY z -inf c", "-ERR resulting score is not a number (NaN)\r\n"},
    {"ZINCRBY z x c", "-ERR value is not a valid float\r\n"},
    {"ZSCORE z c", "$3\r\ninf\r\n"},
    {"ZCARD z", ":6\r\n"},
    {"ZCARD nothing", ":0\r\n"},
    {"ZRANK z f", ":0\r\n"},
    {"ZRANK z nobody", "$-1\r\n"},
    {"ZRANK nothing a", "$-1\r\n"},
    {"ZREVRANK z f", ":5\r\n"},
    {"ZREVRANK z c", ":0\r\n"},
    {"ZRANGE z 0 -1", "*6\r\n$1\r\nf\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"ZRANGE z 0 -1 WITHSCORES",
     "*12\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\ne\r\n$1\r\n7\r\n$1\r\na\r\n$"
     "2\r\n10\r\n$1\r\nb\r\n$2\r\n10\r\n$1\r\nc\r\n$3\r\ninf\r\n"},
    {"ZRANGE z 1 2", "*2\r\n$1\r\nd\r\n$1\r\ne\r\n"},
    {"ZRANGE z -2 -1", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"ZRANGE z 5 1", "*0\r\n"},
    {"ZRANGE z 100 200", "*0\r\n"},
    {"ZRANGE z 0 1 REV", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n"},
    {"ZRANGE z 0 x", "-ERR value is not an integer or out of range\r\n"},
    {"ZRANGE z 0 1 LIMIT 0 1",
     "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n"},
    {"ZRANGE z 0 -1 LIMIT 0 -1",
     "*6\r\n$1\r\nf\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"ZRANGE z (4 +inf BYSCORE", "*4\r\n$1\r\ne\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"ZRANGE z +inf (4 BYSCORE REV LIMIT 1 2 WITHSCORES",
     "*4\r\n$1\r\nb\r\n$2\r\n10\r\n$1\r\na\r\n$2\r\n10\r\n"},
    {"ZRANGE z x 4 BYSCORE", "-ERR min or max is not a float\r\n"},
    {"ZRANGE z [a [c BYLEX WITHSCORES",
     "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n"},
    {"ZRANGE nothing 0 -1", "*0\r\n"},
    {"ZREVRANGE z 0 1 WITHSCORES", "*4\r\n$1\r\nc\r\n$3\r\ninf\r\n$1\r\nb\r\n$2\r\n10\r\n"},
    {"ZREVRANGE z 0 1 REV", "-ERR syntax error\r\n"},
    {"ZRANGEBYSCORE z -inf 4", "*2\r\n$1\r\nf\r\n$1\r\nd\r\n"},
    {"ZRANGEBYSCORE z 1 (4 WITHSCORES LIMIT 0 10", "*2\r\n$1\r\nf\r\n$1\r\n1\r\n"},
    {"ZRANGEBYSCORE z 1 4 LIMIT -1 10", "*0\r\n"},
    {"ZRANGEBYSCORE z 1 4 LIMIT 0", "-ERR syntax error\r\n"},
    {"ZREVRANGEBYSCORE z 10 4", "*4\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\ne\r\n$1\r\nd\r\n"},
    {"ZCOUNT z 1 (10", ":3\r\n"},
    {"ZCOUNT z ( 1", ":1\r\n"},
    {"ZCOUNT z x 1", "-ERR min or max is not a float\r\n"},
    {"ZCOUNT nothing 1 2", ":0\r\n"},
    {"ZADD lex 0 a 0 b 0 c 0 d", ":4\r\n"},
    {"ZRANGEBYLEX lex - +", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"},
    {"ZRANGEBYLEX lex [b (d", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"ZRANGEBYLEX lex (b + LIMIT 1 1", "*1\r\n$1\r\nd\r\n"},
    {"ZREVRANGEBYLEX lex + (a", "*3\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n"},
    {"ZRANGEBYLEX lex a b", "-ERR min or max not valid string range item\r\n"},
    {"ZLEXCOUNT lex - (c", ":2\r\n"},
    {"ZLEXCOUNT lex + -", ":0\r\n"},
    {"ZLEXCOUNT lex x y", "-ERR min or max not valid string range item\r\n"},
    {"ZLEXCOUNT nothing - +", ":0\r\n"},
    {"ZRANGESTORE to z 0 2", ":3\r\n"},
    {"ZRANGE to 0 -1 WITHSCORES",
     "*6\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\ne\r\n$1\r\n7\r\n"},
    {"ZRANGESTORE to lex (a [c BYLEX", ":2\r\n"},
    {"ZRANGE to 0 -1 WITHSCORES", "*4\r\n$1\r\nb\r\n$1\r\n0\r\n$1\r\nc\r\n$1\r\n0\r\n"},
    {"ZRANGESTORE to nothing 0 1", ":0\r\n"},
    {"EXISTS to", ":0\r\n"},
    {"ZRANGESTORE to z 0 1 WITHSCORES", "-ERR syntax error\r\n"},
    {"ZREM lex a x a", ":1\r\n"},
    {"ZREM nothing a", ":0\r\n"},
    {"ZREMRANGEBYLEX lex [b (c", ":1\r\n"},
    {"ZREMRANGEBYLEX lex b c", "-ERR min or max not valid string range item\r\n"},
    {"ZREMRANGEBYRANK z 0 0", ":1\r\n"},
    {"ZREMRANGEBYRANK z x 0", "-ERR value is not an integer or out of range\r\n"},
    {"ZREMRANGEBYSCORE z -inf (5", ":1\r\n"},
    {"ZREMRANGEBYSCORE z x 5", "-ERR min or max is not a float\r\n"},
    {"ZREMRANGEBYSCORE nothing 1 5", ":0\r\n"},
    {"ZRANGE z 0 -1 WITHSCORES", "*8\r\n$1\r\ne\r\n$1\r\n7\r\n$1\r\na\r\n$2\r\n10\r\n$1\r\nb\r\n$"
				 "2\r\n10\r\n$1\r\nc\r\n$3\r\ninf\r\n"},
    {"ZPOPMIN z", "*2\r\n$1\r\ne\r\n$1\r\n7\r\n"},
    {"ZPOPMAX z 2", "*4\r\n$1\r\nc\r\n$3\r\ninf\r\n$1\r\nb\r\n$2\r\n10\r\n"},
    {"ZPOPMIN z 0", "*0\r\n"},
    {"ZPOPMIN z -1", "-ERR value is out of range, must be positive\r\n"},
    {"ZPOPMAX z x", "-ERR value is out of range, must be positive\r\n"},
    {"ZPOPMIN z 1 2", "-ERR syntax error\r\n"},
    {"ZPOPMIN nothing", "*0\r\n"},
    {"ZPOPMAX nothing 2", "*0\r\n"},
    {"ZADD z 1 a 2 b 3 c 4 d", ":3\r\n"},
    {"ZMPOP 2 nothing z MIN", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
    {"ZMPOP 2 nothing z max COUNT 2",
     "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nd\r\n$1\r\n4\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
    {"ZMPOP 1 nothing MIN", "*-1\r\n"},
    {"ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0\r\n"},
    {"ZMPOP x z MIN", "-ERR numkeys should be greater than 0\r\n"},
    {"ZMPOP 1 z MID", "-ERR syntax error\r\n"},
    {"ZMPOP 2 z MIN", "-ERR syntax error\r\n"},
    {"ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0\r\n"},
    {"ZMPOP 1 z MIN COUNT 1 COUNT 1", "-ERR syntax error\r\n"},
    {"BZPOPMIN nothing z 1", "*3\r\n$1\r\nz\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"EXISTS z", ":0\r\n"},
    {"ZADD z 1 a 2 b", ":2\r\n"},
    {"BZPOPMAX z 1", "*3\r\n$1\r\nz\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"BZMPOP 1 1 z MIN COUNT 5", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
    {"BZPOPMIN z x", "-ERR timeout is not a float or out of range\r\n"},
    {"BZPOPMIN z -1", "-ERR timeout is negative\r\n"},
    {"ZADD x 1 a 2 b 3 c", ":3\r\n"},
    {"ZADD y 10 b 20 c 30 d", ":3\r\n"},
    {"ZUNION 2 x y WITHSCORES", "*8\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$2\r\n12\r\n$1\r\nc\r\n$"
				"2\r\n23\r\n$1\r\nd\r\n$2\r\n30\r\n"},
    {"ZUNION 2 x y WEIGHTS 2 0.5 AGGREGATE MAX WITHSCORES",
     "*8\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n5\r\n$1\r\nc\r\n$2\r\n10\r\n$1\r\nd\r\n$"
     "2\r\n15\r\n"},
    {"ZINTER 2 x y WITHSCORES", "*4\r\n$1\r\nb\r\n$2\r\n12\r\n$1\r\nc\r\n$2\r\n23\r\n"},
    {"ZINTER 2 x nothing", "*0\r\n"},
    {"ZINTERCARD 2 x y", ":2\r\n"},
    {"ZINTERCARD 2 x y LIMIT 1", ":1\r\n"},
    {"ZINTERCARD 2 x y LIMIT -1", "-ERR LIMIT can't be negative\r\n"},
    {"ZDIFF 2 x y WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
    {"ZDIFF 2 nothing y", "*0\r\n"},
    {"ZDIFF 2 x y WEIGHTS 1 2", "-ERR syntax error\r\n"},
    {"ZUNIONSTORE out 2 x y AGGREGATE MIN", ":4\r\n"},
    {"ZRANGE out 0 -1 WITHSCORES", "*8\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$"
				   "1\r\n3\r\n$1\r\nd\r\n$2\r\n30\r\n"},
    {"ZINTERSTORE out 2 x y WEIGHTS inf -inf", ":2\r\n"},
    {"ZRANGE out 0 -1 WITHSCORES", "*4\r\n$1\r\nb\r\n$1\r\n0\r\n$1\r\nc\r\n$1\r\n0\r\n"},
    {"ZDIFFSTORE out 1 nothing", ":0\r\n"},
    {"EXISTS out", ":0\r\n"},
    {"ZUNION 0 x", "-ERR at least 1 input key is needed for 'zunion' command\r\n"},
    {"ZUNION x x", "-ERR value is not an integer or out of range\r\n"},
    {"ZUNIONSTORE out 0 x", "-ERR at least 1 input key is needed for 'zunionstore' command\r\n"},
    {"ZUNION 3 x y", "-ERR syntax error\r\n"},
    {"ZUNION 2 x y WEIGHTS 1", "-ERR syntax error\r\n"},
    {"ZUNION 2 x y WEIGHTS 1 q", "-ERR weight value is not a float\r\n"},
    {"ZUNION 2 x y AGGREGATE AVG", "-ERR syntax error\r\n"},
    {"ZUNIONSTORE out 1 x WITHSCORES", "-ERR syntax error\r\n"},
    {"ZRANDMEMBER nothing", "$-1\r\n"},
    {"ZRANDMEMBER nothing 3", "*0\r\n"},
    {"ZRANDMEMBER x 0", "*0\r\n"},
    {"ZRANDMEMBER x x", "-ERR value is not an integer or out of range\r\n"},
    {"ZRANDMEMBER x 1 y", "-ERR syntax error\r\n"},
    {"ZSCAN nothing 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"ZSCAN x 0 MATCH c*", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
    {"ZSCAN x y", "-ERR invalid cursor\r\n"},
    {"ZSCAN x 0 COUNT 0", "-ERR syntax error\r\n"},
    {"ZADD neg -0 a 0.1 b 1e17 c -inf d", ":4\r\n"},
    {"ZRANGE neg 0 -1 WITHSCORES",
     "*8\r\n$1\r\nd\r\n$4\r\n-inf\r\n$1\r\na\r\n$1\r\n0\r\n$1\r\nb\r\n$19\r\n0."
     "10000000000000001\r\n$1\r\nc\r\n$5\r\n1e+17\r\n"},
    {"ZSCAN neg 0",
     "*2\r\n$1\r\n0\r\n*8\r\n$1\r\nd\r\n$4\r\n-inf\r\n$1\r\na\r\n$1\r\n0\r\n$1\r\nb\r\n$19\r\n0."
     "10000000000000001\r\n$1\r\nc\r\n$18\r\n100000000000000000\r\n"},
    {"OBJECT ENCODING neg", "$8\r\nlistpack\r\n"},
    {"TYPE neg", "+zset\r\n"},
    {"SET s text", "+OK\r\n"},
    {"ZADD s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"ZSCORE s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"ZRANGE s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"ZUNION 2 x s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"ZPOPMIN s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"ZRANGESTORE to s 0 1",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"GET x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
};

static const struct box_case replies_3[] = {
    {"HELLO 3", NULL},
    {"ZADD z 1 a 2.5 b", ":2\r\n"},
    {"ZADD z INCR 1 a", ",2\r\n"},
    {"ZSCORE z b", ",2.5\r\n"},
    {"ZSCORE z x", "_\r\n"},
    {"ZMSCORE z b x", "*2\r\n,2.5\r\n_\r\n"},
    {"ZRANGE z 0 -1 WITHSCORES", "*2\r\n*2\r\n$1\r\na\r\n,2\r\n*2\r\n$1\r\nb\r\n,2.5\r\n"},
    {"ZUNION 1 z WITHSCORES", "*2\r\n*2\r\n$1\r\na\r\n,2\r\n*2\r\n$1\r\nb\r\n,2.5\r\n"},
    {"ZRANK z b WITHSCORE", "*2\r\n:1\r\n,2.5\r\n"},
    {"ZRANK z x WITHSCORE", "_\r\n"},
    {"ZSCAN z 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$3\r\n2.5\r\n"},
    {"ZRANDMEMBER z 1 WITHSCORES", NULL},
    {"ZPOPMAX z 1", "*1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n"},
    {"ZPOPMIN z", "*2\r\n$1\r\na\r\n,2\r\n"},
    {"ZADD z 1 a 2 b", ":2\r\n"},
    {"ZMPOP 1 z MIN", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n,1\r\n"},
    {"BZPOPMIN z 1", "*3\r\n$1\r\nz\r\n$1\r\nb\r\n,2\r\n"},
    {"ZMPOP 1 z MIN", "_\r\n"},
};

static const struct box_case rank_with_score[] = {
    {"ZADD z 1 a 2.5 b", ":2\r\n"},
    {"ZRANK z b WITHSCORE", "*2\r\n:1\r\n$3\r\n2.5\r\n"},
    {"ZREVRANK z b WITHSCORE", "*2\r\n:0\r\n$3\r\n2.5\r\n"},
    {"ZRANK z x WITHSCORE", "*-1\r\n"},
    {"ZRANK nothing x WITHSCORE", "*-1\r\n"},
    {"ZRANK z b WITHSCORES", "-ERR syntax error\r\n"},
    {"ZRANK z b WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command\r\n"},
};

static const struct box_case uneven[] = {
    {"ZADD uneven 0 f 0 p 1 b 1 m 2 a 2 z", ":6\r\n"},
    {"ZRANGEBYLEX uneven [c +",
     "*6\r\n$1\r\nf\r\n$1\r\np\r\n$1\r\nb\r\n$1\r\nm\r\n$1\r\na\r\n$1\r\nz\r\n"},
    {"ZRANGEBYLEX uneven [b [n", "*1\r\n$1\r\nf\r\n"},
    {"ZREVRANGEBYLEX uneven + [c", "*1\r\n$1\r\nz\r\n"},
    {"ZREVRANGEBYLEX uneven (n [c", "*0\r\n"},
    {"ZREVRANGEBYLEX uneven [y -", "*5\r\n$1\r\na\r\n$1\r\nm\r\n$1\r\nb\r\n$1\r\np\r\n$1\r\nf\r\n"},
    {"ZLEXCOUNT uneven [c [y", ":5\r\n"},
    {"ZRANGEBYLEX uneven - [e", "*0\r\n"},
    {"ZRANGESTORE to uneven [b + BYLEX REV LIMIT 0 1", ":0\r\n"},
    {"ZRANGE to 0 -1", "*0\r\n"},
    {"ZREMRANGEBYLEX uneven [b [n", ":1\r\n"},
    {"ZRANGE uneven 0 -1", "*5\r\n$1\r\np\r\n$1\r\nb\r\n$1\r\nm\r\n$1\r\na\r\n$1\r\nz\r\n"},
};

/* zset-max-listpack-value is 8 */
static const struct box_case negative_zeros[] = {
    {"ZADD big -0 zero 0 longlonglong", ":2\r\n"},
    {"OBJECT ENCODING big", "$8\r\nskiplist\r\n"},
    {"ZUNIONSTORE to 1 big WEIGHTS -0.5", ":2\r\n"},
    {"ZRANGE to 0 -1 WITHSCORES",
     "*4\r\n$12\r\nlonglonglong\r\n$2\r\n-0\r\n$4\r\nzero\r\n$2\r\n-0\r\n"},
    {"ZUNIONSTORE to 1 big WEIGHTS -1", ":2\r\n"},
    {"ZRANGE to 0 -1 WITHSCORES",
     "*4\r\n$12\r\nlonglonglong\r\n$2\r\n-0\r\n$4\r\nzero\r\n$2\r\n-0\r\n"},
    {"ZADD order -1 longlonglong 0 zero", ":2\r\n"},
    {"ZUNIONSTORE order 1 order WEIGHTS -1", ":2\r\n"},
    {"ZRANGE order 0 -1 WITHSCORES",
     "*4\r\n$4\r\nzero\r\n$2\r\n-0\r\n$12\r\nlonglonglong\r\n$1\r\n1\r\n"},
    {"ZRANGESTORE to order 0 -1", ":2\r\n"},
    {"ZRANGE to 0 -1 WITHSCORES",
     "*4\r\n$4\r\nzero\r\n$1\r\n0\r\n$12\r\nlonglonglong\r\n$1\r\n1\r\n"},
    {"ZRANGESTORE to order 0 -1 REV", ":2\r\n"},
    {"ZRANGE to 0 -1 WITHSCORES",
     "*4\r\n$4\r\nzero\r\n$2\r\n-0\r\n$12\r\nlonglonglong\r\n$1\r\n1\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	struct command_box *b = *state;

	COMMAND_BOX_CHECK(b, replies);
	command_box_line(b, "DEL z");
	COMMAND_BOX_CHECK(b, rank_with_score);
}

/* Adds members m0, m1, ... with scores of their own, in a scattered order. */
static void fill(struct command_box *b, const char *key, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		char line[128];
		uint32_t n = (uint32_t)((uint64_t)i * 7919 % count);

		(void)snprintf(line, sizeof line, "ZADD %s %u m%u", key, n, n);
		command_box_expect(b, line, ":1\r\n");
	}
}

static void ranges_by_member_walk_uneven_scores(void **state)
{
	struct command_box *b = *state;
	char line[128];

	COMMAND_BOX_CHECK(b, uneven);
	/* In the large form, but not too many for the small encoding. */
	for (uint32_t i = 0; i < 60; i++) {
		(void)snprintf(line, sizeof line, "ZADD long %u %c%02u%050u", i % 3, 'a' + i % 3, i,
			       0);
		command_box_line(b, line);
	}
	command_box_expect(b, "ZLEXCOUNT long [b (c", ":20\r\n");
	command_box_expect(b, "ZADD long 3 a1", ":1\r\n");
	command_box_expect(b, "ZLEXCOUNT long [b (c", ":0\r\n");
	command_box_expect(b, "ZLEXCOUNT long [a (c", ":40\r\n");
	command_box_expect(b, "ZREVRANGEBYLEX long [b - LIMIT 0 1", "*1\r\n$2\r\na1\r\n");
}

static void negative_zeros_go_where_redis_loses_them(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "EXISTS big", ":0\r\n"); /* the first command reads the settings */
	b->host.zset_max_listpack_value = 8;
	COMMAND_BOX_CHECK(b, negative_zeros);
	b->host.zset_max_listpack_value = 64;
	command_box_expect(b, "ZUNIONSTORE to 1 big WEIGHTS -1", ":2\r\n");
	command_box_expect(b, "ZSCORE to zero", "$1\r\n0\r\n");
	fill(b, "spread", 120); /* large, but few enough for the small encoding */
	command_box_expect(b, "ZUNIONSTORE to 1 spread WEIGHTS -0", ":120\r\n");
	command_box_expect(b, "ZSCORE to m119", "$1\r\n0\r\n");
	/* What is stored by rank is counted beforehand, and by score or member not. */
	fill(b, "many", 140);
	command_box_expect(b, "ZREM many m0", ":1\r\n");
	command_box_expect(b, "ZADD many -0 m0", ":1\r\n");
	command_box_expect(b, "ZRANGESTORE to many 0 128", ":129\r\n");
	command_box_expect(b, "ZSCORE to m0", "$2\r\n-0\r\n");
	command_box_expect(b, "ZRANGESTORE to many 0 127", ":128\r\n");
	command_box_expect(b, "ZSCORE to m0", "$1\r\n0\r\n");
	command_box_expect(b, "ZRANGESTORE to many 0 128 BYSCORE", ":129\r\n");
	command_box_expect(b, "ZSCORE to m0", "$1\r\n0\r\n");
}

static void resp3_has_doubles_and_pairs(void **state)
{
	struct command_box *b = *state;

	for (size_t i = 0; i < sizeof replies_3 / sizeof replies_3[0]; i++) {
		struct slice reply = command_box_line(b, replies_3[i].line);

		if (replies_3[i].reply == NULL) {
			assert_true(reply_whole(reply));
		} else if (!slice_eq(reply, slice_str(replies_3[i].reply))) {
			fail_msg("%s: %.*s", replies_3[i].line, (int)reply.len,
				 (const char *)reply.data);
		}
	}
}

static void large_sets_answer_like_small_ones(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"ZCARD big", ":3001\r\n"},
	    {"ZRANK big m1500", ":1500\r\n"},
	    {"ZREVRANK big m1500", ":1500\r\n"},
	    {"ZCOUNT big 10 (2000", ":1990\r\n"},
	    {"ZRANGE big 1000 1001 WITHSCORES",
	     "*4\r\n$5\r\nm1000\r\n$4\r\n1000\r\n$5\r\nm1001\r\n$4\r\n1001\r\n"},
	    {"ZRANGE big +inf -inf BYSCORE REV LIMIT 3000 5", "*1\r\n$2\r\nm0\r\n"},
	    {"ZINCRBY big 0.5 m10", "$4\r\n10.5\r\n"},
	    {"ZRANK big m10", ":10\r\n"},
	    {"ZINCRBY big 5000 m10", "$6\r\n5010.5\r\n"},
	    {"ZREVRANK big m10", ":0\r\n"},
	    {"ZREMRANGEBYSCORE big 100 2899", ":2800\r\n"},
	    {"ZCARD big", ":201\r\n"},
	    {"ZRANK big m2900", ":99\r\n"},
	    {"ZPOPMIN big 2", "*4\r\n$2\r\nm0\r\n$1\r\n0\r\n$2\r\nm1\r\n$1\r\n1\r\n"},
	    {"RENAME big {big}2", "+OK\r\n"},
	    {"ZSCORE {big}2 m10", "$6\r\n5010.5\r\n"},
	    {"COPY {big}2 elsewhere", ":1\r\n"},
	    {"ZRANK elsewhere m2900", ":97\r\n"},
	    {"ZREM elsewhere m2900", ":1\r\n"},
	    {"ZINTERCARD 2 {big}2 elsewhere", ":198\r\n"},
	    {"OBJECT ENCODING elsewhere", "$8\r\nskiplist\r\n"},
	    {"ZREMRANGEBYRANK elsewhere 0 -1", ":198\r\n"},
	    {"EXISTS elsewhere", ":0\r\n"},
	};

	fill(b, "big", 3001);
	command_box_restart(b);
	COMMAND_BOX_CHECK(b, cases);
}

/* A walk with ZSCAN meets each member once, in pages. */
static void zscan_gives_each_member_once(void **state)
{
	struct command_box *b = *state;
	bool seen[1200] = {false};
	uint64_t cursor = 0;
	uint32_t found = 0, pages = 0;

	fill(b, "big", 1200);
	do {
		char line[64];
		struct slice reply;
		struct reply_head head;
		uint64_t left;

		(void)snprintf(line, sizeof line, "ZSCAN big %llu COUNT 50",
			       (unsigned long long)cursor);
		reply = command_box_line(b, line);
		assert_true(reply_next(&reply, &head) && reply_next(&reply, &head));
		cursor = strtoull((const char *)head.text.data, NULL, 10);
		assert_true(reply_next(&reply, &head));
		for (left = head.values; left > 0; left -= 2) {
			uint64_t n;

			assert_true(reply_next(&reply, &head));
			n = strtoull((const char *)head.text.data + 1, NULL, 10);
			assert_true(n < 1200 && !seen[n]);
			seen[n] = true;
			found++;
			assert_true(reply_next(&reply, &head));
			assert_int_equal(strtoull((const char *)head.text.data, NULL, 10), n);
		}
		pages++;
	} while (cursor != 0);
	assert_int_equal(found, 1200);
	assert_in_range(pages, 20, 30);
}

/* Different members, whether few are drawn or many are picked. */
static void random_members_do_not_repeat(void **state)
{
	struct command_box *b = *state;
	static const uint32_t wants[] = {1, 10, 100, 500, 999};

	fill(b, "big", 1000);
	for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
		bool seen[1000] = {false};
		char line[64];
		struct slice reply;
		struct reply_head head;

		(void)snprintf(line, sizeof line, "ZRANDMEMBER big %u", wants[i]);
		reply = command_box_line(b, line);
		assert_true(reply_next(&reply, &head));
		assert_int_equal(head.values, wants[i]);
		for (uint32_t n = wants[i]; n > 0; n--) {
			uint64_t member;

			assert_true(reply_next(&reply, &head));
			member = strtoull((const char *)head.text.data + 1, NULL, 10);
			assert_true(member < 1000 && !seen[member]);
			seen[member] = true;
		}
	}
	assert_true(reply_whole(command_box_line(b, "ZRANDMEMBER big -2000 WITHSCORES")));
	command_box_expect(b, "ZRANDMEMBER big -9223372036854775807",
			   "-ERR value is out of range\r\n");
}

static void damage_is_reported(void **state)
{
	struct command_box *b = *state;
	struct store_key key;
	struct slice junk = slice_str("\x02\x00junk");
	uint8_t subkey[ZSET_KEY_LEN];
	struct meta m;

	fill(b, "big", 500);
	store_key_of_key(&key, slice_str("big"));
	engine_box_begin(&b->engine);
	assert_int_equal(ks_lookup(b->engine.e, &key, &m), ST_OK);
	zset_subkey(subkey, ZSET_INNER, m.aux[0] & (ZSET_NUMBER_LIMIT - 1));
	assert_int_equal(
	    ks_elem_put(b->engine.e, key.slot, m.id, slice_of(subkey, sizeof subkey), &junk, 1),
	    ST_OK);
	engine_box_commit(&b->engine);
	command_box_expect_error(b, "ZRANGE big 0 10", "CORRUPT");
	command_box_expect_error(b, "ZRANK big m5", "CORRUPT");
	command_box_expect_error(b, "ZADD big 5.5 new", "CORRUPT");
	command_box_expect_error(b, "ZPOPMIN big", "CORRUPT");
	command_box_expect(b, "ZSCORE big m5", "$1\r\n5\r\n");
	command_box_expect(b, "DEL big", ":1\r\n");
}

static void failing_memory_changes_nothing(void **state)
{
	struct command_box *b = *state;

	fill(b, "big", 600);
	command_box_walk_memory(b, "ZUNIONSTORE big 1 big WEIGHTS 2", "ZRANGE big 0 5 WITHSCORES");
	command_box_walk_memory(b, "ZRANGESTORE to big 0 400", "ZCARD to");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(ranges_by_member_walk_uneven_scores),
	    COMMAND_BOX_TEST(negative_zeros_go_where_redis_loses_them),
	    COMMAND_BOX_TEST(resp3_has_doubles_and_pairs),
	    COMMAND_BOX_TEST(large_sets_answer_like_small_ones),
	    COMMAND_BOX_TEST(zscan_gives_each_member_once),
	    COMMAND_BOX_TEST(random_members_do_not_repeat),
	    COMMAND_BOX_TEST(damage_is_reported),
	    COMMAND_BOX_TEST(failing_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
