import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchDirectory } from './devices/receiver.fixture.ts';
import { type AuditSettings, configuredDevices, readKey } from './settings.ts';

let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
beforeAll(async () => {
  scratch = await scratchDirectory();
});
afterAll(() => scratch.remove());

function key(name: string, text: string, mode = 0o600): string {
  const path = join(scratch.path, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

function settings(changes: Partial<AuditSettings>): AuditSettings {
  return {
    devices: [],
    api: { directories: [], addresses: [] },
    keyFiles: {},
    fetch,
    stdout: process.stdout,
    hostname: 'h',
    processId: 1,
    ...changes,
  };
}
const file = (path: string) => ({
  path,
  type: 'file',
  description: '',
  options: { file_path: '/var/log/x' },
});
const webhook = {
  path: 'w',
  type: 'webhook',
  description: '',
  options: { url: 'https://siem.example.com/audit', key_name: 'siem' },
};

describe('the declared audit devices', () => {
  it('each have a path of their own, which is not that of the ledger', () => {
    expect(
      configuredDevices(settings({ devices: [file('a'), file('b/')] })).map(({ device }) => device.path),
    ).toEqual(['a/', 'b/']);
    for (const devices of [
      [file('ledger')],
      [file('ledger/x')],
      [file('a'), file('/a/')],
      [file('a/b'), file('a')],
    ]) {
      expect(() => configuredDevices(settings({ devices }))).toThrow(/a path of its own/);
    }
    const many = Array.from({ length: 17 }, (_, n) => file(`f${n}`));
    expect(() => configuredDevices(settings({ devices: many }))).toThrow(/at most 16/);
  });

  it('are refused with a mistake in them, before the server starts', () => {
    const wrong = { ...file('a'), options: { file_pth: '/x' } };
    expect(() => configuredDevices(settings({ devices: [wrong] }))).toThrow(/file_path/);
    expect(() => configuredDevices(settings({ devices: [webhook] }))).toThrow(/key of the configuration/);
    const keyFiles = { siem: key('siem', 'k'.repeat(32)) };
    expect(configuredDevices(settings({ devices: [webhook], keyFiles }))).toHaveLength(1);
  });
});

describe('the key of a webhook', () => {
  it('is the file without the newline an editor leaves', () => {
    const siem = key('line', `${'k'.repeat(16)}\n`);
    expect(readKey({ siem }, 'siem').exposeUtf8()).toBe('k'.repeat(16));
  });

  it('is refused when others may read it, when it is short or long, no file, or nobody named it', () => {
    expect(() => readKey({ siem: key('open', 'k'.repeat(32), 0o640) }, 'siem')).toThrow(/only its owner/);
    expect(() => readKey({ siem: key('short', 'k'.repeat(15)) }, 'siem')).toThrow(/16 to 4096/);
    expect(() => readKey({ siem: key('long', 'k'.repeat(4097)) }, 'siem')).toThrow(/16 to 4096/);
    expect(() => readKey({ siem: scratch.path }, 'siem')).toThrow(/16 to 4096/);
    expect(() => readKey({ siem: join(scratch.path, 'none') }, 'siem')).toThrow(/can be read/);
    for (const name of ['other', '__proto__', 'toString']) {
      expect(() => readKey({}, name)).toThrow(/key of the configuration/);
    }
  });
});
