/** In a process of its own, for the limit is the process's: the gradient of a table that is also an output layer. */
import { autograd, memory, sum, type Tensor, take, tensor, zeros } from '../../lib/index.js';
import { dense } from '../../lib/ops/dense.js';

const [rows, width] = [20000, 64];
const w = zeros([rows, width]).attachGrad();
const indices = tensor([3, 19999], { dtype: 'int32' }) as Tensor;
const loss = () => autograd.record(() => sum(dense(take(w as Tensor, indices), w as Tensor, null)));
loss().backward();
const next = loss();
memory.collect();
memory.setLimit(memory.info().liveBytes + Number(process.argv[2]) * rows * width * 4);
next.backward();
console.log('enough');
