import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from '../support/client.ts';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';

describe('handlers that all fail', () => {
  for (const how of ['at once', 'later']) {
    it(`${how}: each failure is counted and logged, and connections go on`, async () => {
      const handlers = new URL('./fixtures/throwing.handlers.js', import.meta.url);
      handlers.searchParams.set('how', how);
      const texts: string[] = [];
      const note = (_fields: object, text: string): void => {
        texts.push(text);
      };
      const logger = { debug: note, info: note, warn: note, error: note } as never;
      await withEngine({ handlers, logger }, async (engine) => {
        const lost: number[] = [];
        engine.on('shard-lost', (shard) => lost.push(shard));
        const client = await connect(engine);
        client.send({ type: 'subscribe', data: { channel: 'c' } });
        assert.equal((await client.next()).type, 'error', 'refused, as authorize did not answer true');
        client.send({ type: 'anything' });
        await client.close();
        // connect, message twice, authorize, disconnect
        await until(() => engine.stats().handlerErrors >= 5, 'all failures to be counted');
        for (const what of ['connect', 'message', 'authorize', 'disconnect']) {
          await until(() => texts.some((text) => text.includes(`${what} fails`)), `the line of ${what}`);
        }
        assert.equal(engine.stats().handlerErrors, 5);
        assert.deepEqual(lost, []);
        await connect(engine);
      });
    });
  }
});
