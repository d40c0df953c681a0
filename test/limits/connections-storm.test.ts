import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withEngine } from '../support/leaks.ts';
import { handshakeText, openRaw, openWebSocket } from '../support/raw-socket.ts';
import { pause, until } from '../support/waiting.ts';

const handlers = new URL('../upgrade/fixtures/deciding.handlers.js', import.meta.url);
const limit = 50;
const targets = ['do=true', 'do=false', 'do=throw', 'do=hang', 'do=deaf', 'do=challenge', 'do=wrong&kind=list'];
const delays = ['', '&late=0', '&late=1', '&late=20'];

describe('places of connections', () => {
  for (const duplicateName of ['allow', 'reject'] as const) {
    test(`are all free again after a storm of clients that leave at any moment, with duplicateName '${duplicateName}'`, async () => {
      const limits = { connections: limit, connectionsPerAddress: limit, handshakeMs: 100 };
      await withEngine({ handlers, duplicateName, limits }, async (engine) => {
        const storm = async (one: number): Promise<void> => {
          for (let round = 0; round < 40; round++) {
            const raw = await openRaw(engine.port);
            const target = targets[(one + round) % targets.length] ?? '';
            const delay = delays[(one * 7 + round) % delays.length] ?? '';
            const headers = round % 2 === 0 ? {} : { 'X-Client-ID': `name ${one % 3}` };
            raw.write(handshakeText({ target: `/ws?${target}${delay}`, headers }));
            await pause((one * 13 + round * 7) % 40);
            if (round % 3 === 0) raw.reset();
            else raw.destroy();
          }
        };
        await Promise.all(Array.from({ length: 40 }, (_, one) => storm(one)));
        // What hangs is given up after handshakeMs, if its client has not left before.
        for (let one = 0; one < limit; one++) {
          await until(() => openWebSocket(engine.port).catch(() => undefined), `place ${one} of ${limit}`);
        }
        await assert.rejects(openWebSocket(engine.port), /503/);
        assert.equal(engine.stats().connections, limit);
      });
    });
  }
});
