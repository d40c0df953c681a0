import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withEngine } from '../support/leaks.ts';
import { until } from '../support/waiting.ts';
import { flood, handlers, isUnbroken, numbersOf, openObserver, openSleeper } from './slow-fixture.ts';

const dropping = { shards: 1, maxBackpressureBytes: 262_144, slowConsumer: 'drop', handlers } as const;

describe('the slow handler', () => {
  it('is told once per episode, and again after the client has caught up', () =>
    withEngine(dropping, async (engine) => {
      const { client, log } = await openObserver(engine);
      const sleeper = await openSleeper(engine, 'sleeper');
      for (let episode = 1; episode <= 3; episode++) {
        sleeper.socket.pause();
        const { messagesDropped } = engine.stats();
        await flood(engine, () => engine.stats().messagesDropped >= messagesDropped + 50);
        await client.sync();
        assert.deepEqual(log('slow'), Array(episode).fill(['slow', 'sleeper', true, true]));
        assert.equal(engine.stats().slowEpisodes, episode);
        sleeper.socket.resume();
        // It has read everything once a message comes through again.
        engine.publish('flood', { data: [-episode] });
        await until(() => {
          if (numbersOf(sleeper).at(-1) === -episode) return true;
          engine.publish('flood', { data: [-episode] });
          return false;
        }, 'the client to catch up');
      }
      const numbers = numbersOf(sleeper).filter((number) => number >= 0);
      assert.ok(!isUnbroken(numbers));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
      const { connections, slowConsumersClosed } = engine.stats();
      assert.deepEqual([connections, slowConsumersClosed], [2, 0]);
    }));

  it('may throw, reject or close the connection', () =>
    withEngine({ ...dropping, writeWaitMs: 100 }, async (engine) => {
      const { client, log } = await openObserver(engine);
      for (const name of ['thrower', 'rejecter', 'closed-by-handler']) await openSleeper(engine, name);
      await flood(engine, () => engine.stats().slowEpisodes === 3);
      await until(() => log('gone').length === 1, 'the end of one');
      await client.sync();
      assert.equal(log('slow').length, 3);
      assert.deepEqual(log('gone'), [['gone', 'closed-by-handler', 4003, 'slow']]);
      const { handlerErrors, handlerErrorsBy, connections } = engine.stats();
      assert.deepEqual([handlerErrors, connections], [2, 3]);
      assert.deepEqual(handlerErrorsBy, { slow: 2 });
    }));

  it('is not called where slow consumers are disconnected', () =>
    withEngine({ ...dropping, slowConsumer: 'disconnect', writeWaitMs: 100 }, async (engine) => {
      const { client, log } = await openObserver(engine);
      await openSleeper(engine, 'sleeper');
      await flood(engine, () => engine.stats().slowConsumersClosed === 1);
      await until(() => log('gone').length === 1, 'the end of the sleeper');
      await client.sync();
      assert.deepEqual(log('slow'), []);
      assert.equal(engine.stats().slowEpisodes, 0);
    }));
});
