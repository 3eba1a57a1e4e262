import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Package } from './package-registry.ts';

/** A service of a few lines that travels the whole path in seconds: no network, the test's own Node.js as runtime. */
export function tinyService(
  node: Package,
  ports: { dev: number; stage: number; prod: number },
  health = '/healthz',
): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-tiny-'));
  const tool = `{ npm: "${node.name}@${node.version}", integrity: "${node.integrity}" }`;
  const environment = (name: string, port: number, promote: string, gates = ''): string => `  ${name}:
    target: { type: process, port: ${port}, health: { path: ${health}, timeout: 20s, interval: 1s } }
    secrets: { GREETING: "tiny/words#greeting" }
    promote: ${promote}
${gates}    drift: correct
    rollback: { on: [unhealthy, start_failed], to: last_healthy }
`;
  mkdirSync(join(directory, 'src'));
  writeFileSync(
    join(directory, 'sallyport.yaml'),
    `version: 1
service: tiny
triggers: { push: [main], pull_request: untrusted }
dependencies: { lockfiles: [package-lock.json], registries: { npm: proxy }, min_release_age: 72h, on_unverified: fail }
build:
  image: host
  tools: [${tool}]
  steps:
    - { name: compile, run: "mkdir -p dist && cp src/main.mjs dist/ && node --version > dist/runtime.txt" }
  artifacts:
    - { name: app, type: oci, paths: [dist], base: scratch, runtime: [${tool}], command: [node, dist/main.mjs] }
verify:
  - { name: unit, run: "node --check dist/main.mjs" }
environments:
${environment('dev', ports.dev, '{ auto: true }', '    gates: [{ use: commit-signed }]\n')}${environment('stage', ports.stage, '{ from: dev, auto: true, soak: 1s }')}${environment('prod', ports.prod, '{ from: stage, approvals: { min: 1, groups: [release], not: [author, promoter] } }')}`,
  );
  writeFileSync(
    join(directory, 'package-lock.json'),
    JSON.stringify({
      name: 'tiny',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: { '': { name: 'tiny', version: '1.0.0' } },
    }),
  );
  writeFileSync(
    join(directory, 'src', 'main.mjs'),
    `import { createServer } from 'node:http';
const greeting = process.env.GREETING;
if (!greeting) { console.error('GREETING is not set'); process.exit(1); }
createServer((request, response) => {
  response.end(request.url === '/healthz' ? 'ok' : greeting + ' from version 1');
}).listen(Number(process.env.PORT), '127.0.0.1');
`,
  );
  return directory;
}
