/**
 * An HTTP server for predictions: POST /predict takes a row of numbers as JSON or as the bytes of float32 and answers the net's
 * result in kind. With --check it asks itself, many at once, and ends.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import { BusyError, nn, tensor } from 'latent';
import { Batcher } from './support/batcher.js';
import { reached } from './support/goal.js';

const INPUTS = 784;
/** More than a row of numbers takes, in either form. */
const MOST_BYTES = 64 * 1024;
const BINARY = 'application/octet-stream';

/** Something that is wrong with a request. */
class BadRequest extends Error {}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MOST_BYTES) throw new BadRequest(`a request takes at most ${MOST_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function rowOf(body: Buffer, isBinary: boolean): Float32Array {
  if (isBinary) {
    if (body.length !== 4 * INPUTS) throw new BadRequest(`${4 * INPUTS} bytes are needed, but ${body.length} came`);
    return new Float32Array(new Uint8Array(body).buffer);
  }
  let given: unknown;
  try {
    given = JSON.parse(body.toString());
  } catch {
    throw new BadRequest('the request is no JSON');
  }
  if (!Array.isArray(given) || given.length !== INPUTS || !given.every(x => Number.isFinite(x)))
    throw new BadRequest(`an array of ${INPUTS} numbers is needed`);
  return Float32Array.from(given as number[]);
}

/** A server of a net's predictions; `predict` answers one row. */
export function serverOf(predict: (row: Float32Array) => Promise<Float32Array>): Server {
  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (error instanceof BadRequest) {
        response.writeHead(400).end(error.message);
        return;
      }
      if (error instanceof BusyError) {
        response.writeHead(503, { 'retry-after': '1' }).end('too many requests wait; ask again later');
        return;
      }
      console.error(error);
      response.writeHead(500).end('the prediction failed');
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST' || request.url !== '/predict') {
      response.writeHead(404).end('POST /predict is all that there is');
      return;
    }
    const isBinary = request.headers['content-type']?.split(';')[0]?.trim() === BINARY;
    const result = await predict(rowOf(await bodyOf(request), isBinary));
    if (isBinary) response.writeHead(200, { 'content-type': BINARY }).end(Buffer.from(result.buffer));
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify([...result]));
  }
}

export async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** The net of a file, or one that nobody trained. */
function netOf(file: string | undefined): nn.Sequential {
  const net = new nn.Sequential(
    new nn.Dense(512, { activation: 'relu' }),
    new nn.Dense(512, { activation: 'relu' }),
    new nn.Dense(10),
  );
  if (file === undefined) {
    net.initialize();
    net.inferShape([1, INPUTS]);
  } else {
    net.loadParameters(file);
  }
  return net as nn.Sequential;
}

/** Asks for many rows at once; every answer must be the net's own for that row. */
async function check(net: nn.Sequential, port: number): Promise<void> {
  const rows = Array.from({ length: 200 }, (_, i) => Float32Array.from({ length: INPUTS }, (_, j) => Math.sin(i + j)));
  const url = `http://127.0.0.1:${port}/predict`;
  const asJson = async (row: Float32Array): Promise<number[]> => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify([...row]) });
    return (await response.json()) as number[];
  };
  const asBytes = async (row: Float32Array): Promise<number[]> => {
    const response = await fetch(url, {
      method: 'POST',
      body: Buffer.from(row.buffer),
      headers: { 'content-type': BINARY },
    });
    return [...new Float32Array(await response.arrayBuffer())];
  };
  const answers = await Promise.all(rows.map((row, i) => (i % 2 === 0 ? asJson(row) : asBytes(row))));
  const expected = rows.map(row => net.predictSync(tensor(row, { shape: [1, INPUTS] })).toTypedArray() as Float32Array);
  const right = answers.filter((values, i) => values.every((x, j) => Math.abs(x - (expected[i]?.[j] ?? NaN)) < 1e-5));
  const wrong = await fetch(url, { method: 'POST', body: '[1, 2]' });
  console.log(`a request that is wrong: ${wrong.status} ${await wrong.text()}`);
  reached('right answers', right.length, { atLeast: rows.length }, String);
}

/** Reads a whole number of the command line. */
function whole(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`a whole number from ${least} to ${most} is needed`);
  };
}

async function main(): Promise<void> {
  const command = new Command('serve')
    .option('--port <number>', 'where to listen; 0 takes any that is free', whole(0, 65535), 8080)
    .option('--load <file>', 'parameters as saveParameters writes them')
    .option('--batch <number>', 'the most requests that are predicted together', whole(1, 4096), 64)
    .option('--queue <number>', 'the most requests that wait; more are turned away', whole(1, 1_000_000), 1024)
    .option('--check', 'asks itself and ends')
    .parse();
  const options = command.opts<{ port: number; load?: string; batch: number; queue: number; check?: boolean }>();
  const net = netOf(options.load);
  const batcher = new Batcher(net as unknown as nn.Block, INPUTS, {
    maxBatch: options.batch,
    maxQueue: options.queue,
  });
  const server = serverOf(row => batcher.predict(row));
  const port = await listen(server, options.check === true ? 0 : options.port);
  if (options.check === true) {
    await check(net, port);
    server.close();
    return;
  }
  if (options.load === undefined) console.log('Nobody trained this net: --load FILE takes parameters that were saved');
  console.log(`POST http://127.0.0.1:${port}/predict takes ${INPUTS} numbers`);
  // No new connections; what is being answered is.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => server.close());
}

if (require.main === module) void main();
