import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { cleanUp } from '../support/cleanup.ts';

type Pair = { readonly client: Socket; readonly upstream: Socket; isFrozen: boolean };

/** A way to the upstream that can be closed, or die without a word. */
export type TcpGate = {
  readonly port: number;
  readonly baseUrl: string;
  /** Where it leads. */
  leadTo(port: number): void;
  /** Connections are refused by the system: nobody listens. */
  close(): Promise<void>;
  open(): Promise<void>;
  /** Connections that are there now pass nothing on any more, in either direction, and are not closed. */
  freeze(): number;
  readonly connections: number;
};

export async function startTcpGate(): Promise<TcpGate> {
  let target = 0;
  const pairs = new Set<Pair>();
  const server: Server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    const pair: Pair = { client, upstream, isFrozen: false };
    pairs.add(pair);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    join(pair, client, upstream);
    join(pair, upstream, client);
    client.once('close', () => pairs.delete(pair));
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const shut = () => {
    const closed = server.listening ? once(server, 'close') : Promise.resolve();
    if (server.listening) server.close();
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
    return closed.then(() => undefined);
  };
  cleanUp(shut);
  return {
    port,
    baseUrl: `http://127.0.0.1:${port}/coding/v1`,
    leadTo: (targetPort) => {
      target = targetPort;
    },
    close: shut,
    open: () => listen(port),
    freeze: () => {
      for (const pair of pairs) pair.isFrozen = true;
      return pairs.size;
    },
    get connections() {
      return pairs.size;
    },
  };
}

function join(pair: Pair, from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    // Taken and lost: to the sender the other end is merely silent.
    if (!pair.isFrozen) to.write(chunk);
  });
  from.on('end', () => {
    if (!pair.isFrozen) to.end();
  });
  from.on('error', () => {
    if (!pair.isFrozen) to.destroy();
  });
  from.on('close', () => {
    if (!pair.isFrozen) to.destroy();
  });
}
