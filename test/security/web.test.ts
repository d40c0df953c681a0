import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  compilePipeline,
  compileWebPipeline,
  createClientNonce,
  createClientSession,
  createWebClientSession,
  encrypt,
  ServerSession,
} from '#dist/shared/security/index.js';
import { randomOf } from '../codec/codec-fixture.ts';
import {
  aesKey,
  bytesOf,
  hmacKey,
  keyedModes,
  keySetOf,
  otherAesKey,
  outcomeOf,
  pipelines,
  serverEnd,
  webOutcomeOf,
} from './security-fixture.ts';

const text = bytesOf('sensitive data');
const payloads = [new Uint8Array(0), text, new Uint8Array(70_000).fill(97)];

describe('a pipeline with Web Crypto', () => {
  for (const [name, config] of [
    ...pipelines,
    ['flag only', { flagged: true }] as const,
    ['compress only', { compress: true }] as const,
  ]) {
    test(`${name}: each reads what the other wrote`, async () => {
      const node = compilePipeline(config);
      const web = await compileWebPipeline(config);
      assert.equal(web.isIdentity, false);
      for (const payload of payloads) {
        const [fromNode, fromWeb] = [node.seal(payload), await web.seal(payload)];
        assert.deepEqual(await web.open(fromNode), payload);
        assert.deepEqual(node.open(fromWeb), payload);
        if (config.compress === undefined) assert.equal(fromWeb.length, fromNode.length);
        else assert.equal(fromWeb.length < payload.length / 2, fromNode.length < payload.length / 2);
      }
    });

    test(`${name}: what is wrong has the same code from both`, async () => {
      const node = compilePipeline(config);
      const web = await compileWebPipeline(config);
      const random = randomOf(name.length);
      const sealed = node.seal(new Uint8Array(60).fill(97));
      for (let i = 0; i < 200; i++) {
        const bytes = random(3) === 0 ? sealed.slice(0, random(sealed.length + 1)) : sealed.slice();
        const at = random(bytes.length + 1);
        if (at < bytes.length) bytes[at] = random(256);
        assert.equal(
          await webOutcomeOf(() => web.open(bytes)),
          outcomeOf(() => node.open(bytes)),
        );
      }
      assert.equal(await webOutcomeOf(() => web.open('text' as never)), 'ERR_SEAL_FORMAT');
      await assert.rejects(web.seal('text' as never), { code: 'ERR_MESSAGE_INVALID' });
    });
  }

  test('without keys and flag it is the identity', async () => {
    const web = await compileWebPipeline({});
    assert.equal(web.isIdentity, true);
    assert.equal(await web.seal(text), text);
    assert.equal(await web.open(text), text);
  });

  test('arguments may be reused at once', async () => {
    for (const [name, config] of pipelines) {
      const web = await compileWebPipeline(config);
      const mine = text.slice();
      const sealing = web.seal(mine);
      mine.fill(0);
      const sealed = await sealing;
      const copy = sealed.slice();
      const opening = web.open(sealed);
      sealed.fill(0);
      assert.deepEqual(await opening, text, name);
      assert.deepEqual(compilePipeline(config).open(copy), text, name);
    }
  });

  test('shared memory is sealed and opened', async () => {
    const shared = (bytes: Uint8Array): Uint8Array => {
      const view = new Uint8Array(new SharedArrayBuffer(bytes.length));
      view.set(bytes);
      return view;
    };
    for (const [name, config] of pipelines) {
      const web = await compileWebPipeline(config);
      for (const payload of payloads) {
        assert.deepEqual(await web.open(shared(await web.seal(shared(payload)))), payload, name);
      }
    }
  });

  test('a wrong configuration rejects, and does not throw', async () => {
    await assert.rejects(compileWebPipeline({ maxOpenBytes: 0 }), { code: 'ERR_OPTION_INVALID', path: 'maxOpenBytes' });
    await assert.rejects(createWebClientSession({} as never), { code: 'ERR_KEY_INVALID' });
  });

  test('seals of Node and of Web Crypto share no nonce', async () => {
    const web = await compileWebPipeline({ aesKey });
    const nonces = new Set<string>();
    for (let i = 0; i < 1500; i++) {
      nonces.add(Buffer.from(encrypt(text, aesKey)).toString('hex', 0, 12));
      nonces.add(Buffer.from(await web.seal(text)).toString('hex', 0, 12));
    }
    assert.equal(nonces.size, 3000);
  });
});

