import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import {
  compilePipeline,
  compileWebPipeline,
  createClientSession,
  createWebClientSession,
  decodeClientNonce,
  derivedKey,
  encodeClientNonce,
  type PipelineConfig,
  ServerSession,
} from '#dist/shared/security/index.js';
import { within } from '../support/waiting.ts';
import { aesKey, bytesOf, bytesOfHex, connectionId, hexOf, hmacKey, keySetOf, serverEnd } from './security-fixture.ts';

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');
const section = page.slice(page.indexOf('\n## Sealed messages'), page.indexOf('\n## Close codes'));
/** Lines are broken on the page. */
const hexOfPage = section.replaceAll(/\s+/g, '');
const blocks = Array.from(section.matchAll(/```js\n([\s\S]*?)```/g), ([, code]) => code ?? '');

/** Whether the page shows these bytes. */
function isShown(bytes: Uint8Array): boolean {
  return hexOfPage.includes(hexOf(bytes));
}

/** A code block as a module. */
function moduleOf<Module>(code: string): Promise<Module> {
  const source = code.replace("'shardwire/security'", `'${import.meta.resolve('#dist/shared/security/index.js')}'`);
  return import(`data:text/javascript,${encodeURIComponent(source)}`) as Promise<Module>;
}

describe('the examples of the page about the protocol', () => {
  // The page's nonce, each time.
  const original = globalThis.crypto.getRandomValues;
  before(() => {
    globalThis.crypto.getRandomValues = <T>(target: T): T => {
      if (target instanceof Uint8Array) for (let at = 0; at < target.length; at++) target[at] = at % 12;
      return target;
    };
  });
  after(() => {
    globalThis.crypto.getRandomValues = original;
  });

  test('version 1 and the flag: what we write is what the page shows', () => {
    const text = bytesOf('sensitive data');
    const configs: readonly PipelineConfig[] = [
      { aesKey },
      { hmacKey },
      { aesKey, hmacKey },
      { aesKey, hmacKey, signThenEncrypt: false },
      { aesKey, flagged: true },
    ];
    for (const config of configs) assert.ok(isShown(compilePipeline(config).seal(text)), JSON.stringify(config));
    const deflated = '000102030405060708090a0b46499adfcae5956fa44020a30cb85c6def8f444d2894';
    assert.ok(hexOfPage.includes(deflated));
    assert.deepEqual(compilePipeline({ aesKey, flagged: true }).open(bytesOfHex(deflated)), bytesOf('a'.repeat(32)));
  });

  test('derived keys and the flagged form: what we write is what the page shows, with Web Crypto too', async () => {
    for (const subprotocol of ['json+deflate2', 'json+seal3']) {
      for (const direction of ['from client', 'from server'] as const) {
        assert.ok(isShown(derivedKey(aesKey, subprotocol, direction, 'aes-256-gcm')));
        assert.ok(isShown(derivedKey(hmacKey, subprotocol, direction, 'hmac-sha256')));
      }
    }
    const text = bytesOf('sensitive data');
    for (const side of ['client', 'server'] as const) {
      const config = { aesKey, hmacKey, subprotocol: 'json+deflate2', side };
      const other = { ...config, side: side === 'client' ? 'server' : 'client' } as const;
      const [pipeline, web] = [compilePipeline(config), await compileWebPipeline(config)];
      const sealed = pipeline.seal(text);
      assert.ok(isShown(sealed), side);
      assert.equal(hexOf(await web.seal(text)), hexOf(sealed));
      assert.deepEqual(compilePipeline(other).open(sealed), text);
      assert.deepEqual(await (await compileWebPipeline(other)).open(sealed), text);
      assert.throws(() => pipeline.open(sealed), { code: 'ERR_SEAL_DECRYPT' });
      await assert.rejects(web.open(sealed), { code: 'ERR_SEAL_DECRYPT' });
      const elsewhere = compilePipeline({ ...other, subprotocol: 'msgpack+deflate2' });
      assert.throws(() => elsewhere.open(sealed), { code: 'ERR_SEAL_DECRYPT' });
    }
    for (const subprotocol of ['json', 'json+seal3', 'json+deflate2\n', 5 as never]) {
      assert.throws(() => compilePipeline({ aesKey, subprotocol }), {
        code: 'ERR_OPTION_INVALID',
        path: 'subprotocol',
      });
    }
  });

  for (const [version, subprotocol] of [
    [2, null],
    [3, 'json+seal3'],
  ] as const) {
    test(`version ${version}: what we write is what the page shows, with Web Crypto too`, () =>
      showsVersion(version, subprotocol));
  }

  async function showsVersion(version: 2 | 3, subprotocol: string | null): Promise<void> {
    const clientNonce = Uint8Array.from({ length: 16 }, (_, index) => 0x10 + index);
    assert.ok(section.includes(`?client_nonce=${encodeClientNonce(clientNonce)}\``));
    const config = { aesKey, hmacKey, keyId: 1, clientNonce, ...(subprotocol === null ? {} : { subprotocol }) };
    const session = new ServerSession(connectionId, clientNonce, version);
    const server = serverEnd(session, [keySetOf(1, { aesKey, hmacKey })], true, subprotocol);
    const [client, web] = [createClientSession(config), await createWebClientSession(config)];
    const [hello, pong] = [server.hello(), server.seal(bytesOf('{"type":"pong"}'))];
    assert.ok(isShown(hello) && isShown(pong));
    assert.deepEqual([client.open(hello), await web.open(hello)], [null, null]);
    const ping = client.seal(bytesOf('{"type":"ping"}'));
    assert.ok(isShown(ping));
    assert.equal(hexOf(await web.seal(bytesOf('{"type":"ping"}'))), hexOf(ping));
    assert.deepEqual(server.open(ping), bytesOf('{"type":"ping"}'));
  }

  test('the page shows two programs', () => {
    assert.equal(blocks.length, 2);
  });
});

