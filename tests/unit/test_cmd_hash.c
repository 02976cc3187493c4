/* Hash commands through dispatch: replies, both forms of a hash, damage and failing memory. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct box_case replies[] = {
    {"HSET h a 1 b 2", ":2\r\n"},
    {"HSET h a 3 c 4 c 5", ":1\r\n"},
    {"HGET h a", "$1\r\n3\r\n"},
    {"HGET h nothing", "$-1\r\n"},
    {"HGET nothing a", "$-1\r\n"},
    {"HMGET h a nothing c a", "*4\r\n$1\r\n3\r\n$-1\r\n$1\r\n5\r\n$1\r\n3\r\n"},
    {"HMGET nothing a b", "*2\r\n$-1\r\n$-1\r\n"},
    {"HMSET h d 6", "+OK\r\n"},
    {"HMSET h d 6 e", "-ERR wrong number of arguments for 'hmset' command\r\n"},
    {"HSET h a", "-ERR wrong number of arguments for 'hset' command\r\n"},
    {"HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n"},
    {"HSETNX h a 9", ":0\r\n"},
    {"HSETNX h f 9", ":1\r\n"},
    {"HSETNX fresh f 9", ":1\r\n"},
    {"HEXISTS h a", ":1\r\n"},
    {"HEXISTS h x", ":0\r\n"},
    {"HEXISTS nothing x", ":0\r\n"},
    {"HSTRLEN h a", ":1\r\n"},
    {"HSTRLEN h x", ":0\r\n"},
    {"HSTRLEN nothing x", ":0\r\n"},
    {"HLEN h", ":5\r\n"},
    {"HLEN nothing", ":0\r\n"},
    {"HKEYS h", "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\nf\r\n"},
    {"HVALS h", "*5\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n9\r\n"},
    {"HGETALL h", "*10\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n5\r\n$"
		  "1\r\nd\r\n$1\r\n6\r\n$1\r\nf\r\n$1\r\n9\r\n"},
    {"HGETALL nothing", "*0\r\n"},
    {"HKEYS nothing", "*0\r\n"},
    {"HVALS nothing", "*0\r\n"},
    {"HDEL h a a x d", ":2\r\n"},
    {"HDEL nothing a", ":0\r\n"},
    {"HLEN h", ":3\r\n"},
    {"HDEL fresh f", ":1\r\n"},
    {"EXISTS fresh", ":0\r\n"},
    {"HSET h '' ''", ":1\r\n"},
    {"HGET h ''", "$0\r\n\r\n"},
    {"HSTRLEN h ''", ":0\r\n"},
    {"HDEL h ''", ":1\r\n"},
    {"HINCRBY h n 5", ":5\r\n"},
    {"HINCRBY h n -7", ":-2\r\n"},
    {"HINCRBY h n 9223372036854775807", ":9223372036854775805\r\n"},
    {"HINCRBY h n -9223372036854775808", ":-3\r\n"},
    {"HINCRBY h n x", "-ERR value is not an integer or out of range\r\n"},
    {"HINCRBY h n 1.5", "-ERR value is not an integer or out of range\r\n"},
    {"HSET h text abc", ":1\r\n"},
    {"HINCRBY h text 1", "-ERR hash value is not an integer\r\n"},
    {"HINCRBYFLOAT h text 1", "-ERR hash value is not a float\r\n"},
    {"HINCRBYFLOAT h x 10.5", "$4\r\n10.5\r\n"},
    {"HINCRBYFLOAT h x 0.1", "$4\r\n10.6\r\n"},
    {"HINCRBYFLOAT h x -1e1", "$3\r\n0.6\r\n"},
    {"HINCRBYFLOAT h x abc", "-ERR value is not a valid float\r\n"},
    {"HINCRBYFLOAT h x inf", "-ERR value is NaN or Infinity\r\n"},
    {"HINCRBYFLOAT h x nan", "-ERR value is not a valid float\r\n"},
    {"HSET h big 1e4931", ":1\r\n"},
    {"HINCRBYFLOAT h big 9e4931",
     "$4932\r\n999999999999999999941523475790926965729456409452647077741433954011008666829095758119"
     "455022643349985712096785886322545737591636678802061344547017040443276214701375190080915603504"
     "046274419076359596914911707937231850736387876796437687591126663566407175339474503146425285993"
     "108580986055745435292930542649546535942356436981484814769992167756868531417112843924976403018"
     "371541946304453990163556361817289752943574901877295834672347032995771835560378078024492585778"
     "704554371769913666074635570525196719888439840915991327565334737450158717227985567500118428593"
     "687005509915372050550544769939912481649699322039461997334087267990283816911199130465764930268"
     "109603332951969294015595168070053446335593563052130000915741158343224526540370549429342440563"
     "790091591070767710755845929226390512424992405492176527721913728553327257294428975472711028903"
     "405349014689125706661472436820709659053285685528678241372843619313133711960576336874383615307"
     "898215774617707399991062618760868572383689774433464709999051599407492212538559542611155118142"
     "410183836083496551803622987882148555629119960199774735803054553336742270521872176942501789176"
     "264135667166760255480857288066945750204106933529860417633299962463279595534487480537073314149"
     "030397688008628986871742273052287663333903114062089868691379837061675884215376473503801091937"
     "151260315726416077557369055963331650864099368745308202676873934405615646330311593207368873144"
     "100662126500638419440401568919400074292717076147766299251759330778898211978777712394972560168"
     "187252244179148402494503472469983465515833209215517754028066254148637737179585982817250979299"
     "994417647230511988015232969130587442364963886479453806442502782180777126905056572691105867544"
     "360081343659396579701711530672502682148408605341109935275618620149072244102851205728375221144"
     "786338106896888087781280056542855203777936142890720433335180681911050485637884190414717097240"
     "896166578460423342182928683615728108425431962058491335346813460628158255228605792225749074817"
     "830910394771694561592239326965090266007984774191919001399819715059479412590497757194629008460"
     "816504203003813466857807834998940708005534831035454328318016257967694295968699354537569317704"
     "626010425037763525160802046428814755875356901486129757616662265105786905820840665828221791489"
     "603927060331515696781908957065544217031834218300619043668968984285914597258919816492983694273"
     "858441899552112401609797135403444734297355574145992490279399775439513362064059885709676239896"
     "500721044681992758558979643015771678401921911032600615177377137651162963908209761893124436552"
     "159909763450975437461697251471210294619750115983197186149341998707987088550942125378967075909"
     "197764544653167365077841105816096166157204157790420586132364143951950827340119268742917019897"
     "049435908113857490789438190040141757999244487316595164063284149265467850440528208416676683054"
     "665756562885314979220212085557887501625466747093299748814742306954561526525156346549577318001"
     "268072670148261856839184833967589647296679880178907938195619615777639846652297712267604438404"
     "459338030211732846017615112635280886232346802753003431994663198631932759731260406783913309022"
     "126367626704750534862226459854844613322331426786335917546772530551247647963366695670802338861"
     "391934034563707533751733041353225896276840439799008105507618039137079400392707597459413174674"
     "055868988709131621041401885843917844466406143199938626022076964350698952634092014145028580365"
     "738010394512111337884006768813665657988911159120246690508129657228136751126805223104833348511"
     "885135686765542703421856707307835500050631976351421533956382540240240233482685692415117210229"
     "405148927766342243933773987246810112222999748556414569055087541605354644489091610218053725469"
     "918961051042055680970119737712952029207302684699125988679469832909576469666038124703325636983"
     "933175281616541418608036552316299640289996403917936810538461532754456077124628639767489945074"
     "329151675822244477682719742660543969500825053769135946552743121048830726189635939499006348419"
     "183640264774022643025372403322675737664883116241059715789712032850362711395550467923597112841"
     "455427621072923698275657201896387599658686352951849668918456170635779212840102216896197948584"
     "153795195263951808081942181720859283228383022549208539766085453322024497095129392887493872898"
     "312629852958759697405848367556436315493795920341893845390383162452610316177885809155631449182"
     "149969001976127868834156606732185499748478811023767669493747854677778230179690208845876558985"
     "848480457373763267697950243751540816417545589184571415569527664278904212954930314299457369433"
     "181137134766583447144340422739712603591554928204071134671111452070213766884804935650576782956"
     "730384192597528159429347017053372283637832766297281738626285183584062927041904121225913628003"
     "877028794780475737060648574187082492683320124924397315957002653935348611006319411781323249870"
     "050977792982425355643604265133328951565027306380530997956062706703963701615313598040284545537"
     "944998763034060134314252337029704119621657329786681727486755070564045811663664145230510942909"
     "933912326144\r\n"},
    {"HINCRBYFLOAT h n 3.0e3", "$4\r\n2997\r\n"},
    {"HGET h n", "$4\r\n2997\r\n"},
    {"HINCRBY h n 1", ":2998\r\n"},
    {"HSET h zero 0", ":1\r\n"},
    {"HINCRBYFLOAT h zero -0", "$1\r\n0\r\n"},
    {"OBJECT ENCODING h", "$9\r\nhashtable\r\n"},
    {"SET s v", "+OK\r\n"},
    {"HSET s a 1", WRONG_TYPE},
    {"HMSET s a 1", WRONG_TYPE},
    {"HSETNX s a 1", WRONG_TYPE},
    {"HGET s a", WRONG_TYPE},
    {"HMGET s a", WRONG_TYPE},
    {"HDEL s a", WRONG_TYPE},
    {"HLEN s", WRONG_TYPE},
    {"HKEYS s", WRONG_TYPE},
    {"HVALS s", WRONG_TYPE},
    {"HGETALL s", WRONG_TYPE},
    {"HEXISTS s a", WRONG_TYPE},
    {"HSTRLEN s a", WRONG_TYPE},
    {"HINCRBY s a 1", WRONG_TYPE},
    {"HINCRBYFLOAT s a 1", WRONG_TYPE},
    {"HINCRBY s a x", "-ERR value is not an integer or out of range\r\n"},
    {"HGET", "-ERR wrong number of arguments for 'hget' command\r\n"},
    {"HSET s", "-ERR wrong number of arguments for 'hset' command\r\n"},
    {"HINCRBY h n", "-ERR wrong number of arguments for 'hincrby' command\r\n"},
};

static const struct box_case resp3[] = {
    {"HSET h a 1 b 2", ":2\r\n"},
    {"HGETALL h", "%2\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"HGETALL nothing", "%0\r\n"},
    {"HGET h nothing", "_\r\n"},
    {"HMGET h a nothing", "*2\r\n$1\r\n1\r\n_\r\n"},
    {"HKEYS nothing", "*0\r\n"},
    {"HINCRBYFLOAT h a 0.5", "$3\r\n1.5\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

static void maps_and_nulls_have_their_types_in_resp3(void **state)
{
	struct command_box *b = *state;

	b->session.proto = 3;
	COMMAND_BOX_CHECK(b, resp3);
}

/* Fields f<from> ... f<to - 1>, each with its name as its value, on the key h. */
static void fill(struct command_box *b, int from, int to)
{
	char line[64];

	for (int i = from; i < to; i++) {
		(void)snprintf(line, sizeof line, "HSET h f%d f%d", i, i);
		command_box_expect(b, line, ":1\r\n");
	}
}

