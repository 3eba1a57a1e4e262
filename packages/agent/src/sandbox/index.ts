export { ensureBubblewrap, installCommand } from './install.ts';
export {
  type Clock,
  defaultLimits,
  type Exposable,
  type Lack,
  type Limits,
  type Log,
  type Mount,
  type Outcome,
  type Probe,
  type Root,
  type SandboxResult,
  type SandboxSpec,
} from './model.ts';
export { probe } from './probe.ts';
export { createSandbox, type Running, type Sandbox, type SandboxDeps, sandboxId } from './sandbox.ts';
