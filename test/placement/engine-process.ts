// An engine in a process of its own, for tests that need more descriptors than one process may have. Started with
// `fork`, which sends its options; told 'stats' it answers with them, told 'close' it ends.
import { type Engine, type EngineOptions, startEngine } from '#dist/main/index.js';

let engine: Engine | null = null;

async function onMessage(message: EngineOptions | 'stats' | 'close'): Promise<void> {
  if (message === 'stats') {
    process.send?.(engine?.stats());
  } else if (message === 'close') {
    await engine?.close();
    process.send?.('closed');
    process.disconnect();
  } else {
    engine = await startEngine(message);
    process.send?.(engine.port);
  }
}

process.on('message', (message) => {
  onMessage(message as EngineOptions | 'stats' | 'close').catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
