export interface PinnedTool {
  readonly npm: string;
  readonly integrity: string;
  readonly arch: 'x64' | 'arm64' | undefined;
}

export interface TemplateInput {
  readonly service: string;
  readonly tools: readonly PinnedTool[];
  readonly build: boolean;
  readonly test: boolean;
}

/** A first `sallyport.yaml`: three environments, strict defaults, comments that say what to change. */
export function definitionTemplate({ service, tools, build, test }: TemplateInput): string {
  const runtime = tools.filter((tool) => tool.arch !== undefined);
  return `# The path of ${service} from commit to production. Read only from a protected branch.
version: 1
service: ${service}

triggers:
  push: [main]
  pull_request: untrusted # builds, but gets no secret, no identity and no release

dependencies:
  lockfiles: [package-lock.json]
  registries: { npm: proxy } # every package is compared with the lock file
  min_release_age: 72h
  on_unverified: fail

build:
  image: host
  tools:
${tools.map((tool) => toolLines(tool, 4)).join('\n')}
  steps:
    - { name: install, run: npm ci --ignore-scripts, network: registries }
${build ? '    - { name: build, run: npm run build, network: none }\n' : ''}  artifacts:
    - name: app
      type: oci
      paths: [${build ? 'dist, ' : '., '}node_modules, package.json]
      base: scratch
      runtime:
${runtime.map((tool) => toolLines(tool, 8)).join('\n')}
      command: [node, ${build ? 'dist/main.js' : 'main.js'}] # what starts your service; it listens on $PORT
${test ? '\nverify:\n  - { name: unit, run: npm test, network: none }\n' : ''}
environments:
  dev:
    target: { type: process, port: 4301, health: { path: /healthz } }
    promote: { auto: true }
  stage:
    target: { type: process, port: 4302, health: { path: /healthz } }
    promote: { from: dev, auto: true, soak: 15m }
  prod:
    target: { type: process, port: 4303, health: { path: /healthz } }
    promote:
      from: stage
      soak: 1h
      approvals: { min: 1, groups: [release], not: [author, promoter] }
    drift: correct
    rollback: { on: [unhealthy, start_failed], to: last_healthy }
`;
}

function toolLines(tool: PinnedTool, indent: number): string {
  const pad = ' '.repeat(indent);
  const lines = [`- npm: ${tool.npm}`, `  integrity: ${tool.integrity}`];
  if (tool.arch !== undefined) lines.push(`  arch: ${tool.arch}`);
  return lines.map((line) => pad + line).join('\n');
}
