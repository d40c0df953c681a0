import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codecByName } from '#dist/shared/codec/index.js';
import { checkHandshake, type HandshakePolicy, isOriginAllowed } from '#dist/worker/handshake/check-handshake.js';
import type { TransportRequest } from '#dist/worker/transport/transport.js';
import { fc } from '../support/properties.ts';
import { sampleKey } from '../support/raw-socket.ts';

type Headers = Readonly<Record<string, string | undefined>>;

const policy: HandshakePolicy = {
  path: '/ws',
  subprotocols: ['json'],
  unknownSubprotocol: 'reject',
  origins: 'same-origin',
  security: null,
  tls: null,
};

/** A good request with headers changed (undefined: left out). */
function requestWith(headers: Headers = {}, rest: Partial<TransportRequest> = {}): TransportRequest {
  const good: Headers = {
    host: 'example.com',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-key': sampleKey,
    'sec-websocket-version': '13',
  };
  const all = new Map<string, string>();
  for (const [name, value] of Object.entries({ ...good, ...headers })) if (value !== undefined) all.set(name, value);
  return {
    method: 'GET',
    path: '/ws',
    query: '',
    headers: all,
    remoteAddress: '127.0.0.1',
    proxiedAddress: '',
    clientCertificate: null,
    ...rest,
  };
}

/** Status and error code of the answer; 101 if there is nothing to complain about. */
function statusOf(request: TransportRequest, changed: Partial<HandshakePolicy> = {}): readonly [number, string] {
  const verdict = checkHandshake(request, { ...policy, ...changed });
  if (verdict.ok) return [101, ''];
  return [verdict.answer.status, verdict.answer.body.split(':')[0] ?? ''];
}

function accepted(
  request: TransportRequest,
  changed: Partial<HandshakePolicy> = {},
): { codec: string; subprotocol: string | null; name: string } {
  const verdict = checkHandshake(request, { ...policy, ...changed });
  assert.ok(verdict.ok, 'the handshake is refused');
  const { codec, subprotocol, name } = verdict.handshake;
  return { codec: codec.name, subprotocol, name };
}

describe('a handshake is checked', () => {
  test('a good one is accepted, and settles the codec, the subprotocol and the name', () => {
    assert.deepEqual(accepted(requestWith()), { codec: 'json', subprotocol: null, name: '' });
  });

  test('the path must be exact: 404', () => {
    for (const path of ['/', '/ws/', '/WS', '/w', '/wss', '//ws', '']) {
      assert.deepEqual(statusOf(requestWith({}, { path })), [404, 'ERR_HANDSHAKE_PATH']);
    }
  });

  test('the method must be GET: 405 with Allow', () => {
    for (const method of ['POST', 'HEAD', 'PUT', 'OPTIONS', 'get', '']) {
      assert.deepEqual(statusOf(requestWith({}, { method })), [405, 'ERR_HANDSHAKE_METHOD']);
    }
    const verdict = checkHandshake(requestWith({}, { method: 'POST' }), policy);
    assert.equal(verdict.ok ? '' : verdict.answer.headers.get('Allow'), 'GET');
  });

  test('Host must be given exactly once (RFC 9112 section 3.2)', () => {
    for (const host of [undefined, 'one.example, two.example', ',']) {
      assert.deepEqual(statusOf(requestWith({ host })), [400, 'ERR_HANDSHAKE_HOST'], String(host));
    }
  });

  test('Connection must have the token upgrade, anywhere in its list and in any case: 400', () => {
    for (const connection of [
      'Upgrade',
      'upgrade',
      'keep-alive, Upgrade',
      'UPGRADE,keep-alive',
      ' keep-alive ,\tupgrade ',
    ]) {
      assert.deepEqual(statusOf(requestWith({ connection })), [101, '']);
    }
    for (const connection of [undefined, '', 'keep-alive', 'upgraded', 'up grade', 'keep-alive; upgrade']) {
      assert.deepEqual(statusOf(requestWith({ connection })), [400, 'ERR_HANDSHAKE_CONNECTION']);
    }
  });

  test('Upgrade must have the token websocket: 400', () => {
    for (const upgrade of ['websocket', 'WebSocket', 'h2c, websocket']) {
      assert.deepEqual(statusOf(requestWith({ upgrade })), [101, '']);
    }
    for (const upgrade of [undefined, '', 'h2c', 'websockets', 'websocket/13']) {
      assert.deepEqual(statusOf(requestWith({ upgrade })), [400, 'ERR_HANDSHAKE_UPGRADE']);
    }
  });

  test('the version must be 13: 400 if there is none, else 426; both name 13', () => {
    for (const [version, status] of [
      [undefined, 400],
      ['', 400],
      ['8', 426],
      ['14', 426],
      ['130', 426],
      ['0x0d', 426],
      ['13, 8', 426],
    ] as const) {
      const verdict = checkHandshake(requestWith({ 'sec-websocket-version': version }), policy);
      assert.ok(!verdict.ok);
      assert.equal(verdict.answer.status, status, `version ${version}`);
      assert.equal(verdict.answer.headers.get('Sec-WebSocket-Version'), '13');
      assert.match(verdict.answer.body, /^ERR_HANDSHAKE_VERSION: /);
    }
  });

  test('the key must be the base64 form of 16 bytes, given once: 400', () => {
    const bad = [
      undefined,
      '',
      '!'.repeat(24),
      `${sampleKey}, ${sampleKey}`,
      sampleKey.slice(0, -1),
      `${sampleKey}=`,
      Buffer.alloc(15).toString('base64'),
      Buffer.alloc(17).toString('base64'),
      Buffer.alloc(18).toString('base64'),
      // Bits behind the 16th byte: no encoder makes them.
      'dGhlIHNhbXBsZSBub25jZR==',
      'dGhlIHNhbXBsZSBub25jZ-==',
      ` ${sampleKey}`,
      `${sampleKey}\n`,
    ];
    for (const key of bad) {
      assert.deepEqual(statusOf(requestWith({ 'sec-websocket-key': key })), [400, 'ERR_HANDSHAKE_KEY'], `key ${key}`);
    }
  });

  test('any 16 bytes make a good key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const key = Buffer.from(bytes).toString('base64');
        assert.deepEqual(statusOf(requestWith({ 'sec-websocket-key': key })), [101, '']);
      }),
    );
  });

  test('no header value makes it throw, and every refusal is a status with an error code', () => {
    const names = [
      'host',
      'upgrade',
      'connection',
      'origin',
      'sec-websocket-key',
      'sec-websocket-protocol',
      'x-client-id',
    ];
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...names), fc.string({ maxLength: 40 }), { maxKeys: 7 }),
        fc.string({ maxLength: 40 }),
        (headers, query) => {
          const [status, code] = statusOf(requestWith(headers, { query }));
          assert.ok([101, 400, 403, 404, 405, 426].includes(status));
          if (status !== 101) assert.match(code, /^ERR_[A-Z_]+$/);
        },
      ),
    );
  });
});

