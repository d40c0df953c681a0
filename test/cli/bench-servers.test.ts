import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { heldUp } from '../support/steady-machine.ts';
import { echo, goodBench, otherServer, runBench, short } from './bench-run.ts';
import { Command, commandFile } from './command.ts';

const limits = { timeout: 240_000, skip: heldUp };

test('a server of another make is measured with raw payloads of any kind', limits, async (t) => {
  const url = await otherServer(t, echo);
  for (const args of [
    [],
    ['--binary', '--size', '3'],
    ['--message', 'hello'],
    ['--size', '0'],
    ['--subprotocol', 'json'],
  ]) {
    const result = await goodBench(t, url, ...short, '-c', '3', '-w', '2', ...args);
    assert.ok(result.received > 0, args.join(' '));
    assert.equal(result.received, result.sent);
  }
  const payload = await goodBench(t, url, ...short, '--size', '1000');
  assert.equal(payload.bytes_in, payload.received * 1_000);
  assert.equal(payload.bytes_out, payload.sent * 1_000);
});

test('the JSON has every field, and no other, and the guide says what each is', limits, async (t) => {
  const url = await otherServer(t, echo);
  const result = await goodBench(t, url, '-d', '300ms', '--warmup', '100ms', '--rate', '100', '-c', '2');
  const text = 'format shardwire node url mode subprotocol envelope sealed connections publishers threads in_flight';
  const more = 'rate_asked payload_bytes warmup_s duration_s elapsed_s interrupted sent received unanswered unexpected';
  const last =
    'rate_missed rate_per_s bytes_in bytes_out latency_us schedule_lag_us handshake_us fanout errors client failures';
  assert.deepEqual(Object.keys(result), `${text} ${more} ${last}`.split(' '));
  assert.deepEqual(Object.keys(result.latency_us ?? {}), 'count mean min p50 p90 p99 p999 max'.split(' '));
  assert.deepEqual(Object.keys(result.errors), ['total', 'kinds', 'first']);
  assert.deepEqual(Object.keys(result.client), ['cpu_s', 'utilization', 'bottleneck']);
  const guide = readFileSync(new URL('../../../docs/bench-command.md', import.meta.url), 'utf8');
  for (const name of Object.keys(result)) assert.ok(guide.includes(`| \`${name}`), `${name} is not in the guide`);
  const { latency_us: latency } = result;
  assert.ok(latency !== null);
  const { min, p50, p90, p99, p999, max } = latency;
  assert.deepEqual(
    [min, p50, p90, p99, p999, max].toSorted((one, other) => one - other),
    [min, p50, p90, p99, p999, max],
  );
  // Warm-up does not count: of 40 messages in all, 30 are due in the measured time.
  assert.equal(result.sent + result.rate_missed, 30);
  assert.equal(result.schedule_lag_us?.count, result.sent);
  assert.deepEqual([result.warmup_s, result.duration_s, result.rate_asked, result.format], [0.1, 0.3, 100, 1]);
});

test('--self: the sender is part of the audience, or what it gets is unexpected', limits, async (t) => {
  const url = await otherServer(t, (socket, all) => {
    socket.on('message', (data, binary) => {
      for (const each of all) each.send(data as Buffer, { binary });
    });
  });
  const args = [...short, '--mode', 'fanout', '-c', '3', '--publishers', '2', '--rate', '100'];
  const self = await goodBench(t, url, ...args, '--self');
  assert.equal(self.received, self.sent * 5);
  const others = await goodBench(t, url, ...args);
  assert.equal(others.received, others.sent * 4);
  assert.equal(others.unexpected, others.sent);
});

test('a server that closes connections ends the run early, and every loss is counted', limits, async (t) => {
  const url = await otherServer(t, (socket) => {
    let messages = 0;
    socket.on('message', (data, binary) => {
      messages += 1;
      if (messages === 20) socket.close(4001, 'enough');
      else socket.send(data as Buffer, { binary });
    });
  });
  const { code, result } = await runBench(t, url, '-d', '20', '--warmup', '0', '-c', '4');
  assert.equal(code, 1);
  assert.deepEqual(result.errors.kinds, { 'closed 4001': 4 });
  assert.deepEqual(result.connections, { asked: 4, opened: 4, lost: 4 });
  assert.deepEqual([result.sent, result.received, result.unanswered], [80, 76, 4]);
  assert.ok(result.elapsed_s < result.duration_s);
  const allowed = await runBench(t, url, '-d', '20', '--warmup', '0', '-c', '4', '--fail-errors', '4');
  assert.equal(allowed.code, 0);
});

test(
  'a stall shows in an open loop for every message that was due meanwhile, in a closed one once',
  limits,
  async (t) => {
    const stallMs = 300;
    const url = await otherServer(t, (socket) => {
      let messages = 0;
      socket.on('message', (data, binary) => {
        messages += 1;
        if (messages === 40) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs);
        socket.send(data as Buffer, { binary });
      });
    });
    const args = ['-d', '1', '--warmup', '0', '-c', '1'];
    const closed = (await goodBench(t, url, ...args)).latency_us;
    const open = (await goodBench(t, url, ...args, '--rate', '200')).latency_us;
    assert.ok(open !== null && closed !== null);
    // A message is due every 5 ms, so one was due less than that after the stall began.
    assert.ok(open.max >= (stallMs - 10) * 1_000 && closed.max >= (stallMs - 10) * 1_000);
    // Of what the open loop sent, nearly a third waited; of the closed loop, one message.
    assert.ok(open.p90 > (stallMs / 4) * 1_000, `open loop: p90 ${open.p90} µs`);
    assert.ok(open.p90 > 2 * closed.p90, `p90 of ${open.p90} µs against ${closed.p90} µs`);
  },
);

