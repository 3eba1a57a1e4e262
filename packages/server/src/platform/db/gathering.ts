import type { OwnBytes } from './pglite-messages.ts';

/** Joins the parts of an answer, each of which is a view into memory that is used again. */
export interface Gathering {
  add(part: Uint8Array): void;
  /** All parts since the last call, in memory of their own. */
  take(): OwnBytes;
}

/** What most answers are smaller than; a page of records is half a megabyte. */
const roomBytes = 64 * 1024;
const mostRoomBytes = 1024 * 1024;

/** In one piece of memory for all answers: a copy of each part until the last has come is garbage, by the hundred megabytes. */
export function createGathering(): Gathering {
  let room = new Uint8Array(roomBytes);
  let size = 0;

  return {
    add(part) {
      if (size + part.length > room.length) {
        const larger = new Uint8Array(Math.max(2 * room.length, size + part.length));
        larger.set(room.subarray(0, size));
        room = larger;
      }
      room.set(part, size);
      size += part.length;
    },
    take() {
      const whole = room.slice(0, size);
      size = 0;
      if (room.length > mostRoomBytes) room = new Uint8Array(roomBytes);
      return whole;
    },
  };
}
