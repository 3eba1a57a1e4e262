import type { Readable, Writable } from 'node:stream';

/** What bwrap says about its sandbox on `--json-status-fd`: JSON documents, one per line. */
export interface Status {
  readonly pid: Promise<number>;
  /** Undefined when the sandbox was killed, or was never fully set up. */
  readonly exitCode: () => number | undefined;
  readonly ended: Promise<void>;
}

/** bwrap writes two short lines; more comes from something else. */
const maxStatusBytes = 65_536;

export function readStatus(stream: Readable | Writable | null | undefined): Status {
  let text = '';
  let exitCode: number | undefined;
  let foundPid: (pid: number) => void = () => undefined;
  let finished: () => void = () => undefined;
  const pid = new Promise<number>((resolve) => {
    foundPid = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    finished = resolve;
  });

  function take(line: string): void {
    const found: unknown = parse(line);
    if (typeof found !== 'object' || found === null) return;
    if ('child-pid' in found && typeof found['child-pid'] === 'number') foundPid(found['child-pid']);
    if ('exit-code' in found && typeof found['exit-code'] === 'number') exitCode = found['exit-code'];
  }

  if (stream === null || stream === undefined || !('read' in stream)) {
    finished();
  } else {
    stream.on('data', (chunk: Uint8Array) => {
      text += Buffer.from(chunk).toString('utf8');
      if (text.length > maxStatusBytes) text = '';
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) take(line);
    });
    stream.on('close', () => {
      take(text);
      finished();
    });
    stream.on('error', () => finished());
  }
  return { pid, exitCode: () => exitCode, ended };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
