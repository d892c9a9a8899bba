import { data, nn, type Tensor, zeros, add, mul, matmul, sum, mean, softmax, reshape, transpose, concat, relu, tensor, type NestedArray, type Shape } from 'latent';
type Eq<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function is<A, B>(_ok: Eq<A, B>): void {}
type F<S extends Shape> = Tensor<S, 'float32'>;

const a = zeros([2, 3]); is<typeof a, F<[2, 3]>>(true);
const b = zeros([3, 5]);
const m = a.matmul(b); is<typeof m, F<[2, 5]>>(true);
const mf = matmul(a, b); is<typeof mf, F<[2, 5]>>(true);
const bm = zeros([7, 1, 2, 3]).matmul(zeros([4, 3, 5])); is<typeof bm, F<[7, 4, 2, 5]>>(true);
const s1 = zeros([32, 1, 5]).sub(zeros([4, 1])); is<typeof s1, F<[32, 4, 5]>>(true);
const s2 = add(zeros([100000, 99999]), zeros([99999])); is<typeof s2, F<[100000, 99999]>>(true);
const s3 = mul(a, 2).div(3); is<typeof s3, F<[2, 3]>>(true);
const t = zeros([1, 2, 3, 4, 5, 100000]).transpose(); is<typeof t, F<[100000, 5, 4, 3, 2, 1]>>(true);
const tp = transpose(zeros([1, 2, 3, 4, 5, 6]), [0, 2, 1, 5, 4, 3]); is<typeof tp, F<[1, 3, 2, 6, 5, 4]>>(true);
const u = zeros([2, 3, 4]).sum({ axis: 1 }); is<typeof u, F<[2, 4]>>(true);
const uk = zeros([2, 3, 4]).mean({ axis: -1, keepdims: true }); is<typeof uk, F<[2, 3, 1]>>(true);
const ua2 = zeros([2, 3, 4]).max({ axis: [0, -1] }); is<typeof ua2, F<[3]>>(true);
const us = zeros([2, 3]).sum(); is<typeof us, F<[]>>(true);
const usk = sum(zeros([2, 3]), { keepdims: true }); is<typeof usk, F<[1, 1]>>(true);
const uf = mean(zeros([2, 3]), { axis: 0 }); is<typeof uf, F<[3]>>(true);
const sm = softmax(relu(a), { axis: 1 }); is<typeof sm, F<[2, 3]>>(true);
const q = zeros([32, 100000]).reshape([64, 50000]); is<typeof q, F<[64, 50000]>>(true);
const qm = reshape(zeros([32, 10]), [4, -1]); is<typeof qm, F<[4, number]>>(true);
const cc = concat([zeros([2, 3]), zeros([4, 3])]); is<typeof cc, F<[number, 3]>>(true);
const c1 = concat([zeros([2, 3]), zeros([2, 5])], { axis: -1 }); is<typeof c1, F<[2, number]>>(true);
const i32 = zeros([2], { dtype: 'int32' }); is<typeof i32, Tensor<[2], 'int32'>>(true);
const mix = i32.add(zeros([2])); is<typeof mix, F<[2]>>(true);

// from data
const t0 = tensor(3); is<typeof t0, F<[]>>(true);
const t1 = tensor([1, -2.5]); is<typeof t1, F<[number]>>(true);
const t2 = tensor([[1], [2]]); is<typeof t2, F<[number, number]>>(true);
const tb = tensor([true]); is<typeof tb, Tensor<[number], 'bool'>>(true);
const tm = tensor([true, 1]); is<typeof tm, Tensor<[number]>>(true);
const te = tensor([]); is<typeof te, F<[number]>>(true);
const ti = tensor([1], { dtype: 'int32' }); is<typeof ti, Tensor<[number], 'int32'>>(true);
const ts = tensor([1, 2, 3, 4], { shape: [2, 2] }); is<typeof ts, F<[2, 2]>>(true);
const ta = tensor(new Float64Array(4)); is<typeof ta, Tensor<[number], 'float64'>>(true);
const ts2 = tensor(new Int32Array(4), { shape: [1, 4], dtype: 'uint8' }); is<typeof ts2, Tensor<[1, 4], 'uint8'>>(true);
declare const ragged: NestedArray; const tr = tensor(ragged); is<typeof tr, Tensor>(true);
declare const parsed: any; const tp2 = tensor(parsed); is<typeof tp2, Tensor>(true);

