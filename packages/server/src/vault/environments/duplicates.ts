import { Fault } from '@sallyport/formats';
import type { Call } from '../backend.ts';
import { countHit, hitsPerHour, isExhausted } from './attempts.ts';
import { isAccount, maxPrints, type Print, type Prints } from './fingerprints.ts';
import { dataPath, type KnownPlace, knownHolders } from './may-know.ts';
import { addPlace, type Holding, holdingOf } from './places.ts';
import { noteRefused } from './refused.ts';
import { settingsOf } from './settings.ts';

/** What becomes of a write after its values were compared with those of other environments. */
export interface Judgement {
  /** Nothing may be written. */
  readonly refusal?: Fault;
  readonly warnings: readonly string[];
}

interface Hit {
  readonly print: Print;
  readonly key: string;
  readonly others: Holding;
}

const maxNamed = 5;

/**
 * Compares what a write brings with what other environments hold, and enters it. `held` are the fingerprints that the
 * secret has already, in any version: only what is new to it is judged, so nobody can block the next version of a secret
 * by writing its value elsewhere. Give the refusal as the answer (`Reply.refusal`), so that its traces stay.
 */
export function judgeValues(call: Call, path: string, prints: Prints, held: ReadonlySet<Print>): Judgement {
  const { turn, caller, mount } = call;
  const { environment } = mount;
  const fresh = [...prints.keys].filter(([print]) => !held.has(print));
  const values = fresh.filter(([print]) => !isAccount(print));
  if (fresh.length === 0 && !prints.more) return { warnings: [] };
  const refuses = settingsOf(turn, environment).duplicates === 'refuse';
  if (prints.more && refuses) return refused(tooMany(environment));
  if (values.length > 0 && isExhausted(turn, caller)) return refused(tooOften());

  const hits: Hit[] = [];
  for (const [print, key] of values) {
    const others = othersOf(holdingOf(turn, print), environment);
    if (others.size > 0) hits.push({ print, key, others });
  }
  const told = hits.map((hit) => ({ ...hit, ...knownHolders(turn, caller, hit.others) }));
  if (told.some(({ all }) => !all)) countHit(turn, caller);
  const culprit = told.find(
    ({ others }) => refuses || [...others.keys()].some((each) => isRefusing(call, each)),
  );
  if (culprit !== undefined) {
    noteRefused(turn, {
      at: turn.now,
      environment,
      mountId: mount.id,
      path,
      key: culprit.key,
      by: caller?.token.displayName ?? '',
      accessor: caller?.token.accessor ?? '',
      others: [...culprit.others.keys()],
    });
    return refused(existsElsewhere(culprit.key, culprit.known));
  }
  for (const [print, key] of fresh) addPlace(turn, print, environment, { mountId: mount.id, path, key });
  return {
    warnings: [
      ...told.map(({ key, known }) => `value exists in another environment: ${textOf(key, known)}`),
      ...(prints.more
        ? [`only the first ${maxPrints} values were compared with those of other environments`]
        : []),
    ],
  };
}

function othersOf(holding: Holding, environment: string): Holding {
  if (!holding.has(environment)) return holding;
  const others = new Map(holding);
  others.delete(environment);
  return others;
}

function refused(refusal: Fault): Judgement {
  return { refusal, warnings: [] };
}

function isRefusing(call: Call, environment: string): boolean {
  return settingsOf(call.turn, environment).duplicates === 'refuse';
}

function existsElsewhere(key: string, known: readonly KnownPlace[]): Fault {
  return new Fault(
    'invalid',
    'vault.value_elsewhere',
    `value exists in another environment: ${textOf(key, known)}`,
    { hint: 'environments share no credential; make a new one for this environment' },
  );
}

function textOf(key: string, known: readonly KnownPlace[]): string {
  const places = known
    .slice(0, maxNamed)
    .map(({ environment, mount, place }) => `${environment} at ${dataPath(mount, place.path)}#${place.key}`);
  return [JSON.stringify(key), ...places].join(', also ');
}

function tooMany(environment: string): Fault {
  return new Fault(
    'invalid',
    'vault.too_many_values',
    `expected at most ${maxPrints} values that may be credentials in one secret of ${environment}, which refuses values of other environments`,
    { hint: 'spread them over several secrets' },
  );
}

function tooOften(): Fault {
  return new Fault(
    'exhausted',
    'vault.values_elsewhere',
    `${hitsPerHour} or more values of other environments were written within an hour`,
    {
      hint: 'nothing new is taken from this caller until the hour is over; look at the findings of the inventory',
    },
  );
}
