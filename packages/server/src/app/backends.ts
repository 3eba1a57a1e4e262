import { approleBackend, backendsOf } from '#vault';

/** The engines and login methods of this server. */
export function vaultBackends() {
  return backendsOf([], [approleBackend]);
}
