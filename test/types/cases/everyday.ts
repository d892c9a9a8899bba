import { nn, type Tensor, zeros, type Shape } from 'latent';
const { Dense, Block } = nn;
class Mlp0 extends nn.Block {
  fc1 = new nn.Dense(64); act = new nn.Activation('relu'); fc2 = new nn.Dense(10, { inUnits: 64 });
  forward(x: Tensor) { const h = this.act(this.fc1(x)); return this.fc2(h).add(1); }
}
export const o1: Tensor<[number, 10]> = new Mlp0()(zeros([32, 20]));
class Attn extends Block {
  q = new Dense(64, { inUnits: 64, flatten: false }); out = new Dense(64, { inUnits: 64, flatten: false });
  constructor(readonly heads: number) { super(); }
  forward(x: Tensor<[number, number, 64]>) {
    const [b, t, c] = x.dims();
    const q = this.q(x).reshape([b, t, this.heads, c / this.heads]).transpose([0, 2, 1, 3]);
    const w = q.matmul(q.transpose([0, 1, 3, 2])).softmax();
    const r = w.matmul(q).transpose([0, 2, 1, 3]).reshape([b, t, c]);
    return this.out(r).add(x);
  }
}
export const o2 = new Attn(4)(zeros([2, 16, 64]));
class Deep extends nn.Block {
  layers = Array.from({ length: 6 }, () => new nn.Dense(64));
  forward(x: Tensor) { let h = x; for (const l of this.layers) h = l(h).relu(); return h; }
}
export const o3 = new Deep()(zeros([32, 20]));
const mixed = [new nn.Dense(64), new nn.Activation('relu'), new Mlp0(), new Deep()];
export const o4 = new nn.Sequential(...mixed)(zeros([32, 20]));
const list: nn.Block[] = []; for (let i = 0; i < 4; i++) list.push(new nn.Dense(64), new nn.Activation('relu'));
export const o5 = new nn.Sequential(...list, new nn.Dense(10))(zeros([32, 20]));
const seq3 = new nn.Sequential(new nn.Dense(64), new Mlp0(), new nn.Dense(5)); export const o6 = seq3(zeros([32, 20]));
// add as statements, in a loop
const net = new nn.Sequential(); net.add(new nn.Dense(8)); for (let i = 0; i < 3; i++) net.add(new nn.Dense(i + 1)); net.add(new nn.Activation('relu'));
export const o7 = net(zeros([2, 3])); net.get(1, nn.Dense).weight.data().sum({ axis: 0 });
let z: Tensor = zeros([2, 3]); for (const l of net) z = l(z); for (let i = 0; i < seq3.length; i++) z = seq3[i]!(z);
const [p, q2] = seq3.layers; export const o8 = q2(p(zeros([2, 3])));
for (const l of net) if (l instanceof nn.Dense) l.weight.data().sum();
// unions, loops, generic helper
const c = Math.random() > 0.5;
const un = c ? zeros([2, 3]) : zeros([4, 3]); un.relu().sum({ axis: 0 }); un.matmul(zeros([3, 7])); new nn.Dense(5)(un);
let h = zeros([32, 20]); for (let i = 0; i < 3; i++) h = h.add(zeros([20]));
h = new nn.Dense(20)(h);
// @ts-expect-error k has the exact type
let k = zeros([32, 20]); k = new nn.Dense(64)(k);
let k2: Tensor = zeros([32, 20]); k2 = new nn.Dense(64)(k2);
const square = (x: Tensor) => x.mul(x).relu(); export const o9 = square(zeros([3, 4]));
// fields typed by a class
class Mlp extends nn.Block {
  net: nn.Sequential; head: nn.Dense; body: nn.Block; last?: nn.Dense;
  constructor(width: number, depth: number) {
    super(); this.net = new nn.Sequential(...Array.from({ length: depth }, () => new nn.Dense(width)));
    this.head = new nn.Dense(10, { flatten: false }); this.body = new nn.Sequential(new nn.Dense(4), new nn.Flatten());
  }
  forward(x: Tensor) { const y = this.head(this.body(this.net(x))); return this.last ? this.last(y) : y; }
}
export const o10 = new Mlp(8, 3)(zeros([1, 2]));
class Net2 extends nn.Block { body = new nn.Sequential(new nn.Dense(64), new nn.Activation('relu'), new nn.Dense(10)); forward(x: Tensor<[number, 20]>) { return this.body(x); } }
export const o11 = new Net2()(zeros([8, 20]));
class Net3 extends nn.Sequential { extra = 1; constructor() { super(new nn.Dense(3), new nn.Dense(4)); } }
export const o12 = new Net3()(zeros([8, 20]));
class MyDense extends nn.Dense<7> { override forward(x: Tensor) { return super.forward(x).relu(); } }
export const o13 = new MyDense(7)(zeros([8, 20]));
class Rnn extends nn.Block { fc = new nn.Dense(4); forward(x: Tensor, s: Tensor = zeros([8, 4])): [Tensor, Tensor] { return [this.fc(x).add(s), s]; } }
const [y, s] = new Rnn()(zeros([8, 20])); new Rnn()(y, s);
const ts = [zeros([2, 3]), zeros([4, 3]), zeros([5])]; ts.slice(0, 1).reduce<Tensor>((a, b) => a.add(b), zeros([1]));
const cfg = { width: 128, flat: c }; new nn.Dense(cfg.width)(zeros([4, 3])); export const o14: Tensor = new nn.Dense(3, { flatten: cfg.flat })(zeros([4, 3]));
const sq: nn.Sequential = seq3, dn: nn.Dense = new nn.Dense(4, { inUnits: 3, flatten: false }), blocks: nn.Block[] = [sq, dn, new Net2(), new nn.Lambda(x => x.relu())];
const reg = new Map<string, nn.Block>([['a', dn], ['b', sq]]); export const o15 = reg.get('a')!(zeros([2, 3]));
export { blocks };
