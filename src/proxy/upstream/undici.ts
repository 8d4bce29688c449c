import request from 'undici/lib/api/api-request.js';
import buildConnector from 'undici/lib/core/connect.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';

/**
 * The parts of undici that carry requests. Its index also loads its fetch, caches, WebSocket and mocks: 40 ms of the 200 that a
 * proxy takes to start (`npm run bench -- --only start`). These paths are no part of its interface: an update may move them.
 */
export { buildConnector, Pool };

// As the index does; the rest of that interface is not used.
Object.assign(Dispatcher.prototype, { request });
