/** For how long the machine is looked at, and how long it may be away meanwhile. */
const lookMs = 1_000;
const mostAwayMs = 250;

/**
 * What measures for fractions of a second cannot do so on a machine that stands still for as long: a virtual one that
 * others keep from running. For the `skip` of tests of measuring tools, and of those alone.
 */
function lookAtTheMachine(): false | string {
  const end = performance.now() + lookMs;
  let last = performance.now();
  let worst = 0;
  while (last < end) {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
  }
  return worst > mostAwayMs ? `the machine stood still for ${Math.round(worst)} ms` : false;
}

export const heldUp: false | string = lookAtTheMachine();