static void many_fields_answer_like_few(void **state)
{
	static const struct box_case cases[] = {
	    {"HLEN h", ":300\r\n"},
	    {"HGET h f299", "$4\r\nf299\r\n"},
	    {"HMGET h f0 f300 f150", "*3\r\n$2\r\nf0\r\n$-1\r\n$4\r\nf150\r\n"},
	    {"HSTRLEN h f17", ":3\r\n"},
	    {"HEXISTS h f300", ":0\r\n"},
	    {"HSETNX h f299 x", ":0\r\n"},
	    {"HSET h f0 f0 f1 f1", ":0\r\n"},
	    {"HINCRBY h f5 1", "-ERR hash value is not an integer\r\n"},
	    {"HINCRBYFLOAT h f5 1", "-ERR hash value is not a float\r\n"},
	    {"HINCRBY h n 7", ":7\r\n"},
	    {"HINCRBYFLOAT h n 0.5", "$3\r\n7.5\r\n"},
	    {"HDEL h n n nothing", ":1\r\n"},
	};
	struct command_box *b = *state;
	struct slice reply;

	fill(b, 0, 300);
	COMMAND_BOX_CHECK(b, cases);
	engine_box_checkpoint(&b->engine);
	COMMAND_BOX_CHECK(b, cases);
	reply = command_box_line(b, "HGETALL h");
	assert_true(slice_has_prefix(reply, slice_str("*600\r\n")));
	reply = command_box_line(b, "HKEYS h");
	assert_true(slice_has_prefix(reply, slice_str("*300\r\n")));
	command_box_restart(b);
	COMMAND_BOX_CHECK(b, cases);
}

