import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runtime } from './runtimes.ts';

/** A service of a few lines that travels the whole path in seconds and with no network. Gives the new directory. */
export function tinyService(runtime: Runtime, ports: { dev: number; stage: number; prod: number }): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-tiny-'));
  mkdirSync(join(directory, 'src'));
  writeFileSync(join(directory, 'sallyport.yaml'), tinyDefinition(runtime, ports));
  writeFileSync(
    join(directory, 'package-lock.json'),
    JSON.stringify({
      name: 'tiny',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: { '': { name: 'tiny', version: '1.0.0' } },
    }),
  );
  writeFileSync(join(directory, 'src', runtime.file), runtime.source('1'));
  return directory;
}

/** `secret` is what every environment of it wants as GREETING. */
export function tinyDefinition(
  runtime: Runtime,
  ports: { dev: number; stage: number; prod: number },
  secret = 'tiny/words#greeting',
): string {
  const { base, check, command, file, package: pack } = runtime;
  const tool = `{ npm: "${pack.name}@${pack.version}", integrity: "${pack.integrity}" }`;
  const environment = (name: string, port: number, promote: string): string => `  ${name}:
    target: { type: process, port: ${port}, health: { path: /healthz, timeout: 20s, interval: 1s } }
    secrets: { GREETING: "${secret}" }
    promote: ${promote}
    gates: [{ use: commit-signed }]
    drift: correct
    rollback: { on: [unhealthy, start_failed], to: last_healthy }
`;
  return `version: 1
service: tiny
triggers: { push: [main], pull_request: untrusted }
dependencies: { lockfiles: [package-lock.json], registries: { npm: proxy }, min_release_age: 72h, on_unverified: fail }
build:
  image: host
  tools: [${tool}]
  steps:
    - { name: compile, run: "mkdir -p dist && cp src/${file} dist/ && echo built" }
  artifacts:
    - { name: app, type: oci, paths: [dist], base: ${base}, runtime: [${tool}], command: ${JSON.stringify(command)} }
verify:
  - { name: unit, run: "${check}" }
environments:
${environment('dev', ports.dev, '{ auto: true }')}${environment('stage', ports.stage, '{ from: dev, auto: true, soak: 1s }')}${environment('prod', ports.prod, '{ from: stage, approvals: { min: 1, groups: [release], not: [author, promoter] } }')}`;
}
