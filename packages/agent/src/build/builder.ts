import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EgressRecord, JobGrant, JobReport, Material, Step, Tool } from '@sallyport/contract';
import { type Digest, digestOf, Fault, isFault, mediaTypes, parseReference } from '@sallyport/formats';
import type { Egress, FetchedTool, JobEgress } from '../egress/index.ts';
import type { Log, Root, Sandbox } from '../sandbox/index.ts';
import { assembleImage, type Image } from './image/assemble.ts';
import { type JobDirectory, makeJobDirectory } from './job-directory.ts';
import { packagePolicy } from './policy.ts';
import type { JobPort } from './port.ts';
import { runStep, type StepContext, sentence } from './step.ts';
import { defaultLogBytes } from './step-log.ts';
import { copyTree, removeTree, unpackSource } from './tree.ts';

export interface BuilderDeps {
  readonly sandbox: Sandbox;
  readonly egress: Egress;
  /** Unpacks an image of the registry for steps that do not run on the host's system; the deployer's `Releases` is one. */
  readonly images?: { fetch(repository: string, digest: Digest): Promise<{ readonly root: string }> };
  readonly clock: { now(): Date };
  readonly log: Log;
  /** Of this agent alone. */
  readonly directory: string;
}

export interface Builder {
  /**
   * Runs a job from its source to its report. A step that does not succeed, or anything that may not be, is a failed
   * report; what is thrown is a fault of this agent or of the way to the server, and the job may be tried again.
   * The image is pushed after the last verify step, and never when one of them failed.
   */
  run(job: JobGrant, port: JobPort): Promise<JobReport>;
  /** Removes what a crash left, before the first job. */
  recover(): Promise<void>;
}

export function createBuilder(deps: BuilderDeps): Builder {
  return {
    async run(job, port) {
      const place = await makeJobDirectory(deps.directory, `${job.runId}.${job.attempt}`);
      const materials: Material[] = [];
      let egress: JobEgress | undefined;
      try {
        await receiveSource(job, port, place.workspace);
        const policy = await packagePolicy(job.definition, place.workspace);
        egress = deps.egress.openJob({ trust: job.trust, policy });
        return await buildAndVerify({ deps, job, port, place, egress, materials });
      } catch (error) {
        // The outside world's refusals are a result of the job; everything else is for whoever runs the agent.
        if (!isFault(error) || error.kind === 'internal' || error.kind === 'unavailable') throw error;
        return { outcome: 'failed', reason: sentence(error).slice(0, 1000), materials };
      } finally {
        await egress?.close();
        await place.remove();
      }
    },
    async recover() {
      await mkdir(deps.directory, { recursive: true, mode: 0o700 });
      await removeTree(join(deps.directory, 'jobs'));
      for (const trust of ['trusted', 'untrusted']) {
        const layers = join(deps.directory, 'layers', trust);
        for (const name of await readdir(layers).catch(() => [])) {
          if (name.endsWith('.tmp')) await rm(join(layers, name), { force: true });
        }
      }
      for (const name of await readdir(deps.directory)) {
        if (name.startsWith('s-')) await rm(join(deps.directory, name), { recursive: true, force: true });
      }
    },
  };
}

interface Running {
  readonly deps: BuilderDeps;
  readonly job: JobGrant;
  readonly port: JobPort;
  readonly place: JobDirectory;
  readonly egress: JobEgress;
  readonly materials: Material[];
}

