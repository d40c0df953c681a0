import { deferred } from '../base/deferred.ts';
import { isThenable } from '../base/thenable.ts';
import { EngineError, type ErrorCode, errorText } from '../errors/index.ts';

/** What is asked, and what is answered. Both must survive a structured clone. */
export interface QuestionKind<Q, A> {
  readonly question: Q;
  readonly answer: A;
}

/** A map of kinds of questions. */
export type QuestionKinds<M> = { readonly [K in keyof M]: QuestionKind<unknown, unknown> };

/** A question on its way to another thread. */
export interface Question<M extends QuestionKinds<M>, K extends keyof M = keyof M> {
  readonly kind: 'question';
  readonly id: number;
  readonly about: K;
  readonly question: M[K]['question'];
}

/** The answer to the question of this id, on its way back. */
export interface Answer<M extends QuestionKinds<M>, K extends keyof M = keyof M> {
  readonly kind: 'answer';
  readonly id: number;
  readonly about: K;
  readonly outcome: AnswerOutcome<M[K]['answer']>;
}

type AnswerOutcome<A> =
  | { readonly ok: true; readonly answer: A }
  | { readonly ok: false; readonly code: ErrorCode; readonly text: string };

export interface QuestionRule {
  /** Questions of this kind that may be in flight. Where it is Infinity, a comment says what bounds them. */
  readonly most: number;
  /** How long an answer may take. Infinity: until the other end is gone. */
  readonly timeoutMs: number;
}
export type QuestionRules<M> = { readonly [K in keyof M]: QuestionRule };

/** Who answers, by kind. What is answered without a promise is posted before the next message is looked at. */
export type Replies<M extends QuestionKinds<M>> = {
  readonly [K in keyof M]: (question: M[K]['question']) => M[K]['answer'] | PromiseLike<M[K]['answer']>;
};

/** What a part needs that only asks. */
export interface Asker<M extends QuestionKinds<M>> {
  ask<K extends keyof M>(kind: K, question: M[K]['question'], timeoutMs?: number): Promise<M[K]['answer']>;
}

export interface AskPortOptions<Out extends QuestionKinds<Out>, In extends QuestionKinds<In>> {
  /** Names the other end in errors. */
  readonly other: string;
  /** Of the error when no answer has come in time. */
  readonly lateCode: ErrorCode;
  readonly rules: QuestionRules<Out>;
  readonly replies: Replies<In>;
  post(message: Question<Out> | Answer<In>): void;
}

/** A question that is in flight. */
interface Asked<M extends QuestionKinds<M>> {
  readonly about: keyof M;
  readonly timer: NodeJS.Timeout | undefined;
  settle(answer: Answer<M>): void;
  fail(error: EngineError): void;
}

/**
 * One end of a port between two threads that ask each other: `Out` goes from here to there, `In` the other way. Its owner
 * passes it what arrives. Every question has one end: its answer, an error of the other end, its timeout, or `end`.
 */
export class AskPort<Out extends QuestionKinds<Out>, In extends QuestionKinds<In>> implements Asker<Out> {
  readonly #options: AskPortOptions<Out, In>;
  readonly #asked = new Map<number, Asked<Out>>();
  readonly #inFlight = new Map<keyof Out, number>();
  #lastId = 0;
  #ended: EngineError | null = null;

  constructor(options: AskPortOptions<Out, In>) {
    this.#options = options;
  }

  /** Questions that are in flight. */
  get size(): number {
    return this.#asked.size;
  }