describe('the Origin of a handshake', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['http://example.com', 'example.com', true],
    ['https://example.com', 'example.com', true],
    ['http://EXAMPLE.com', 'Example.COM', true],
    ['http://example.com', 'example.com:80', true],
    ['http://example.com:80', 'example.com', true],
    ['https://example.com', 'example.com:443', true],
    ['https://example.com:443', 'example.com', true],
    ['http://example.com:8080', 'example.com:8080', true],
    ['http://[::1]:8080', '[::1]:8080', true],
    ['http://[::1]', '[0:0:0:0:0:0:0:1]:80', true],
    ['http://127.0.0.1:8080', '127.0.0.1:8080', true],
    ['http://example.com', 'example.com:8080', false],
    ['http://example.com:8080', 'example.com', false],
    ['https://example.com', 'example.com:80', false],
    ['http://example.com', 'example.org', false],
    ['http://sub.example.com', 'example.com', false],
    ['http://example.com.evil.org', 'example.com', false],
    ['http://evil.org/example.com', 'example.com', false],
    ['http://example.com@evil.org', 'example.com', false],
    ['http://[::2]', '[::1]', false],
    ['http://localhost', '127.0.0.1', false],
    ['null', 'example.com', false],
    ['', 'example.com', false],
    ['example.com', 'example.com', false],
    ['http://example.com, http://example.com', 'example.com', false],
    ['http://example.com', 'exa mple.com', false],
  ];
  for (const [origin, host, allowed] of cases) {
    test(`${origin === '' ? 'an empty one' : origin} at Host ${host} is ${allowed ? 'the same' : 'foreign'}`, () => {
      const status = allowed ? [101, ''] : [403, 'ERR_HANDSHAKE_ORIGIN'];
      assert.deepEqual(statusOf(requestWith({ origin, host })), status);
    });
  }

  test('without an Origin the client is no browser, and is accepted whatever the rule', () => {
    for (const origins of ['same-origin', '*', ['https://a.example']] as const) {
      assert.equal(isOriginAllowed(new Map([['host', 'example.com']]), origins), true);
    }
  });

  test('"*" allows every one', () => {
    for (const origin of ['https://evil.org', 'null', '', 'nonsense']) {
      assert.deepEqual(statusOf(requestWith({ origin }), { origins: '*' }), [101, '']);
    }
  });

  test('a list allows what is on it, in any case, and nothing else, not even the same origin', () => {
    const origins = ['https://a.example', 'http://b.example:8080'];
    for (const origin of ['https://a.example', 'HTTPS://A.example', 'http://b.example:8080']) {
      assert.deepEqual(statusOf(requestWith({ origin }), { origins }), [101, '']);
    }
    for (const origin of [
      'http://a.example',
      'https://a.example:8443',
      'http://b.example',
      'http://example.com',
      'null',
    ]) {
      assert.deepEqual(statusOf(requestWith({ origin }), { origins }), [403, 'ERR_HANDSHAKE_ORIGIN']);
    }
  });

  test('only http and https can be the same origin, whatever the Host; a list may name an app of another scheme', () => {
    for (const [origin, host] of [
      ['file://', 'localhost'],
      ['file://', ''],
      ['file://localhost', 'localhost'],
      ['capacitor://localhost', 'localhost'],
      ['ionic://localhost', 'localhost'],
      ['chrome-extension://localhost', 'localhost'],
      ['ws://localhost', 'localhost'],
    ] as const) {
      assert.deepEqual(statusOf(requestWith({ origin, host })), [403, 'ERR_HANDSHAKE_ORIGIN'], origin);
    }
    const origins = ['capacitor://localhost'];
    const request = requestWith({ origin: 'capacitor://localhost', host: 'chat.example' });
    assert.deepEqual(statusOf(request, { origins }), [101, '']);
  });

  test('an empty list allows no browser', () => {
    const origin = 'http://example.com';
    assert.deepEqual(statusOf(requestWith({ origin }), { origins: [] }), [403, 'ERR_HANDSHAKE_ORIGIN']);
  });
});