async function buildAndVerify(running: Running): Promise<JobReport> {
  const { deps, job, port, place, egress, materials } = running;
  const { build, verify } = job.definition;
  materials.push({
    uri: `git+${job.repository}@${job.ref}`,
    digest: { gitCommit: job.commit, sha256: job.sourceDigest.slice('sha256:'.length) },
    kind: 'source',
  });
  const tools = await fetchTools(egress, build.tools ?? []);
  materials.push(...tools.map((tool) => tool.material));
  const hostMaterial = await describeHost();
  const root = await rootOf(running, hostMaterial);
  // Everything pinned is fetched before a step runs, so that a refusal costs no build.
  const runtime = await fetchTools(egress, build.artifacts[0]?.runtime ?? []);

  let untold: readonly EgressRecord[] = egress.toolRecords();
  const context: StepContext = {
    job,
    port,
    sandbox: deps.sandbox,
    egress,
    clock: deps.clock,
    root,
    tools,
    logBytes: defaultLogBytes,
    earlier: () => {
      const records = [...untold];
      untold = [];
      return records;
    },
  };
  const step = async (each: Step, workspace: string): Promise<string | undefined> => {
    const report = await runStep(context, each, { workspace, sockets: await place.sockets() });
    await port.stepFinished(each.name, report);
    if (report.outcome === 'succeeded') return undefined;
    return `step "${each.name}": ${report.reason ?? report.outcome}`.slice(0, 1000);
  };

  for (const each of build.steps) {
    const failure = await step(each, place.workspace);
    if (failure !== undefined) return { outcome: 'failed', reason: failure, materials };
  }
  const image = await assembleImage({
    job,
    workspace: place.workspace,
    runtime,
    registry: port.registry,
    directory: place.image,
    cacheDirectory: join(deps.directory, 'layers'),
    trust: job.trust,
    hostMaterial,
  });
  materials.push(...image.materials);

  // From here on nothing can change the artifact: its bytes are in the image directory, which no sandbox sees. The last
  // verify step may therefore have the workspace itself.
  for (const [index, each] of (verify ?? []).entries()) {
    const last = index === (verify ?? []).length - 1;
    const workspace = last ? place.workspace : place.copy(each.name);
    if (!last) await copyTree(place.workspace, workspace);
    const failure = await step(each, workspace);
    if (!last) await removeTree(workspace);
    if (failure !== undefined) return { outcome: 'failed', reason: failure, materials: distinct(materials) };
  }
  await push(job, port, image);
  return {
    outcome: 'succeeded',
    image: { digest: image.digest, sizeBytes: image.sizeBytes },
    materials: distinct(materials),
  };
}

async function receiveSource(job: JobGrant, port: JobPort, workspace: string): Promise<void> {
  const sha256 = await unpackSource(await port.source(), workspace, job.commitEpochSeconds);
  if (`sha256:${sha256}` === job.sourceDigest) return;
  throw new Fault(
    'integrity',
    'build.source_digest',
    `expected the source ${job.sourceDigest}, got sha256:${sha256}`,
  );
}

/** Those for this machine. A definition lists one per architecture. */
async function fetchTools(egress: JobEgress, tools: readonly Tool[]): Promise<readonly FetchedTool[]> {
  const fetched: FetchedTool[] = [];
  for (const tool of tools) {
    if (tool.arch === undefined || tool.arch === process.arch) fetched.push(await egress.fetchTool(tool));
  }
  const twice = fetched.find(
    (tool, index) => fetched.findIndex((other) => other.name === tool.name) !== index,
  );
  if (twice !== undefined) {
    throw new Fault(
      'invalid',
      'build.tool_twice',
      `expected one version of the tool "${twice.name}" for this machine, got two`,
    );
  }
  return fetched;
}

async function rootOf({ deps, job, materials }: Running, hostMaterial: Material): Promise<Root> {
  const { image } = job.definition.build;
  if (image === 'host') {
    materials.push(hostMaterial);
    return { kind: 'host' };
  }
  const { host, repository, digest } = parseReference(image);
  if (deps.images === undefined || host !== undefined || digest === undefined) {
    throw new Fault(
      'precondition',
      'build.image',
      `expected \`host\` or an image of this registry by digest, got "${image}"`,
    );
  }
  const { root } = await deps.images.fetch(repository, digest);
  materials.push({ uri: `oci:${image}`, digest: { sha256: digest.slice('sha256:'.length) }, kind: 'base' });
  return { kind: 'image', directory: root };
}

/** The host's system cannot be pinned; its release file at least says which it was. */
async function describeHost(): Promise<Material> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string) =>
    new RegExp(`^${name}="?([A-Za-z0-9._-]{1,60})`, 'm').exec(text)?.[1] ?? 'unknown';
  return {
    uri: `host:${field('ID')}-${field('VERSION_ID')}`,
    digest: { sha256: createHash('sha256').update(text).digest('hex') },
    kind: 'host-system',
  };
}

/** Blobs first: a manifest is never there before all it names is. Safe to repeat. */
async function push(job: JobGrant, port: JobPort, image: Image): Promise<void> {
  for (const blob of image.blobs) {
    port.signal.throwIfAborted();
    if (!(await port.registry.hasBlob(job.ociRepository, blob.digest))) {
      await port.registry.pushBlob(job.ociRepository, blob);
    }
  }
  await port.registry.pushManifest(job.ociRepository, {
    digest: digestOf(image.manifest),
    mediaType: mediaTypes.ociManifest,
    bytes: image.manifest,
  });
}

function distinct(materials: readonly Material[]): Material[] {
  return [...new Map(materials.map((material) => [`${material.kind} ${material.uri}`, material])).values()];
}
