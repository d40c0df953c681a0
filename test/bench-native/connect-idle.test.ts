import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameBytes, opcode } from '../support/raw-frames.ts';
import { until } from '../support/waiting.ts';
import { echo, fileOf, measure, noErrors, serveWs, skip } from './loadgen-fixture.ts';
import { serveRaw } from './raw-server.ts';

test('connect: handshakes without pause, each closed as it should be', { skip }, async (t) => {
  let opened = 0;
  const codes = new Map<number, number>();
  let most = 0;
  const { port } = await serveWs(t, (socket, server) => {
    opened++;
    most = Math.max(most, server.clients.size);
    socket.on('close', (code) => codes.set(code, (codes.get(code) ?? 0) + 1));
  });
  const result = await measure(port, '--mode connect --connections 6 --threads 2 --duration-ms 200');
  assert.ok(opened > 6, `${opened} opened`);
  // Six at a time; the server may see the next one before the end of the last.
  assert.ok(most <= 12, `${most} at once`);
  const { received, sent, errors, latency_us, completeness_pct } = result;
  assert.deepEqual(
    { received, sent, errors, count: latency_us?.count, completeness_pct },
    { received: opened, sent: opened, errors: noErrors, count: opened, completeness_pct: 100 },
  );
  await until(() => codes.get(1000) === opened, 'the close of every connection');
});

test('connect: refusals among the handshakes are counted', { skip }, async (t) => {
  let offered = 0;
  let refusals = 0;
  const { port } = await serveWs(t, () => undefined, {
    verifyClient: (_info, done) => {
      const fine = ++offered % 4 !== 0;
      if (!fine) refusals++;
      done(fine, 503);
    },
  });
  const result = await measure(port, '--mode connect --connections 2 --duration-ms 100');
  assert.ok(refusals > 0);
  assert.deepEqual([result.sent, result.received, result.errors.handshake], [offered, offered - refusals, refusals]);
  assert.ok(result.completeness_pct !== null && result.completeness_pct < 100);
});

test('idle: so many connections stay, and answer pings', { skip }, async (t) => {
  let most = 0;
  let pongs = 0;
  const hellos: string[] = [];
  const { port } = await serveWs(t, (socket, server) => {
    most = Math.max(most, server.clients.size);
    socket.on('message', (data: Buffer) => hellos.push(data.toString()));
    socket.on('pong', () => pongs++);
    socket.ping();
  });
  const result = await measure(
    port,
    `--mode idle --connections 150 --duration-ms 100 --setup-file ${fileOf(t, 'hello')} --server-pid ${process.pid}`,
  );
  assert.deepEqual([most, pongs, hellos.length], [150, 150, 150]);
  assert.ok(hellos.every((text) => text === 'hello'));
  const { mode, connections, sent, received, unexpected, latency_us, completeness_pct } = result;
  assert.deepEqual(
    { mode, connections, sent, received, unexpected, latency_us, completeness_pct },
    { mode: 'idle', connections: 150, sent: 0, received: 0, unexpected: 0, latency_us: null, completeness_pct: null },
  );
  assert.ok(result.server !== null);
  const { pss_before_kb, pss_after_kb } = result.server;
  assert.ok(typeof pss_before_kb === 'number' && typeof pss_after_kb === 'number');
});

test('idle: a server that talks is told of', { skip }, async (t) => {
  const port = await serveRaw(t, {
    received: (socket) => {
      // After the setup: what comes before is none of the run's.
      setTimeout(() => socket.write(frameBytes({ opcode: opcode.text, payload: 'news', masked: false })), 50);
    },
  });
  const result = await measure(
    port,
    `--mode idle --connections 3 --duration-ms 400 --setup-file ${fileOf(t, 'hello')}`,
  );
  assert.equal(result.unexpected, 3);
});

test('echo: 16 KB both ways at once, more than the sockets hold', { skip }, async (t) => {
  const { port } = await serveWs(t, echo);
  const result = await measure(
    port,
    `--connections 2 --pipeline 400 --duration-ms 150 --expect-bytes 16384 --message-file ${fileOf(t, 'x'.repeat(16_384))}`,
  );
  assert.ok(result.received >= 800);
  assert.deepEqual([result.unexpected, result.completeness_pct], [0, 100]);
});
