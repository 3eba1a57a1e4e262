import { Fault } from '@sallyport/formats';

export function notInitialised(): Fault {
  return new Fault(
    'precondition',
    'keyring.not_initialised',
    'expected an initialised keyring, got one without a root key',
    { hint: 'initialise it first' },
  );
}

export function initialised(): Fault {
  return new Fault(
    'conflict',
    'keyring.initialised',
    'expected a keyring without a root key, got one that is initialised',
  );
}

export function needsShares(): Fault {
  return new Fault(
    'precondition',
    'keyring.needs_shares',
    'expected a seal that a machine opens, got one that is opened with shares',
    { hint: 'initialise the keyring, or unseal it with a threshold of its shares' },
  );
}

export function opensItself(): Fault {
  return new Fault(
    'precondition',
    'keyring.opens_itself',
    'expected a seal that is opened with shares, got one that a machine opens',
  );
}

/** Says nothing of which share: whoever tries shares one by one must not be told. */
export function wrongShares(): Fault {
  return new Fault(
    'invalid',
    'keyring.shares_wrong',
    'expected a threshold of shares of one set that belongs to this seal, got shares that do not fit',
    { hint: 'all that was collected is forgotten; begin again' },
  );
}

export function noCeremony(what: string): Fault {
  return new Fault('precondition', 'keyring.no_ceremony', `expected ${what} in progress, got none`);
}

export function ceremonyRuns(): Fault {
  return new Fault('conflict', 'keyring.ceremony_runs', 'expected no rekey in progress, got one', {
    hint: 'finish or cancel it',
  });
}