describe('a client session with Web Crypto', () => {
  const id = '1-03a0b7e0-1';

  for (const [name, mode] of Object.entries(keyedModes)) {
    test(`${name}: the same frames as the session with Node's crypto`, async () => {
      const clientNonce = createClientNonce();
      const session = new ServerSession(id, clientNonce);
      const server = serverEnd(session, [keySetOf(7, mode)], mode.signThenEncrypt ?? true);
      const config = { ...mode, keyId: 7, clientNonce, compress: { thresholdBytes: 100 } };
      const node = createClientSession(config);
      const web = await createWebClientSession(config);
      const hello = server.hello();
      assert.equal(web.connectionId, null);
      await assert.rejects(web.seal(text), { code: 'ERR_SEAL_FORMAT' });
      assert.equal(await web.open(hello), null);
      assert.equal(node.open(hello), null);
      assert.equal(web.connectionId, id);
      for (const payload of payloads) {
        const frame = server.seal(payload, 6);
        assert.deepEqual(await web.open(frame), payload);
        assert.deepEqual(node.open(frame), payload);
        assert.deepEqual(server.open(await web.seal(payload)), payload);
        for (const end of [web, { open: async (bytes: Uint8Array) => node.open(bytes) }]) {
          assert.equal(await webOutcomeOf(() => end.open(frame)), 'ERR_SEAL_REPLAYED');
        }
      }
      server.seal(text);
      const late = server.seal(text);
      const forged = late.slice();
      forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
      assert.match(await webOutcomeOf(() => web.open(forged)), /^ERR_SEAL_(DECRYPT|SIGNATURE)$/);
      assert.deepEqual(await web.open(late), text);
      assert.equal(web.missing, 1);
    });
  }

  test('many calls at once keep their order, whatever they cost', async () => {
    const clientNonce = createClientNonce();
    const server = serverEnd(new ServerSession(id, clientNonce), [keySetOf(0, { aesKey, hmacKey })]);
    const web = await createWebClientSession({ aesKey, hmacKey, clientNonce, compress: { thresholdBytes: 1000 } });
    await web.open(server.hello());
    const many = Array.from({ length: 60 }, (_, index) => new Uint8Array(index % 3 === 0 ? 50_000 : 10).fill(index));
    const done: number[] = [];
    const sealing = many.map((payload, index) =>
      web.seal(payload).then((frame) => {
        done.push(index);
        return frame;
      }),
    );
    for (const [index, frame] of sealing.entries()) assert.deepEqual(server.open(await frame), many[index]);
    assert.deepEqual(done, [...many.keys()]);
    const frames = many.map((payload) => server.seal(payload, 6));
    assert.deepEqual(await Promise.all(frames.map((frame) => web.open(frame))), many);
    assert.equal(web.missing, 0);
  });

  test('the same frame given twice at once is opened once, and one refusal does not stop the next', async () => {
    const clientNonce = createClientNonce();
    const server = serverEnd(new ServerSession(id, clientNonce), [keySetOf(0, { aesKey })]);
    const web = await createWebClientSession({ aesKey, clientNonce });
    await web.open(server.hello());
    const [first, second] = [server.seal(text), server.seal(text)];
    const outcomes = await Promise.all(
      [first, first, first, second, second].map((frame) => webOutcomeOf(() => web.open(frame))),
    );
    assert.deepEqual(outcomes, ['opened', 'ERR_SEAL_REPLAYED', 'ERR_SEAL_REPLAYED', 'opened', 'ERR_SEAL_REPLAYED']);
  });

  test('a rotation takes its place between the seals around it', async () => {
    const clientNonce = createClientNonce();
    const session = new ServerSession(id, clientNonce);
    const [before, after] = [keySetOf(0, { aesKey }), keySetOf(1, { aesKey: otherAesKey, hmacKey })];
    const web = await createWebClientSession({ aesKey, clientNonce });
    await web.open(serverEnd(session, [before]).hello());
    const [one, , two] = await Promise.all([web.seal(text), web.rotate(after), web.seal(text)]);
    assert.deepEqual([one[2], two[2]], [0, 1]);
    const server = serverEnd(session, [after, before]);
    assert.deepEqual([server.open(one), server.open(two)], [text, text]);
    assert.deepEqual(await web.open(serverEnd(session, [before]).seal(text)), text);
    assert.deepEqual(await web.open(server.seal(text)), text);
    await assert.rejects(web.rotate(after), { code: 'ERR_KEY_INVALID' });
  });
});

