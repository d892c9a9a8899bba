/**
 * Multiplies matrices whose handles are gone by the time, with results that need new memory. Prints how many products were
 * wrong, and how often the inputs were freed by the time that the product was there.
 */
import { ints, OutputKind, Place, reals, Status, session } from '../../lib/native/register.js';
import { request, send } from './fuzz/request.js';

const handles: object[] = [];

function matrix(n: number, value: number): number {
  const handle = {};
  handles.push(handle);
  const status = send(request('fill', { kind: OutputKind.managed, shape: [n, n], reals: [value] }), handle);
  if (status !== Status.ok) throw new Error(`a matrix was refused: ${status}`);
  return ints[Place.outputId] as number;
}

function tensors(): number {
  session.info();
  return reals[3] as number;
}

let wrong = 0;
let freed = 0;
for (let i = 0; i < 40; i++) {
  const n = 260 + 4 * i;
  const inputs = [matrix(n, 2), matrix(n, 3)];
  handles.length = 0;
  const before = tensors();
  const status = send(request('matmul', { inputs, shape: [n, n] }));
  const product = ints[Place.outputId] as number;
  if (tensors() <= before - 1) freed++;
  const values = new Float32Array(n * n);
  if (status !== Status.ok || session.read(product, values) !== Status.ok || values.some(v => v !== 6 * n)) wrong++;
  session.release(product);
}
console.log(JSON.stringify({ wrong, freed }));
