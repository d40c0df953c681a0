import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compilePipeline, type PipelineConfig } from '#dist/shared/security/index.js';
import { randomOf } from '../codec/codec-fixture.ts';
import { fc } from '../support/properties.ts';
import { bytesOf, flipped, outcomeOf, pipelines, resized } from './security-fixture.ts';

const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(new Uint8Array(0), bytesOf('{"type":"message","data":{"a":1}}'), new Uint8Array(300).fill(97)),
);

describe('sealed messages that were changed on the way', () => {
  for (const [name, config] of pipelines) {
    const pipeline = compilePipeline(config);

    test(`${name}: any one bit changed is noticed`, () => {
      fc.assert(
        fc.property(payloads, (payload) => {
          const sealed = pipeline.seal(payload);
          for (const changed of flipped(sealed))
            assert.notEqual(
              outcomeOf(() => pipeline.open(changed)),
              'opened',
            );
          assert.deepEqual(pipeline.open(sealed), payload);
        }),
        { numRuns: 20 },
      );
    });

    test(`${name}: cut off or made longer anywhere is noticed`, () => {
      fc.assert(
        fc.property(payloads, (payload) => {
          for (const changed of resized(pipeline.seal(payload))) {
            assert.notEqual(
              outcomeOf(() => pipeline.open(changed)),
              'opened',
              `${changed.length} bytes`,
            );
          }
        }),
        { numRuns: 20 },
      );
    });

    test(`${name}: any bytes and any change end in a typed error`, () => {
      const random = randomOf(name.length);
      const sealed = pipeline.seal(bytesOf('some payload that is long enough to be deflated deflated deflated'));
      for (let i = 0; i < 5000; i++) {
        const noise = Uint8Array.from({ length: random(120) }, () => random(256));
        assert.notEqual(
          outcomeOf(() => pipeline.open(noise)),
          'opened',
        );
        const changed = sealed.slice();
        for (let left = 1 + random(4); left > 0; left--) {
          const at = random(changed.length);
          changed[at] = (changed[at] as number) ^ (1 + random(255));
        }
        const isSame = changed.every((byte, at) => byte === sealed[at]);
        assert.equal(outcomeOf(() => pipeline.open(changed)) === 'opened', isSame);
      }
    });
  }
});

describe('the exception: without a key there is nothing to notice a change by', () => {
  const flaggedOnly: readonly PipelineConfig[] = [{ flagged: true }, { compress: { thresholdBytes: 0 } }];

  test('the identity opens anything', () => {
    const pipeline = compilePipeline({});
    for (const changed of flipped(pipeline.seal(bytesOf('payload')))) assert.equal(pipeline.open(changed), changed);
  });

  test('a flag alone opens changed payloads; only what is no format is refused', () => {
    const pipeline = compilePipeline({ flagged: true });
    const outcomes = Array.from(flipped(pipeline.seal(bytesOf('payload'))), (changed) =>
      outcomeOf(() => pipeline.open(changed)),
    );
    assert.equal(
      outcomes.slice(8).every((outcome) => outcome === 'opened'),
      true,
    );
    assert.equal(
      outcomes.slice(0, 8).every((outcome) => outcome === 'ERR_SEAL_FORMAT'),
      true,
    );
  });

  test('any bytes are opened or end in a typed error, deflated ones in bounds', () => {
    const random = randomOf(11);
    const opened = new Map<string, number>();
    for (const config of flaggedOnly) {
      const pipeline = compilePipeline({ ...config, maxOpenBytes: 100_000 });
      for (let i = 0; i < 15_000; i++) {
        const bytes = Uint8Array.from({ length: random(80) }, () => random(256));
        // Half of them with a flag that means something, or the deflate data is never looked at.
        if (bytes.length > 0 && random(2) === 0) bytes[0] = 1;
        const outcome = outcomeOf(() => assert.ok(pipeline.open(bytes).length <= 100_000));
        opened.set(outcome, (opened.get(outcome) ?? 0) + 1);
      }
    }
    assert.deepEqual([...opened.keys()].sort(), ['ERR_SEAL_FORMAT', 'opened']);
  });
});