describe('the leaf outside Node', () => {
  const entry = import.meta.resolve('#dist/shared/security/index.js');

  test('what was built imports nothing but its own files', () => {
    for (const folder of ['security', 'errors']) {
      const path = fileURLToPath(new URL(`../${folder}/`, entry));
      const files = readdirSync(path).filter((name) => name.endsWith('.js'));
      assert.ok(files.length > 2);
      for (const file of files) {
        const source = readFileSync(path + file, 'utf8');
        const imported = Array.from(source.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g), ([, name]) => name);
        for (const name of imported) assert.match(name ?? '', /^\.\.?\/[\w./-]+\.js$/, file);
      }
    }
  });

  test("without Node's modules the web functions work, and the others say which to use", () => {
    const program = `
      Object.defineProperty(process, 'getBuiltinModule', { value: undefined });
      delete globalThis.Buffer;
      const leaf = await import(${JSON.stringify(entry)});
      const aesKey = new Uint8Array(32), hmacKey = new Uint8Array(5), payload = new Uint8Array(9000);
      const codeOf = (call) => { try { call(); } catch (error) { return error.code + ' ' + /compileWebPipeline/.test(error.message); } };
      const clientNonce = leaf.createClientNonce();
      const codes = [
        () => leaf.encrypt(payload, aesKey), () => leaf.decrypt(payload, aesKey), () => leaf.sign(payload, hmacKey),
        () => leaf.verify(payload, hmacKey), () => leaf.compilePipeline({ aesKey }), () => leaf.compilePipeline({ flagged: true }),
        () => leaf.createClientSession({ aesKey, clientNonce }),
      ].map(codeOf);
      const web = await leaf.compileWebPipeline({ aesKey, hmacKey, compress: true });
      const opened = await web.open(await web.seal(payload));
      const session = await leaf.createWebClientSession({ aesKey, clientNonce });
      console.log(JSON.stringify({ codes: [...new Set(codes)], length: opened.length, identity: leaf.compilePipeline({}).isIdentity, id: session.connectionId }));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(output), {
      codes: ['ERR_CRYPTO_UNAVAILABLE true'],
      length: 9000,
      identity: true,
      id: null,
    });
  });

  test('a page without a secure context, and a browser without deflate-raw, are told so', () => {
    const program = `
      const leaf = await import(${JSON.stringify(entry)});
      const aesKey = new Uint8Array(32);
      const codeOf = (promise) => promise.then(() => 'none', (error) => error.code);
      const codes = [];
      globalThis.DecompressionStream = globalThis.CompressionStream = class { constructor() { throw new TypeError(); } };
      const web = await leaf.compileWebPipeline({ aesKey, compress: true });
      const node = leaf.compilePipeline({ aesKey, compress: true });
      codes.push(await codeOf(web.seal(new Uint8Array(5000))), await codeOf(web.open(node.seal(new Uint8Array(5000)))));
      codes.push(await codeOf(web.open(node.seal(new Uint8Array(5)))));
      Object.defineProperty(globalThis, 'crypto', { value: { getRandomValues: crypto.getRandomValues.bind(crypto) } });
      codes.push(await codeOf(leaf.compileWebPipeline({ aesKey })));
      Object.defineProperty(globalThis, 'crypto', { value: undefined });
      codes.push(await codeOf((async () => leaf.createClientNonce())()));
      console.log(codes.join(' '));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
    assert.equal(
      output.trim(),
      'ERR_CRYPTO_UNAVAILABLE ERR_CRYPTO_UNAVAILABLE none ERR_CRYPTO_UNAVAILABLE ERR_CRYPTO_UNAVAILABLE',
    );
  });
});