// unknown sizes and ranks
const n: number = 2; const anyShape: number[] = [2, 3];
const un = zeros([n, 3]); is<typeof un, F<[number, 3]>>(true);
const um = un.matmul(b); is<typeof um, F<[number, 5]>>(true);
const w = zeros(anyShape);
const wm = w.transpose().matmul(a); is<typeof wm, F<Shape>>(true);
w.sum({ axis: 0 }).transpose().reshape([3]).add(1);
const f2 = (x: Tensor<[2, 3]>) => x; const fr = (x: Tensor<[number, number]>) => x; const fu = (x: Tensor) => x;
f2(w); f2(zeros([n, 3])); fr(w); fr(a); fu(a); fr(un); f2(fr(un)); f2(fu(un));
let v: Tensor = a; v = v.add(1); v = v.matmul(b); let v2: Tensor<[32, number]> = zeros([32, 5]);

// blocks
const d = new nn.Dense(256); is<typeof d, nn.Dense<256, number, true>>(true);
const d2 = new nn.Dense(256, { inUnits: 20, activation: 'relu', useBias: false }); is<typeof d2, nn.Dense<256, 20, true>>(true);
const x = zeros([32, 20]);
const y = d2(x); is<typeof y, F<[32, 256]>>(true);
const yf = d(zeros([32, 3, 28, 28])); is<typeof yf, F<[32, 256]>>(true);
const yg = new nn.Dense(8, { inUnits: 784 })(zeros([32, 1, 28, 28])); is<typeof yg, F<[32, 8]>>(true);
const yn = new nn.Dense(8, { inUnits: 64, flatten: false })(zeros([2, 16, 64])); is<typeof yn, F<[2, 16, 8]>>(true);
const net = new nn.Sequential(new nn.Dense(256), new nn.Dense(10));
const o = net(x); is<typeof o, F<[32, 10]>>(true);
const l0 = net[0]; is<typeof l0, nn.Dense<256, number, true>>(true);
const l1 = net[1](zeros([4, 256])); is<typeof l1, F<[4, 10]>>(true);
const len = net.length; is<typeof len, number>(true);
const g0 = net.get(0, nn.Dense); is<typeof g0, nn.Dense>(true);
const net2 = new nn.Sequential(new nn.Dense(256, { inUnits: 20 }), new nn.Activation('relu'), new nn.Dropout(0.1), new nn.Dense(10, { inUnits: 256 }), new nn.Dense(5));
const o2 = net2(x); is<typeof o2, F<[32, 5]>>(true);
const chained = new nn.Sequential().add(new nn.Dense(64)).add(new nn.Activation('relu'), new nn.Dense(10, { inUnits: 64 }));
const oh = chained(x); is<typeof oh, F<[32, 10]>>(true);
const h2 = chained[2]; is<typeof h2, nn.Dense<10, 64, true>>(true);
const nested = new nn.Sequential(net2, new nn.Sequential(new nn.Dense(7, { inUnits: 5 }), new nn.Activation('relu')), new nn.Dense(2, { inUnits: 7 }));
const on = nested(x); is<typeof on, F<[32, 2]>>(true);
const lam = new nn.Sequential(new nn.Dense(6), new nn.Lambda(h => h.reshape([-1, 2, 3])), new nn.Dense(4, { inUnits: 3, flatten: false }));
const ol = lam(x); is<typeof ol, F<[number, 2, 4]>>(true);
class Two extends nn.Block { fc = new nn.Dense(5); forward(p: Tensor, k: Tensor<[number, 3]>) { return { sum: this.fc(p), k }; } }
const two = new Two()(x, a); is<typeof two, { sum: Tensor<[number, 5]>; k: Tensor<[number, 3]> }>(true);
net2(w.reshape([3, n]).matmul(zeros([n, 20]))); net2(zeros([n, 20]));

