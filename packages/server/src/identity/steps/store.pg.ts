import { tablesOf } from '#platform';
import type { StepToken, StepTokenStore } from './store.ts';

interface Row {
  id: string;
  run_id: string;
  step: string;
  subject: string;
  audience: string;
  issued_at: Date;
  expires_at: Date;
  ended_at: Date | null;
}

interface Tables {
  identity_step_tokens: Row;
}

export const stepTokenStore: StepTokenStore = {
  async insert(tx, token) {
    await tablesOf<Tables>(tx)
      .insertInto('identity_step_tokens')
      .values({
        id: token.id,
        run_id: token.runId,
        step: token.step,
        subject: token.subject,
        audience: token.audience,
        issued_at: token.issuedAt,
        expires_at: token.expiresAt,
        ended_at: token.endedAt ?? null,
      })
      .execute();
  },

  async find(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_step_tokens')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? undefined : toStepToken(row);
  },

  async end(tx, runId, step, at) {
    const query = tablesOf<Tables>(tx)
      .updateTable('identity_step_tokens')
      .set({ ended_at: at })
      .where('run_id', '=', runId)
      .where('ended_at', 'is', null);
    const rows = await (step === undefined ? query : query.where('step', '=', step)).returningAll().execute();
    return rows.map(toStepToken);
  },

  async list(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('identity_step_tokens')
      .selectAll()
      .orderBy('id')
      .execute();
    return rows.map(toStepToken);
  },
};

function toStepToken(row: Row): StepToken {
  return {
    id: row.id,
    runId: row.run_id,
    step: row.step,
    subject: row.subject,
    audience: row.audience,
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at ?? undefined,
  };
}
