import { stopSignal } from '../stop-signal.ts';
import { help, parseFlags } from './flags.ts';
import { planOf } from './plan-of-flags.ts';
import { ProgressBar } from './progress-bar.ts';
import { resultOf } from './result.ts';
import { run } from './run.ts';
import { resultText } from './table.ts';

/** The `bench` command. Prints the result, and then rejects if the result misses a bound that the flags set. */
export async function bench(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseFlags(args);
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const plan = planOf(values, positionals);
  const bar = process.stderr.isTTY ? new ProgressBar() : null;
  const outcome = await run(plan, stopSignal(), (news) => bar?.show(news)).finally(() => bar?.end());
  const result = resultOf(plan, outcome);
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : resultText(result));
  if (result.failures.length > 0) throw new Error(result.failures.join('; '));
}
