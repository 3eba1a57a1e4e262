import { spawn } from 'node:child_process';
import { Fault } from '@sallyport/formats';

export interface GitProgramDeps {
  /** An empty directory as HOME, so that no configuration of a person applies. */
  readonly home: string;
  /** Where programs are looked for; default the system's directories. */
  readonly programPath?: string;
}

export interface GitRunOptions {
  readonly input?: Uint8Array;
  readonly timeoutSeconds?: number;
  readonly maxOutputBytes?: number;
}

export interface GitOutput {
  readonly status: number;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

export interface GitProgram {
  /** Runs git to its end. Any status is returned; a timeout, too much output or a missing program is a Fault. */
  run(args: readonly string[], options?: GitRunOptions): Promise<GitOutput>;
}

/** Configuration that a repository, a person or the system must not be able to change. */
const settings = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.attributesFile=/dev/null',
  'core.askPass=/bin/false',
  'core.pager=cat',
  'credential.helper=',
  // Off for all, on for three: `ext::sh -c …` is a program, not a place.
  'protocol.allow=never',
  'protocol.file.allow=always',
  'protocol.https.allow=always',
  'protocol.ssh.allow=always',
  'http.followRedirects=false',
  'transfer.fsckObjects=true',
  'fetch.recurseSubmodules=false',
  'submodule.recurse=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'safe.bareRepository=explicit',
];

/**
 * The only place of the server that starts a program. git reads bytes that strangers wrote, so it gets an empty
 * environment, no configuration but ours, a time limit, an output limit, and its whole process group is killed.
 */
export function createGitProgram({
  home,
  programPath = '/usr/local/bin:/usr/bin:/bin',
}: GitProgramDeps): GitProgram {
  const env = {
    PATH: programPath,
    HOME: home,
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    GIT_ALLOW_PROTOCOL: 'file:https:ssh',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_SSH_COMMAND: 'ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15',
  };
  const fixed = [
    '--no-pager',
    '--no-replace-objects',
    '--literal-pathspecs',
    ...settings.flatMap((each) => ['-c', each]),
  ];

  return {
    run(args, { input, timeoutSeconds = 60, maxOutputBytes = 16 * 1024 * 1024 } = {}) {
      return new Promise((resolve, reject) => {
        const child = spawn('git', [...fixed, ...args], {
          env,
          cwd: home,
          detached: true,
          stdio: ['pipe', 'pipe', 'pipe'],
        });
        let failure: Fault | undefined;
        const stop = (fault: Fault): void => {
          failure ??= fault;
          // The group: fetch starts upload-pack, index-pack and ssh, which would otherwise live on.
          if (child.pid !== undefined) killGroup(child.pid);
        };
        const timer = setTimeout(() => stop(timedOut(timeoutSeconds)), timeoutSeconds * 1000);
        const chunks: Buffer[] = [];
        let sizeBytes = 0;
        let stderr = '';
        child.stdout.on('data', (chunk: Buffer) => {
          sizeBytes += chunk.length;
          if (sizeBytes > maxOutputBytes) stop(tooMuch(maxOutputBytes));
          else chunks.push(chunk);
        });
        child.stderr.on('data', (chunk: Buffer) => {
          if (stderr.length < 4096) stderr += chunk.toString('utf8').slice(0, 4096);
        });
        child.on('error', (cause) => {
          clearTimeout(timer);
          const hint = 'install git 2.39 or later on the host of the server';
          reject(
            new Fault('unavailable', 'pipeline.git_missing', 'the git program cannot be started', {
              hint,
              cause,
            }),
          );
        });
        child.on('close', (status) => {
          clearTimeout(timer);
          if (failure !== undefined) reject(failure);
          else resolve({ status: status ?? -1, stdout: new Uint8Array(Buffer.concat(chunks)), stderr });
        });
        // git may end before it has read its input; its status says more than EPIPE.
        child.stdin.on('error', () => child.stdin.destroy());
        child.stdin.end(input);
      });
    },
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Ended a moment ago: there is nothing left to kill.
  }
}

const timedOut = (seconds: number): Fault =>
  new Fault('unavailable', 'pipeline.git_timeout', `expected git to end within ${seconds} s, it did not`);

const tooMuch = (bytes: number): Fault =>
  new Fault('exhausted', 'pipeline.git_output', `expected at most ${bytes} bytes from git, got more`);
