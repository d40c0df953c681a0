import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runCommand, serve } from './command.ts';
import { JsonClient, openOnTwoShards, subscribe, welcomeOf } from './json-client.ts';

function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}.handlers.js`, import.meta.url));
}

const limits = { timeout: 120_000 };

test('serve prints its addresses and answers with the page, health and readiness', limits, async (t) => {
  const { command, authority } = await serve(t, '--shards', '2');
  assert.match(command.stdout, /with 2 shards/);
  assert.match(command.stdout, /Ctrl\+C/);
  const [, url] = await command.printed(/(http:\/\/127\.0\.0\.1:\d+\/)\n/);
  assert.equal(url, `http://${authority}/`);
  const page = await fetch(url);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(await page.text(), /<title>shardwire demo<\/title>/);
  for (const path of ['healthz', 'readyz']) assert.equal((await fetch(url + path)).status, 200, path);
});

test('a connection is told its id and shard, and connections of two shards talk', limits, async (t) => {
  const { authority } = await serve(t, '--shards', '2');
  const url = `ws://${authority}/ws`;
  const client = await JsonClient.open(t, url);
  const { id, shard, remoteAddress } = await welcomeOf(client);
  assert.ok(shard === 0 || shard === 1);
  assert.ok(id.startsWith(`${shard}-`));
  assert.match(remoteAddress, /127\.0\.0\.1$/);

  const [one, other] = await openOnTwoShards(t, url);
  assert.notEqual(one.welcome.shard, other.welcome.shard);
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    await subscribe(to, 'news');
    from.send({ type: 'publish', channel: 'news', data: { text: 'hello' } });
    const { channel, data, client_id } = await to.next('message');
    assert.deepEqual(
      { channel, data, client_id },
      { channel: 'news', data: { text: 'hello' }, client_id: from.welcome.id },
    );
    to.send({ type: 'unsubscribe', data: { channel: 'news' } });
  }
});

test('subscribers of presence are told who has left, whatever their shard', limits, async (t) => {
  const { authority } = await serve(t, '--shards', '2');
  const [one, other] = await openOnTwoShards(t, `ws://${authority}/ws`);
  await subscribe(one, 'presence');
  other.socket.close();
  for (;;) {
    // Those that were opened in search of a second shard leave as well.
    const { data } = await one.next('left');
    if ((data as { readonly id: string }).id === other.welcome.id) break;
  }
});

test('clients may not broadcast unless handlers allow it', limits, async (t) => {
  const { authority } = await serve(t, '--shards', '1');
  const client = await JsonClient.open(t, `ws://${authority}/ws`);
  client.send({ type: 'broadcast', data: 'hello' });
  const { data } = await client.next('error');
  assert.deepEqual(data, { code: 'ERR_FORBIDDEN', message: 'not allowed', for: 'broadcast' });
});

test('SIGTERM in the middle of traffic ends it with status 0, and clients get 1001', limits, async (t) => {
  const { command, authority } = await serve(t, '--shards', '2');
  const clients = await openOnTwoShards(t, `ws://${authority}/ws`);
  const [one, other] = clients;
  for (const client of clients) await subscribe(client, 'traffic');
  const traffic = setInterval(() => {
    for (const { socket } of clients) {
      const message = JSON.stringify({ type: 'publish', channel: 'traffic', data: 'x'.repeat(1_000) });
      for (let i = 0; i < 20 && socket.readyState === socket.OPEN; i++) socket.send(message);
    }
  }, 1);
  t.after(() => clearInterval(traffic));
  for (let i = 0; i < 100; i++) await one.next('message');
  const asked = performance.now();
  command.signal('SIGTERM');
  assert.deepEqual(await Promise.all([one.closed, other.closed]), [1001, 1001]);
  assert.deepEqual(await command.ended, { code: 0, signal: null });
  assert.ok(performance.now() - asked < 5_000);
  assert.equal(command.stderr, '');
});

test('SIGINT that comes twice at once, as from a terminal and npm, is one request', limits, async (t) => {
  const { command, authority } = await serve(t, '--shards', '2');
  const client = await JsonClient.open(t, `ws://${authority}/ws`);
  command.signal('SIGINT');
  await sleep(5);
  command.signal('SIGINT');
  assert.equal(await client.closed, 1001);
  assert.deepEqual(await command.ended, { code: 0, signal: null });
});

test('a second signal ends it at once, with 128 plus its number', limits, async (t) => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const { command, authority } = await serve(t, '--shards', '1', '--handlers', fixture('spinning'));
    const client = await JsonClient.open(t, `ws://${authority}/ws`);
    client.send({ type: 'spin' });
    await client.next('spinning');
    command.signal('SIGTERM');
    await sleep(400);
    const asked = performance.now();
    command.signal(signal);
    assert.deepEqual(await command.ended, { code, signal: null });
    assert.ok(performance.now() - asked < 3_000);
  }
});

