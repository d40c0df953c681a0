import { testAttacks } from './short-form.ts';
import { systemAttacks } from './system-attacks.ts';

testAttacks(systemAttacks);
