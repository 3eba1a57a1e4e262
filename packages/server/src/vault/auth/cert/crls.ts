import { type Call, type Handler, prepared, type Records, type Reply } from '../../backend.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import { jsonCodec } from '../../records.ts';
import { nameOf } from '../method/roles.ts';
import { loadReader } from './reader.ts';

/** Serial numbers in hexadecimal. */
type Serials = readonly string[];

const directory = 'crl/';
const codec = jsonCodec<Serials>(true);
const maxLists = 32;

const sets = new WeakMap<Serials, ReadonlySet<string>>();

/** Serial numbers that are revoked by any list of the mount. */
export function revokedSerials(store: Records): Pick<ReadonlySet<string>, 'has'> {
  const lists = store.list(directory).flatMap((name) => {
    const serials = store.read(directory + name, codec);
    return serials === undefined ? [] : [setOf(serials)];
  });
  return { has: (serial) => lists.some((list) => list.has(serial)) };
}

function setOf(serials: Serials): ReadonlySet<string> {
  let set = sets.get(serials);
  if (set === undefined) {
    set = new Set(serials);
    sets.set(serials, set);
  }
  return set;
}

export const writeCrl: Handler = prepared<Serials>({
  async prepare({ fields }) {
    // To ignore it would leave the operator without the list she thinks is fetched.
    if (fields.text('url') !== '') throw badRequest("'url' is not supported, expected 'crl'");
    const pem = fields.find('crl');
    if (typeof pem !== 'string' || pem === '') throw badRequest("expected a revocation list in PEM as 'crl'");
    const { parseCrl } = await loadReader();
    return parseCrl(pem);
  },
  decide(call, serials): Reply {
    const name = nameOf(call);
    const names = call.store.list(directory);
    if (names.length >= maxLists && !names.includes(name))
      throw badRequest(`expected at most ${maxLists} revocation lists`);
    call.store.write(directory + name, codec, serials);
    return {};
  },
});

export function readCrl(call: Call): Reply {
  const serials = call.store.read(directory + nameOf(call), codec);
  if (serials === undefined) throw nothingHere();
  const decimal = serials.map((serial) => [BigInt(`0x${serial}`).toString(), {}] as const);
  return { data: { serials: Object.fromEntries(decimal) } };
}

export function deleteCrl(call: Call): Reply {
  call.store.delete(directory + nameOf(call));
  return {};
}

export function listCrls({ store }: Call): Reply {
  const keys = store.list(directory);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}
