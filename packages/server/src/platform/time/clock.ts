import { randomBytes } from 'node:crypto';
import type { Clock, Random } from '../ports.ts';

export const systemClock: Clock = { now: () => new Date() };

export const systemRandom: Random = { bytes: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)) };
