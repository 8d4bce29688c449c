import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';

/** The usual way to write a proxy with Fastify, with its defaults. */

const app = fastify({ bodyLimit: 128 * 1024 * 1024 });
await app.register(httpProxy, { upstream: process.argv[2], http2: false });
await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`${app.addresses()[0]?.port}\n`);
