import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanUp } from './cleanup.ts';
import { SELF_SIGNED } from './self-signed.ts';

/** The name, beside 127.0.0.1, that the certificate is for. */
export const CERTIFIED_HOST = 'kimi.test';

/** Signed with the key of `SELF_SIGNED`, valid for a hundred years. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUT+1XvmHGU1d22ahfr6tux5L+JeowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJa2ltaS50ZXN0MCAXDTI2MTEyMDEwMDMyNFoYDzIxMjYxMDI3
MTAwMzI0WjAUMRIwEAYDVQQDDAlraW1pLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT2hGdxivpGaugZdiTLLm4Za+MlOVXTHYtJyB2+rrBEzCMWuNIj1IaY
LUruPvXBpaBo7WxBz+yfMq9WbzMnu1OPo28wbTAdBgNVHQ4EFgQUn1Nr4c+7L5TG
3NoI17drTAKwomwwHwYDVR0jBBgwFoAUn1Nr4c+7L5TG3NoI17drTAKwomwwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglraW1pLnRlc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhALtMoe3ruLk0Sv/G1W7pc4lCRXoUFlXGuctsauOPd9cNAiAq
AcYAhT5Vm0jE6L3Ct00gOhVLsGBU/0tBxIfpx4hzUg==
-----END CERTIFICATE-----
`;

/** Paths of a certificate for `CERTIFIED_HOST` and 127.0.0.1 and of its key; removed with the test file. */
export function writeCertificate(): { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'kmi-cert-'));
  cleanUp(async () => rmSync(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, SELF_SIGNED.key, { mode: 0o600 });
  return { cert, key };
}
