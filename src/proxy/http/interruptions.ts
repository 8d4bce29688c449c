/** The upstream said nothing, or nothing more, for the time a setting allows. */
export class UpstreamSilence extends Error {
  readonly code = 'KMI_UPSTREAM_SILENCE';
}

/** The client left; the attempt was called off and says nothing about the key. */
export class ClientLeft extends Error {
  readonly code = 'KMI_CLIENT_LEFT';
}
