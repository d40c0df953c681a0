import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { deflateRawSync, deflateSync } from 'node:zlib';
import { compilePipeline, compileWebPipeline, runJob } from '#dist/shared/security/index.js';
import { outcomeOf, webOutcomeOf } from './security-fixture.ts';

const maxOpenBytes = 100_000;
const pipeline = compilePipeline({ flagged: true, maxOpenBytes });
const web = await compileWebPipeline({ flagged: true, maxOpenBytes });

function marked(deflated: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([Buffer.of(1), deflated]));
}

/** What Node, Web Crypto and a job make of deflate data; fails if they differ. */
async function outcomeOfAll(deflated: Uint8Array): Promise<string> {
  const sealed = marked(deflated);
  const keys = { id: 0, aesKey: null, hmacKey: null };
  const job = { op: 'open', source: sealed, keys, signThenEncrypt: true, flagged: true, aad: null } as const;
  const outcomes = [
    outcomeOf(() => pipeline.open(sealed)),
    outcomeOf(() => runJob({ ...job, maxBytes: maxOpenBytes })),
    await webOutcomeOf(() => web.open(sealed)),
  ];
  assert.equal(new Set(outcomes).size, 1, outcomes.join(', '));
  return outcomes[0] as string;
}

const noise = globalThis.crypto.getRandomValues(new Uint8Array(20_000));
const text = new TextEncoder().encode('some text, some more text, '.repeat(500));

describe('inflating', () => {
  test('data of every kind of block is read', async () => {
    for (const payload of [new Uint8Array(0), noise, text]) {
      for (const level of [0, 1, 6, 9]) {
        const deflated = deflateRawSync(payload, { level });
        assert.equal(await outcomeOfAll(deflated), 'opened');
        assert.deepEqual(pipeline.open(marked(deflated)), payload);
        assert.deepEqual(await web.open(marked(deflated)), payload);
      }
    }
  });

  test('the bound is exact', async () => {
    const zeros = (length: number): Uint8Array => deflateRawSync(new Uint8Array(length));
    assert.equal(await outcomeOfAll(zeros(maxOpenBytes - 1)), 'opened');
    assert.equal(await outcomeOfAll(zeros(maxOpenBytes)), 'opened');
    assert.equal(await outcomeOfAll(zeros(maxOpenBytes + 1)), 'ERR_SEAL_TOO_LARGE');
    assert.equal(await outcomeOfAll(zeros(maxOpenBytes * 30)), 'ERR_SEAL_TOO_LARGE');
  });

  test('bytes behind the stream are refused, few and many', async () => {
    for (const payload of [new Uint8Array(0), noise.subarray(0, 10), text, noise]) {
      const deflated = deflateRawSync(payload);
      for (const extra of [1, 2, 8, 5000, 200_000]) {
        const longer = new Uint8Array(deflated.length + extra);
        longer.set(deflated);
        assert.equal(await outcomeOfAll(longer), 'ERR_SEAL_FORMAT', `${payload.length} and ${extra}`);
      }
      assert.equal(await outcomeOfAll(Buffer.concat([deflated, deflated])), 'ERR_SEAL_FORMAT');
    }
  });

  test('a stream cut off anywhere is refused', async () => {
    const deflated = deflateRawSync(text.subarray(0, 300));
    for (let length = 0; length < deflated.length; length++) {
      assert.equal(await outcomeOfAll(deflated.subarray(0, length)), 'ERR_SEAL_FORMAT', `${length}`);
    }
  });

  test('zlib and gzip wrappers, reserved blocks and distances too far back are refused', async () => {
    for (const bad of [
      deflateSync(text),
      Buffer.of(7),
      Buffer.of(0x1f, 0x8b, 8),
      Buffer.from('4b4c4a4e494d4b07c2', 'hex'),
    ]) {
      assert.equal(await outcomeOfAll(bad), 'ERR_SEAL_FORMAT', bad.toString('hex'));
    }
  });

  for (const how of ['compilePipeline', 'compileWebPipeline']) {
    test(`64 MB of zeros are refused by ${how} without room for them`, () => {
      // In a process of its own, whose memory at its highest nothing else has part in.
      const program = `
        import { deflateRawSync } from 'node:zlib';
        const { ${how} } = await import(${JSON.stringify(import.meta.resolve('#dist/shared/security/index.js'))});
        const block = deflateRawSync(new Uint8Array(1 << 20), { finishFlush: 2 });
        const bomb = Buffer.concat([Buffer.of(1), ...new Array(64).fill(block), Buffer.of(3, 0)]);
        const wide = await ${how}({ flagged: true, maxOpenBytes: 2 << 20 });
        const narrow = await ${how}({ flagged: true, maxOpenBytes: 1 << 20 });
        const refused = async (pipeline) => { try { await pipeline.open(bomb); } catch (error) { return error.code; } };
        await refused(narrow);
        const before = process.resourceUsage().maxRSS;
        const codes = [await refused(narrow), await refused(wide)];
        const risen = process.resourceUsage().maxRSS - before;
        if (process.argv[1] === 'open') await (await ${how}({ flagged: true })).open(bomb);
        console.log(JSON.stringify({ codes, risen, opened: process.resourceUsage().maxRSS - before }));`;
      const run = (argument: string): { codes: string[]; risen: number; opened: number } =>
        JSON.parse(
          execFileSync(process.execPath, ['--input-type=module', '--eval', program, argument], { encoding: 'utf8' }),
        );
      const { codes, risen } = run('refuse');
      assert.deepEqual(codes, ['ERR_SEAL_TOO_LARGE', 'ERR_SEAL_TOO_LARGE']);
      const { opened } = run('open');
      assert.ok(opened > 60_000, `opening it takes ${opened} KB, so that they would show`);
      assert.ok(risen < 24_000, `${risen} KB`);
    });
  }
});
