/** Object identifiers of RFC 5280, RFC 6962 section 3.3 and Sigstore's certificates. */
export const oids = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  sctList: '1.3.6.1.4.1.11129.2.4.2',
  precertificatePoison: '1.3.6.1.4.1.11129.2.4.3',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  /** The SAN of a user name: an otherName with a UTF8String. */
  fulcioOtherName: '1.3.6.1.4.1.57264.1.7',
} as const;

/** Below this arc a certificate says what its identity token said. */
export const fulcioArc = '1.3.6.1.4.1.57264.1.';
