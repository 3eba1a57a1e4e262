import type { Clock, Random } from '../ports.ts';
import { createRandom } from './random.ts';

export const systemClock: Clock = { now: () => new Date() };

export const systemRandom: Random = createRandom();
