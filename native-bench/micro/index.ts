import { benchCodec } from './codec.ts';
import { benchFairness } from './fairness.ts';
import { benchFrame } from './frame.ts';
import { benchIdle } from './idle.ts';
import { benchOffload } from './offload.ts';
import { benchRing } from './ring.ts';

/** The benches by name; each prints its own tables. */
const benches: Readonly<Record<string, () => Promise<void>>> = {
  codec: benchCodec,
  idle: benchIdle,
  offload: benchOffload,
  frame: benchFrame,
  ring: benchRing,
  fairness: benchFairness,
};

const [name = ''] = process.argv.slice(2);
const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
if (bench === undefined) {
  console.error(
    `${name === '' ? 'no bench given' : `no bench "${name}"`}; there are: ${Object.keys(benches).join(', ')}`,
  );
  process.exitCode = 1;
} else {
  await bench();
}
