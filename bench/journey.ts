import { path } from '@sallyport/sdk';
import { startInstallation } from '../tests/support/installation.ts';
import { startPackageRegistry } from '../tests/support/package-registry.ts';
import { nodeRuntime, smallRuntime } from '../tests/support/runtimes.ts';
import {
  environments,
  healthy,
  project,
  promotionIn,
  runEnded,
  type Scene,
  setScene,
} from '../tests/support/scene.ts';

/**
 * How long a change takes from its commit to production, by phase, with real programs and a local npm registry. Times
 * are those of the ledger: what is measured is what is recorded anyway. Run with `npx node bench/journey.ts [rounds]`;
 * the first round fills caches and is shown by itself.
 */
const rounds = Number(process.argv[2] ?? 5);

interface Event {
  readonly time: string;
  readonly type: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

type Phases = ReadonlyMap<string, number>;

for (const [name, runtime] of [
  ['an image of a few kilobytes on the host system', smallRuntime()],
  ['an image from scratch with Node.js in it', nodeRuntime()],
] as const) {
  const packages = await startPackageRegistry([runtime.package]);
  const installation = await startInstallation({ packages: packages.url });
  try {
    const scene = await setScene(installation, runtime);
    const all: Phases[] = [];
    for (let round = 0; round <= rounds; round += 1) all.push(await journey(scene, `bench ${round}`));
    print(name, all);
  } finally {
    await installation.close();
    await packages.close();
  }
}

async function journey(scene: Scene, version: string): Promise<Phases> {
  const { ada, riley } = scene;
  const prod = { project, environment: 'prod' };
  scene.commitVersion(version);
  const began = Date.now();
  const { id } = await ada.runs.start(project, { repository: 'tiny' });
  const { image = '' } = await runEnded(ada, id);
  await healthy(ada, 'stage', image);
  await ada.releases.promote(prod, image);
  await promotionIn(ada, 'prod', image, ['waiting']);
  await riley.releases.approve(prod, image);
  await healthy(ada, 'prod', image);
  const ended = Date.now();

  const phases = new Map(await buildPhases(scene, id, began));
  for (const environment of environments) {
    const promotion = await promotionIn(ada, environment, image, ['healthy']);
    const at = timesOf(await eventsOf(scene, `promotion/${promotion.id}`));
    // Production waits for a person in between, who here is quick; the last verdict counts.
    const asked = environment === 'prod' ? lastBefore(at, 'sealed') : at('release.promotion.requested');
    phases.set(`${environment}: gates judged, verdict sealed`, at('release.promotion.sealed') - asked);
    phases.set(
      `${environment}: desired state signed, published`,
      at('release.promotion.deployed') - at('release.promotion.sealed'),
    );
    phases.set(
      `${environment}: pulled, verified, started, healthy`,
      at('release.promotion.healthy') - at('release.promotion.deployed'),
    );
  }
  phases.set('commit to production', ended - began);
  return phases;
}

async function buildPhases(scene: Scene, runId: string, began: number): Promise<[string, number][]> {
  const { steps } = await scene.ada.runs.get(project, runId);
  const events = await eventsOf(scene, `run/${runId}`);
  const at = timesOf(events);
  const ofStep = (type: string, step: string): number =>
    Date.parse(events.find((each) => each.type === type && each.detail?.['step'] === step)?.time ?? '');
  const rows: [string, number][] = [
    ['read the commit, start the run', at('pipeline.run.queued') - began],
    ['lease', at('pipeline.run.building') - at('pipeline.run.queued')],
  ];
  let before = at('pipeline.run.building');
  let phase = 'fetch source and tools';
  for (const step of steps) {
    const started = Date.parse(step.startedAt ?? '');
    const granted = ofStep('pipeline.step.granted', step.name);
    const finished = ofStep('pipeline.step.finished', step.name);
    if (step.phase === 'verify' && phase === '') phase = 'assemble the image';
    rows.push([phase === '' ? `before step ${step.name}` : phase, started - before]);
    rows.push([`step ${step.name}: grant`, granted - started]);
    rows.push([`step ${step.name}: run and report`, finished - granted]);
    before = finished;
    phase = '';
  }
  rows.push(['push the image, report', at('pipeline.run.built') - before]);
  rows.push(['examine', at('pipeline.run.examined') - at('pipeline.run.built')]);
  rows.push(['attest: sign, log, attach', at('pipeline.run.attested') - at('pipeline.run.examined')]);
  rows.push(['offer', at('pipeline.run.released') - at('pipeline.run.attested')]);
  return rows;
}

async function eventsOf(scene: Scene, resource: string): Promise<readonly Event[]> {
  const answer = await scene.ada.transport.json<{ events: Event[] }>('GET', path`/api/ledger/events`, {
    query: { resource, limit: 200 },
  });
  return answer.events.toSorted((a, b) => a.time.localeCompare(b.time));
}

/** The last time something of a type happened; the first would be that of an attempt that was given up. */
function timesOf(
  events: readonly Event[],
): ((type: string) => number) & { readonly events: readonly Event[] } {
  const find = (type: string): number => {
    const found = events.findLast((each) => each.type === type);
    if (found === undefined) throw new Error(`no ${type} among ${events.map((each) => each.type).join(' ')}`);
    return Date.parse(found.time);
  };
  return Object.assign(find, { events });
}

/** When the verdict that let a promotion in began to be made. */
function lastBefore(at: ReturnType<typeof timesOf>, what: string): number {
  const sealed = at.events.findLastIndex((each) => each.type === `release.promotion.${what}`);
  const deciding = at.events.slice(0, sealed).findLast((each) => each.type === 'release.promotion.deciding');
  return Date.parse(deciding?.time ?? '');
}

function print(name: string, all: readonly Phases[]): void {
  const [first = new Map<string, number>(), ...rest] = all;
  const ms = (value: number): string => `${Math.round(value)} ms`.padStart(9);
  console.log(`\n${name}, ${rest.length} rounds after the first\n`);
  console.log(`${'PHASE'.padEnd(45)}${'FIRST'.padStart(9)}${'MEDIAN'.padStart(11)}${'WORST'.padStart(11)}`);
  for (const phase of first.keys()) {
    const values = rest.map((each) => each.get(phase) ?? Number.NaN).sort((a, b) => a - b);
    const median = values[Math.floor(values.length / 2)] ?? Number.NaN;
    console.log(
      `${phase.padEnd(45)}${ms(first.get(phase) ?? 0)}  ${ms(median)}  ${ms(values.at(-1) ?? Number.NaN)}`,
    );
  }
}
