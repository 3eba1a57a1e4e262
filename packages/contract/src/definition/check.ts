import { parseDuration } from './duration.ts';
import type { Artifact, Definition, Environment, Step, Tool } from './model.ts';
import { formatPath, type KeyPath, nearest, quote } from './problem.ts';

/** A problem of meaning; the place is found from the path afterwards. */
export interface Finding {
  readonly path: KeyPath;
  readonly expected: string;
  readonly found: string;
  readonly hint?: string;
}

type Report = (path: KeyPath, expected: string, found: string, hint?: string) => void;

/**
 * What a schema cannot say. A part for which `isSound` is false did not have the right shape and is left out, so that
 * one mistake gives one message.
 */
export function checkMeaning(definition: Definition, isSound: (path: KeyPath) => boolean): Finding[] {
  const findings: Finding[] = [];
  const report: Report = (path, expected, found, hint) => {
    findings.push({ path, expected, found, ...(hint === undefined ? {} : { hint }) });
  };
  const { triggers, dependencies, build, verify = [], environments } = definition;
  if (isSound(['triggers'])) checkTriggers(triggers, report);
  if (dependencies !== undefined && isSound(['dependencies'])) {
    for (const [index, path] of dependencies.lockfiles.entries()) {
      checkPath(path, ['dependencies', 'lockfiles', index], report);
    }
    checkDuration(dependencies.min_release_age, ['dependencies', 'min_release_age'], 365 * 86_400, report, 0);
  }
  if (isSound(['build', 'tools'])) checkTools(build?.tools ?? [], ['build', 'tools'], report);
  const names = new Map<string, KeyPath>();
  for (const [phase, steps] of [
    [['build', 'steps'], build?.steps ?? []],
    [['verify'], verify],
  ] as const) {
    if (!Array.isArray(steps)) continue;
    for (const [index, step] of steps.entries()) {
      const path = [...phase, index];
      if (isSound(path)) checkStep(step, path, names, report);
    }
  }
  if (isSound(['build', 'artifacts'])) {
    for (const [index, artifact] of (build?.artifacts ?? []).entries()) {
      checkArtifact(artifact, ['build', 'artifacts', index], report);
    }
  }
  checkEnvironments(environments ?? {}, isSound, report);
  return findings;
}