test('a server that answers nothing holds up neither the client nor its memory', limits, async (t) => {
  const url = await otherServer(t, (socket) => socket.on('message', () => undefined));
  const { code, stderr, result } = await runBench(
    t,
    url,
    ...short,
    '-c',
    '2',
    '--rate',
    '1000',
    '-p',
    '5',
    '--timeout',
    '1',
  );
  assert.equal(code, 1);
  assert.match(stderr, /nothing was measured: nothing came back/);
  assert.deepEqual([result.sent, result.unanswered], [10, 10]);
  assert.equal(result.rate_missed, 290, 'what could not be sent is told');
});

test('nobody there, a refusal and a handshake without an end are counted and do not hang', limits, async (t) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (head) => {
      if (head.includes('/no')) socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const url = `ws://127.0.0.1:${address.port}`;
  const refused = await runBench(t, `${url}/no`, ...short, '-c', '3');
  assert.deepEqual(refused.result.errors.kinds, { 'ERR_DIAL_STATUS 403': 3 });
  const silent = await runBench(t, `${url}/silent`, ...short, '-c', '3', '--timeout', '0.2');
  assert.deepEqual(silent.result.errors.kinds, { ERR_DIAL_TIMEOUT: 3 });
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
  const nobody = await runBench(t, url, ...short, '-c', '3', '--mode', 'fanout');
  assert.deepEqual(nobody.result.errors.kinds, { 'ERR_DIAL_CONNECT ECONNREFUSED': 4 });
  for (const { code, stderr, result } of [refused, silent, nobody]) {
    assert.equal(code, 1);
    assert.match(stderr, /nothing was measured/);
    assert.equal(result.elapsed_s, 0);
    assert.equal(result.errors.first !== null, true);
  }
});

test('thresholds set the exit status, and say what was wanted', limits, async (t) => {
  const url = await otherServer(t, echo);
  const args = [...short, '-c', '2', '--rate', '100'];
  const missed = await runBench(t, url, ...args, '--fail-p99-ms', '0', '--fail-below', '1000000');
  assert.equal(missed.code, 1);
  // What was due and not sent has no latency, and might have had a long one.
  const full = await runBench(t, url, ...args, '-p', '1', '--rate', '100000', '--fail-p99-ms', '100000');
  assert.equal(full.code, 1);
  assert.match(full.stderr, /^shardwire bench: p99 is not that of the rate: \d+ messages/);
  assert.match(missed.stderr, /^shardwire bench: p99 is [\d.]+ ms; allowed 0 ms; [\d.]+ a second; wanted 1000000\n$/);
  assert.equal(missed.result.failures.length, 2);
  await goodBench(t, url, ...args, '--fail-p99-ms', '100000', '--fail-below', '1');
});

test('nobody who reads the result is no crash', limits, async (t) => {
  const url = await otherServer(t, echo);
  for (const args of [[url, '--json', ...short], ['--help']]) {
    const command = new Command(t, ['bench', ...args]);
    command.stopReading();
    assert.deepEqual(await command.ended, { code: 0, signal: null });
    assert.equal(command.stderr, '');
  }
});

test('many connections of one thread leave another one the files that it has to load', limits, async (t) => {
  const url = await otherServer(t, echo);
  const command = `ulimit -n 256; exec "$0" "$@"`;
  const args = ['bench', url, '--json', ...short, '-c', '600', '-w', '3'];
  const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, commandFile, ...args]).catch(
    (error: { readonly stdout: string }) => error,
  );
  const { connections, errors, received } = JSON.parse(stdout);
  assert.ok(received > 0);
  assert.deepEqual(errors.kinds, { 'ERR_DIAL_CONNECT EMFILE': 600 - connections.opened });
});

test('SIGINT ends a run with the results so far, a second one ends it at once', limits, async (t) => {
  let messages = 0;
  let mute = false;
  const url = await otherServer(t, (socket) => {
    socket.on('message', (data, binary) => {
      messages += 1;
      if (!mute) socket.send(data as Buffer, { binary });
    });
  });
  const args = ['bench', url, '-d', '600', '--warmup', '0', '--json'];
  const reach = async (count: number, command: Command): Promise<void> => {
    let isOver = false;
    const note = (): void => {
      isOver = true;
    };
    command.ended.then(note, note);
    while (messages < count) {
      assert.ok(!isOver, 'the command has ended by itself');
      await sleep(5);
    }
  };
  const first = new Command(t, args);
  await reach(200, first);
  first.signal('SIGINT');
  assert.deepEqual(await first.ended, { code: 0, signal: null });
  const result = JSON.parse(first.stdout);
  assert.equal(result.interrupted, true);
  assert.ok(result.received > 0 && result.elapsed_s < 600);
  assert.equal(first.stderr, '');

  mute = true;
  messages = 0;
  const second = new Command(t, args);
  await reach(1, second);
  await sleep(100);
  second.signal('SIGINT');
  // Answers that will not come are waited for; closer signals count as one.
  await sleep(400);
  second.signal('SIGINT');
  assert.deepEqual(await second.ended, { code: 130, signal: null });
  assert.equal(second.stdout, '');
});
