import assert from 'node:assert/strict';
import { test } from 'node:test';
import { echo, fileOf, measure, noErrors, refused, serveWs, skip } from './loadgen-fixture.ts';

test('echo: every message is asked once, answered once, and counted to the byte', { skip }, async (t) => {
  const payload = Buffer.from(Array.from({ length: 300 }, (_, at) => at & 255));
  let seen = 0;
  let wrong = 0;
  const { port } = await serveWs(t, (socket) => {
    echo(socket);
    socket.on('message', (data: Buffer, isBinary) => {
      seen++;
      if (!isBinary || !data.equals(payload)) wrong++;
    });
  });
  const result = await measure(
    port,
    `--connections 5 --pipeline 3 --duration-ms 200 --opcode binary --expect-bytes 300 --message-file ${fileOf(t, payload)}`,
  );
  assert.equal(wrong, 0);
  assert.ok(seen >= 15);
  const { sent, received, bytes_in, bytes_out, unexpected, errors, completeness_pct, latency_us } = result;
  assert.deepEqual(
    { sent, received, bytes_in, bytes_out, unexpected, errors, completeness_pct, count: latency_us?.count },
    {
      sent: seen,
      received: seen,
      // Four bytes before a payload of this size; a client's mask is four more.
      bytes_in: seen * 304,
      bytes_out: seen * 308,
      unexpected: 0,
      errors: noErrors,
      completeness_pct: 100,
      count: seen,
    },
  );
  assert.ok(latency_us !== null);
  const { min, p50, p90, p99, p999, max } = latency_us;
  const ascending = [min, p50, p90, p99, p999, max];
  assert.deepEqual(
    ascending,
    ascending.toSorted((a, b) => a - b),
  );
  assert.ok(min > 0);
  assert.ok(Math.abs(result.rate_per_s * result.elapsed_s - received) < 1);
});

test('echo: what is sent while warming up is not counted', { skip }, async (t) => {
  let seen = 0;
  const { port } = await serveWs(t, (socket) => {
    echo(socket);
    socket.on('message', () => seen++);
  });
  const result = await measure(port, '--connections 3 --threads 2 --warmup-ms 150 --duration-ms 150');
  assert.deepEqual([result.threads, result.warmup_ms], [2, 150]);
  assert.equal(result.received, result.sent);
  assert.ok(result.received > 0 && seen > result.sent, `${seen} seen, ${result.sent} counted`);
});

test('echo: payloads of every length form', { skip }, async (t) => {
  for (const size of [0, 125, 126, 65_535, 65_536, 70_000]) {
    let wrong = 0;
    const payload = 'ü'.repeat(size / 2) + 'x'.repeat(size % 2);
    const { port } = await serveWs(t, (socket) => {
      echo(socket);
      socket.on('message', (data: Buffer) => {
        if (data.toString() !== payload) wrong++;
      });
    });
    const result = await measure(
      port,
      `--connections 2 --pipeline 8 --duration-ms 60 --expect-bytes ${size} --message-file ${fileOf(t, payload)}`,
    );
    assert.deepEqual([wrong, result.unexpected, result.completeness_pct], [0, 0, 100], `${size} bytes`);
    assert.ok(result.received >= 16);
  }
});

test('echo: a message of another size is no answer', { skip }, async (t) => {
  const noisy = await serveWs(t, (socket) => {
    socket.on('message', (data) => {
      socket.send('noise');
      socket.send(data);
    });
  });
  const result = await measure(noisy.port, '--connections 2 --duration-ms 100 --expect-bytes 64');
  assert.ok(result.received > 0);
  assert.deepEqual([result.unexpected, result.completeness_pct], [result.received, 100]);

  const wrong = await serveWs(t, (socket) => socket.on('message', () => socket.send('wrong')));
  const { stdout } = await refused(
    wrong.port,
    '--connections 2 --pipeline 4 --duration-ms 50 --grace-ms 1000 --expect-bytes 64',
    /no answer came, and 8 other messages/,
  );
  assert.deepEqual([JSON.parse(stdout).received, JSON.parse(stdout).unexpected], [0, 8]);
});

test('echo: an answer to nothing is not counted as one', { skip }, async (t) => {
  const { port } = await serveWs(t, (socket) =>
    socket.on('message', (data) => {
      socket.send(data);
      socket.send(data);
    }),
  );
  const result = await measure(port, '--connections 1 --duration-ms 100 --expect-bytes 64');
  assert.ok(result.received <= result.sent && result.unexpected > 0);
});

test('echo: pings are answered, with what was in them', { skip }, async (t) => {
  const { port } = await serveWs(t, (socket) => {
    let pings = 0;
    // No pong, no echo.
    socket.on('message', (data) => {
      const ping = `ping ${pings++}`;
      socket.once('pong', (payload) => {
        if (payload.toString() === ping) socket.send(data);
      });
      socket.ping(ping);
    });
  });
  const result = await measure(port, '--connections 4 --duration-ms 100');
  assert.ok(result.received > 4);
  assert.equal(result.completeness_pct, 100);
});

test('setup: what comes first is awaited, then each step and its replies, in order', { skip }, async (t) => {
  const logs: string[][] = [];
  const { port } = await serveWs(t, (socket) => {
    const log: string[] = [];
    logs.push(log);
    socket.send('open');
    socket.send('welcome');
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (!text.startsWith('x') && text !== '3') log.push(text);
      if (text === 'one') {
        // Engine.IO's ping must not be taken for a reply.
        socket.send('2');
        socket.send('one is done');
        socket.send('really');
      } else if (text === '3') {
        log.push('3');
      } else {
        socket.send(text);
      }
    });
  });
  const result = await measure(
    port,
    `--connections 2 --duration-ms 80 --await-first 2 --keepalive engineio --setup-file ${fileOf(t, 'one')} ` +
      `--setup-replies 2 --setup-file ${fileOf(t, 'two')} --setup-replies 1`,
  );
  assert.deepEqual(logs, [
    ['one', '3', 'two'],
    ['one', '3', 'two'],
  ]);
  assert.deepEqual([result.unexpected, result.completeness_pct], [0, 100]);
});

test('the server: its CPU time and memory are those of the process', { skip }, async (t) => {
  const { port } = await serveWs(t, echo);
  const before = process.cpuUsage();
  const result = await measure(port, `--connections 4 --duration-ms 200 --server-pid ${process.pid}`);
  const used = process.cpuUsage(before);
  assert.ok(result.server !== null);
  const { cpu_s, cpu_us_per_message, voluntary_switches, pss_before_kb, pss_after_kb, rss_after_kb } = result.server;
  assert.ok(typeof cpu_s === 'number' && typeof cpu_us_per_message === 'number');
  assert.ok(cpu_s > 0 && cpu_s <= (used.user + used.system) / 1e6, `${cpu_s} s of ${used.user + used.system} µs`);
  assert.ok(Math.abs(cpu_us_per_message * result.received - cpu_s * 1e6) <= result.received * 0.001 + 10);
  for (const figure of [voluntary_switches, pss_before_kb, pss_after_kb, rss_after_kb]) {
    assert.ok(typeof figure === 'number' && figure > 0);
  }
  assert.ok(result.client_cpu_s > 0 && result.client_cpu_share > 0);
  assert.ok(result.machine.steal_pct >= 0 && result.machine.foreign_cpu_pct >= 0);
});
