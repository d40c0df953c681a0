/** An invalid command line: exit status 2. A command that fails has exit status 1. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** The text of `parseArgs` about an unknown option or a missing value, without its advice on positional arguments. */
export function usageErrorOf(error: unknown): unknown {
  if (!(error instanceof TypeError) || !('code' in error) || !String(error.code).startsWith('ERR_PARSE_ARGS_')) {
    return error;
  }
  const [first = error.message] = error.message.split(/\.?\n|\. /);
  return new UsageError(first.charAt(0).toLowerCase() + first.slice(1));
}

/** An error as one line: its text, and its code where it has one. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const line = error.message.replace(/\s*\n\s*/g, ' ');
  return 'code' in error && typeof error.code === 'string' ? `${error.code}: ${line}` : line;
}