function checkTriggers(triggers: Definition['triggers'], report: Report): void {
  if (triggers.push === undefined && triggers.tag === undefined && triggers.pull_request === undefined) {
    report(['triggers'], 'at least one of push, tag, pull_request', 'none: nothing would ever start a run');
  }
  for (const kind of ['push', 'tag'] as const) {
    for (const [index, pattern] of (triggers[kind] ?? []).entries()) {
      if (!/^[A-Za-z0-9._/*-]+$/.test(pattern) || pattern.startsWith('-') || pattern.includes('..')) {
        const expected = 'a branch or tag name without its refs/ prefix, `*` for any part of one';
        report(['triggers', kind, index], expected, quote(pattern));
      } else if (pattern.startsWith('refs/')) {
        const short = pattern.replace(/^refs\/(heads|tags)\//, '');
        report(
          ['triggers', kind, index],
          'a name without its refs/ prefix',
          quote(pattern),
          `write "${short}"`,
        );
      }
    }
  }
}

function checkTools(tools: readonly Tool[], path: KeyPath, report: Report): void {
  const seen = new Set<string>();
  for (const [index, tool] of tools.entries()) {
    const name = tool.npm.slice(0, tool.npm.lastIndexOf('@'));
    for (const arch of tool.arch === undefined ? ['x64', 'arm64'] : [tool.arch]) {
      const key = `${name} on ${arch}`;
      if (seen.has(key)) report([...path, index], 'each package once for each arch', `${key} a second time`);
      seen.add(key);
    }
  }
}

function checkStep(step: Step, path: KeyPath, names: Map<string, KeyPath>, report: Report): void {
  const first = names.get(step.name);
  if (first !== undefined) {
    report(
      [...path, 'name'],
      'a name no other step has',
      `${quote(step.name)}, the name of ${formatPath(first)}`,
    );
  } else names.set(step.name, path);
  checkDuration(step.timeout, [...path, 'timeout'], 86_400, report);
  const network = step.network ?? 'none';
  const egress = step.egress ?? [];
  if (network === 'allowlist' && egress.length === 0) {
    report(
      [...path, 'network'],
      'an `egress` list with at least one host:port',
      'network allowlist without one',
    );
  }
  if (network !== 'allowlist' && egress.length > 0) {
    const hint = 'set network: allowlist, or remove egress';
    report([...path, 'egress'], 'network: allowlist beside it', `network ${network}`, hint);
  }
  checkEgress(egress, [...path, 'egress'], report);
  if (step.allow_scripts === true && network !== 'registries') {
    report([...path, 'allow_scripts'], 'network: registries beside it', `network ${network}`);
  }
  if (path[0] === 'build') {
    for (const key of ['secrets', 'secret_files'] as const) {
      if (step[key] === undefined) continue;
      // What a build step sees can end up in the artifact, which outlives the step (delivery.md, invariant 1 of 0).
      const hint = 'move the step to `verify`, or give the secret to the environment that runs the service';
      report([...path, key], 'no secrets in a build step: its output is the artifact', 'secrets', hint);
    }
  }
  const env = new Set(checkEnv(step.env, [...path, 'env'], report));
  checkSecrets(step.secrets, [...path, 'secrets'], env, report);
  checkSecrets(step.secret_files, [...path, 'secret_files'], new Set(), report);
}

function checkArtifact(artifact: Artifact, path: KeyPath, report: Report): void {
  const seen = new Set<string>();
  for (const [index, each] of artifact.paths.entries()) {
    checkPath(each, [...path, 'paths', index], report);
    const canonical = each.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
    if (seen.has(canonical))
      report([...path, 'paths', index], 'each path once', `${quote(each)} a second time`);
    seen.add(canonical);
  }
  checkTools(artifact.runtime ?? [], [...path, 'runtime'], report);
  checkEnv(artifact.env, [...path, 'env'], report);
  if (artifact.command[0] === '') report([...path, 'command', 0], 'a program', 'an empty text');
}

/** Mounts that are not environments: what a deployment there could read belongs to steps and webhooks. */
const reservedEnvironments: readonly string[] = ['build', 'webhooks', 'system'];

function checkEnvironments(
  environments: Readonly<Record<string, Environment>>,
  isSound: (path: KeyPath) => boolean,
  report: Report,
): void {
  const ports = new Map<number, string>();
  const names = Object.keys(environments);
  for (const [index, [name, environment]] of Object.entries(environments).entries()) {
    const path = ['environments', name];
    if (!isSound(path)) continue;
    // JavaScript objects move such keys to the front: the order a release travels would silently change.
    if (/^\d+$/.test(name)) report(path, 'a name with at least one letter', quote(name));
    if (reservedEnvironments.includes(name)) {
      report(
        path,
        `another name than ${reservedEnvironments.join(', ')}: they hold secrets of their own`,
        quote(name),
      );
    }
    checkPromote(environment.promote, [...path, 'promote'], names, index, report);
    const { port, health, egress = [] } = environment.target;
    const other = ports.get(port);
    if (other !== undefined) {
      report([...path, 'target', 'port'], 'a port of its own', `${port}, the port of ${quote(other)}`);
    }
    ports.set(port, name);
    checkDuration(health?.timeout, [...path, 'target', 'health', 'timeout'], 3600, report);
    checkDuration(health?.interval, [...path, 'target', 'health', 'interval'], 3600, report);
    checkEgress(egress, [...path, 'target', 'egress'], report);
    const env = new Set(checkEnv(environment.env, [...path, 'env'], report));
    if (env.has('PORT')) report([...path, 'env', 'PORT'], 'no PORT: the agent sets it', 'PORT');
    checkSecrets(environment.secrets, [...path, 'secrets'], env, report);
    checkGates(environment.gates ?? [], [...path, 'gates'], report);
    checkUnique(environment.rollback?.on ?? [], [...path, 'rollback', 'on'], report);
  }
}

function checkPromote(
  promote: Environment['promote'],
  path: KeyPath,
  names: readonly string[],
  index: number,
  report: Report,
): void {
  const earlier = names.slice(0, index);
  if (promote?.from !== undefined && !earlier.includes(promote.from)) {
    const isLater = names.includes(promote.from);
    const expected =
      index === 0 ? 'no `from`: releases enter here' : `an earlier environment: ${earlier.join(', ')}`;
    const found = `${quote(promote.from)}${isLater ? ', which does not come before this one' : ''}`;
    const meant = isLater ? undefined : nearest(promote.from, earlier);
    report([...path, 'from'], expected, found, meant === undefined ? undefined : `did you mean "${meant}"`);
  }
  if (promote?.soak !== undefined && index === 0) {
    report([...path, 'soak'], 'no `soak` in the first environment', 'soak without an environment to soak in');
  }
  checkDuration(promote?.soak, [...path, 'soak'], 90 * 86_400, report, 0);
  checkUnique(promote?.approvals?.groups ?? [], [...path, 'approvals', 'groups'], report);
  checkUnique(promote?.approvals?.not ?? [], [...path, 'approvals', 'not'], report);
}

function checkGates(gates: NonNullable<Environment['gates']>, path: KeyPath, report: Report): void {
  const seen = new Set<string>();
  for (const [index, gate] of gates.entries()) {
    const name = 'use' in gate ? gate.use : gate.name;
    if (seen.has(name)) report([...path, index], 'each gate once', `${quote(name)} a second time`);
    seen.add(name);
  }
}

function checkUnique(values: readonly string[], path: KeyPath, report: Report): void {
  for (const [index, value] of values.entries()) {
    if (values.indexOf(value) !== index)
      report([...path, index], 'each value once', `${quote(value)} a second time`);
  }
}

function checkDuration(
  text: string | undefined,
  path: KeyPath,
  maxSeconds: number,
  report: Report,
  minSeconds = 1,
): void {
  if (text === undefined) return;
  const seconds = parseDuration(text);
  if (seconds < minSeconds || seconds > maxSeconds) {
    const most = maxSeconds % 86_400 === 0 ? `${maxSeconds / 86_400}d` : `${maxSeconds / 3600}h`;
    report(path, `a duration from ${minSeconds}s to ${most}`, quote(text));
  }
}

function checkEgress(egress: readonly string[], path: KeyPath, report: Report): void {
  for (const [index, entry] of egress.entries()) {
    const colon = entry.lastIndexOf(':');
    const host = entry.slice(0, colon);
    const port = Number(entry.slice(colon + 1));
    const isHost =
      /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
    if (!isHost.test(host)) report([...path, index], 'a host name before the colon', quote(entry));
    if (port < 1 || port > 65_535) report([...path, index], 'a port from 1 to 65535', quote(entry));
  }
  checkUnique(egress, path, report);
}

function checkEnv(
  env: Readonly<Record<string, string>> | undefined,
  path: KeyPath,
  report: Report,
): string[] {
  const names = Object.keys(env ?? {});
  for (const name of names.filter((each) => each.toUpperCase().startsWith('SALLYPORT_'))) {
    report([...path, name], 'a name that does not begin with SALLYPORT_', quote(name));
  }
  return names;
}

function checkSecrets(
  secrets: Readonly<Record<string, string>> | undefined,
  path: KeyPath,
  env: ReadonlySet<string>,
  report: Report,
): void {
  checkEnv(secrets, path, report);
  for (const [name, ref] of Object.entries(secrets ?? {})) {
    if (env.has(name)) report([...path, name], 'a name that `env` does not set too', quote(name));
    const parts = ref.slice(0, ref.lastIndexOf('#')).split('/');
    if (parts.some((part) => !/^[A-Za-z0-9]/.test(part))) {
      report([...path, name], 'a path whose parts begin with a letter or digit', quote(ref));
    }
  }
}

/** Relative, inside the workspace, and the same file under every reading of it. */
function checkPath(path: string, at: KeyPath, report: Report): void {
  const parts = path.replace(/\/$/, '').split('/');
  const expected = 'a relative path inside the workspace';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f\\]/.test(path)) {
    report(at, `${expected} without control characters or backslashes`, quote(path));
  } else if (path.startsWith('/')) report(at, expected, `${quote(path)}, which is absolute`);
  else if (parts.includes('..')) report(at, expected, `${quote(path)}, which leaves it`);
  else if (parts.includes('')) report(at, `${expected} without empty parts`, quote(path));
  else if (parts.includes('.git')) report(at, `${expected} outside .git`, quote(path));
  else if (/[*?[\]{}]/.test(path)) report(at, `${expected}; patterns are not expanded`, quote(path));
}
