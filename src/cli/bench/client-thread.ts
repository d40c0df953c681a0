import { parentPort, workerData } from 'node:worker_threads';
import type { BenchClient } from './client.ts';
import { ConnectClient } from './connect.ts';
import type { Recorders } from './connection-group.ts';
import { EchoClient } from './echo.ts';
import { FanoutClient } from './fanout.ts';
import { IdleClient } from './idle.ts';
import { allConnections } from './plan.ts';
import { ProgressBoard } from './progress-board.ts';
import { Tally } from './tally.ts';
import type { ClientThreadData, FromClient, Schedule, ToClient } from './thread-messages.ts';
import { now } from './time.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs in a client thread');
const data = workerData as ClientThreadData;
const { plan, index } = data;
const recorders: Recorders = { tally: new Tally(), progress: new ProgressBoard(data.progress, index) };
const stop = new AbortController();
let schedule: Schedule | null = null;
let beginTimer: NodeJS.Timeout | undefined;
let endTimer: NodeJS.Timeout | undefined;
let isMeasuring = false;
let busySince = performance.eventLoopUtilization();
let utilization = 0;

function createClient(): BenchClient {
  switch (plan.mode) {
    case 'echo':
      return new EchoClient(plan, index, recorders);
    case 'fanout':
      return new FanoutClient(data, recorders);
    case 'connect':
      return new ConnectClient(plan, index, recorders);
    case 'idle':
      return new IdleClient(plan, recorders);
  }
}

function tell(message: FromClient): void {
  port?.postMessage(message);
}

function beginMeasuring(): void {
  isMeasuring = true;
  busySince = performance.eventLoopUtilization();
}

/** Share of the measured time in which this thread was busy. */
function endMeasuring(): void {
  if (isMeasuring) utilization = performance.eventLoopUtilization(busySince).utilization;
  isMeasuring = false;
}

/**
 * Called at the schedule's end. Messages that are due are sent first, because a busy thread may be behind. Messages
 * sent in this turn of the event loop leave before a timer fires.
 */
function endSending(ending: Schedule): void {
  const restMs = ending.untilMs - now();
  if (restMs > 0 || client.isBehind) {
    endTimer = setTimeout(endSending, Math.max(1, restMs), ending);
    return;
  }
  endMeasuring();
  tell({ kind: 'sent' });
}

/** Connections are dealt out one by one, publishers too. */
function ownConnections(): number[] {
  const numbers = Array.from({ length: allConnections(plan) }, (_, number) => number);
  return numbers.filter((number) => number % plan.threads === index);
}

async function open(): Promise<void> {
  await client.open(ownConnections(), stop.signal);
  tell({ kind: 'opened' });
}

function go(given: Schedule): void {
  schedule = { ...given };
  beginTimer = setTimeout(beginMeasuring, Math.max(0, schedule.measureFromMs - now()));
  endSending(schedule);
  startAt(schedule);
}

/** Timers may fire a moment early, and messages sent before the start would not count. */
function startAt(coming: Schedule): void {
  if (coming.untilMs <= coming.beginMs) return;
  const restMs = coming.beginMs - now();
  if (restMs > 0) setTimeout(() => startAt(coming), restMs);
  else client.start(coming);
}

function endEarly(running: Schedule, untilMs: number): void {
  const isOver = now() >= running.untilMs;
  running.untilMs = Math.min(running.untilMs, untilMs);
  if (isOver) return;
  clearTimeout(endTimer);
  endSending(running);
}

async function finish(): Promise<void> {
  endMeasuring();
  clearTimeout(beginTimer);
  clearTimeout(endTimer);
  stop.abort(new Error('the run is over'));
  await client.finish();
  tell({ kind: 'done', report: recorders.tally.report(), utilization });
  port?.close();
}

const client = createClient();
port.on('message', (message: ToClient) => {
  switch (message.kind) {
    case 'open':
      void open();
      break;
    case 'probe':
      void client.probe?.().then(() => tell({ kind: 'reached' }));
      break;
    case 'go':
      go(message.schedule);
      break;
    case 'stop':
      stop.abort(new Error('the run was stopped'));
      if (schedule !== null) endEarly(schedule, message.untilMs);
      break;
    case 'finish':
      void finish();
      break;
  }
});
tell({ kind: 'ready' });