describe('the programs of the page about the protocol', () => {
  test('the one with node:crypto alone reads what we write, and we what it writes', async () => {
    type Step = (bytes: Uint8Array, aes: Uint8Array, hmac: Uint8Array) => Uint8Array;
    const { seal, open } = await moduleOf<{ seal: Step; open: Step }>(`${blocks[0]}\nexport { seal, open };`);
    const pipeline = compilePipeline({ aesKey, hmacKey });
    for (const payload of [new Uint8Array(0), bytesOf('{"type":"ping"}'), new Uint8Array(5000)]) {
      assert.deepEqual(Uint8Array.from(open(pipeline.seal(payload), aesKey, hmacKey)), payload);
      assert.deepEqual(pipeline.open(seal(payload, aesKey, hmacKey)), payload);
    }
    const sealed = seal(bytesOf('x'), aesKey, hmacKey);
    assert.throws(() => open(sealed.subarray(1), aesKey, hmacKey));
    assert.throws(() => open(sealed, aesKey, bytesOf('another')), /wrong signature/);
    assert.throws(() => open(sealed.subarray(0, 59), aesKey, hmacKey), /too short/);
  });

  test('the one for browsers speaks version 3 over a socket', async () => {
    type Connect = (
      url: string,
      keys: PipelineConfig & { keyId: number },
      received: (message: unknown, missing: number) => void,
    ) => Promise<{ send(message: unknown): Promise<void>; socket: WebSocket }>;
    const globals = globalThis as { WebSocket?: unknown };
    const { WebSocket: own } = globals;
    globals.WebSocket = WebSocket;
    const listener = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    try {
      const { connect } = await moduleOf<{ connect: Connect }>(blocks[1] ?? '');
      const heard: unknown[] = [];
      listener.on('connection', (socket, request) => {
        assert.equal(socket.protocol, 'json+seal3');
        const query = new URL(request.url ?? '', 'http://localhost').searchParams.get('client_nonce');
        const clientNonce = decodeClientNonce(query ?? '');
        assert.ok(clientNonce !== null);
        const session = new ServerSession(connectionId, clientNonce, 3);
        const server = serverEnd(session, [keySetOf(1, { aesKey, hmacKey })], true, 'json+seal3');
        socket.on('message', (frame: Buffer) => {
          const text = Buffer.from(server.open(frame)).toString();
          heard.push(JSON.parse(text));
          // The second is lost on the way: the client must see the gap.
          socket.send(server.seal(bytesOf(text)));
          server.seal(bytesOf('lost'));
        });
        socket.send(server.hello());
      });
      await once(listener, 'listening');
      const url = `ws://127.0.0.1:${(listener.address() as AddressInfo).port}/ws`;
      const received: unknown[] = [];
      let done: () => void = () => {};
      const all = new Promise<void>((resolve) => {
        done = resolve;
      });
      const { send, socket } = await connect(url, { aesKey, hmacKey, keyId: 1 }, (message, missing) => {
        received.push([message, missing]);
        if (received.length === 1) void Promise.all([send({ type: 'a' }), send({ type: 'b' })]);
        if (received.length === 3) done();
      });
      await within(all, 'three messages');
      const subscribe = { type: 'subscribe', data: { channel: 'news' } };
      assert.deepEqual(heard, [subscribe, { type: 'a' }, { type: 'b' }]);
      assert.deepEqual(received, [
        [subscribe, 0],
        [{ type: 'a' }, 1],
        [{ type: 'b' }, 2],
      ]);
      socket.close();
      await within(once(socket, 'close'), 'the end of the connection');
    } finally {
      globals.WebSocket = own;
      listener.close();
    }
  });
});
