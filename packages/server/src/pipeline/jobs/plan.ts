import type { Definition, Step, StepPhase } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { WantedSecret } from '#secrets';
import type { Run, StepRecord } from '../runs/run.ts';

interface PlannedStep {
  readonly phase: StepPhase;
  readonly step: Step;
}

export function definitionOf(run: Run): Definition {
  if (run.definition !== undefined) return run.definition;
  throw new Fault('internal', 'pipeline.no_definition', 'expected a run with a definition, got one without');
}

export function plannedSteps({ build, verify = [] }: Definition): PlannedStep[] {
  return [
    ...build.steps.map((step) => ({ phase: 'build', step }) as const),
    ...verify.map((step) => ({ phase: 'verify', step }) as const),
  ];
}

/** The rows of an attempt. An untrusted run skips steps that need secrets: it gets none, so they could only fail. */
export function stepRows(run: Run): StepRecord[] {
  return plannedSteps(definitionOf(run)).map(({ phase, step }, ordinal) => ({
    runId: run.id,
    attempt: run.attempt,
    name: step.name,
    phase,
    ordinal,
    status: run.trust === 'untrusted' && wantsOf(step).length > 0 ? 'skipped' : 'pending',
    hasEffects: hasEffects(step),
    secrets: [],
  }));
}

/** The definition as the agent of this run gets it: without the steps that are skipped. */
export function grantedDefinition(run: Run): Definition {
  const definition = definitionOf(run);
  if (run.trust === 'trusted') return definition;
  const isOpen = (step: Step): boolean => wantsOf(step).length === 0;
  const { build, verify = [] } = definition;
  return {
    ...definition,
    build: { ...build, steps: build.steps.filter(isOpen) },
    verify: verify.filter(isOpen),
  };
}

export function wantsOf(step: Step): WantedSecret[] {
  return [
    ...Object.entries(step.secrets ?? {}).map(([name, ref]) => ({ name, ref, delivery: 'env' as const })),
    ...Object.entries(step.secret_files ?? {}).map(([name, ref]) => ({
      name,
      ref,
      delivery: 'file' as const,
    })),
  ];
}

/** A step that can reach something outside with or without a secret may have changed it. */
function hasEffects(step: Step): boolean {
  return step.idempotent !== true && (step.network === 'allowlist' || wantsOf(step).length > 0);
}

/** Whether `step` may begin: build steps one after the other, verify steps in any order after all of them. */
export function checkOrder(steps: readonly StepRecord[], step: StepRecord): void {
  const before = steps.filter((each) => each.phase === 'build' && each.ordinal < step.ordinal);
  const open = before.find((each) => each.status !== 'succeeded' && each.status !== 'skipped');
  if (open === undefined) return;
  const message = `expected step "${open.name}" to have succeeded before "${step.name}", it is ${open.status}`;
  throw new Fault('precondition', 'pipeline.step_order', message);
}

/** Why the run may not be attempted again, or undefined when it may. */
export function repeatRefusal(run: Run, steps: readonly StepRecord[]): string | undefined {
  // Granted counts like finished: nobody knows how far it came.
  const acted = steps.find((step) => step.hasEffects && step.grantedAt !== undefined);
  if (acted !== undefined) {
    return (
      `the agent was lost after step "${acted.name}" had begun, which may act on the outside and is not marked ` +
      '`idempotent: true`, so it is not repeated'
    );
  }
  return run.attempt < run.maxAttempts
    ? undefined
    : `the agent was lost in attempt ${run.attempt} of ${run.maxAttempts}`;
}
