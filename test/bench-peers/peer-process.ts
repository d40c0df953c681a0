import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type RawData, WebSocket } from 'ws';
import { within } from '../support/waiting.ts';

/** A peer's server, started as the driver starts it; ended with its test at the latest. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<unknown[]>;

  constructor(child: ChildProcess, ready: { port: number; pid: number }) {
    this.#child = child;
    this.port = ready.port;
    this.pid = ready.pid;
    this.exited = once(child, 'exit');
  }

  static async start(t: TestContext, script: string, args: readonly string[] = []): Promise<PeerProcess> {
    const file = fileURLToPath(new URL(`../../native-bench/peers/${script}.js`, import.meta.url));
    const child = spawn(process.execPath, [file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const [line] = await within(once(child.stdout.setEncoding('utf8'), 'data'), `the first line of ${script}`);
    return new PeerProcess(child, JSON.parse(String(line)));
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async connect(t: TestContext, path: string, subprotocol?: string): Promise<PeerClient> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}${path}`, subprotocol === undefined ? [] : [subprotocol]);
    t.after(() => socket.terminate());
    const client = new PeerClient(socket);
    await within(once(socket, 'open'), `a connection to ${path}`);
    return client;
  }
}

/** A client of the `ws` package that keeps what comes until somebody asks for it. */
export class PeerClient {
  readonly socket: WebSocket;
  readonly unread: Buffer[] = [];
  #wake: () => void = () => undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: RawData) => {
      this.unread.push(Buffer.from(data as Buffer));
      this.#wake();
    });
  }

  async next(): Promise<Buffer> {
    const came = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.unread.length === 0) await within(came, 'a message');
    const message = this.unread.shift();
    if (message === undefined) throw new Error('two ask for one message');
    return message;
  }

  async text(): Promise<string> {
    return (await this.next()).toString();
  }

  async ask(message: string | Uint8Array): Promise<string> {
    this.socket.send(message);
    return this.text();
  }
}
