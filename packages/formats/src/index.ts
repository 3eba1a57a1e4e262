export {
  assertNever,
  Fault,
  type FaultDetails,
  type FaultKind,
  type FaultOptions,
  faultKinds,
  isFault,
} from './fault.ts';