// data
type Batch<L> = L extends data.DataLoader<infer B> ? B : never;
const ds = new data.ArrayDataset(zeros([100, 20]), zeros([100], { dtype: 'int32' }));
const ds0 = ds.get(0); is<typeof ds0, [F<[20]>, Tensor<[], 'int32'>]>(true);
const dl = new data.DataLoader(ds, { batchSize: 8, shuffle: true }); is<Batch<typeof dl>, [F<[number, 20]>, Tensor<[number], 'int32'>]>(true);
async function epoch() {
  for await (const [bx, by] of dl) { is<typeof bx, F<[number, 20]>>(true); is<typeof by, Tensor<[number], 'int32'>>(true); const p = net2(bx); is<typeof p, F<[number, 5]>>(true); }
  for await (const bx of new data.DataLoader(new data.ArrayDataset(zeros([100, 3, 4])), { batchSize: 8 })) is<typeof bx, F<[number, 3, 4]>>(true);
  for await (const [bx, k] of new data.DataLoader(new data.ArrayDataset(w as Tensor, [1, 2]), { batchSize: 8 })) { is<typeof bx, Tensor>(true); is<typeof k, F<[number]>>(true); }
  for await (const s of new data.DataLoader(ds, { batchSize: 8, batchify: samples => samples.length })) is<typeof s, number>(true);
  for await (const [img, label] of new data.DataLoader(new data.MNIST('.'), { batchSize: 8 })) { is<typeof img, Tensor<[number, number, number], 'uint8'>>(true); is<typeof label, Tensor<[number], 'int32'>>(true); }
}
type One<C extends data.Column> = data.BatchOf<[C]>;
is<One<number[]>, F<[number]>>(true); is<One<boolean[]>, Tensor<[number], 'bool'>>(true); is<One<(number | boolean)[]>, Tensor<[number]>>(true);
is<One<number[][]>, F<[number, number]>>(true); is<One<[number, number][]>, F<[number, 2]>>(true); is<One<readonly (readonly number[][])[]>, F<[number, number, number]>>(true);
is<One<Float64Array>, Tensor<[number], 'float64'>>(true); is<One<Uint8Array>, Tensor<[number], 'uint8'>>(true); is<One<Int32Array[]>, Tensor<[number, number], 'int32'>>(true);
is<One<F<[3, 4]>[]>, F<[number, 3, 4]>>(true); is<One<Tensor[]>, Tensor>(true); is<One<string[]>, string[]>(true); is<One<{ n: number }[]>, { n: number }[]>(true);
is<One<any[]>, any>(true); is<One<unknown[]>, any>(true); is<One<(number | string)[]>, any>(true); is<data.BatchOf<data.Column[]>, any>(true);
const floats = Float32Array.of(1, 2); const rowsOf = new data.ArrayDataset([[1, 2], [3, 4]], floats); is<typeof rowsOf, data.ArrayDataset<[number[][], typeof floats]>>(true);
const rowsOf0 = rowsOf.get(0); is<typeof rowsOf0, [number[], number]>(true);
const own = new data.DataLoader({ length: 3, get: (k: number) => k }, { batchSize: 2 }); is<Batch<typeof own>, any>(true);
const said = new data.DataLoader<[Tensor, Tensor]>(ds, { batchSize: 2 }); is<Batch<typeof said>, [Tensor, Tensor]>(true);
const bareDs: data.ArrayDataset = ds; const bareDl: data.DataLoader = dl; const anyDs: data.Dataset = ds;

