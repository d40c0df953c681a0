import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer, type LookupFunction, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { type Dialed, type DialOptions, dial, upgrade } from '#dist/frame/index.js';
import { createCertificate } from '../support/certificates.ts';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import { within } from '../support/waiting.ts';
import { errorOf } from './frame-fixture.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const needsIpv6 = { skip: hasIpv6 ? false : 'this machine has no ::1' };
const { key, cert } = createCertificate('localhost');

interface Echo {
  readonly port: number;
  /** From where clients came, and what name they asked for. */
  readonly clients: { readonly from: string | undefined; readonly name: unknown }[];
}

/** Echoes on a port of `host`, and fails if anything is left open afterwards. */
async function withEcho(isTls: boolean, host: string, use: (echo: Echo) => Promise<void>): Promise<void> {
  const before = openResources();
  const clients: Echo['clients'] = [];
  const sockets = new Set<Socket>();
  const serve = async (socket: Socket): Promise<void> => {
    sockets.add(socket);
    clients.push({ from: socket.remoteAddress, name: Reflect.get(socket, 'servername') });
    const { connection } = await upgrade(socket);
    for await (const message of connection) await connection.writeMessage(message.payload, message.opcode);
  };
  // A client that gives up is for the client's test to judge.
  const onSocket = (socket: Socket): void => void serve(socket).catch(() => undefined);
  const server = isTls ? createTlsServer({ key, cert }, onSocket) : createServer(onSocket);
  const port = await listening(server, host);
  try {
    await use({ port, clients });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await assertNothingLeft(before);
  }
}

async function listening(server: Server, host: string): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listening(server, '127.0.0.1');
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Sends something there and back, and closes. */
async function exchange({ connection }: Dialed): Promise<void> {
  const payload = Buffer.alloc(500_000, 'there and back ');
  await connection.writeMessage(payload);
  assert.deepEqual((await within(connection.readMessage(), 'the echo'))?.payload, payload);
  assert.equal((await within(connection.close(), 'the end')).clean, true);
}

/** Resolves every name to `addresses`, those of the family that is asked for, and notes what it was asked. */
function lookupOf(addresses: LookupAddress[]): { lookup: LookupFunction; asked: unknown[] } {
  const asked: unknown[] = [];
  const lookup: LookupFunction = (hostname, options, callback) => {
    const { family = 0, all = false } = options;
    asked.push({ hostname, family });
    const fit = addresses.filter((one) => family === 0 || one.family === family);
    const [first] = fit;
    if (first === undefined) callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '', 0);
    else if (all) callback(null, fit);
    else callback(null, first.address, first.family);
  };
  return { lookup, asked };
}

const both: LookupAddress[] = [
  { address: '::1', family: 6 },
  { address: '127.0.0.1', family: 4 },
];

