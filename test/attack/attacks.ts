import type { Attack } from './attack.ts';
import { connectionAttacks } from './connection-attacks.ts';
import { floods } from './floods.ts';
import { systemAttacks } from './system-attacks.ts';

export const attacks: readonly Attack[] = [...floods, ...connectionAttacks, ...systemAttacks];