describe('the subprotocol of a handshake', () => {
  const offer = 'sec-websocket-protocol';

  test('what is known is chosen, wherever it stands in the offer, and echoed', () => {
    for (const offered of ['json', 'json, other', 'other,json', ' other , json ', 'msgpack, json']) {
      assert.equal(accepted(requestWith({ [offer]: offered })).subprotocol, 'json');
    }
  });

  test('the server prefers, not the client', () => {
    const subprotocols = ['msgpack', 'json'] as const;
    const settled = accepted(requestWith({ [offer]: 'json, msgpack' }), { subprotocols });
    // A codec that this build does not have is passed over.
    assert.equal(
      settled.codec,
      subprotocols.find((name) => codecByName(name) !== undefined),
    );
    assert.equal(settled.subprotocol, settled.codec);
  });

  test('a body is refused, however it is announced; none at all and one of no bytes are the same', () => {
    assert.deepEqual(statusOf(requestWith({ 'content-length': '0' })), [101, '']);
    for (const length of ['1', '00', '', '-1', '0, 0', 'x']) {
      assert.deepEqual(statusOf(requestWith({ 'content-length': length })), [400, 'ERR_HANDSHAKE_MALFORMED']);
    }
    for (const coding of ['chunked', 'identity', '']) {
      assert.deepEqual(statusOf(requestWith({ 'transfer-encoding': coding })), [400, 'ERR_HANDSHAKE_MALFORMED']);
    }
  });

  test('offered but none known: 400 that names the known ones', () => {
    for (const offered of ['xml', 'JSON', 'jsonx', 'json2, xml', '']) {
      assert.deepEqual(statusOf(requestWith({ [offer]: offered })), [400, 'ERR_HANDSHAKE_SUBPROTOCOL'], offered);
    }
    const verdict = checkHandshake(requestWith({ [offer]: 'xml' }), policy);
    assert.match(verdict.ok ? '' : verdict.answer.body, /known are: json\n$/);
  });

  test("unknownSubprotocol 'json' accepts it as JSON without an echo", () => {
    const settled = accepted(requestWith({ [offer]: 'xml' }), { unknownSubprotocol: 'json' });
    assert.deepEqual(settled, { codec: 'json', subprotocol: null, name: '' });
  });

  test('none offered: JSON without an echo, also where JSON is not on the list', () => {
    for (const subprotocols of [['json'], ['msgpack']] as const) {
      assert.equal(accepted(requestWith(), { subprotocols }).codec, 'json');
      assert.equal(accepted(requestWith(), { subprotocols }).subprotocol, null);
    }
  });
});

describe('the client id of a handshake', () => {
  test('comes from X-Client-ID, else from ?client_id=', () => {
    assert.equal(accepted(requestWith({ 'x-client-id': 'one' }, { query: 'client_id=two' })).name, 'one');
    assert.equal(accepted(requestWith({}, { query: 'a=b&client_id=t%20w%C3%B6&client_id=3' })).name, 't wö');
    assert.equal(accepted(requestWith({ 'x-client-id': '' }, { query: 'client_id=two' })).name, 'two');
    assert.equal(accepted(requestWith({}, { query: 'client_id' })).name, '');
    assert.equal(accepted(requestWith({}, { query: 'client_id=%' })).name, '%');
  });

  test('has at most 128 characters: 400', () => {
    assert.equal(accepted(requestWith({ 'x-client-id': 'x'.repeat(128) })).name.length, 128);
    assert.deepEqual(statusOf(requestWith({ 'x-client-id': 'x'.repeat(129) })), [400, 'ERR_NAME_INVALID']);
    assert.deepEqual(statusOf(requestWith({}, { query: `client_id=${'x'.repeat(129)}` })), [400, 'ERR_NAME_INVALID']);
  });
});
