// What an application does with a client for Node on one node: LIBRARY PORT, with LIBRARY "redis"
// (node-redis) or "ioredis". Prints a line of JSON for each step; the lines of two servers can be
// compared, since what a server may choose itself is left out or sorted.
'use strict';

const [library, port] = process.argv.slice(2);

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const sorted = (list) => [...list].map(String).sort();

function say(step, ...values) {
  console.log(JSON.stringify([step, ...values], (k, v) => {
    if (v instanceof Error) {
      return `${v.message}`;
    }
    return typeof v === 'bigint' ? String(v) : v;
  }));
}

const attempt = (promise) => promise.catch((error) => error);

async function collect(iterator) {
  const all = [];
  for await (const value of iterator) {
    all.push(value);
  }
  return all;
}

async function nodeRedis() {
  const { createClient, commandOptions } = require('redis');
  const c = createClient({ url: `redis://127.0.0.1:${port}` });
  c.on('error', () => {});
  await c.connect();
  const other = c.duplicate();
  await other.connect();

  say('pipeline', await Promise.all([...Array(200).keys()].map((i) => c.set(`p${i}`, i + ''))),
    await Promise.all([...Array(200).keys()].map((i) => c.incrBy(`p${i}`, i))));
  say('transaction', await c.multi().set('t', '1').incr('t').hSet('h', { a: 1, b: 2 })
    .hGetAll('h').exec());
  say('an error within a transaction',
    await attempt(c.multi().set('t', 'x').incr('t').set('after', '1').exec()), await c.get('after'));
  await c.executeIsolated(async (own) => {
    await own.watch('t');
    await c.set('t', '5');
    say('a watched key changed', await attempt(own.multi().set('t', '6').exec()), await c.get('t'));
  });

  say('script', await c.eval('return {redis.call("INCRBY", KEYS[1], ARGV[1]), ARGV[2]}',
    { keys: ['n'], arguments: ['5', 'x'] }));
  const sha = await c.scriptLoad('return {1, {2, {3}}, "four", false}');
  say('script by digest', sha, await c.evalSha(sha), await c.scriptExists([sha, '0'.repeat(40)]),
    await attempt(c.evalSha('0'.repeat(40))), await attempt(c.eval('return nosuch')));

  const heard = [];
  const hear = (kind) => (message, channel) => heard.push([kind, channel, message]);
  await other.subscribe(['news', 'more'], hear('channel'));
  await other.pSubscribe('n?ws*', hear('pattern'));
  say('publish', await c.publish('news', 'one'), await c.publish('newsletter', 'two'),
    await c.publish('nobody', 'three'), sorted(await c.pubSubChannels()), await c.pubSubNumPat());
  for (let i = 0; i < 100 && heard.length < 3; i++) {
    await sleep(50);
  }
  say('messages', sorted(heard));
  await other.unsubscribe();
  await other.pUnsubscribe();

  for (let i = 1; i <= 9; i++) {
    await c.xAdd('x', `${i}-1`, { n: String(i) });
  }
  await c.xGroupCreate('x', 'g', '0');
  say('stream', await c.xLen('x'), await c.xRange('x', '2', '4'),
    await c.xRead({ key: 'x', id: '7-1' }, { COUNT: 5 }));
  say('group', await c.xReadGroup('g', 'anna', { key: 'x', id: '>' }, { COUNT: 2 }),
    await c.xAck('x', 'g', '1-1'), await c.xPending('x', 'g'),
    await attempt(c.xGroupCreate('x', 'g', '0')));

  await c.mSet(Object.fromEntries([...Array(300).keys()].map((i) => [`it${i}`, i + ''])));
  await c.sAdd('its', [...Array(400).keys()].map(String));
  await c.zAdd('itz', [...Array(400).keys()].map((i) => ({ score: i / 4, value: `m${i}` })));
  await c.hSet('ith', Object.fromEntries([...Array(400).keys()].map((i) => [`f${i}`, i + ''])));
  say('scans', sorted(new Set(await collect(c.scanIterator({ MATCH: 'it1?', COUNT: 20 })))),
    new Set(await collect(c.sScanIterator('its'))).size,
    new Set((await collect(c.zScanIterator('itz'))).map((m) => m.value)).size,
    new Set((await collect(c.hScanIterator('ith'))).map((f) => f.field)).size);

  await c.rPush('l', ['a', 'b', 'c', 'd']);
  say('list', await c.lRange('l', 0, -1), await c.lMove('l', 'l2', 'LEFT', 'RIGHT'),
    await c.lPopCount('l', 2), await c.lPos('l', 'd'));
  say('set', sorted(await c.sInter(['its', 'its'])).length, await c.sIsMember('its', '399'),
    await c.sMove('its', 'its2', '7'), await c.sCard('its'));
  say('sorted set', await c.zRangeWithScores('itz', 1, 3), await c.zRank('itz', 'm9'),
    await c.zIncrBy('itz', 1.5, 'm9'), await c.zRange('itz', '(3', '4', { BY: 'SCORE' }),
    await c.zPopMax('itz'));
  const waiting = c.blPop(commandOptions({ isolated: true }), ['b', 'b2'], 20);
  await sleep(100);
  await c.rPush('b2', 'z');
  say('blocked', await waiting);
  say('keys', await c.set('k', 'v', { EX: 100, NX: true }), await c.set('k', 'w', { NX: true }),
    await c.ttl('k') > 90, await c.getDel('k'), await c.exists(['k', 'l']), await c.type('itz'),
    await attempt(c.lPush('itz', 'x')), await attempt(c.sendCommand(['NOSUCH'])),
    await c.set('gone', '1', { PX: 1 }), await sleep(50), await c.get('gone'));
  say('flushed', await c.flushDb(), await c.dbSize(), await c.ping());
  await other.quit();
  await c.quit();
}

