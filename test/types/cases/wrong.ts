import { data, nn, type Tensor, zeros, concat, sum, add } from 'latent';
const a = zeros([2, 3]); const x = zeros([32, 20]);
//@@ matmul: [2,3] x [4,5]: inner sizes 3 and 4 differ
a.matmul(zeros([4, 5]));
//@@ matmul: [7,2,3] x [4,3,5]: batch sizes do not broadcast
zeros([7, 2, 3]).matmul(zeros([4, 3, 5]));
//@@ matmul: [2,3] x [4]: inner sizes 3 and 4 differ
a.matmul(zeros([4]));
//@@ add: [2,3] and [2,4] do not broadcast
add(a, zeros([2, 4]));
//@@ mul: [1,2,3,4,5,100000] and [99999] do not broadcast
zeros([1, 2, 3, 4, 5, 100000]).mul(zeros([99999]));
//@@ reshape: [2,3] and [7] hold different numbers of elements
a.reshape([7]);
//@@ reshape: [32,100000] and [64,50001] hold different numbers of elements
zeros([32, 100000]).reshape([64, 50001]);
//@@ axis 2 is out of range for [2,3]
a.sum({ axis: 2 });
//@@ axis -3 is out of range for [2,3]
sum(a, { axis: [0, -3], keepdims: true });
//@@ axis 5 is out of range for [2,3]
a.softmax({ axis: 5 });
//@@ transpose: [0,1,2] does not permute the axes of [2,3]
a.transpose([0, 1, 2]);
//@@ transpose: [0,0] does not permute the axes of [2,3]
a.transpose([0, 0]);
//@@ concat on axis 0: [2,3] and [4,4] differ in another axis
concat([a, zeros([4, 4])]);
//@@ Dense(10, { inUnits: 21 }) needs 21 features, got 20
new nn.Dense(10, { inUnits: 21 })(x);
//@@ Dense(10, { inUnits: 783 }) needs 783 features, got [8,1,28,28]
new nn.Dense(10, { inUnits: 783 })(zeros([8, 1, 28, 28]));
//@@ Dense(10) needs rank 2 or more (the first axis is the batch), got [20]
new nn.Dense(10)(zeros([20]));
//@@ Dense(10, { inUnits: 63 }) needs last size 63, got 64
new nn.Dense(10, { inUnits: 63, flatten: false })(zeros([2, 16, 64]));
//@@ Dense(10, { inUnits: 128 }) needs 128 features, got 256
new nn.Sequential(new nn.Dense(256, { inUnits: 20 }), new nn.Activation('relu'), new nn.Dense(10, { inUnits: 128 }), new nn.Dropout(0.5));
//@@ Dense(256, { inUnits: 21 }) needs 21 features, got 20
new nn.Sequential(new nn.Dense(256, { inUnits: 21 }), new nn.Dense(10))(x);
//@@ Dense(10, { inUnits: 65 }) needs 65 features, got 64
new nn.Sequential().add(new nn.Dense(64)).add(new nn.Dense(10, { inUnits: 65 }));
//@@ Dense(1, { inUnits: 6 }) needs 6 features, got 5
new nn.Sequential(new nn.Sequential(new nn.Dense(5), new nn.Activation('relu')), new nn.Dense(1, { inUnits: 6 }));
const net = new nn.Sequential(new nn.Dense(256), new nn.Dense(10, { inUnits: 256 }));
//@@ Dense(10, { inUnits: 256 }) needs 256 features, got 255
net[1](zeros([4, 255]));
//@@ TS2339
net.get(0, nn.Dense).kernelSize;
const f = (t: Tensor<[32, 10]>) => t;
//@@ TS2345
f(x);
//@@ TS2345
f(net(zeros([31, 10])));
class B20 extends nn.Block { d = new nn.Dense(5, { inUnits: 20 }); forward(t: Tensor<[number, 20]>) { return this.d(t); } }
//@@ block takes [?,20], got [?,64]
new nn.Sequential(new nn.Flatten(), new nn.Dense(64), new B20());
//@@ Dense(2, { inUnits: 6 }) needs 6 features, got 5
new nn.Sequential(new nn.Flatten(), new nn.Dense(20), new B20(), new nn.Dense(2, { inUnits: 6 }));
//@@ TS2345
new B20()(x.transpose());
//@@ TS2554
new B20()(x, x);
class B22 extends nn.Block { a = new nn.Dense(5); b = new nn.Dense(5, { inUnits: 6 });
  forward(t: Tensor) {
//@@ Dense(5, { inUnits: 6 }) needs 6 features, got 5
    return this.b(this.a(t)); } }
