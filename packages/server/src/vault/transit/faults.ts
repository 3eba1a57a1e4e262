import { Fault } from '@sallyport/formats';

/** A request that cannot be served as it is. Messages name lengths, versions and options, never bytes of a key or input. */
export function refused(reason: string, message: string): Fault {
  return new Fault('invalid', `vault.transit_${reason}`, message);
}

/** A key that does not let itself be used this way. Vault answers 500, and its clients tell it from a 400. */
export function notAllowed(reason: string, message: string): Fault {
  return new Fault('internal', `vault.transit_${reason}`, message);
}

/** What a stored key promised and does not hold. */
export function brokenKey(message: string): Fault {
  return new Fault('integrity', 'vault.transit_broken_key', message);
}
