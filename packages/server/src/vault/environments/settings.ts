import type { Turn } from '#journal';
import { mountsOf } from '../mounts/table.ts';
import { jsonCodec } from '../records.ts';

/** What holds for the secrets of one environment of a project. */
export interface EnvironmentSettings {
  /** Its place among the environments of its project, from 0: what comes before production. */
  readonly order: number;
  /** What happens to a value that another environment has: written and reported, or refused. */
  readonly duplicates: 'report' | 'refuse';
  /** A secret that more services than this declare or read is a finding. */
  readonly maxConsumers: number;
  /** Whether a secret without an owner is a grave finding here. */
  readonly requireOwner: boolean;
  /** A secret that nobody read for so many days is a finding. */
  readonly unusedDays: number;
  /** A secret that expires within so many days is a finding. */
  readonly expiringDays: number;
}

/** An environment, whether it was set up or is there because a mount belongs to it. */
export interface Environment {
  readonly project: string;
  readonly name: string;
  readonly settings: EnvironmentSettings;
  /** False for one that only its mounts know. */
  readonly declared: boolean;
}

const directory = 'core/environment/';
const codec = jsonCodec<Partial<EnvironmentSettings>>(true);

/** As people call them everywhere; others come last, by name. */
const customary: ReadonlyArray<readonly string[]> = [
  ['local'],
  ['dev', 'development'],
  ['build', 'ci'],
  ['test', 'testing', 'qa', 'integration'],
  ['stage', 'staging', 'uat', 'preprod', 'pre-prod'],
  ['prod', 'production', 'live'],
];

function defaultsOf(name: string): EnvironmentSettings {
  const index = customary.findIndex((names) => names.includes(name));
  return {
    order: (index < 0 ? customary.length : index) * 10,
    duplicates: 'report',
    maxConsumers: 3,
    requireOwner: false,
    unusedDays: 90,
    expiringDays: 30,
  };
}

/** `environment` is `project/name`. */
export function settingsOf(turn: Turn, environment: string): EnvironmentSettings {
  const defaults = defaultsOf(environment.slice(environment.indexOf('/') + 1));
  const stored = turn.space('system').read(directory + environment, codec);
  return stored === undefined ? defaults : { ...defaults, ...stored };
}

/** Fields that are absent stay as they are. */
export function changeSettings(
  turn: Turn,
  environment: string,
  change: Partial<EnvironmentSettings>,
): EnvironmentSettings {
  const space = turn.space('system');
  const before = space.read(directory + environment, codec);
  space.write(directory + environment, codec, { ...before, ...change });
  return settingsOf(turn, environment);
}

/** Those of one project, or of all, projects by name and environments in their order. */
export function environmentsOf(turn: Turn, project?: string): readonly Environment[] {
  const declared = declaredOf(turn, project);
  const mounted = mountsOf(turn)
    .mounts.map((mount) => mount.environment)
    .filter((environment) => environment.includes('/'))
    .filter((environment) => project === undefined || environment.startsWith(`${project}/`));
  const all = [...new Set([...declared, ...mounted])].map((environment): Environment => {
    const [owner = '', name = ''] = environment.split('/');
    return {
      project: owner,
      name,
      settings: settingsOf(turn, environment),
      declared: declared.includes(environment),
    };
  });
  return all.sort(
    (one, other) =>
      compare(one.project, other.project) ||
      one.settings.order - other.settings.order ||
      compare(one.name, other.name),
  );
}

function declaredOf(turn: Turn, project: string | undefined): readonly string[] {
  const space = turn.space('system');
  const projects = project === undefined ? space.list(directory) : [`${project}/`];
  return projects.flatMap((each) => space.list(directory + each).map((name) => each + name));
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