const un = Math.random() > .5 ? zeros([2, 3]) : zeros([4, 3]);
//@@ matmul: [2,3] x [4,7]: inner sizes 3 and 4 differ
un.matmul(zeros([4, 7]));
//@@ TS2820
zeros([2], { dtype: 'float16' });
//@@ TS2322
const i: Tensor<[2], 'int32'> = zeros([2]);
const loader = new data.DataLoader(new data.ArrayDataset(zeros([100, 20]), zeros([100])), { batchSize: 8 });
async function epoch() {
  for await (const [bx, by] of loader) {
//@@ Dense(10, { inUnits: 21 }) needs 21 features, got 20
    new nn.Dense(10, { inUnits: 21 })(bx);
//@@ matmul: [?,20] x [4,5]: inner sizes 20 and 4 differ
    bx.matmul(zeros([4, 5]));
//@@ axis 1 is out of range for [?]
    by.sum({ axis: 1 });
  }
//@@ of length '2' has no element at index '2'
  for await (const [bx, by, bz] of loader) bz.length;
//@@ TS2339
  for await (const bx of new data.DataLoader(new data.ArrayDataset(['a']), { batchSize: 8 })) bx.shape;
}
//@@ TS2769
new data.DataLoader(new data.ArrayDataset(zeros([100])), { batchsize: 8 });
//@@ TS2345
new data.ArrayDataset(3);
//@@ TS2488
for (const batch of loader) batch;
//@@ TS2488
[...loader];
const img = zeros([32, 3, 28, 28]);
//@@ Conv2D(16, { inChannels: 1 }) needs 1 channels, got 3
new nn.Conv2D(16, { kernelSize: 3, inChannels: 1 })(img);
//@@ Conv2D(16) needs rank 4, got [32,20]
new nn.Conv2D(16, { kernelSize: 3 })(x);
//@@ Conv1DTranspose(16) needs rank 3, got [32,3,28,28]
new nn.Conv1DTranspose(16, { kernelSize: 3 })(img);
//@@ Conv2D(50, { inChannels: 6 }) needs 6 channels, got 20
new nn.Sequential(new nn.Conv2D(20, { kernelSize: 5 }), new nn.BatchNorm(), new nn.MaxPool2D(), new nn.Conv2D(50, { kernelSize: 5, inChannels: 6 }));
//@@ MaxPool2D() needs rank 4, got [?,64]
new nn.Sequential(new nn.Dense(64), new nn.MaxPool2D());
//@@ GlobalAvgPool1D() needs rank 3, got [32,3,28,28]
new nn.GlobalAvgPool1D()(img);
//@@ LSTM(8, { inputSize: 5 }) needs last size 5, got 6
new nn.LSTM(8, { inputSize: 5 })(zeros([3, 2, 6]));
//@@ GRU(8) needs rank 3, got [32,20]
new nn.GRU(8)(x);
//@@ Dense(5, { inUnits: 33 }) needs last size 33, got 32
new nn.Sequential(new nn.Embedding(100, 16), new nn.LSTM(32), new nn.Dense(5, { inUnits: 33, flatten: false }));
//@@ MultiHeadAttention needs rank 3, got [32,20]
new nn.MultiHeadAttention(4)(x);
//@@ Property 'kernelSize' is missing
new nn.Conv2D(16, {});
