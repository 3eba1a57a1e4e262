export { type DerFields, derExplicit, derFields } from './asn1/fields.ts';
export { type DerLimits, type DerNode, parseDer } from './asn1/parse.ts';
export { contextTag, tags as derTags } from './asn1/tags.ts';
export {
  derAscii,
  derBitBytes,
  derBoolean,
  derIntegerBytes,
  derNumber,
  derOctets,
  derOid,
  derText,
  derTime,
} from './asn1/values.ts';
export { der } from './asn1/write.ts';
export { concatBytes, equalBytes, fromUtf8, utf8 } from './bytes/bytes.ts';
export { type Digest, digestFromHash, digestHash, digestHex, digestOf, parseDigest } from './bytes/digest.ts';
export { fromBase64, fromHex, toBase64, toHex } from './bytes/encodings.ts';
export { SecretBytes } from './bytes/secret-bytes.ts';
export { sha256 } from './crypto/sha256.ts';
export { verifyEd25519, verifyP256 } from './crypto/signatures.ts';
export { readVerifyingKey, type VerifyingKey, verifySignature } from './crypto/verifying-key.ts';
export {
  type Envelope,
  inTotoPayloadType,
  pae,
  parseEnvelope,
  signEnvelope,
} from './dsse/envelope.ts';
export { parseStatement, type Statement, statementBytes, statementType } from './dsse/statement.ts';
export {
  assertNever,
  Fault,
  type FaultDetails,
  type FaultKind,
  type FaultOptions,
  faultKinds,
  isFault,
} from './fault.ts';
export { canonicalJson, parseCanonicalJson } from './json/canonical.ts';
export { parseStrictJson, type StrictJsonLimits } from './json/strict.ts';
export { emptyRootHash, leafHash, nodeHash, rootFromLeaves } from './merkle/hash.ts';
export {
  consistencyPath,
  hashOfProofNode,
  inclusionPath,
  type NodeCoordinate,
  type ProofNode,
  proofHashes,
  rootPath,
} from './merkle/path.ts';
export {
  type ConsistencyProof,
  type InclusionProof,
  verifyConsistency,
  verifyInclusion,
} from './merkle/verify.ts';
export { type Integrity, parseIntegrity } from './npm/integrity.ts';
export { type LockedPackage, parsePackageLock } from './npm/package-lock.ts';
export { npmPurl } from './npm/purl.ts';
export {
  blobPath,
  type ExportFile,
  exportLayout,
  layoutMarker,
  parseExportIndex,
} from './oci/layout.ts';
export {
  maxManifestBytes,
  parseDescriptor,
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
} from './oci/parse.ts';
export {
  type ManifestReference,
  parseManifestReference,
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
} from './oci/reference.ts';
export { bundleOfReferrer, bundleReferrer, type Referrer } from './oci/referrer.ts';
export {
  type Descriptor,
  emptyBlob,
  type ImageConfig,
  type ImageIndex,
  type ImageManifest,
  type ImageProcess,
  mediaTypes,
  type Platform,
} from './oci/types.ts';
export type {
  CycloneDx,
  Dependencies,
  DependencyFinding,
  Run,
  RunStep,
  Source,
  TestResult,
} from './predicates/build-evidence.ts';
export type { DigestSet, ResourceDescriptor } from './predicates/fields.ts';
export {
  type BuildParameters,
  buildType,
  type Provenance,
  readBuildParameters,
} from './predicates/provenance.ts';
export { type PredicateName, type Predicates, predicateNameOf, readPredicate } from './predicates/read.ts';
export type { Approval, Deployment, DesiredStatement } from './predicates/release-evidence.ts';
export {
  maxRevocations,
  type Revocation,
  type RevocationEntry,
  type Revocations,
  type RevocationTarget,
  revocationTarget,
} from './predicates/revocations.ts';
export { type Place, predicateTypes } from './predicates/types.ts';
export { type GateResult, parsePlaceUri, placeUri, type Verdict } from './predicates/verdict.ts';
export { requireNotRevoked } from './revocation/image.ts';
export {
  describeRevocation,
  digestRevoked,
  revokedFault,
  type SignedBy,
  signedByOf,
  signerRevoked,
} from './revocation/judge.ts';
export {
  requireFresh,
  revocationsSubject,
  type VerifiedRevocations,
  verifyRevocations,
} from './revocation/list.ts';
export { requireSignatureNotRevoked } from './revocation/sigstore.ts';
export {
  type Bundle,
  type BundleLogProof,
  type BundleParts,
  bundleMediaType,
  makeBundle,
  parseBundle,
} from './sigstore/bundle.ts';
export { parseSigstoreBundle, type SigstoreBundle } from './sigstore/document.ts';
export { type HashedRekord, hashedRekordBody, hashedRekordOf } from './sigstore/hashedrekord.ts';
export { type Pattern, parsePattern } from './sigstore/pattern.ts';
export type { SigstorePolicy, Thresholds } from './sigstore/policy.ts';
export type { Artifact } from './sigstore/signed-content.ts';
export { parsePublicKeyPem } from './sigstore/signer.ts';
export { parseSigstoreTrustedRoot, type SigstoreTrustedRoot } from './sigstore/trusted-root.ts';
export {
  type SigstoreQuestion,
  type VerifiedSigstoreBundle,
  verifySigstoreBundle,
} from './sigstore/verify.ts';
export { defaultTarLimits, readTar, type TarLimits, type TarReadEntry } from './tar/read.ts';
export type { LinkPolicy, TarEntryType } from './tar/tree.ts';
export { streamTar, type TarEntry, type TarStreamEntry, writeTar } from './tar/write.ts';
export { parseTimestampResponse, type TimestampToken } from './timestamp/token.ts';
export { type TimestampAuthority, type VerifiedTimestamp, verifyTimestamp } from './timestamp/verify.ts';
export {
  type Checkpoint,
  type CheckpointKey,
  checkpointText,
  type ParsedCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from './tlog/checkpoint.ts';
export { decodeEntryBundle, encodeEntryBundle, maxEntryBytes } from './tlog/entry-bundle.ts';
export { checkpointKeyId, type Note, type NoteSignature, noteSignatureLine, parseNote } from './tlog/note.ts';
export {
  type NodeInTile,
  nodeInTile,
  parseTilePath,
  type TilePath,
  tilePath,
  tileWidth,
} from './tlog/tiles.ts';
export {
  type SigstoreAuthority,
  type SigstoreLog,
  type SigstorePeriod,
  type SigstoreService,
  type SigstoreServices,
  type SigstoreTrust,
  toSigstoreSigningConfig,
  toSigstoreTrustedRoot,
} from './trust/sigstore.ts';
export {
  parseTrustRoot,
  signTrustRoot,
  type TrustedKey,
  type TrustedLog,
  type TrustRoot,
  trustRootMediaType,
} from './trust/trust-root.ts';
export { type TufKey, tufKey, tufKeyId, tufKeySpki } from './tuf/key.ts';
export {
  parseTuf,
  requireSignatures,
  type TufFile,
  type TufMetadata,
  type TufPayloads,
  type TufRole,
  type TufRoot,
  tufRoles,
  writeTuf,
} from './tuf/metadata.ts';
export {
  type ReadTufFile,
  tufTargetPath,
  type VerifiedTuf,
  verifyNextRoot,
  verifyTuf,
} from './tuf/repository.ts';
export { type TufRootParts, tufRoot } from './tuf/root.ts';
export { type BundleExpectations, type VerifiedBundle, verifyBundle } from './verify/bundle.ts';
export {
  type DesiredExpectations,
  type VerifiedDesiredState,
  verifyDesiredState,
} from './verify/desired-state.ts';
export { type ExportExpectations, type ExportReport, type ReadFile, verifyExport } from './verify/export.ts';
export { type VerdictExpectations, type VerifiedVerdict, verifyVerdict } from './verify/verdict.ts';
export { type Certificate, type Extension, extensionOf, parseCertificate } from './x509/certificate.ts';
export { type CertificateIdentity, identityOf } from './x509/identity.ts';
export { type PathQuestion, verifyPath } from './x509/path.ts';
export { embeddedScts, type Sct, verifySct } from './x509/sct.ts';
