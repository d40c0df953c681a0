import type { z } from 'zod';
import { EngineError } from '../../shared/errors/index.ts';

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function unitOf(origin: string): string {
  return origin === 'string' ? ' character(s)' : origin === 'array' ? ' element(s)' : '';
}

/** What the schema would have accepted, in words. */
function allowed(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'invalid_type':
      return `${issue.expected === 'int' ? 'a whole number' : issue.expected}`;
    case 'unrecognized_keys':
      return 'nothing, there is no such option';
    case 'invalid_key':
      return `as its name ${issue.issues.map((inner) => allowed(inner)).join(', ')}`;
    case 'invalid_union':
      return issue.errors
        .flat()
        .map((inner) => allowed(inner))
        .join(', or ');
    default:
      return issue.message;
  }
}

function show(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') return typeof value;
  try {
    return JSON.stringify(value)?.slice(0, 80) ?? String(value);
  } catch {
    return typeof value;
  }
}

/** For a union, an issue about something inside of the value says more than the issue about the value. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.flat().find((one) => one.path.length > 0);
  return inner === undefined ? issue : { ...inner, path: [...issue.path, ...inner.path] };
}

/** A key is never shown. Not even a wrong one, which may be the right one with a typing error. */
function isKey(path: readonly PropertyKey[]): boolean {
  return path[0] === 'security' && (path[1] === 'aesKey' || path[1] === 'hmacKey');
}

/** Of the TLS option, only file names and versions are shown, and not if one is a key that was given in the wrong place. */
function isTlsSecret(path: readonly PropertyKey[], value: unknown): boolean {
  if (path[0] !== 'tls') return false;
  if (!['certFile', 'keyFile', 'caFile', 'minVersion'].includes(String(path[1]))) return true;
  return typeof value === 'string' ? value.includes('-----') : typeof value === 'object';
}

function describeKey(value: unknown): string {
  return value instanceof Uint8Array ? `${value.length} bytes` : `a value of type ${typeof value}`;
}

/** The error for the first issue of a schema: which option is wrong, what was given and what is allowed. */
export function optionError(input: unknown, error: z.ZodError): EngineError {
  const [first] = error.issues;
  if (first === undefined) throw error;
  const issue = innermost(first);
  const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const path = [...issue.path, ...keys.slice(0, 1)];
  const name = path.map(String).join('.');
  const value = valueAt(input, path);
  const given = isKey(path) || isTlsSecret(path, value) ? describeKey(value) : value;
  const what = allowed(issue);
  const subject = name === '' ? 'the options are' : `option "${name}" is`;
  return new EngineError('ERR_OPTION_INVALID', `${subject} ${show(given)}; allowed: ${what}`, {
    path: name,
    given,
    allowed: what,
  });
}

/** The error for a value that would be allowed if another option were different. `inText`: what its text says instead. */
export function optionNotAllowed(
  path: string,
  given: number | string,
  what: string,
  inText: string = what,
): EngineError {
  const shown = typeof given === 'number' ? given : `"${given}"`;
  const text = `option "${path}" is ${shown}; allowed: ${inText}`;
  return new EngineError('ERR_OPTION_INVALID', text, { path, given, allowed: what });
}