describe('the stream that a dialer makes', () => {
  test('goes over TLS, to an address and to a name', async () => {
    await withEcho(true, '127.0.0.1', async ({ port, clients }) => {
      await exchange(await dial(`wss://127.0.0.1:${port}/`, { tls: { ca: cert } }));
      await exchange(await dial(`wss://localhost:${port}/`, { tls: { ca: cert }, family: 4 }));
      assert.deepEqual(
        clients.map(({ name }) => name),
        [false, 'localhost'],
      );
    });
  });

  for (const isTls of [false, true]) {
    const scheme = isTls ? 'wss' : 'ws';
    const tls = { ca: cert, servername: 'localhost' };

    test(`${scheme}: comes from the local address that is asked for`, async () => {
      await withEcho(isTls, '127.0.0.1', async ({ port, clients }) => {
        await exchange(await dial(`${scheme}://127.0.0.1:${port}/`, { tls, localAddress: '127.0.0.2' }));
        // The name has an address of the other version too, and it comes first.
        const { lookup, asked } = lookupOf(both);
        await exchange(await dial(`${scheme}://localhost:${port}/`, { tls, lookup, localAddress: '127.0.0.3' }));
        assert.deepEqual(
          clients.map(({ from }) => from),
          ['127.0.0.2', '127.0.0.3'],
        );
        assert.deepEqual(asked, [{ hostname: 'localhost', family: 4 }]);
      });
    });

    test(`${scheme}: uses the version of IP that is asked for`, needsIpv6, async () => {
      await withEcho(isTls, '::1', async ({ port, clients }) => {
        const { lookup, asked } = lookupOf(both);
        await exchange(await dial(`${scheme}://localhost:${port}/`, { tls, lookup, family: 6 }));
        await exchange(await dial(`${scheme}://[::1]:${port}/`, { tls, localAddress: '::1', family: 6 }));
        const refused = await errorOf(() => dial(`${scheme}://localhost:${port}/`, { tls, lookup, family: 4 }));
        assert.equal(refused.code, 'ERR_DIAL_CONNECT');
        assert.deepEqual(
          clients.map(({ from }) => from),
          ['::1', '::1'],
        );
        assert.deepEqual(asked, [
          { hostname: 'localhost', family: 6 },
          { hostname: 'localhost', family: 4 },
        ]);
      });
    });
  }

  test('resolves names by the lookup that is given, and tries all it gives', async () => {
    await withEcho(false, '127.0.0.1', async ({ port, clients }) => {
      // Nobody listens on ::1, if there is one at all.
      const { lookup, asked } = lookupOf(both);
      await exchange(await dial(`ws://no-such-host.invalid:${port}/`, { lookup, family: 0 }));
      assert.deepEqual(asked, [{ hostname: 'no-such-host.invalid', family: 0 }]);
      assert.equal(clients.length, 1);
      // An address needs none.
      await exchange(await dial(`ws://127.0.0.1:${port}/`, { lookup: () => assert.fail('asked') }));
    });
  });

  test('says in words and by code why it cannot connect', async () => {
    const port = await closedPort();
    const refused = await errorOf(() => dial(`ws://127.0.0.1:${port}/`));
    assert.equal(refused.code, 'ERR_DIAL_CONNECT');
    assert.equal((refused.cause as { code?: string }).code, 'ECONNREFUSED');
    assert.equal(refused.message, `cannot connect to 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`);
    // An address of a network for documents, RFC 5737.
    const nowhere = await errorOf(() => dial(`ws://127.0.0.1:${port}/`, { localAddress: '203.0.113.7' }));
    assert.equal(nowhere.code, 'ERR_DIAL_CONNECT');
    assert.match(nowhere.message, /bind EADDRNOTAVAIL 203\.0\.113\.7/);
    const { lookup } = lookupOf([
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ]);
    const several = await errorOf(() => dial(`ws://many.example:${port}/`, { lookup }));
    assert.equal((several.cause as { code?: string }).code, 'ECONNREFUSED');
    assert.match(several.message, /connect ECONNREFUSED 127\.0\.0\.1:\d+, connect ECONNREFUSED 127\.0\.0\.2:/);
    const unknown = await errorOf(() => dial('ws://none.example/', lookupOf([])));
    assert.equal(unknown.message, 'cannot connect to none.example: no such name (ENOTFOUND)');
    await withEcho(true, '127.0.0.1', async ({ port: tlsPort }) => {
      const untrusted = await errorOf(() => dial(`wss://127.0.0.1:${tlsPort}/`));
      assert.equal(untrusted.code, 'ERR_DIAL_CONNECT');
      const code = (untrusted.cause as { code: string }).code;
      assert.ok(untrusted.message.endsWith(` (${code})`), untrusted.message);
    });
    const own = new Error('no stream today');
    await assert.rejects(dial('ws://x/', { connect: () => Promise.reject(own) }), own);
  });

  test('a lookup that throws, gives nonsense or never answers holds nothing up', async () => {
    const before = openResources();
    const thrown = new Error('no names today');
    const throwing: LookupFunction = () => {
      throw thrown;
    };
    const failed = await errorOf(() => dial('ws://x.example/', { lookup: throwing }));
    assert.deepEqual([failed.code, failed.cause], ['ERR_DIAL_CONNECT', thrown]);
    const nonsense: LookupFunction = (_name, _options, callback) => callback(null, 'nonsense', 4);
    assert.equal((await errorOf(() => dial('ws://x.example/', { lookup: nonsense }))).code, 'ERR_DIAL_CONNECT');
    const answers: (() => void)[] = [];
    const silent: LookupFunction = (_name, _options, callback) => {
      answers.push(() => callback(null, both));
    };
    const late = await errorOf(() => dial('ws://x.example/', { lookup: silent, timeoutMs: 20 }));
    assert.equal(late.code, 'ERR_DIAL_TIMEOUT');
    const reason = new Error('the user went away');
    const aborter = new AbortController();
    const dialing = dial('ws://x.example/', { lookup: silent, signal: aborter.signal });
    aborter.abort(reason);
    await assert.rejects(within(dialing, 'the abortion'), reason);
    // Nothing is opened for an answer that comes too late.
    assert.equal(answers.length, 2);
    for (const answer of answers) answer();
    await assertNothingLeft(before);
  });

  test('a certificate that cannot be read is told as any other failure', async () => {
    const error = await errorOf(() => dial('wss://127.0.0.1:1/', { tls: { cert: 'no certificate', key } }));
    assert.equal(error.code, 'ERR_DIAL_CONNECT');
    assert.ok(error.cause instanceof Error);
  });

  test('its options are checked before anything is opened', async () => {
    const lookup: LookupFunction = () => assert.fail('asked');
    const connect = (): never => assert.fail('opened');
    const wrong: [string, object, string][] = [
      ['ws://x/', { localAddress: 'localhost' }, 'localAddress'],
      ['ws://x/', { localAddress: '' }, 'localAddress'],
      ['ws://x/', { localAddress: '127.0.0.1:80' }, 'localAddress'],
      ['ws://x/', { localAddress: 1 }, 'localAddress'],
      ['ws://x/', { localAddress: '127.0.0.2', family: 6 }, 'localAddress'],
      ['ws://[::1]/', { localAddress: '127.0.0.2' }, 'localAddress'],
      ['ws://127.0.0.1/', { localAddress: '::1' }, 'localAddress'],
      ['ws://x/', { family: 5 }, 'family'],
      ['ws://x/', { family: 'IPv6' }, 'family'],
      ['ws://127.0.0.1/', { family: 6 }, 'family'],
      ['wss://[::1]/', { family: 4 }, 'family'],
      ['ws://x/', { lookup: 'dns' }, 'lookup'],
      ['ws://x/', { lookup: null }, 'lookup'],
      ['ws://x/', { connect: 'tcp' }, 'connect'],
      ['ws://x/', { connect, localAddress: '127.0.0.2' }, 'localAddress'],
      ['ws://x/', { connect, family: 4 }, 'family'],
      ['ws://x/', { connect, lookup }, 'lookup'],
    ];
    for (const [address, options, path] of wrong) {
      const error = await errorOf(() => dial(address, options as DialOptions));
      const what = `${address} ${Object.keys(options).join()}`;
      assert.deepEqual([error.code, error.path], ['ERR_OPTION_INVALID', path], what);
    }
  });
});
