import { floods } from './floods.ts';
import { testAttacks } from './short-form.ts';

testAttacks(floods);
