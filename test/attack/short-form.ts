import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Attack } from './attack.ts';
import { cannotRun } from './cannot-run.ts';
import { runAttack } from './run-attack.ts';

/** Long enough for each to do harm. `npm run attack` goes on for longer. */
const shortMs = 1_500;

/** A test of each attack. */
export function testAttacks(attacks: readonly Attack[]): void {
  describe('under attack the engine lives, others are served, and everything is counted and given back', () => {
    for (const attack of attacks) {
      test(attack.name, { skip: cannotRun(attack) ?? false }, async () => {
        const { served } = await runAttack(attack, shortMs);
        // Bystanders that come only after a restart are seen by runAttack.
        if (attack.restartsUnderTls !== true) assert.ok(served > 0, 'bystanders were served while it lasted');
      });
    }
  });
}
