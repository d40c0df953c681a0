import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { acceptFor } from '#dist/frame/index.js';
import {
  buildScript,
  echo,
  fileOf,
  loadgen,
  loadgenWith,
  parsed,
  program,
  refused,
  serveWs,
  skip,
} from './loadgen-fixture.ts';
import { serveRaw, serveTcp } from './raw-server.ts';

test('failures: a handshake that is refused says how', { skip }, async (t) => {
  const { port } = await serveWs(t, echo, { verifyClient: (_info, done) => done(false, 403) });
  for (const mode of ['echo', 'idle', 'connect', 'fanout']) {
    const { stdout } = await refused(
      port,
      `--mode ${mode} --connections 2 --duration-ms 5000`,
      /HTTP\/1\.1 403 Forbidden/,
    );
    assert.equal(stdout, '');
  }
});

test('failures: an answer that is not quite a handshake', { skip }, async (t) => {
  const head = (lines: string): string => `HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`;
  const good = (key: string): string =>
    `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n`;
  const answers: readonly (readonly [(key: string) => string, RegExp])[] = [
    [(key) => head(good(`${key}x`)), /wrong Sec-WebSocket-Accept/],
    [(key) => head(`Sec-WebSocket-Accept: ${acceptFor(key)}\r\n`), /without Upgrade/],
    [(key) => head(`${good(key)}Sec-WebSocket-Extensions: permessage-deflate\r\n`), /extension/],
    [(key) => head(`${good(key)}Sec-WebSocket-Protocol: other\r\n`), /"other", which was not offered/],
    [(key) => head(good(key)), /"json" was offered, the server chose none/],
    [() => 'x'.repeat(20_000), /no end/],
    [() => 'HTTP/1.1 400 \u001b[31m\r\n\r\n', /answered "HTTP\/1\.1 400 \?\[31m"/],
  ];
  for (const [answer, line] of answers) {
    const port = await serveRaw(t, { answer });
    await refused(port, '--subprotocol json --duration-ms 5000', line);
  }
});

test('failures: nobody listens, or whoever listens hangs up', { skip }, async (t) => {
  const hangsUp = await serveTcp(t, (socket) => socket.destroy());
  await refused(hangsUp, '--connections 2', /no answer to the handshake/);
  const { port, server } = await serveWs(t, echo);
  server.close();
  await refused(port, '--connections 2', /cannot connect: Connection refused/);
  await refused(port, '--host no-such-host.invalid', /cannot resolve no-such-host\.invalid/);
});

test('failures: connections that the server closes in the run are counted', { skip }, async (t) => {
  const { port } = await serveWs(t, (socket, server) => {
    echo(socket);
    let messages = 0;
    // Two of five go, one politely.
    const place = server.clients.size;
    socket.on('message', () => {
      if (++messages !== 20) return;
      if (place === 2) socket.close(1001);
      if (place === 4) socket.terminate();
    });
  });
  const finished = await loadgen(port, '--connections 5 --duration-ms 200');
  assert.equal(finished.code, 1);
  assert.match(finished.stderr, /^loadgen: a connection was lost: [^\n]+\n$/);
  const { errors, received } = parsed(finished);
  assert.deepEqual(errors, { connect: 0, handshake: 0, protocol: 0, closed: 2 });
  assert.ok(received > 5 * 20, 'the others go on');
});

test('failures: a connection that is lost during its setup', { skip }, async (t) => {
  const { port } = await serveWs(t, (socket) => socket.on('message', () => socket.close(3500)));
  const setup = `--setup-file ${fileOf(t, 'hello')} --setup-replies 1`;
  await refused(port, `--connections 2 ${setup}`, /close frame with code 3500/);
});

test('failures: options are checked before anything is opened', { skip }, async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /--port is missing/],
    ['--port 0', /--port: a whole number from 1 to 65535/],
    ['--port 70000', /--port/],
    ['--port 80x', /--port/],
    ['--port', /--port: a value is missing/],
    ['--port 1 --mode fast', /--mode: echo, fanout, connect, idle or latency/],
    ['--port 1 --fast 1', /unknown option "--fast"/],
    ['--port 1 --rate nan', /--rate/],
    ['--port 1 --rate 5 --mode idle', /--rate: not in the modes/],
    ['--port 1 --pipeline 0', /--pipeline/],
    ['--port 1 --path ws', /--path: begins with \//],
    ['--port 1 --message-file /no/such/file', /cannot read \/no\/such\/file: No such file/],
    ['--port 1 --setup-replies 1', /after the setup file/],
    ['--port 1 --mode fanout --subscriber-groups 2 --subprotocol a', /once for each group/],
    ['--port 1 --subscriber-groups 2', /only in mode fanout/],
    ['--port 1 --mode fanout --subscriber-groups 2 --group-expect-bytes 2:5', /there are only 2 groups/],
    ['--port 1 --connections 1000000 --pipeline 17', /in flight in all/],
    ['--port 1 --server-pid 2147483647', /process 2147483647 cannot be looked at/],
  ];
  for (const [args, line] of cases) {
    const finished = await loadgenWith(args.split(' ').filter((arg) => arg !== ''));
    assert.equal(finished.code, 1, args);
    assert.match(finished.stderr, /^loadgen: [^\n]+\n$/);
    assert.match(finished.stderr, line);
  }
  const injected = await loadgenWith(['--port', '1', '--path', '/ws HTTP/1.1\r\nX: y']);
  assert.match(injected.stderr, /--path: no blanks or control characters/);
});

test('build: what is up to date stays, and a missing compiler is named', { skip }, (t) => {
  const { mtimeMs } = statSync(program);
  assert.equal(spawnSync(buildScript).status, 0);
  assert.equal(statSync(program).mtimeMs, mtimeMs);
  const elsewhere = join(dirname(fileOf(t, '')), 'loadgen');
  const built = spawnSync(buildScript, [elsewhere], {
    encoding: 'utf8',
    env: { ...process.env, CXX: 'no-such-compiler' },
  });
  assert.equal(built.status, 2);
  assert.match(built.stderr, /no C\+\+ compiler \(no-such-compiler\); install one/);
});