async function ioredis() {
  const { Redis } = require('ioredis');
  const c = new Redis(Number(port));
  const other = new Redis(Number(port));

  const p = c.pipeline();
  for (let i = 0; i < 200; i++) {
    p.set(`p${i}`, i).incrby(`p${i}`, i);
  }
  say('pipeline', await p.exec());
  say('transaction', await c.multi().set('t', 1).incr('t').hset('h', { a: 1, b: 2 }).hgetall('h')
    .exec());
  say('an error within a transaction', await c.multi().set('t', 'x').incr('t').set('after', 1)
    .exec(), await c.get('after'));
  await other.watch('t');
  await c.set('t', 5);
  say('a watched key changed', await other.multi().set('t', 6).exec(), await c.get('t'));

  c.defineCommand('bump', {
    numberOfKeys: 1, lua: 'return {redis.call("INCRBY", KEYS[1], ARGV[1]), ARGV[2]}',
  });
  say('script', await c.bump('n', 5, 'x'), await c.script('FLUSH'), await c.bump('n', 6, 'y'),
    await attempt(c.eval('return nosuch', 0)));

  const heard = [];
  const listener = new Redis(Number(port));
  listener.on('message', (channel, message) => heard.push(['channel', channel, message]));
  listener.on('pmessage', (_, channel, message) => heard.push(['pattern', channel, message]));
  say('subscribed', await listener.subscribe('news', 'more'), await listener.psubscribe('n?ws*'));
  say('publish', await c.publish('news', 'one'), await c.publish('newsletter', 'two'),
    await c.publish('nobody', 'three'), sorted(await c.pubsub('CHANNELS')));
  for (let i = 0; i < 100 && heard.length < 3; i++) {
    await sleep(50);
  }
  say('messages', sorted(heard));

  for (let i = 1; i <= 9; i++) {
    await c.xadd('x', `${i}-1`, 'n', i);
  }
  await c.xgroup('CREATE', 'x', 'g', '0');
  say('stream', await c.xlen('x'), await c.xrange('x', 2, 4),
    await c.xread('COUNT', 5, 'STREAMS', 'x', '7-1'));
  say('group', await c.xreadgroup('GROUP', 'g', 'anna', 'COUNT', 2, 'STREAMS', 'x', '>'),
    await c.xack('x', 'g', '1-1'), await c.xpending('x', 'g'),
    await attempt(c.xgroup('CREATE', 'x', 'g', '0')));

  await c.mset(new Map([...Array(300).keys()].map((i) => [`it${i}`, i])));
  await c.sadd('its', ...Array(400).keys());
  await c.hset('ith', Object.fromEntries([...Array(400).keys()].map((i) => [`f${i}`, i])));
  const flat = async (stream) => (await collect(stream)).flat();
  say('scans', sorted(new Set(await flat(c.scanStream({ match: 'it1?', count: 20 })))),
    new Set(await flat(c.sscanStream('its'))).size, (await flat(c.hscanStream('ith'))).length >= 800);

  await c.rpush('l', 'a', 'b', 'c', 'd');
  say('list', await c.lrange('l', 0, -1), await c.lmove('l', 'l2', 'LEFT', 'RIGHT'),
    await c.lpop('l', 2), await c.lpos('l', 'd'));
  await c.zadd('z', 1, 'a', 2.5, 'b', '+inf', 'c');
  say('sorted set', await c.zrange('z', 0, -1, 'WITHSCORES'), await c.zrank('z', 'c'),
    await c.zincrby('z', 1.5, 'a'), await c.zpopmax('z'));
  const waiting = other.blpop('b', 'b2', 20);
  await sleep(100);
  await c.rpush('b2', 'z');
  say('blocked', await waiting, await other.blpop('b', 1));
  say('keys', await c.set('k', 'v', 'EX', 100, 'NX'), await c.set('k', 'w', 'NX'),
    await c.ttl('k') > 90, await c.getdel('k'), await c.exists('k', 'l'), await c.type('z'),
    await attempt(c.lpush('z', 'x')), await attempt(c.call('NOSUCH')));
  say('binary', (await c.setBuffer('raw', Buffer.from([0, 255, 13, 10]))).toString(),
    [...await c.getBuffer('raw')]);
  say('flushed', await c.flushdb(), await c.dbsize(), await c.ping());
  listener.disconnect();
  other.disconnect();
  c.disconnect();
}

(library === 'ioredis' ? ioredis() : nodeRedis()).catch((error) => {
  console.error(error);
  process.exit(1);
});
