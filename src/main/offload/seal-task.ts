import type { ShardJob } from '../../shared/bus/ipc.ts';
import { runJob } from '../../shared/security/index.ts';
import { offloadTask } from './offload-task.ts';

/** What the pool's threads run: sealing and opening. */
export const task: (job: ShardJob) => unknown = offloadTask(runJob);