static void a_hash_that_shrinks_goes_with_its_last_field(void **state)
{
	struct command_box *b = *state;
	char line[32];

	fill(b, 0, 300);
	engine_box_checkpoint(&b->engine);
	for (int i = 299; i >= 2; i--) {
		(void)snprintf(line, sizeof line, "HDEL h f%d", i);
		command_box_expect(b, line, ":1\r\n");
	}
	command_box_expect(b, "HLEN h", ":2\r\n");
	command_box_expect(b, "HGET h f1", "$2\r\nf1\r\n");
	command_box_expect(b, "HDEL h f0 f1 f2", ":2\r\n");
	command_box_expect(b, "EXISTS h", ":0\r\n");
	command_box_expect(b, "DBSIZE", ":0\r\n");
}

static void a_lost_field_gives_an_error_and_no_part_of_the_reply(void **state)
{
	static const char *const lines[] = {"HGETALL h", "HKEYS h", "HVALS h"};
	struct command_box *b = *state;
	struct store_key key;
	struct meta m;

	fill(b, 0, 300);
	engine_box_begin(&b->engine);
	store_key_of_key(&key, slice_str("h"));
	assert_int_equal(ks_lookup(b->engine.e, &key, &m), ST_OK);
	assert_int_equal(ks_field_del(b->engine.e, key.slot, m.id, slice_str("f7")), ST_OK);
	engine_box_commit(&b->engine);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		command_box_expect_error(b, lines[i], "CORRUPT");
	}
}

static void failing_memory_leaves_the_hash_as_it_was(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "HSET h n 5", ":1\r\n");
	command_box_walk_memory(b, "HSET h f1 v1 f2 v2", "HGETALL h");
	command_box_walk_memory(b, "HINCRBY h n 2", "HGETALL h");
	command_box_walk_memory(b, "HINCRBYFLOAT h n 0.5", "HGETALL h");
	command_box_walk_memory(b, "HSETNX h new v", "HGETALL h");
	command_box_walk_memory(b, "HDEL h f1 n", "HGETALL h");
	fill(b, 10, 150); /* now in records of its own */
	command_box_walk_memory(b, "HSET h f1 v1 f2 v3", "HMGET h f1 f2");
	command_box_walk_memory(b, "HDEL h f1 f2", "HMGET h f1 f2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(maps_and_nulls_have_their_types_in_resp3),
	    COMMAND_BOX_TEST(many_fields_answer_like_few),
	    COMMAND_BOX_TEST(a_hash_that_shrinks_goes_with_its_last_field),
	    COMMAND_BOX_TEST(a_lost_field_gives_an_error_and_no_part_of_the_reply),
	    COMMAND_BOX_TEST(failing_memory_leaves_the_hash_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
