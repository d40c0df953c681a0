import type { Session } from 'node:inspector';
import { deferred } from '../../shared/base/deferred.ts';
import { within } from '../../shared/base/within.ts';

const patienceMs = 1_000;
const mostFrames = 30;

interface WorkerMessage {
  readonly params: { readonly sessionId: string; readonly message: string };
}
interface WorkerAttached {
  readonly params: { readonly sessionId: string; readonly workerInfo: { readonly title: string } };
}
interface CallFrame {
  readonly functionName: string;
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber: number };
}
interface Told {
  readonly method?: string;
  readonly params?: {
    readonly callFrames?: readonly CallFrame[];
    readonly scriptId?: string;
    readonly url?: string;
  };
}

/** `urls` maps scripts to URLs, because the frames have none. */
function stackOf(frames: readonly CallFrame[], urls: ReadonlyMap<string, string>): string | undefined {
  // The thread was between two callbacks.
  if (frames.length === 0) return undefined;
  const lines = frames.slice(0, mostFrames).map(({ functionName, location }) => {
    const url = urls.get(location.scriptId) ?? '<anonymous>';
    const place = `${url}:${location.lineNumber + 1}:${location.columnNumber + 1}`;
    return functionName === '' ? `    at ${place}` : `    at ${functionName} (${place})`;
  });
  return lines.join('\n');
}

async function openSession(): Promise<Session | null> {
  try {
    const inspector = await import('node:inspector');
    const session = new inspector.Session();
    session.connect();
    return session;
  } catch {
    // Node can be built without the inspector.
    return null;
  }
}

/** Methods of the protocol for threads that the types of Node 20 lack. */
interface ThreadSession {
  on(event: string, listener: (told: never) => void): void;
  post(method: string, params?: object): void;
  disconnect(): void;
}

/**
 * The stack of a thread whose loop does not turn: its debugger interrupts the thread, reads the frames, and lets it
 * continue. Undefined where that is not possible: inside a native call, or without the inspector. Takes at most a
 * second.
 */
export async function readStack(threadId: number): Promise<string | undefined> {
  const opened = await openSession();
  if (opened === null) return undefined;
  const session = opened as unknown as ThreadSession;
  const title = `[worker ${threadId}]`;
  let target: string | undefined;
  const urls = new Map<string, string>();
  let nextId = 0;
  const tell = (method: string): void => {
    nextId += 1;
    const message = JSON.stringify({ id: nextId, method });
    session.post('NodeWorker.sendMessageToWorker', { sessionId: target, message });
  };
  const { promise: paused, resolve } = deferred<string | undefined>();
  session.on('NodeWorker.attachedToWorker', ({ params }: WorkerAttached) => {
    if (!params.workerInfo.title.startsWith(title)) return;
    target = params.sessionId;
    tell('Debugger.enable');
    tell('Debugger.pause');
  });
  session.on('NodeWorker.receivedMessageFromWorker', ({ params }: WorkerMessage) => {
    if (params.sessionId !== target) return;
    const { method, params: what = {} } = JSON.parse(params.message) as Told;
    // Enabling the debugger tells of all scripts that are loaded, before anything else.
    if (method === 'Debugger.scriptParsed') urls.set(what.scriptId ?? '', what.url ?? '');
    else if (method === 'Debugger.paused') resolve(stackOf(what.callFrames ?? [], urls));
  });
  session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
  const stack = (await within(paused, patienceMs))?.value;
  if (target !== undefined) {
    // Also if no pause has come yet: the thread gets these after the order to pause, and then does not pause.
    tell('Debugger.resume');
    tell('Debugger.disable');
  }
  session.post('NodeWorker.disable');
  session.disconnect();
  return stack;
}