  /**
   * Rejects with the code of the other end's error, `ERR_OVERLOADED` with too many in flight, `lateCode`, what `end` was
   * given, or `ERR_INTERNAL` if the question cannot be cloned. `timeoutMs` goes before that of the kind.
   */
  ask<K extends keyof Out>(
    kind: K,
    question: Out[K]['question'],
    timeoutMs: number = this.#options.rules[kind].timeoutMs,
  ): Promise<Out[K]['answer']> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const inFlight = this.#inFlight.get(kind) ?? 0;
    if (inFlight >= this.#options.rules[kind].most) {
      const text = `${this.#options.other} has ${inFlight} questions of the kind ${String(kind)} to answer`;
      return Promise.reject(new EngineError('ERR_OVERLOADED', text));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = deferred<Out[K]['answer']>();
    const asked: Asked<Out> = {
      about: kind,
      timer: this.#startTimer(id, timeoutMs),
      settle: (answer) => {
        // The kind is that of the question: `onAnswer` has compared them.
        const { outcome } = answer;
        if (outcome.ok) resolve(outcome.answer);
        else reject(new EngineError(outcome.code, outcome.text));
      },
      fail: reject,
    };
    this.#asked.set(id, asked);
    this.#inFlight.set(kind, inFlight + 1);
    try {
      this.#options.post({ kind: 'question', id, about: kind, question });
    } catch (cause) {
      const text = `a question of the kind ${String(kind)} could not be sent: ${errorText(cause)}`;
      this.#take(id)?.fail(new EngineError('ERR_INTERNAL', text, { cause }));
    }
    return promise;
  }

  /** An answer has arrived. One that is not waited for any more is ignored. */
  onAnswer(answer: Answer<Out>): void {
    if (this.#asked.get(answer.id)?.about === answer.about) this.#take(answer.id)?.settle(answer);
  }

  /** A question has arrived. Whatever its reply throws is answered as an error. */
  onQuestion<K extends keyof In>({ id, about, question }: Question<In, K>): void {
    const fail = (error: unknown): void => this.#answer(id, about, failureOf(error));
    const succeed = (answer: In[K]['answer']): void => this.#answer(id, about, { ok: true, answer });
    try {
      const answer = this.#options.replies[about](question);
      if (isThenable(answer)) answer.then(succeed, fail);
      else succeed(answer);
    } catch (error) {
      fail(error);
    }
  }

  /** The other end is gone, or this one: what is in flight and what is asked later rejects with `reason`. */
  end(reason: EngineError): void {
    this.#ended ??= reason;
    for (const id of [...this.#asked.keys()]) this.#take(id)?.fail(this.#ended);
  }

  #answer<K extends keyof In>(id: number, about: K, outcome: AnswerOutcome<In[K]['answer']>): void {
    if (this.#ended !== null) return;
    try {
      this.#options.post({ kind: 'answer', id, about, outcome });
    } catch (error) {
      // The answer cannot be cloned. The error that says so can.
      if (outcome.ok) this.#answer(id, about, failureOf(error));
    }
  }

  #startTimer(id: number, timeoutMs: number): NodeJS.Timeout | undefined {
    if (timeoutMs === Number.POSITIVE_INFINITY) return undefined;
    // If this thread itself was blocked, answers wait to be read, and timers come before them in a turn of the loop.
    return setTimeout(() => setImmediate(() => this.#late(id, timeoutMs)), timeoutMs).unref();
  }

  #late(id: number, timeoutMs: number): void {
    const { other, lateCode } = this.#options;
    const asked = this.#take(id);
    const text = `${other} has not answered a question of the kind ${String(asked?.about)} within ${timeoutMs} ms`;
    asked?.fail(new EngineError(lateCode, text));
  }

  #take(id: number): Asked<Out> | undefined {
    const asked = this.#asked.get(id);
    if (asked === undefined) return undefined;
    this.#asked.delete(id);
    this.#inFlight.set(asked.about, (this.#inFlight.get(asked.about) ?? 1) - 1);
    clearTimeout(asked.timer);
    return asked;
  }
}

/** `instanceof` works here, because the error has not crossed a thread. Codes of other libraries do not count. */
function failureOf(error: unknown): { readonly ok: false; readonly code: ErrorCode; readonly text: string } {
  const code = error instanceof EngineError ? error.code : 'ERR_INTERNAL';
  return { ok: false, code, text: errorText(error) };
}
