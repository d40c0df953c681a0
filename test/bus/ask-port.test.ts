import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { type Answer, type Asker, AskPort, type Question, type Replies } from '#dist/shared/bus/ask-port.js';
import { EngineError } from '#dist/shared/errors/index.js';
import { patienceMs, until, within } from '../support/waiting.ts';
import { counterRules, rules, type TestCounterQuestions, type TestQuestions } from './fixtures/questions.ts';

type Here = AskPort<TestQuestions, TestCounterQuestions>;
type There = AskPort<TestCounterQuestions, TestQuestions>;
type ToThere = Question<TestQuestions> | Answer<TestCounterQuestions>;
type ToHere = Question<TestCounterQuestions> | Answer<TestQuestions>;

const names: Replies<TestCounterQuestions> = { name: ({ of }) => `the name of ${of}` };

/** What the other end of a pair still has to answer. */
class Waits {
  readonly answer: ((text: string) => void)[] = [];

  readonly replies: Replies<TestQuestions> = {
    double: (n) => 2 * n,
    wait: () => new Promise((resolve) => this.answer.push(resolve)),
    fail: (how) => {
      if (how === 'with a code') throw new EngineError('ERR_TLS_INVALID', 'it is no certificate');
      if (how === 'without a code') throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      if (how === 'later') return Promise.reject(new EngineError('ERR_FORBIDDEN', 'not you'));
      return () => 'a function';
    },
    end: () => undefined,
    anything: () => undefined,
  };
}

interface Pair {
  readonly here: Here;
  readonly there: There;
  readonly waits: Waits;
  /** What was posted there, in this order. */
  readonly sent: ToHere[];
}

/** Two ends of a real channel, both in this thread. */
function pair(t: TestContext): Pair {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const waits = new Waits();
  const sent: ToHere[] = [];
  const here: Here = new AskPort({
    other: 'the other end',
    lateCode: 'ERR_SHARD_STALLED',
    rules,
    replies: names,
    post: (message) => port1.postMessage(message),
  });
  const there: There = new AskPort({
    other: 'the test',
    lateCode: 'ERR_OVERLOADED',
    rules: counterRules,
    replies: waits.replies,
    post: (message) => {
      sent.push(message);
      port2.postMessage(message);
    },
  });
  port1.on('message', (message: ToHere) => {
    if (message.kind === 'question') here.onQuestion(message);
    else here.onAnswer(message);
  });
  port2.on('message', (message: ToThere) => {
    if (message.kind === 'question') there.onQuestion(message);
    else there.onAnswer(message);
  });
  return { here, there, waits, sent };
}

/** This end, and a thread at the other one. `end` is called when the thread has ended. */
function withThread(t: TestContext): { readonly here: Here; readonly worker: Worker } {
  const worker = new Worker(new URL('./fixtures/answering-worker.js', import.meta.url));
  t.after(() => worker.terminate());
  const here: Here = new AskPort({
    other: 'the thread',
    lateCode: 'ERR_SHARD_STALLED',
    rules,
    replies: names,
    post: (message) => worker.postMessage(message),
  });
  worker.on('message', (message: ToHere) => {
    if (message.kind === 'question') here.onQuestion(message);
    else here.onAnswer(message);
  });
  worker.on('exit', (code) => here.end(new EngineError('ERR_SHARD_FAILED', `the thread ended with code ${code}`)));
  return { here, worker };
}

/** How a question ends that is answered by nobody: with the code of its error. */
async function codeOf(answer: Promise<unknown>): Promise<unknown> {
  return within(
    answer.then(
      () => 'answered',
      (error: unknown) => (error instanceof EngineError ? error.code : error),
    ),
    'the end of a question',
  );
}

