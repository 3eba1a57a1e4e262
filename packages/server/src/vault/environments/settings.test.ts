import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openShop, type Shop } from './shop.fixture.ts';

let shop: Shop;
const by = { kind: 'person', id: 'psn_1', name: 'ada' } as const;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

describe('environments', () => {
  it('are there because mounts belong to them, in the order that everybody expects', () => {
    const names = shop.vault.environments.list('shop').map(({ name, declared }) => [name, declared]);

    expect(names).toEqual([
      ['dev', false],
      ['stage', false],
      ['prod', false],
    ]);
    expect(shop.vault.environments.list().map(({ project }) => project)).toContain('default');
    expect(shop.vault.environments.list('sho')).toEqual([]);
  });

  it('take the order and the settings that somebody gives them, and keep the others', async () => {
    await shop.vault.environments.change(by, 'shop/qa', { order: 15 });
    await shop.vault.environments.change(by, 'shop/prod', { duplicates: 'refuse' });
    const after = await shop.vault.environments.change(by, 'shop/prod', { requireOwner: true });

    expect(after).toMatchObject({ duplicates: 'refuse', requireOwner: true, order: 50, unusedDays: 90 });
    expect(shop.vault.environments.list('shop').map(({ name }) => name)).toEqual([
      'dev',
      'qa',
      'stage',
      'prod',
    ]);
  });

  it('are changed with a line in the audit that says by whom', async () => {
    const lines: string[] = [];
    for await (const { line } of shop.journal.audit()) lines.push(line.toString());

    expect(lines.some((line) => line.includes('environments/shop/prod') && line.includes('psn_1'))).toBe(
      true,
    );
  });
});
