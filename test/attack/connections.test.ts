import { connectionAttacks } from './connection-attacks.ts';
import { testAttacks } from './short-form.ts';

testAttacks(connectionAttacks);