describe('questions between two threads', () => {
  it('are answered in both directions, each with its own answer', async (t) => {
    const { here, there } = pair(t);
    assert.deepEqual(
      await within(
        Promise.all([
          here.ask('double', 1),
          there.ask('name', { of: 'a' }),
          here.ask('double', 20),
          there.ask('name', { of: 'b' }),
        ]),
        'four answers',
      ),
      [2, 'the name of a', 40, 'the name of b'],
    );
    assert.deepEqual([here.size, there.size], [0, 0]);
  });

  it('may have their answers in another order', async (t) => {
    const { here, waits } = pair(t);
    const first = here.ask('wait', null);
    const second = here.ask('wait', null);
    await until(() => waits.answer.length === 2, 'both questions');
    waits.answer[1]?.('the second');
    assert.equal(await within(second, 'the second answer'), 'the second');
    waits.answer[0]?.('the first');
    assert.equal(await within(first, 'the first answer'), 'the first');
  });

  it('are answered before the next one is looked at, where the reply is no promise', async (t) => {
    const { here, sent } = pair(t);
    void here.ask('wait', null).catch(() => undefined);
    await within(Promise.all([here.ask('double', 1), here.ask('double', 2), here.ask('double', 3)]), 'the answers');
    assert.deepEqual(
      sent.map((message) => message.kind === 'answer' && message.outcome),
      [2, 4, 6].map((answer) => ({ ok: true, answer })),
    );
  });

  it('reject with the code of the error that answers them, and ERR_INTERNAL for one of no code of ours', async (t) => {
    const { here } = pair(t);
    await assert.rejects(here.ask('fail', 'with a code'), { code: 'ERR_TLS_INVALID', message: 'it is no certificate' });
    await assert.rejects(here.ask('fail', 'without a code'), { code: 'ERR_INTERNAL', message: 'no such file' });
    await assert.rejects(here.ask('fail', 'later'), { code: 'ERR_FORBIDDEN', message: 'not you' });
    await assert.rejects(here.ask('fail', 'with what cannot be cloned'), { code: 'ERR_INTERNAL' });
    await assert.rejects(
      here.ask('anything', () => undefined),
      { code: 'ERR_INTERNAL' },
    );
    assert.equal(here.size, 0);
    assert.equal(await within(here.ask('anything', new Uint8Array(3)), 'an answer'), undefined);
  });

  it('are refused with ERR_OVERLOADED beyond the bound of their kind, and taken again once there is room', async (t) => {
    const { here, waits } = pair(t);
    const waiting = [here.ask('wait', null), here.ask('wait', null)];
    for (let i = 0; i < 3; i++) assert.equal(await codeOf(here.ask('wait', null)), 'ERR_OVERLOADED');
    assert.equal(here.size, 2);
    assert.equal(await within(here.ask('double', 4), 'one of another kind'), 8);
    await until(() => waits.answer.length === 2, 'both questions');
    waits.answer[0]?.('now');
    assert.equal(await within(Promise.race(waiting), 'an answer'), 'now');
    const next = here.ask('wait', null);
    await until(() => waits.answer.length === 3, 'the next question');
    for (const answer of waits.answer) answer('all');
    assert.equal(await within(next, 'its answer'), 'all');
    await Promise.all(waiting);
    assert.equal(here.size, 0);
  });

  it('reject with the code for late answers, which then harm nobody', async (t) => {
    const { here, waits } = pair(t);
    const late = here.ask('wait', null, 20);
    await assert.rejects(within(late, 'the deadline'), {
      code: 'ERR_SHARD_STALLED',
      message: 'the other end has not answered a question of the kind wait within 20 ms',
    });
    assert.equal(here.size, 0);
    const next = here.ask('wait', null);
    await until(() => waits.answer.length === 2, 'both questions');
    waits.answer[0]?.('too late');
    waits.answer[1]?.('in time');
    assert.equal(await within(next, 'the answer to the second'), 'in time');
  });

  it('take no answer to another question or of another kind', async (t) => {
    const { here, waits } = pair(t);
    const asked = here.ask('wait', null);
    here.onAnswer({ kind: 'answer', id: 1, about: 'double', outcome: { ok: true, answer: 1 } });
    here.onAnswer({ kind: 'answer', id: 7, about: 'wait', outcome: { ok: true, answer: 'of none' } });
    await until(() => waits.answer.length === 1, 'the question');
    waits.answer[0]?.('its own');
    assert.equal(await within(asked, 'the answer'), 'its own');
  });

  it('have types from end to end', () => {
    const check = async (asker: Asker<TestQuestions>): Promise<void> => {
      const doubled: number = await asker.ask('double', 1);
      // @ts-expect-error: the answer is a number.
      const text: string = await asker.ask('double', 1);
      // @ts-expect-error: the question is a number.
      await asker.ask('double', 'one');
      // @ts-expect-error: there is no such kind.
      await asker.ask('triple', 1);
      void [doubled, text];
    };
    // @ts-expect-error: every kind has a reply, with an answer of its type.
    const replies: Replies<TestCounterQuestions> = { name: () => 1 };
    assert.equal(typeof check, typeof replies.name);
  });
});