// channels, sequences, tables
const img = zeros([32, 3, 28, 28]);
const k1 = new nn.Conv2D(16, { kernelSize: 3, padding: 'same' }); is<typeof k1, nn.Conv2D<16, number>>(true);
const ki = new nn.Conv2D(16, { kernelSize: 3, inChannels: 3 }); is<typeof ki, nn.Conv2D<16, 3>>(true);
const yc = ki(img); is<typeof yc, F<[32, 16, number, number]>>(true);
const yc1 = new nn.Conv1D(4, { kernelSize: 3 })(zeros([2, 5, 9])); is<typeof yc1, F<[2, 4, number]>>(true);
const yct = new nn.Conv2DTranspose(3, { kernelSize: 4, strides: 2, padding: 1 })(yc); is<typeof yct, F<[32, 3, number, number]>>(true);
const ypl = new nn.MaxPool2D()(yc); is<typeof ypl, F<[32, 16, number, number]>>(true);
const ypl1 = new nn.AvgPool1D({ poolSize: 3 })(yc1); is<typeof ypl1, F<[2, 4, number]>>(true);
const ygp = new nn.GlobalAvgPool2D()(yc); is<typeof ygp, F<[32, 16, 1, 1]>>(true);
const yln = new nn.LayerNorm()(zeros([2, 7, 16])); is<typeof yln, F<[2, 7, 16]>>(true);
const lstm = new nn.LSTM(64); is<typeof lstm, nn.LSTM<64, false, number>>(true);
const yl = lstm(zeros([50, 32, 8])); is<typeof yl, F<[50, 32, 64]>>(true);
const [yl2, sl2] = lstm(zeros([50, 32, 8]), lstm.beginState(32)); is<typeof yl2, Tensor>(true); is<typeof sl2, Tensor[]>(true);
const ygb = new nn.GRU(64, { bidirectional: true, inputSize: 8 })(zeros([50, 32, 8])); is<typeof ygb, F<[50, 32, number]>>(true);
const ya = new nn.MultiHeadAttention(4)(zeros([2, 7, 16])); is<typeof ya, F<[2, 7, 16]>>(true);
const ye = new nn.TransformerEncoderLayer(4)(zeros([2, 7, 16])); is<typeof ye, F<[2, 7, 16]>>(true);
const yem = new nn.Embedding(100, 16)(zeros([2, 7], { dtype: 'int32' })); is<typeof yem, Tensor<[2, 7, 16]>>(true);
const lenet = new nn.Sequential(new nn.Conv2D(20, { kernelSize: 5, activation: 'relu' }), new nn.MaxPool2D(), new nn.Conv2D(50, { kernelSize: 5, inChannels: 20 }), new nn.MaxPool2D(), new nn.Dense(10));
const yle = lenet(img); is<typeof yle, F<[32, 10]>>(true);
const reader = new nn.Sequential(new nn.Embedding(100, 16), new nn.LSTM(32, { layout: 'NTC' }), new nn.Dense(5, { flatten: false, inUnits: 32 }));
const yre = reader(zeros([2, 7], { dtype: 'int32' })); is<typeof yre, Tensor<[2, 7, 5]>>(true);
const nestedReader = new nn.Sequential(new nn.Sequential(new nn.Embedding(100, 16)), new nn.Dropout(0.5));
const ynr = nestedReader(zeros([2, 7], { dtype: 'int32' })); is<typeof ynr, Tensor<[2, 7, 16]>>(true);
const anyConv: nn.Conv2D = ki; const anyLstm: nn.LSTM = lstm; const blocks: nn.Block[] = [ki, lstm, ypl1 && new nn.MaxPool2D()];
const conv0 = lenet.get(0, nn.Conv2D); is<typeof conv0, nn.Conv2D>(true);

// ---------- dtypes: as the promotion table has them; unknown ones stay unknown
const flags = zeros([2], { dtype: 'bool' });
const whole = zeros([2], { dtype: 'int32' });
const bytes = zeros([2], { dtype: 'uint8' });
const double = zeros([2], { dtype: 'float64' });
declare const some: Tensor<[2]>;
const hits = flags.sum(); is<typeof hits, Tensor<[], 'int32'>>(true);
const count: number = tensor([1, 2]).greater(1).sum().item() + 1; void count;
const running = bytes.cumsum({ axis: 0 }); is<typeof running, Tensor<[2], 'int32'>>(true);
const average = bytes.mean(); is<typeof average, Tensor<[], 'float32'>>(true);
const spread = whole.std(); is<typeof spread, Tensor<[], 'float32'>>(true);
const powers = whole.exp(); is<typeof powers, Tensor<[2], 'float32'>>(true);
const kept = double.exp(); is<typeof kept, Tensor<[2], 'float64'>>(true);
const negative = flags.neg(); is<typeof negative, Tensor<[2], 'int32'>>(true);
const shares = whole.softmax(); is<typeof shares, Tensor<[2], 'float32'>>(true);
const quotient = whole.div(2); is<typeof quotient, Tensor<[2], 'float32'>>(true);
const wider = whole.add(double); is<typeof wider, Tensor<[2], 'float64'>>(true);
const larger = bytes.mul(whole); is<typeof larger, Tensor<[2], 'int32'>>(true);
const both = flags.add(flags); is<typeof both, Tensor<[2], 'int32'>>(true);
const halves = double.add(0.5); is<typeof halves, Tensor<[2], 'float64'>>(true);
const open2 = whole.add(0.5); is<typeof open2, Tensor<[2]>>(true);
const unknown2 = some.exp(); is<typeof unknown2, Tensor<[2]>>(true);
const unknownSum = some.sum(); is<typeof unknownSum, Tensor<[]>>(true);