test('--grace-ms is the time that a client with unread data has after SIGTERM', limits, async (t) => {
  const { command, authority } = await serve(
    t,
    ...['--shards', '1', '--grace-ms', '20000', '--handlers', fixture('filling')],
  );
  const client = await JsonClient.open(t, `ws://${authority}/ws`);
  client.socket.pause();
  client.send({ type: 'fill' });
  await sleep(500);
  command.signal('SIGTERM');
  // Longer than the default.
  await sleep(1_500);
  client.socket.resume();
  assert.equal(await client.closed, 1001);
  assert.deepEqual(await command.ended, { code: 0, signal: null });
  const wrong = await runCommand(t, 'serve', '--grace-ms', '700000');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /ERR_OPTION_INVALID: option "closeGraceMs" is 700000/);
});

test('it ends with status 1 once every shard is lost, and was replaced often enough', limits, async (t) => {
  const { command, authority } = await serve(t, '--shards', '1', '--handlers', fixture('failing'));
  let isOver = false;
  void command.ended.then(() => {
    isOver = true;
  });
  let failures = 0;
  while (!isOver) {
    const client = await JsonClient.open(t, `ws://${authority}/ws`).catch(() => null);
    client?.send({ type: 'fail' });
    if (client !== null) failures += 1;
    await (client?.closed ?? sleep(20));
  }
  assert.equal(failures, 6);
  assert.deepEqual(await command.ended, { code: 1, signal: null });
  assert.match(command.stderr, /^shardwire serve: every shard has ended/m);
});

test('--path, --handlers and --no-page are obeyed', limits, async (t) => {
  const { command, authority } = await serve(t, '--no-page', '--path', '/live', '--handlers', fixture('spinning'));
  assert.doesNotMatch(command.stdout, /demo page/);
  assert.equal((await fetch(`http://${authority}/`)).status, 404);
  const client = await JsonClient.open(t, `ws://${authority}/live`);
  await client.next('hello');
});

test('a page whose WebSockets are at / too is served', limits, async (t) => {
  const { authority } = await serve(t, '--shards', '1', '--path', '/');
  assert.equal((await fetch(`http://${authority}/`)).status, 200);
  await welcomeOf(await JsonClient.open(t, `ws://${authority}/`));
});

test('a port in use is told in one line, with status 1', limits, async (t) => {
  const { authority } = await serve(t, '--shards', '1');
  const [, port = ''] = authority.split(':');
  const second = await runCommand(t, 'serve', '--shards', '1', '--port', port);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /^shardwire serve: ERR_LISTEN_FAILED: .*EADDRINUSE.*\n$/);
  assert.equal(second.stdout, '');
});

test('a value that is not allowed is told in one line, with status 1', limits, async (t) => {
  const wrong = [
    ['--port', '70000', /ERR_OPTION_INVALID: option "port" is 70000/],
    ['--port', 'abc', /option "port" is "abc"; allowed: a whole number/],
    ['--shards', '0', /ERR_OPTION_INVALID: option "shards" is 0; allowed: at least 1/],
    ['--path', 'ws', /ERR_OPTION_INVALID: option "path" is "ws"/],
    ['--log-level', 'loud', /option "log-level" is "loud"; allowed: debug/],
    ['--handlers', fixture('missing'), /ERR_HANDLERS_INVALID: .*missing\.handlers\.js/],
  ] as const;
  for (const [option, value, text] of wrong) {
    const { code, stdout, stderr } = await runCommand(t, 'serve', option, value);
    assert.equal(code, 1, `${option} ${value}`);
    assert.match(stderr, text);
    assert.match(stderr, /^shardwire serve: .+\n$/, 'one line');
    assert.equal(stdout, '');
  }
});

test('a command line that makes no sense ends with status 2 and says why', limits, async (t) => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^shardwire: a command is missing/],
    [['sing'], /^shardwire: unknown command "sing"; commands are: serve/],
    [['--sing'], /^shardwire: unknown option '--sing'/],
    [['serve', '--sing'], /^shardwire serve: unknown option '--sing'/],
    [['serve', 'now'], /^shardwire serve: unexpected argument 'now'/],
    [['serve', '--port'], /^shardwire serve: option '.*--port.*' argument missing/],
  ];
  for (const [args, text] of wrong) {
    const { code, stdout, stderr } = await runCommand(t, ...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, text);
    assert.match(stderr, /\(try "shardwire.* --help"\)\n$/);
    assert.equal(stdout, '');
  }
});

test('--help and --version print to stdout', limits, async (t) => {
  const wanted: readonly (readonly [readonly string[], RegExp])[] = [
    [['--help'], /^Usage: shardwire <command>/],
    [['serve', '--help'], /^Usage: shardwire serve[\s\S]*--handlers <file>/],
    [['--version'], /^\d+\.\d+\.\d+\S*\n$/],
  ];
  for (const [args, text] of wanted) {
    const { code, stdout, stderr } = await runCommand(t, ...args);
    assert.equal(code, 0);
    assert.match(stdout, text);
    assert.equal(stderr, '');
  }
});