describe('when an end of the port is gone', () => {
  it('all that a thread was asked rejects with why it ended, and so does what it is asked later', async (t) => {
    const { here } = withThread(t);
    assert.equal(await within(here.ask('double', 21), 'the answer of a thread'), 42);
    const waiting = [here.ask('wait', null), here.ask('wait', null), here.ask('end', null)];
    for (const answer of waiting) assert.equal(await codeOf(answer), 'ERR_SHARD_FAILED');
    assert.equal(here.size, 0);
    await assert.rejects(here.ask('double', 1), { code: 'ERR_SHARD_FAILED', message: 'the thread ended with code 3' });
  });

  it('a thread that is terminated leaves none of its questions in flight', async (t) => {
    const { here, worker } = withThread(t);
    const asked = [here.ask('wait', null, 3_600_000), here.ask('double', 1)];
    // Whether or not it was answered before: the other one never is.
    void asked[1]?.catch(() => undefined);
    await worker.terminate();
    assert.equal(await codeOf(asked[0] ?? assert.fail()), 'ERR_SHARD_FAILED');
    assert.equal(here.size, 0);
  });

  it('nothing is answered any more', async (t) => {
    const { here, there, waits, sent } = pair(t);
    const asked = here.ask('wait', null);
    await until(() => waits.answer.length === 1, 'the question');
    there.end(new EngineError('ERR_SHUTTING_DOWN', 'this end is closed'));
    waits.answer[0]?.('nobody hears this');
    assert.equal(await codeOf(there.ask('name', { of: 'a' })), 'ERR_SHUTTING_DOWN');
    here.end(new EngineError('ERR_SHARD_FAILED', 'the other end is gone'));
    here.end(new EngineError('ERR_INTERNAL', 'the first reason counts'));
    assert.equal(await codeOf(asked), 'ERR_SHARD_FAILED');
    assert.equal(await codeOf(here.ask('double', 1)), 'ERR_SHARD_FAILED');
    assert.deepEqual(sent, []);
  });
});

describe('a thread that was blocked', () => {
  it('reads the answer that waits before it calls it late', async (t) => {
    const { here } = withThread(t);
    assert.equal(await within(here.ask('double', 1), 'the thread to run'), 2);
    const answered = new Int32Array(new SharedArrayBuffer(4));
    const asked = here.ask('anything', answered, 100);
    // The thread answers meanwhile, and this one has a timer that is due before it reads anything.
    Atomics.wait(answered, 0, 0, patienceMs);
    Atomics.wait(answered, 0, 1, 200);
    assert.equal(await within(asked, 'the answer'), undefined);
  });
});

describe('a thread that is asked', () => {
  it('can ask back before it answers', async (t) => {
    const { here } = withThread(t);
    assert.equal(await within(here.ask('fail', 'later'), 'the answer'), 'the name of the thread');
  });
});
