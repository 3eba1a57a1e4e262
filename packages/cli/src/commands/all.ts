import type { Command } from '../command.ts';
import { init } from './repository/init.ts';
import { completionCommand } from './server/completion.ts';
import { config } from './server/config.ts';
import { doctor } from './server/doctor.ts';
import { up } from './server/up.ts';

/** Every command, in the order of a first day. */
export const commands: readonly Command[] = [up, init, doctor, config, completionCommand(() => commands)];
