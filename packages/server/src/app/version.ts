/** Of the server, as it stands in every package.json of this repository. */
export const version = '0.1.0';
