// A workload on a cluster client for Node: LIBRARY PORT... with LIBRARY "redis" (node-redis) or
// "ioredis". As cluster_redis_py.py: rising numbers, read back; a line in, JSON out.
'use strict';

const readline = require('readline');

const KEYS = 120;
const WORKERS = 2;
const [library, ...ports] = process.argv.slice(2);
const name = `js${process.pid}`;
const sent = new Array(KEYS).fill(0);
const acked = new Array(KEYS).fill(0);
const round = new Array(KEYS).fill(0);
const stats = { done: 0, lost: 0, wrong: [], errors: {}, gap: 0 };
let last = Date.now();

const key = (i) => `${name}:{${i % 8 < 4 ? i - (i % 4) : i}}:${i}:${round[i]}`;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function note(error) {
  const text = `${error.constructor.name}: ${error.message}`.replace(/[0-9.:]+/g, 'N').slice(0, 80);
  stats.errors[text] = (stats.errors[text] || 0) + 1;
}

// A command of a node that is gone may never be answered.
function limited(promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error('no answer')), 4000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function check(i, value) {
  const found = value === null || value === undefined ? 0 : Number(value);
  if (!(found <= sent[i])) {
    stats.wrong.push(`${key(i)} is ${value}, newest is ${sent[i]}`);
  } else if (found < acked[i]) {
    stats.lost += acked[i] - found;
  }
  acked[i] = found;
}

async function connect() {
  if (library === 'ioredis') {
    const { Cluster } = require('ioredis');
    const client = new Cluster(ports.map((p) => ({ host: '127.0.0.1', port: Number(p) })));
    client.on('error', note);
    return client;
  }
  const { createCluster } = require('redis');
  const client = createCluster({
    rootNodes: ports.map((p) => ({ url: `redis://127.0.0.1:${p}` })),
    defaults: { socket: { reconnectStrategy: () => 100 } },
  });
  client.on('error', note);
  await client.connect();
  return client;
}

// The two libraries spell some commands in their own way.
const hset = (c, k, v) => (library === 'ioredis' ? c.hset(k, 'n', v) : c.hSet(k, 'n', v));
const hget = (c, k) => (library === 'ioredis' ? c.hget(k, 'n') : c.hGet(k, 'n'));
const mget = (c, ks) => (library === 'ioredis' ? c.mget(ks) : c.mGet(ks));

// Each worker has keys of its own, so that no two writes of a key are under way at once.
function own(worker) {
  const groups = KEYS / 4 / WORKERS;

  return 4 * worker * groups + Math.floor(Math.random() * groups * 4);
}

async function step(client, worker) {
  const i = own(worker);
  const value = ++sent[i];
  try {
    const text = String(value);
    await limited(i % 3 === 0 ? hset(client, key(i), text) : client.set(key(i), text));
  } catch (error) {
    // The library may still send it, after later ones: from now on another key.
    round[i]++;
    sent[i] = 0;
    acked[i] = 0;
    throw error;
  }
  acked[i] = value;
  const now = Date.now();
  stats.gap = Math.max(stats.gap, (now - last) / 1000);
  last = now;
  const j = own(worker);
  if (j % 3 === 0) {
    check(j, await limited(hget(client, key(j))));
  } else if (j % 8 < 4) {
    const group = [0, 1, 2, 3].map((n) => j - (j % 4) + n).filter((k) => k % 3 !== 0);
    const values = await limited(mget(client, group.map(key)));
    group.forEach((k, n) => check(k, values[n]));
  } else {
    check(j, await limited(client.get(key(j))));
  }
  stats.done++;
}

async function work(client, worker) {
  for (;;) {
    try {
      await step(client, worker);
      await sleep(3);
    } catch (error) {
      note(error);
      await sleep(20);
    }
  }
}

async function main() {
  const client = await connect();
  for (let worker = 0; worker < WORKERS; worker++) {
    work(client, worker);
  }
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', () => console.log(JSON.stringify({ ...stats, wrong: stats.wrong.slice(0, 10) })));
  lines.on('close', () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
