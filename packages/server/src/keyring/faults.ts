import { Fault } from '@sallyport/formats';

/** The one answer to everything that does not open: which check failed helps only who forges records. */
export function decryptFailed(): Fault {
  return new Fault(
    'integrity',
    'keyring.decrypt_failed',
    'expected a record that this installation sealed for this scope and address, got one that does not open',
  );
}

export function keyringClosed(): Fault {
  return new Fault('unavailable', 'keyring.closed', 'expected an open keyring, got one that is closed');
}
