import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { KmiError } from '../../errors.ts';
import { sendError } from '../http/error-responses.ts';

export type ConnectionLimits = {
  /** 0 = no limit. */
  readonly max: number;
  /** Silence allowed inside a request body; 0 = none. */
  readonly bodyTimeoutMs: number;
};

type Connection = {
  /** Null before the first request. */
  request: IncomingMessage | null;
  response: ServerResponse | null;
  /** Bytes that had come from the client when it was last seen to send some, and when (monotonic ms). */
  bytesRead: number;
  movedAt: number;
};

/** To be called for each request, first thing. Not a listener: with a second one each request costs an array. */
export type NoteRequest = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Bounds what clients can hold open. When there are too many connections, one that has not asked anything yet makes room,
 * then one that waits between two requests; only when all are at work is the new one refused. A client that stops in the
 * middle of a request body gets 408. When the server closes, only connections are ended whose last answer has been taken:
 * Node's own rule ends those whose answer was written but still waits for a slow reader.
 */
export function superviseConnections(server: Server, { max, bodyTimeoutMs }: ConnectionLimits): NoteRequest {
  const connections = new Map<Socket, Connection>();

  server.on('connection', (socket: Socket) => {
    if (max > 0 && connections.size >= max && !makeRoom(connections)) {
      socket.destroy();
      return;
    }
    connections.set(socket, { request: null, response: null, bytesRead: 0, movedAt: performance.now() });
    socket.once('close', () => connections.delete(socket));
  });
  const noteRequest: NoteRequest = (request, response) => {
    const connection = connections.get(rawSocketOf(request.socket));
    if (connection === undefined) return;
    connection.request = request;
    connection.response = response;
    connection.bytesRead = -1;
  };

  server.closeIdleConnections = () => {
    for (const [socket, { request, response }] of connections) {
      if (request === null ? socket.bytesRead === 0 : response?.closed === true) socket.destroy();
    }
  };

  if (bodyTimeoutMs === 0) return noteRequest;
  const sweep = setInterval(
    () => sweepBodies(connections, bodyTimeoutMs),
    Math.min(Math.max(bodyTimeoutMs / 4, 100), 5_000),
  ).unref();
  server.once('close', () => clearInterval(sweep));
  return noteRequest;
}

/** Behind TLS a request names the encrypted side's socket; the listener was told of the plain one below it. */
function rawSocketOf(socket: Socket): Socket {
  return (socket as Socket & { readonly _parent?: Socket })._parent ?? socket;
}

/** The oldest that never asked, else the oldest that has nothing under way. False when all are at work. */
function makeRoom(connections: Map<Socket, Connection>): boolean {
  let idle: Socket | null = null;
  for (const [socket, { request, response }] of connections) {
    if (request === null) {
      drop(connections, socket);
      return true;
    }
    if (response?.closed === true) idle ??= socket;
  }
  if (idle === null) return false;
  drop(connections, idle);
  return true;
}

function drop(connections: Map<Socket, Connection>, socket: Socket): void {
  // Its `close` comes a moment later; until then it must not be counted or dropped again.
  connections.delete(socket);
  socket.destroy();
}

function sweepBodies(connections: ReadonlyMap<Socket, Connection>, bodyTimeoutMs: number): void {
  const now = performance.now();
  for (const connection of connections.values()) {
    const { request, response } = connection;
    if (request === null || response === null || request.complete || response.closed) continue;
    const { bytesRead } = request.socket;
    // Held back by us, because the upstream is the slow one: not the client's silence.
    if (bytesRead !== connection.bytesRead || request.isPaused()) {
      connection.bytesRead = bytesRead;
      connection.movedAt = now;
    } else if (now - connection.movedAt > bodyTimeoutMs) {
      connection.request = null;
      giveUp(request, response);
    }
  }
}

function giveUp(request: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false;
  response.once('finish', () => request.socket.destroySoon());
  sendError(response, new KmiError('body_timeout', 'The request body stopped arriving.'), { anthropic: false });
}

/** Descriptors kept for files, the upstream's name lookups and the like. */
const RESERVED_FILES = 128;

/** `wanted`, but no more than the system lets this process open: each request needs a connection on both sides. */
export function affordableConnections(wanted: number, openFiles: number | null = openFilesLimit()): number {
  if (wanted === 0 || openFiles === null) return wanted;
  return Math.min(wanted, Math.max(16, Math.floor((openFiles - RESERVED_FILES) / 2)));
}

/** The soft limit of open files, where the system shows it as a file (Linux). */
function openFilesLimit(): number | null {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}
