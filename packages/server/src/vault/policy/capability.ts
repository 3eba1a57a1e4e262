/** What a rule can grant, one bit each, in the alphabetical order in which they are told to clients. */
export const capabilityBits = {
  create: 1,
  delete: 2,
  deny: 4,
  list: 8,
  patch: 16,
  read: 32,
  scan: 64,
  sudo: 128,
  update: 256,
} as const;

export type Capability = keyof typeof capabilityBits;

/** What a request does. `help` needs no capability; `deny` and `sudo` are no operations. */
export type Operation = Exclude<Capability, 'deny' | 'sudo'> | 'help';

// Object.keys loses the key type of an object that is `as const`.
const names = Object.keys(capabilityBits) as Capability[];
const bitOfName: ReadonlyMap<string, number> = new Map(Object.entries(capabilityBits));

/** The bits of the keyword `policy`, which Vault had before capabilities; `patch` and `scan` are younger than it. */
const legacyBits: ReadonlyMap<string, number> = new Map(
  Object.entries({
    deny: maskOf('deny'),
    read: maskOf('read', 'list'),
    write: maskOf('create', 'read', 'update', 'delete', 'list'),
    sudo: maskOf('create', 'read', 'update', 'delete', 'list', 'sudo'),
  }),
);

export function bitOfCapability(name: string): number | undefined {
  return bitOfName.get(name);
}

export function bitsOfLegacyPolicy(name: string): number | undefined {
  return legacyBits.get(name);
}

export const capabilityNames: readonly Capability[] = names;

/** The names of `mask`, sorted; `["deny"]` when it denies or grants nothing, as Vault answers. */
export function namesOfMask(mask: number): readonly Capability[] {
  if (mask === 0 || (mask & capabilityBits.deny) !== 0) return ['deny'];
  return names.filter((name) => (mask & capabilityBits[name]) !== 0);
}

function maskOf(...capabilities: readonly Capability[]): number {
  return capabilities.reduce((mask, name) => mask | capabilityBits[name], 0);
}
