import type { Routes } from '#platform';
import type { RekorWriters } from './admission.ts';
import { rekorV1Routes } from './promised-routes.ts';
import type { Rekor } from './rekor.ts';
import { rekorV2Routes } from './tiled-routes.ts';

/** Both of Rekor's APIs. `writers` decides who may call what writes. */
export function rekorRoutes(rekor: Rekor, writers: RekorWriters): Routes {
  return (http) => {
    rekorV2Routes(rekor, writers)(http);
    rekorV1Routes(rekor, writers)(http);
  };
}
